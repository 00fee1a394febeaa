"""All guard rails of an operation: what forbids it, and what must be known before.

They are pure functions of a snapshot and of the operation's own writes: the start that counts is
the one after those writes. That a session is not armed is no guard rail; the gate sees to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tui.model.names import NodeName, NodeUid
from tui.model.node import AgentPhase
from tui.model.operations import Guard, GuardKind, OperationKind, OperationPlan
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.config_guards import config_guards, effect_guards
from tui.operations.rollouts import rollout_guards
from tui.operations.situation import (
    Situation,
    blocked,
    daemonset_on,
    listed,
    noted,
    warned,
)
from tui.operations.start_guards import start_guards
from tui.operations.surroundings import is_well
from tui.operations.waves import max_unavailable
from tui.safety import CleanText, clean

STALE_SECONDS = 300.0
"""A reading older than this is no proof of how a node is now."""

_ORDER = (GuardKind.BLOCKED, GuardKind.WARNED, GuardKind.NOTED)


def recheck_node(plan: OperationPlan, snapshot: Snapshot, node: NodeUid) -> tuple[Guard, ...]:
    """Return what forbids or speaks against restarting one node of a plan now.

    It looks at this node alone, not at thousands: it is asked on the collector's loop before each
    restart. What happens to the others meanwhile is told by `Surroundings`.
    """
    situation = Situation(plan.intent, (node,), snapshot, plan.writes)
    found: list[Guard] = []
    for facts in situation.targets:
        found += _target(facts, snapshot.taken_at)
        found += effect_guards(situation, facts)
        found += start_guards(situation, facts)
        found += _restart(situation, facts)
    found += rollout_guards(situation)
    if not situation.targets:
        found.append(blocked("unknown-node", f"node {node} is not there any more", node))
    return ordered(found)


def judged(situation: Situation) -> tuple[Guard, ...]:
    """Return every guard rail of a situation, those that forbid first."""
    found = [*_nodes(situation), *_cluster(situation), *rollout_guards(situation)]
    found += config_guards(situation)
    for facts in situation.targets:
        found += start_guards(situation, facts)
        found += _restart(situation, facts)
    return ordered(found)


def ordered(guards: Iterable[Guard]) -> tuple[Guard, ...]:
    """Return guards without repeats, those that forbid first."""
    unique = dict.fromkeys(guards)
    return tuple(sorted(unique, key=lambda guard: _ORDER.index(guard.kind)))


def _nodes(situation: Situation) -> Iterator[Guard]:
    if not situation.nodes and situation.intent.kind is not OperationKind.UNDO:
        yield blocked("no-nodes", "no node is chosen")
    for uid in situation.nodes:
        if uid not in situation.snapshot.nodes:
            yield blocked("unknown-node", f"node {uid} is not there any more", uid)
    for facts in situation.targets:
        yield from _target(facts, situation.snapshot.taken_at)


def why_not_restarted(facts: NodeFacts) -> Guard | None:
    """Return what makes it impossible to restart a node's agent, or None."""
    name, uid, agent = facts.node.name, facts.node.uid, facts.agent
    if agent is None or agent.phase is AgentPhase.MISSING or not agent.uid:
        return blocked("no-agent", f"{name}: no agent pod is there to restart", uid)
    if agent.phase is AgentPhase.TERMINATING:
        return blocked("agent-terminating", f"{name}: its agent pod is being deleted already", uid)
    # An agent on a NotReady node counts as unreachable too, and may be what its node waits for.
    is_lost = agent.phase is AgentPhase.UNREACHABLE and facts.node.is_ready is True
    if facts.node.is_ready is None or is_lost:
        text = f"{name}: its kubelet does not answer: a deleted agent pod would not come back"
        return blocked("node-unreachable", text, uid)
    return None


