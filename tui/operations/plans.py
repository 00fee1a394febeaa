"""Plans: what an intent means in this cluster, now, with everything a person must see before."""

from __future__ import annotations

import string
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tui.model.names import NodeName, NodeUid
from tui.model.operations import (
    Guard,
    GuardKind,
    Intent,
    OperationKind,
    OperationPlan,
    PlannedWrite,
    Scope,
)
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations import words
from tui.operations.changes import HOSTNAME_LABEL, is_config_map
from tui.operations.config_guards import no_effect
from tui.operations.fresh import Fresh, read_fresh
from tui.operations.guards import grouped, judged, ordered, why_not_restarted
from tui.operations.ownership import owner_guards
from tui.operations.reader import Reader
from tui.operations.resizing import roomy, short_maps, size_guards, sizes_of
from tui.operations.situation import HOSTNS_ONLY, Situation, blocked, daemonset_on, noted, warned
from tui.operations.undo import UndoRecord
from tui.operations.undoing import restarts_for_undo, undo_writes
from tui.operations.waves import max_unavailable, plan_waves
from tui.operations.writing import (
    asked,
    config_map_write,
    node_config_write,
    restart_write,
    tried,
    write_guards,
)
from tui.safety import CleanText

_DIGITS = string.digits + string.ascii_lowercase
_ID_LENGTH = 8
_ID_EPOCH = 1_704_067_200.0
"""2024-01-01: milliseconds since then have eight digits to base 36 until 2113."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is written before agents restart, and what came up on the way."""

    nodes: tuple[NodeUid, ...]
    writes: tuple[PlannedWrite, ...] = ()
    guards: tuple[Guard, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    """What is asked for and is configured already."""


def operation_id(now: float) -> str:
    """Return an id that sorts behind those of earlier operations.

    Of several CiliumNodeConfigs that set one key the last by name wins, so a later operation's must
    sort last.
    """
    left = max(0, round((now - _ID_EPOCH) * 1000))
    digits = ""
    for _ in range(_ID_LENGTH):
        left, digit = divmod(left, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


async def make_plan(
    intent: Intent,
    snapshot: Snapshot,
    reader: Reader,
    *,
    undo: UndoRecord | None = None,
    clock: Callable[[], float] = time.time,
) -> OperationPlan:
    """Return what an intent means now; nothing is written.

    Args:
        intent: what somebody wants done.
        snapshot: the cluster as it is known.
        reader: reads the configuration anew, asks for rights and makes dry runs.
        undo: for an undo, the record of the operation that is undone; None where there is none.
        clock: seconds since the epoch.

    Raises:
        CredentialError: the cluster can't be asked at all.
    """
    made_at = clock()
    plan_id = operation_id(made_at)
    fresh = await read_fresh(snapshot, reader)
    draft = _draft(plan_id, intent, fresh, undo)
    situation = Situation(intent, draft.nodes, fresh.snapshot, draft.writes, draft.held)
    waves = _waves(situation)
    is_empty = not draft.writes and any(one.kind is GuardKind.BLOCKED for one in draft.guards)
    writes = draft.writes if is_empty else (*draft.writes, *_restarts(waves, fresh.snapshot))
    writes = await tried(await asked(writes, reader), reader)
    guards = [*fresh.guards, *draft.guards, *judged(situation), *size_guards(situation)]
    guards += _owner_guards(draft.writes, fresh)
    if _is_for_all(intent) and not intent.nodes:
        guards += _left_out(fresh.snapshot.nodes.values())
    guards += write_guards(writes)
    undo_text, can_undo = words.undo_words(situation, plan_id)
    return OperationPlan(
        id=plan_id,
        intent=intent,
        title=words.title(situation, undo),
        made_at=made_at,
        waves=waves,
        node_names=_names(waves, fresh.snapshot),
        now=tuple(words.now_lines(situation)),
        writes=writes,
        guards=grouped(ordered(guards)),
        interrupts=tuple(words.interrupts(situation)),
        after=tuple(words.after_lines(situation)),
        undo=undo_text,
        can_undo=can_undo,
        commands=tuple(words.commands(situation, waves)),
        confirmation=_confirmation(waves, situation),
    )


def _draft(plan_id: str, intent: Intent, fresh: Fresh, undo: UndoRecord | None) -> _Draft:
    match intent.kind:
        case OperationKind.RESTART:
            return _Draft(_chosen(intent, fresh.snapshot))
        case OperationKind.HOSTNS_ONLY:
            return _hostns_only(plan_id, intent, fresh)
        case OperationKind.RESIZE:
            return _resize(plan_id, intent, fresh)
        case OperationKind.UNDO:
            return _undo(intent, fresh, undo)


def _chosen(intent: Intent, snapshot: Snapshot) -> tuple[NodeUid, ...]:
    """Return the nodes of an intent; a cluster-wide one that names none means all that can."""
    if intent.nodes or not _is_for_all(intent):
        return tuple(dict.fromkeys(intent.nodes))
    can = [facts for facts in snapshot.nodes.values() if why_not_restarted(facts) is None]
    return tuple(facts.node.uid for facts in sorted(can, key=lambda one: str(one.node.name)))


def _is_for_all(intent: Intent) -> bool:
    return intent.scope is Scope.CLUSTER and intent.kind is not OperationKind.UNDO


def _left_out(nodes: Iterable[NodeFacts]) -> tuple[Guard, ...]:
    """Tell which nodes are left alone because nothing can restart there; they read it later."""
    return tuple(
        warned("left-out", f"{facts.node.name}: left out: {found.text.partition(': ')[2]}")
        for facts in nodes
        if (found := why_not_restarted(facts)) is not None
    )


def _hostns_only(plan_id: str, intent: Intent, fresh: Fresh) -> _Draft:
    nodes = _chosen(intent, fresh.snapshot)
    if intent.is_on is None:
        return _Draft(nodes, guards=(blocked("no-value", "on or off is not said"),))
    values = {HOSTNS_ONLY: "true" if intent.is_on else "false"}
    if intent.scope is Scope.CLUSTER:
        return _in_config_map(nodes, values, fresh)
    return _in_node_config(plan_id, nodes, values, fresh)


def _in_config_map(nodes: tuple[NodeUid, ...], values: dict[str, str], fresh: Fresh) -> _Draft:
    if fresh.config_map is None:
        guard = blocked("unreadable", "ConfigMap cilium-config can't be read: nothing is written")
        return _Draft(nodes, guards=(guard,))
    held = fresh.snapshot.cluster.config_map.value
    if held is not None and all(held.values.get(key) == text for key, text in values.items()):
        text = "ConfigMap cilium-config has these values already: only the agents restart"
        return _Draft(nodes, guards=(noted("already-configured", text),), held=values)
    return _Draft(nodes, (config_map_write("config", values, fresh),))


def _in_node_config(
    plan_id: str, nodes: tuple[NodeUid, ...], values: dict[str, str], fresh: Fresh
) -> _Draft:
    """Write a CiliumNodeConfig or nothing: what is meant for nodes never reaches the cluster."""
    if not fresh.version:
        text = (
            "this cluster has no CiliumNodeConfigs (they came with Cilium 1.13): only the whole"
            " cluster can be changed, by the ConfigMap"
        )
        return _Draft(nodes, guards=(blocked("no-node-configs", text),))
    targets = _targets(nodes, fresh.snapshot)
    guards = tuple(_selector_guards(targets, fresh.snapshot))
    return _Draft(nodes, (node_config_write(plan_id, targets, values, fresh),), guards)


def _targets(nodes: Iterable[NodeUid], snapshot: Snapshot) -> list[NodeFacts]:
    return [snapshot.nodes[uid] for uid in nodes if uid in snapshot.nodes]


def _selector_guards(targets: Sequence[NodeFacts], snapshot: Snapshot) -> list[Guard]:
    """Block where the hostname label does not select these nodes and no others."""
    found = []
    chosen = {facts.node.uid for facts in targets}
    hostnames = {facts.node.labels.get(HOSTNAME_LABEL, ""): facts for facts in targets}
    for facts in targets:
        if not facts.node.labels.get(HOSTNAME_LABEL):
            text = f"{facts.node.name}: has no label {HOSTNAME_LABEL}, by which it is selected"
            found.append(blocked("no-hostname-label", text, facts.node.uid))
    for uid, facts in snapshot.nodes.items():
        label = facts.node.labels.get(HOSTNAME_LABEL, "")
        if uid not in chosen and label and label in hostnames:
            text = f"{facts.node.name}: has the same label {HOSTNAME_LABEL}={label}"
            found.append(blocked("selects-others", text, uid))
    return found


def _resize(plan_id: str, intent: Intent, fresh: Fresh) -> _Draft:
    """Size the maps by a CiliumNodeConfig where all nodes read it, else by the ConfigMap."""
    before = Situation(intent, _chosen(intent, fresh.snapshot), fresh.snapshot)
    nodes = before.nodes
    if not nodes:
        every = Situation(intent, fresh.snapshot.nodes, fresh.snapshot)
        nodes = tuple(one.node.uid for one in every.targets if short_maps(every.now(one)))
        before = Situation(intent, nodes, fresh.snapshot)
    if not nodes:
        return _Draft((), guards=(blocked("nothing-to-do", "no load-balancing map is too small"),))
    room = roomy(before)
    if room is not None:
        return _Draft(nodes, guards=(room,))
    targets = [before.now(facts) for facts in before.targets]
    reason = "the whole cluster is asked for"
    if intent.scope is Scope.NODES:
        values = sizes_of(targets, intent.size)
        draft = _in_node_config(plan_id, nodes, values, fresh)
        reason = _why_ignored(intent, draft, fresh)
        if not reason:
            return draft
    others = [before.now(facts) for facts in before.others]
    draft = _in_config_map(nodes, sizes_of(targets, intent.size, others), fresh)
    told = warned("config-map", f"the ConfigMap is changed, for every node: {reason}")
    return replace(draft, guards=(told, *draft.guards))


def _why_ignored(intent: Intent, draft: _Draft, fresh: Fresh) -> str:
    """Return why a CiliumNodeConfig would not do for a resize, or the empty text."""
    if any(guard.id == "no-node-configs" for guard in draft.guards):
        return "this cluster has no CiliumNodeConfigs"
    situation = Situation(intent, draft.nodes, fresh.snapshot, draft.writes)
    for facts in situation.targets:
        why = no_effect(situation, facts)
        if why:
            return f"{facts.node.name}: {why}"
    return ""


def _undo(intent: Intent, fresh: Fresh, undo: UndoRecord | None) -> _Draft:
    found = undo_writes(undo, fresh)
    known = [uid for uid in found.nodes if uid in fresh.snapshot.nodes]
    guards = found.guards
    if len(known) < len(found.nodes):
        text = f"{len(found.nodes) - len(known)} of its nodes are not there any more"
        guards = (*guards, noted("nodes-gone", text))
    if any(guard.id in ("no-way-back", "no-undo-record") for guard in guards):
        return _Draft((), found.writes, guards)
    situation = Situation(intent, known, fresh.snapshot, found.writes)
    must = restarts_for_undo(situation) if found.writes else ()
    # A value is put back wherever it can be: an agent that is away reads it when it comes back.
    guards = (*guards, *_left_out(_targets(must, fresh.snapshot)))
    nodes = tuple(uid for uid in must if why_not_restarted(fresh.snapshot.nodes[uid]) is None)
    if not found.writes and not any(guard.kind is GuardKind.BLOCKED for guard in guards):
        guards = (*guards, blocked("nothing-to-do", "everything was put back already"))
    return _Draft(nodes, found.writes, guards)


def _waves(situation: Situation) -> tuple[tuple[NodeUid, ...], ...]:
    uids = {facts.node.name: facts.node.uid for facts in situation.targets}
    sets = [daemonset_on(situation.now(facts)) for facts in situation.targets]
    waves = plan_waves(
        list(uids),
        wave_size=situation.intent.wave_size,
        unavailable=min((max_unavailable(one) for one in sets), default=1),
        services=situation.snapshot.cluster.services.value or (),
    )
    return tuple(tuple(uids[name] for name in wave) for wave in waves)


def _restarts(waves: Iterable[Iterable[NodeUid]], snapshot: Snapshot) -> tuple[PlannedWrite, ...]:
    found = []
    for wave in waves:
        for uid in wave:
            facts = snapshot.nodes[uid]
            if facts.agent is not None and facts.agent.uid:
                found.append(restart_write(facts, facts.agent))
    return tuple(found)


def _names(waves: Iterable[Iterable[NodeUid]], snapshot: Snapshot) -> tuple[NodeName, ...]:
    return tuple(snapshot.nodes[uid].node.name for wave in waves for uid in wave)


def _owner_guards(writes: Iterable[PlannedWrite], fresh: Fresh) -> tuple[Guard, ...]:
    is_written = any(is_config_map(write) for write in writes)
    return owner_guards(fresh.config_map) if is_written and fresh.config_map is not None else ()


def _confirmation(waves: Sequence[Sequence[NodeUid]], situation: Situation) -> CleanText:
    """Return the cluster's name where more than one agent is touched, now or at its next start."""
    is_wide = sum(len(wave) for wave in waves) > 1 or situation.scope is Scope.CLUSTER
    return situation.snapshot.cluster.context if is_wide else CleanText("")
