"""Planned writes: what is sent, what it changes, and whether the server takes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from tui.cilium.nextstart.layers import CONFIG_MAP
from tui.errors import ApiError, CiltopError, ClusterError, NotArmedError, OperationError
from tui.model.node import AgentPod
from tui.model.operations import Guard, Permission, PlannedWrite
from tui.model.snapshot import NodeFacts
from tui.operations.changes import (
    CONFIG_MAPS,
    GROUP,
    HOSTNAME_LABEL,
    NODE_CONFIGS,
    PODS,
    Values,
    config_map_patch,
    is_restart,
    node_config_body,
    node_config_name,
)
from tui.operations.diffs import diff_of, is_object, merged, part
from tui.operations.fresh import Fresh
from tui.operations.reader import Reader, request_of
from tui.operations.situation import blocked, noted
from tui.safety import CleanText, clean

PASSED = CleanText("passed")
TRIED_RESTARTS = 1
"""Deletions that the preview tries: the gate tries each one again before it is made."""


def node_config_write(
    operation_id: str, targets: Sequence[NodeFacts], values: Values, fresh: Fresh
) -> PlannedWrite:
    """Return the create of a CiliumNodeConfig that selects these nodes by their hostname label."""
    hostnames = [facts.node.labels.get(HOSTNAME_LABEL, "") for facts in targets]
    version = fresh.version or "v2"
    body = node_config_body(
        operation_id, fresh.namespace, version, [name for name in hostnames if name], values
    )
    return PlannedWrite(
        "config",
        "create",
        NODE_CONFIGS,
        GROUP,
        clean(fresh.namespace),
        node_config_name(operation_id),
        version=version,
        body=msgspec.json.encode(body).decode(),
        diff=diff_of(None, body),
    )


def node_config_delete(write_id: str, uid: str, fresh: Fresh) -> PlannedWrite:
    """Return the deletion of a CiliumNodeConfig by its UID."""
    item = fresh.node_configs[uid]
    return PlannedWrite(
        write_id,
        "delete",
        NODE_CONFIGS,
        GROUP,
        clean(fresh.namespace),
        clean(str(part(item, "metadata").get("name", "")), 300),
        uid=uid,
        version=fresh.version,
        diff=diff_of(item, None),
    )


def config_map_write(write_id: str, values: Values, fresh: Fresh) -> PlannedWrite:
    """Return the patch of `cilium-config`; it holds for the version that was read only."""
    held = fresh.config_map or {}
    now = part(held, "data")
    previous = {key: now.get(key) for key in values}
    patch = config_map_patch(values)
    meta = part(held, "metadata")
    return PlannedWrite(
        write_id,
        "patch",
        CONFIG_MAPS,
        "",
        clean(fresh.namespace),
        CleanText(CONFIG_MAP),
        uid=str(meta.get("uid", "")),
        resource_version=str(meta.get("resourceVersion", "")),
        version="v1",
        body=msgspec.json.encode(patch).decode(),
        patch_type="merge",
        undo_body=msgspec.json.encode({"data": previous}).decode(),
        diff=diff_of(held, merged(held, patch)),
    )


def restart_write(facts: NodeFacts, agent: AgentPod) -> PlannedWrite:
    """Return the deletion of an agent's pod by its UID; its DaemonSet makes a new one."""
    diff = f"- pods {agent.namespace}/{agent.name} (UID {agent.uid})"
    return PlannedWrite(
        f"restart-{facts.node.uid}",
        "delete",
        PODS,
        "",
        agent.namespace,
        agent.name,
        uid=str(agent.uid),
        version="v1",
        diff=clean(diff, 400),
        node_uid=facts.node.uid,
    )


async def asked(writes: Iterable[PlannedWrite], reader: Reader) -> tuple[PlannedWrite, ...]:
    """Return the writes with what the access review says; one question for all pods."""
    known: dict[tuple[str, str, str, str], Permission] = {}
    found = []
    for write in writes:
        name = "" if is_restart(write) else str(write.name)
        right = (write.verb, write.group, write.resource, name)
        if right not in known:
            known[right] = await _may(write, reader)
        found.append(replace(write, permission=known[right]))
    return tuple(found)


async def _may(write: PlannedWrite, reader: Reader) -> Permission:
    try:
        return await reader.may(request_of(write))
    except ClusterError:
        return Permission.UNKNOWN


async def tried(writes: Iterable[PlannedWrite], reader: Reader) -> tuple[PlannedWrite, ...]:
    """Return the writes with what a server-side dry run says, and the diff as the server makes it.

    What is denied is not tried, and of the restarts the first one only.
    """
    found, restarts = [], 0
    for write in writes:
        restarts += is_restart(write)
        is_tried = write.permission is not Permission.DENIED and not (
            is_restart(write) and restarts > TRIED_RESTARTS
        )
        found.append(await _tried(write, reader) if is_tried else write)
    return tuple(found)


async def _tried(write: PlannedWrite, reader: Reader) -> PlannedWrite:
    try:
        answer = await reader.dry_run(request_of(write))
    except NotArmedError as error:
        return replace(write, dry_run=clean(f"not made: {error.message}", 600))
    except (OperationError, ApiError) as error:
        return replace(write, dry_run=clean(error.message, 600), is_dry_run_passed=False)
    except CiltopError as error:
        return replace(write, dry_run=clean(f"not made: {error.message}", 600))
    diff = write.diff
    if write.verb == "create" and is_object(answer.get("spec")):
        diff = diff_of(None, answer)
    return replace(write, dry_run=PASSED, is_dry_run_passed=True, diff=diff)


def write_guards(writes: Iterable[PlannedWrite]) -> tuple[Guard, ...]:
    """Return what reviews and dry runs forbid."""
    found: dict[str, Guard] = {}
    for write in writes:
        title = f"{write.verb} {write.resource} in {write.namespace}"
        if write.permission is Permission.DENIED:
            text = f"no right to {title}: ask for it (ciltop rbac operator)"
            found[f"denied {title}"] = blocked("denied", text)
        elif write.permission is Permission.UNKNOWN:
            text = f"whether you may {title} could not be asked"
            found[f"unasked {title}"] = noted("permission-unknown", text)
        if write.is_dry_run_passed is False:
            text = f"{write.verb} {write.resource} {write.name}: refused: {write.dry_run}"
            found[f"refused {write.id}"] = blocked("dry-run-refused", text, write.node_uid)
    return tuple(found.values())
