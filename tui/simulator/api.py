"""What the API server does with a request, once faults and credentials are dealt with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

from aiohttp import web

from tui.simulator.answers import json_answer
from tui.simulator.containers import (
    check_kubelet,
    check_running,
    check_started,
    chosen_container,
    container_status,
)
from tui.simulator.discovery import discovery_document
from tui.simulator.execstream import ExecCall, ExecPace, serve_exec
from tui.simulator.faults import RequestFaults
from tui.simulator.fleetlike import CommandAnswer, WrittenLine
from tui.simulator.logstream import LogQuery, log_chunks
from tui.simulator.openapi import openapi_document
from tui.simulator.outlet import Outlet, StreamBrokenError, prefix_of
from tui.simulator.parts import ServerParts
from tui.simulator.paths import Target, find_target, is_true
from tui.simulator.reviews import review_answer
from tui.simulator.statuses import (
    ForbiddenScope,
    bad_request,
    forbidden,
    internal_error,
    no_such_path,
    plain_failure,
)
from tui.simulator.watching import Watch
from tui.simulator.writing import WriteRequest

EXEC_NEEDS_CREATE = (1, 35)
"""From this Kubernetes minor an exec over GET needs the right to create pods/exec, not get."""

_HEALTH_PATHS = frozenset({"/healthz", "/livez", "/readyz"})


def target_of(parts: ServerParts, request: web.BaseRequest) -> Target | None:
    """Return what the request asks for, or None if it names no resource."""
    return find_target(parts.surface, request.method, request.path, request.query)


def fault_verb(request: web.BaseRequest, target: Target | None) -> str:
    """Return the verb that faults know the request by."""
    if target is None:
        return request.method.lower()
    return target.subresource if target.subresource in {"exec", "log"} else target.verb


async def answer(
    parts: ServerParts, request: web.BaseRequest, target: Target | None, faults: RequestFaults
) -> web.StreamResponse:
    """Answer one request.

    Raises:
        ApiFailure: it fails; its Status is the answer.
    """
    if target is None:
        return _answer_discovery(parts, request)
    _check_right(parts, target, request.method)
    outlet = Outlet(request, faults.stream)
    if target.subresource == "exec":
        return await _exec(parts, request, target, outlet, faults.has_split_utf8)
    if target.subresource == "log":
        return await _log(parts, request, target, outlet)
    if target.verb == "watch":
        return await _watch(parts, request, target, outlet)
    if target.verb in {"get", "list"}:
        accept = request.headers.get("Accept", "")
        read = parts.listing.get if target.verb == "get" else parts.listing.list_page
        return json_answer(read(target, accept, request.query))
    return await _write(parts, request, target)


def _answer_discovery(parts: ServerParts, request: web.BaseRequest) -> web.Response:
    if request.path in _HEALTH_PATHS:
        return web.Response(text="ok")
    if request.method not in {"GET", "HEAD"}:
        raise no_such_path()
    document = discovery_document(parts.surface, request.path, request.host) or openapi_document(
        parts.surface, request.path
    )
    if document is None:
        raise no_such_path()
    return json_answer(document)


def _check_right(parts: ServerParts, target: Target, method: str) -> None:
    verb = target.verb
    if target.subresource in {"exec", "attach"}:
        is_get = method == "GET" and parts.surface.minor < EXEC_NEEDS_CREATE
        verb = "get" if is_get else "create"
    if not parts.permissions.is_allowed(verb, target.right, target.namespace):
        scope = ForbiddenScope(target.resource.group, target.namespace or "", target.name)
        raise forbidden(parts.permissions.user, verb, target.right, scope)
    verbs = target.resource.verbs
    if target.subresource:
        verbs = next(s.verbs for s in target.resource.subresources if s.name == target.subresource)
    if verb not in verbs:
        raise plain_failure(405, "the server does not allow this method on the requested resource")


async def _write(parts: ServerParts, request: web.BaseRequest, target: Target) -> web.Response:
    write = WriteRequest(
        await request.read(), request.content_type, request.query,
        request.headers.get("User-Agent", ""),
    )  # fmt: skip
    kind = target.resource.kind
    if "list" not in target.resource.verbs:
        now = parts.clock()
        return json_answer(review_answer(kind, write, parts.permissions, parts.surface, now), 201)
    if target.subresource == "eviction":
        return json_answer(parts.writing.evict(target, write), 201)
    if target.verb == "create":
        return json_answer(parts.writing.create(target, write), 201)
    actions = {
        "update": parts.writing.update,
        "patch": parts.writing.patch,
        "delete": parts.writing.delete,
        "deletecollection": parts.writing.delete_collection,
    }
    action = actions.get(target.verb)
    if action is None:
        raise plain_failure(405, "the server does not allow this method on the requested resource")
    return json_answer(action(target, write))


async def _watch(
    parts: ServerParts, request: web.BaseRequest, target: Target, outlet: Outlet
) -> web.StreamResponse:
    accept = request.headers.get("Accept", "")
    watch = Watch(parts.store, target, accept, request.query, parts.pace.watches)
    response = _stream_response("application/json")
    await response.prepare(request)
    try:
        async with asyncio.timeout(None) as limit:
            parts.watches.add(limit)
            try:
                return await _stream(response, outlet, watch.events())
            finally:
                parts.watches.discard(limit)
    except TimeoutError:
        await response.write_eof()
        return response


async def _log(
    parts: ServerParts, request: web.BaseRequest, target: Target, outlet: Outlet
) -> web.StreamResponse:
    pod = parts.listing.find(target).obj
    query = LogQuery.parse(request.query, parts.clock())
    container = chosen_container(pod, request.query.get("container", ""))
    check_kubelet(parts.store, pod)
    if not query.is_previous:
        check_started(pod, container)
    read = partial(_read_log, parts, target.name, container, query.is_previous)
    read()
    identity = _run_identity(parts, target, container)
    is_running = partial(_is_same_run, parts, target, container, identity)
    chunks = log_chunks(query, read, is_running, parts.ticker.wait)
    response = _stream_response("text/plain")
    await response.prepare(request)
    return await _stream(response, outlet, chunks)


def _read_log(
    parts: ServerParts, pod_name: str, container: str, is_previous: bool
) -> Sequence[WrittenLine]:
    try:
        lines = parts.fleet.log(pod_name, container, is_previous)
    except LookupError:
        lines = ()
    if is_previous and not lines:
        raise bad_request(
            f'previous terminated container "{container}" in pod "{pod_name}" not found'
        )
    return lines


def _run_identity(parts: ServerParts, target: Target, container: str) -> tuple[str, int]:
    """Return what changes when the container's log starts anew: the pod, its restarts."""
    pod = parts.store.get("pods", target.namespace, target.name)
    if pod is None:
        return "", 0
    restarts = int(container_status(pod, container).get("restartCount") or 0)
    return str(pod["metadata"]["uid"]), restarts


