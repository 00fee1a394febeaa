"""Before an operation begins: what changed since the preview, and what undoing will need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tui.cilium.config import find_value
from tui.errors import IdentityError, NotFoundError
from tui.model.operations import (
    AuditEvent,
    AuditRecord,
    Guard,
    GuardKind,
    OperationKind,
    OperationPlan,
    PlannedWrite,
)
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.changes import is_config_map, is_restart, removed, values_of
from tui.operations.seen import unseen
from tui.operations.undo import Reversal, UndoRecord
from tui.operations.wanted import HOSTNS_ONLY
from tui.operations.writer import Reads, sent_as
from tui.safety import clean


def new_objections(plan: OperationPlan, fresh: OperationPlan) -> list[str]:
    """Return what speaks against beginning a plan, seen against the same plan made now."""
    if fresh.is_blocked:
        accepts = plan.intent.accepts_data_loss
        return [str(guard.text) for guard in fresh.blockers if not (accepts and guard.is_data_loss)]
    found = [f"new since the preview: {guard.text}" for guard in unseen(plan, fresh.guards)]
    before = {_key(write): write for write in plan.writes if write.verb != "create"}
    now = {_key(write): write for write in fresh.writes if write.verb != "create"}
    for key in sorted(before.keys() | now.keys()):
        found.extend(_difference(before.get(key), now.get(key), " ".join(key)))
    if {uid for wave in plan.waves for uid in wave} != {
        uid for wave in fresh.waves for uid in wave
    }:
        found.append("other nodes than in the preview")
    return found


def _key(write: PlannedWrite) -> tuple[str, str, str, str]:
    # An agent's pod has another name after a restart: its node tells which one is meant.
    name = str(write.node_uid) if write.node_uid is not None else str(write.name)
    return write.verb, write.resource, str(write.namespace), name


def _difference(before: PlannedWrite | None, now: PlannedWrite | None, what: str) -> Iterator[str]:
    if before is None or now is None:
        yield f"{what} is {'new' if before is None else 'no longer part of it'}"
    elif before.uid != now.uid:
        yield f"{what} was replaced by another object since the preview"
    elif not is_restart(before) and before.resource_version != now.resource_version:
        yield f"{what} was changed by somebody since the preview"


async def make_record(
    plan: OperationPlan, snapshot: Snapshot, session: Reads, now: float
) -> UndoRecord:
    """Return what undoing the plan will need, read before anything is written.

    Raises:
        IdentityError: an object is gone, or is not the one that was planned on.
        ClusterError: it could not be read.
    """
    config = [write for write in plan.writes if not is_restart(write)]
    reversals = [await _reversal(write, session) for write in config]
    options = {key for one in reversals for key in one.wanted}
    options.update(key for one in removed(config, snapshot.cluster) for key in one.values)
    effective = {
        uid: effective_values(snapshot.nodes[uid], options)
        for wave in plan.waves
        for uid in wave
        if uid in snapshot.nodes
    }
    cluster = snapshot.cluster
    return UndoRecord(plan, cluster.context, cluster.server, now, tuple(reversals), effective)


async def _reversal(write: PlannedWrite, session: Reads) -> Reversal:
    request = sent_as(write)
    wanted = values_of([write])
    made = Reversal(
        write.id,
        write.verb,
        write.group,
        write.version or "v1",
        write.resource,
        str(write.namespace),
        str(write.name),
        write.uid,
        {},
        wanted,
    )
    if write.verb == "create":
        return made
    try:
        found = await session.get_json(request.object_path, dict[str, Any])
    except NotFoundError as error:
        raise IdentityError(f"{request.title}: it is gone; plan again") from error
    values = found.get("data") if is_config_map(write) else _defaults(found)
    held = values if isinstance(values, Mapping) else {}
    keys: Iterable[str] = wanted if write.verb == "patch" else held
    previous = {key: None if held.get(key) is None else str(held[key]) for key in keys}
    return replace(made, previous=previous)


def _defaults(found: Mapping[str, Any]) -> object:
    spec = found.get("spec")
    return spec.get("defaults") if isinstance(spec, Mapping) else None


def written(record: UndoRecord, write: PlannedWrite, uid: str) -> UndoRecord:
    """Return the record after one of its configuration writes was made."""
    reversals = tuple(
        replace(one, is_written=True, uid=uid or one.uid) if one.write_id == write.id else one
        for one in record.reversals
    )
    return replace(record, reversals=reversals)


def effective_values(facts: NodeFacts, options: Iterable[str]) -> dict[str, str]:
    """Return what a node's agent runs with, of some options; what is not known is left out."""
    found: dict[str, str] = {}
    config, status = facts.config.value, facts.status.value
    proxy = status.kube_proxy_replacement if status is not None else None
    for option in sorted(options):
        value = find_value(config, option) if config is not None else None
        if option == HOSTNS_ONLY and proxy is not None and proxy.socket_lb_coverage:
            found[option] = str(proxy.socket_lb_coverage == "Hostns-only").lower()
        elif value is not None:
            found[option] = str(value)
    return found


def too_soon(
    records: Sequence[AuditRecord],
    now: float,
    spacing: float,
    is_here: Callable[[AuditRecord], bool],
) -> Iterator[Guard]:
    """Yield what forbids the restart of one agent so soon after another one's."""
    wait = seconds_to_wait(records, now, spacing, is_here)
    if wait > 0:
        text = (
            f"an agent was restarted by itself less than {spacing / 60:.0f} minutes ago: "
            f"wait {wait:.0f} s, or restart the nodes in one operation"
        )
        yield Guard(GuardKind.BLOCKED, "too-soon", clean(text))


def seconds_to_wait(
    records: Sequence[AuditRecord],
    now: float,
    spacing: float,
    is_here: Callable[[AuditRecord], bool],
) -> float:
    """Return how long no single agent may be restarted yet; 0 where one may be.

    Restarts of operations that undo, or that restart several nodes in waves, don't count, nor do
    those of another cluster.
    """
    nodes: dict[str, set[str]] = {}
    last: dict[str, float] = {}
    for one in records:
        is_restarted = one.event is AuditEvent.AFTER_WRITE and one.target.startswith("delete pods")
        if not is_restarted or one.at + spacing < now or one.kind == OperationKind.UNDO.value:
            continue
        if one.result.startswith("not done") or not is_here(one):
            continue
        nodes.setdefault(one.operation_id, set()).add(str(one.node_name))
        last[one.operation_id] = one.at
    alone = [at for operation_id, at in last.items() if len(nodes[operation_id]) == 1]
    return max(0.0, max(alone, default=float("-inf")) + spacing - now)
