"""The loopback-only path at which another process sets faults; `faults.py` documents it."""

from __future__ import annotations

import msgspec
from aiohttp import web

from tui.simulator.answers import json_answer
from tui.simulator.faults import Fault, FaultOrder, Faults
from tui.simulator.objects import KubeObject
from tui.simulator.permissions import Permissions
from tui.simulator.statuses import ApiFailure, bad_request, plain_failure

ADMIN_PATH = "/__ciltop/faults"
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


async def admin_answer(
    request: web.BaseRequest, faults: Faults, permissions: Permissions
) -> web.Response:
    """Answer a request to the admin path.

    Raises:
        ApiFailure: it comes from another machine, or asks for something unknown.
    """
    if request.remote not in _LOOPBACK:
        raise ApiFailure(403, "faults can be set from this machine only")
    if request.method == "DELETE":
        faults.clear()
        permissions.clear()
    elif request.method == "POST":
        _obey(await request.read(), faults, permissions)
    elif request.method != "GET":
        raise plain_failure(405)
    return json_answer(_shown(faults, permissions))


def _obey(body: bytes, faults: Faults, permissions: Permissions) -> None:
    try:
        if b'"kind"' in body:
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
    if order.expire:
        faults.expire()
    if order.drop_watches:
        faults.drop_watches()


def _shown(faults: Faults, permissions: Permissions) -> KubeObject:
    return {
        "faults": msgspec.to_builtins(faults.rules),
        "conditions": msgspec.to_builtins(faults.conditions),
        "deny": [[rule.verb, rule.resource, rule.namespace] for rule in permissions.denials],
    }