def _is_same_run(
    parts: ServerParts, target: Target, container: str, identity: tuple[str, int]
) -> bool:
    return _run_identity(parts, target, container) == identity


async def _exec(
    parts: ServerParts,
    request: web.BaseRequest,
    target: Target,
    outlet: Outlet,
    has_split_utf8: bool,
) -> web.StreamResponse:
    pod = parts.listing.find(target).obj
    query = request.query
    argv = tuple(query.getall("command", []))
    if not argv:
        raise bad_request("you must specify at least 1 command for the container")
    container = chosen_container(pod, query.get("container", ""))
    node_name = check_kubelet(parts.store, pod)
    check_running(pod, container)
    call = ExecCall(
        argv,
        has_stdin=is_true(query.get("stdin")),
        has_stdout=is_true(query.get("stdout")),
        has_stderr=is_true(query.get("stderr")),
        is_tty=is_true(query.get("tty")),
    )
    if node_name in parts.faults.conditions.denied_exec_nodes:
        scope = ForbiddenScope("", target.namespace or "", target.name)
        raise forbidden(parts.permissions.user, "create", target.right, scope)
    delay = parts.faults.slow_nodes.get(node_name, 0.0)
    pace = ExecPace(delay, parts.pace.exec_scale, has_split_utf8)
    run = partial(_run, parts, target.name, container, argv)
    return await serve_exec(request, call, run, outlet, pace)


def _run(
    parts: ServerParts, pod_name: str, container: str, argv: Sequence[str], stdin: bytes
) -> CommandAnswer:
    try:
        return parts.fleet.exec(pod_name, container, argv, stdin)
    except LookupError as error:
        message = f'unable to upgrade connection: container not found ("{container}")'
        raise internal_error(message) from error


def _stream_response(content_type: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-cache, private"})
    response.content_type = content_type
    response.enable_chunked_encoding()
    return response


async def _stream(
    response: web.StreamResponse, outlet: Outlet, chunks: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    """Send chunks as they come, until they end or a fault breaks them."""
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                await outlet.send(chunk, response.write, partial(prefix_of, chunk))
        await response.write_eof()
    except StreamBrokenError:
        pass
    return response