def _target(facts: NodeFacts, now: float) -> Iterator[Guard]:
    name, uid = facts.node.name, facts.node.uid
    impossible = why_not_restarted(facts)
    if impossible is not None:
        yield impossible
    elif facts.node.is_ready is False:
        yield warned("node-not-ready", f"{name}: the node is NotReady", uid)
    if facts.swept_at is not None and now - facts.swept_at > STALE_SECONDS:
        age = f"{(now - facts.swept_at) / 60:.0f} minutes"
        why = f" ({facts.sweep_error})" if facts.sweep_error else ""
        yield warned("stale", f"{name}: was last read {age} ago{why}", uid)


def _cluster(situation: Situation) -> Iterator[Guard]:
    down = [facts for facts in situation.others if not is_well(facts)]
    if down:
        names = listed(_named(facts) for facts in down)
        text = f"agents already down elsewhere: {names}"
        text += _exhausted(situation, down)
        yield warned("agents-down", text)
    unready = [facts for facts in situation.others if facts.node.is_ready is not True]
    if unready:
        names = listed(str(facts.node.name) for facts in unready)
        yield warned("nodes-not-ready", f"other nodes are NotReady: {names}")
    if not situation.snapshot.is_complete:
        yield warned("incomplete", "the lists of nodes and pods are not complete yet")
    reading = situation.snapshot.cluster.services
    if reading.value is None:
        why = f" ({reading.reason})" if reading.reason else ""
        yield warned("services-unknown", f"which Services a restart may hurt is not known{why}")


def _named(facts: NodeFacts) -> str:
    phase = AgentPhase.MISSING if facts.agent is None else facts.agent.phase
    return f"{facts.node.name} ({phase.value})"


def _exhausted(situation: Situation, down: Sequence[NodeFacts]) -> str:
    """Tell where the agents that are down are as many as their DaemonSet may have away."""
    away = Counter(str(one.name) for facts in down if (one := daemonset_on(situation.now(facts))))
    sets = [daemonset_on(situation.now(facts)) for facts in situation.targets]
    for daemonset in {str(one.name): one for one in sets if one is not None}.values():
        if away[str(daemonset.name)] >= max_unavailable(daemonset):
            allowed = max_unavailable(daemonset)
            return f"; that alone is the maxUnavailable of {daemonset.name} ({allowed})"
    return ""


def _restart(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    view, uid = situation.now(facts), facts.node.uid
    daemonset = daemonset_on(view)
    if daemonset is not None and daemonset.pre_stop:
        text = (
            f"the agent's preStop hook ({daemonset.pre_stop}) runs at each restart: the node may"
            " be NotReady until the agent is back"
        )
        yield warned("prestop-hook", text)
    if sole := situation.sole_services.get(str(view.name)):
        text = f"{view.name}: all ready endpoints of {listed(sole)} are on this node"
        yield warned("sole-endpoints", text, uid)
    if facts.node.is_schedulable is False:
        yield noted("cordoned", f"{view.name}: the node is cordoned", uid)


def grouped(guards: Iterable[Guard]) -> tuple[Guard, ...]:
    """Return guards with those that say the same of several nodes put into one.

    What forbids stays one guard a node.
    """
    shared: dict[tuple[GuardKind, str, str], list[Guard]] = {}
    for guard in guards:
        is_single = guard.kind is GuardKind.BLOCKED or guard.node_uid is None
        rest = str(guard.text) if is_single else _without_node(guard.text)
        shared.setdefault((guard.kind, guard.id, rest), []).append(guard)
    return tuple(_one_of(rest, same) for (_, _, rest), same in shared.items())


def _one_of(rest: str, same: Sequence[Guard]) -> Guard:
    first = same[0]
    if len(same) == 1:
        return first
    names = listed(NodeName(str(guard.text).partition(": ")[0]) for guard in same)
    return Guard(first.kind, first.id, clean(f"{names}: {rest}", 600))


def _without_node(text: CleanText) -> str:
    head, colon, rest = text.partition(": ")
    return rest if colon else head
