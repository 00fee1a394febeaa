"""What puts an operation's configuration back, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tui.cilium.nextstart.layers import CONFIG_MAP
from tui.model.names import NodeUid
from tui.model.operations import Guard, OperationKind, PlannedWrite
from tui.operations.changes import CONFIG_MAPS, NODE_CONFIGS
from tui.operations.diffs import Json, part
from tui.operations.fresh import Fresh
from tui.operations.situation import HOSTNS_ONLY, Situation, blocked, noted, warned
from tui.operations.undo import Reversal, UndoRecord
from tui.operations.writing import config_map_write, node_config_delete


@dataclass(frozen=True, slots=True)
class Undoing:
    """The writes that undo an operation."""

    writes: tuple[PlannedWrite, ...] = ()
    nodes: tuple[NodeUid, ...] = ()
    """Whose agents were to read the values, in their order then."""
    guards: tuple[Guard, ...] = field(default=())


def undo_writes(record: UndoRecord | None, fresh: Fresh) -> Undoing:
    """Return what puts back the values that were there before an operation."""
    if record is None:
        return Undoing(guards=(blocked("no-undo-record", "no such operation is known here"),))
    plan = record.plan
    nodes = tuple(uid for wave in plan.waves for uid in wave)
    if plan.intent.kind is OperationKind.RESTART or not record.reversals:
        text = "no way back: a restart can't be undone, and nothing else was written"
        return Undoing((), nodes, (blocked("no-way-back", text),))
    writes: list[PlannedWrite] = []
    guards: list[Guard] = list(_elsewhere(record, fresh))
    for number, reversal in enumerate(record.reversals):
        for found in _reversed(f"undo-{number}", reversal, fresh):
            if isinstance(found, Guard):
                guards.append(found)
            else:
                writes.append(found)
    return Undoing(tuple(writes), nodes, tuple(guards))


def _elsewhere(record: UndoRecord, fresh: Fresh) -> Iterator[Guard]:
    """Tell of an operation that was done under another name; UIDs decide what is written."""
    cluster = fresh.snapshot.cluster
    if record.context and (record.context, record.server) != (cluster.context, cluster.server):
        text = f"{record.id} was done on {record.context} ({record.server}), this is"
        yield warned("other-cluster", f"{text} {cluster.context} ({cluster.server})")


def _reversed(write_id: str, reversal: Reversal, fresh: Fresh) -> Iterator[PlannedWrite | Guard]:
    if reversal.resource == NODE_CONFIGS and reversal.verb == "create":
        yield _node_config(write_id, reversal, fresh)
    elif reversal.resource == CONFIG_MAPS and reversal.verb == "patch":
        yield from _config_map(write_id, reversal, fresh)
    else:
        title = f"{reversal.verb} {reversal.resource} {reversal.namespace}/{reversal.name}"
        yield blocked("no-way-back", f"{title}: no way back: plan it the other way round")


def _node_config(write_id: str, reversal: Reversal, fresh: Fresh) -> PlannedWrite | Guard:
    """Delete the CiliumNodeConfig that was made, and no other one of its name."""
    what = f"CiliumNodeConfig {reversal.name}"
    named = [uid for uid, one in fresh.node_configs.items() if _name(one) == reversal.name]
    if not fresh.version:
        return blocked("unreadable", f"{what}: CiliumNodeConfigs can't be read")
    if reversal.uid in fresh.node_configs or (named and not reversal.uid):
        uid = reversal.uid or named[0]
        return node_config_delete(write_id, uid, fresh)
    if named:
        text = f"{what}: another object has its name now (UID {named[0]}, made {reversal.uid})"
        return blocked("replaced", text)
    return noted("gone", f"{what} is gone already")


def _name(item: Json) -> str:
    return str(part(item, "metadata").get("name", ""))


def _config_map(write_id: str, reversal: Reversal, fresh: Fresh) -> Iterator[PlannedWrite | Guard]:
    if fresh.config_map is None:
        yield blocked("unreadable", f"ConfigMap {CONFIG_MAP} can't be read")
        return
    uid = str(part(fresh.config_map, "metadata").get("uid", ""))
    if reversal.uid and uid != reversal.uid:
        text = f"ConfigMap {CONFIG_MAP} was replaced: UID {uid}, written was {reversal.uid}"
        yield blocked("replaced", text)
        return
    values = part(fresh.config_map, "data")
    back: dict[str, str | None] = {}
    for key, previous in reversal.previous.items():
        now = values.get(key)
        if now == previous:
            yield noted("gone", f"{key} is back already: {_shown(previous)}")
        elif now != reversal.wanted.get(key):
            text = f"{key} was changed since: {_shown(now)}, written was"
            yield blocked("changed-since", f"{text} {_shown(reversal.wanted.get(key))}")
        else:
            back[key] = previous
    if back:
        yield config_map_write(write_id, back, fresh)


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)


def restarts_for_undo(situation: Situation) -> tuple[NodeUid, ...]:
    """Return the nodes that must restart so that what is put back holds; others never read it."""
    return tuple(facts.node.uid for facts in situation.targets if _must(situation, facts.node.uid))


def _must(situation: Situation, uid: NodeUid) -> bool:
    facts = situation.snapshot.nodes[uid]
    view = situation.next(facts)
    start = view.next_start
    # A restarted agent's configuration is not read at once: until then the old one's is no proof.
    if not start.is_known or start.maps or not facts.config.is_known:
        return True
    if HOSTNS_ONLY in situation.keys:
        wanted = _as_flag(situation.planned(facts).value(HOSTNS_ONLY))
        if view.flag(HOSTNS_ONLY) not in (None, wanted):
            return True
    return any(one.key in situation.keys for one in start.pending)


def _as_flag(value: str | None) -> bool:
    return (value or "").strip().lower() in ("true", "enabled", "1", "t")
