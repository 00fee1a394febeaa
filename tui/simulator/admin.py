"""The loopback-only path at which another process sets faults; `faults.py` documents it."""

from __future__ import annotations

import msgspec
from aiohttp import web

from tui.simulator.answers import decode_object, json_answer
from tui.simulator.faults import Fault, FaultOrder, Faults
from tui.simulator.objects import KubeObject
from tui.simulator.parts import ServerParts
from tui.simulator.permissions import Permissions
from tui.simulator.statuses import ApiFailure, bad_request, plain_failure

ADMIN_PATH = "/__ciltop/faults"
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


async def admin_answer(request: web.BaseRequest, parts: ServerParts) -> web.Response:
    """Answer a request to the admin path.

    Raises:
        ApiFailure: it comes from another machine, or asks for something unknown.
    """
    if request.remote not in _LOOPBACK:
        raise ApiFailure(403, "faults can be set from this machine only")
    faults, permissions = parts.faults, parts.permissions
    if request.method == "DELETE":
        faults.clear()
        permissions.clear()
    elif request.method == "POST":
        _obey(await request.read(), parts)
    elif request.method != "GET":
        raise plain_failure(405)
    return json_answer(_shown(faults, permissions))


def _obey(body: bytes, parts: ServerParts) -> None:
    faults, permissions = parts.faults, parts.permissions
    try:
        if "kind" in decode_object(body, "application/json"):
            faults.add(msgspec.json.decode(body, type=Fault))
            return
        order = msgspec.json.decode(body, type=FaultOrder)
    except (msgspec.MsgspecError, ValueError) as error:
        raise bad_request(f"no such fault: {error}") from error
    if order.conditions is not None:
        faults.conditions = order.conditions
    for rule in order.deny:
        if len(rule) not in {2, 3}:
            raise bad_request("deny takes [verb, resource] or [verb, resource, namespace]")
        permissions.deny(*rule)
    _change_cluster(order, parts)
    if order.expire:
        faults.expire()
    if order.drop_watches:
        faults.drop_watches()


def _change_cluster(order: FaultOrder, parts: ServerParts) -> None:
    quirk = order.quirk
    try:
        if quirk is not None:
            parts.fleet.misbehave(quirk.node, quirk.kind, quirk.values, quirk.text)
        if order.cure:
            node, kind = order.cure
            parts.fleet.cure(node, kind)
        if order.replace:
            resource, namespace, name = order.replace
            if parts.store.recreate(resource, namespace or None, name) is None:
                raise LookupError(f"no such object: {resource} {namespace} {name}")
    except (LookupError, ValueError) as error:
        raise bad_request(str(error)) from error


def _shown(faults: Faults, permissions: Permissions) -> KubeObject:
    return {
        "faults": msgspec.to_builtins(faults.rules),
        "conditions": msgspec.to_builtins(faults.conditions),
        "deny": [[rule.verb, rule.resource, rule.namespace] for rule in permissions.denials],
    }
