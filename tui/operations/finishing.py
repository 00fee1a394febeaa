"""Finishing what an earlier ciltop left half done: agents that it restarted are only verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tui.model.cluster import ClusterFacts
from tui.model.names import NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase
from tui.model.operations import (
    AuditEvent,
    AuditRecord,
    Guard,
    GuardKind,
    Intent,
    NodeState,
    OperationKind,
    OperationPlan,
)
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.beginning import too_soon
from tui.operations.changes import is_restart, values_of
from tui.operations.patient import Baseline, Wanted
from tui.operations.plans import operation_id
from tui.operations.recovery import (
    finishing_intent,
    is_of,
    progress_of,
    unfinished,
    wanted_by,
)
from tui.operations.situation import listed, noted
from tui.operations.undo import UndoError, UndoFolder, UndoRecord
from tui.safety import CleanText, clean


@dataclass(frozen=True, slots=True)
class Finishing:
    """How one unfinished operation is finished."""

    record: UndoRecord
    intent: Intent
    """What is left to be done, without the agents that are only verified."""
    begun: Mapping[NodeUid, Baseline]
    """Nodes whose agents it restarted and did not verify, with how they were before."""
    guards: tuple[Guard, ...] = ()

    @property
    def needs_plan(self) -> bool:
        """Whether anything but verifying is left."""
        return self.intent.kind is not OperationKind.RESTART or bool(self.intent.nodes)

    def bare_plan(self, now: float) -> OperationPlan:
        """Return a plan that restarts and writes nothing."""
        undo = clean("nothing is changed: there is nothing to undo")
        return OperationPlan(operation_id(now), self.intent, CleanText(""), now, undo=undo)

    def joined(self, plan: OperationPlan, snapshot: Snapshot) -> OperationPlan:
        """Return the plan of what is left, with the verification of what was begun before it."""
        earlier = f"operation {self.record.id}"
        names = tuple(_name(snapshot, uid) for uid in self.begun)
        told = clean(
            f"{listed(names)}: restarted by {earlier} and not verified: it is verified now, and"
            " not restarted again",
            600,
        )
        steps = [f"verify {listed(names)}"] if names else []
        steps += [plan.title[:1].lower() + plan.title[1:]] if self.needs_plan else []
        return replace(
            plan,
            title=clean(f"Finish {earlier}: {', then '.join(steps) or 'nothing is left to do'}"),
            waves=(tuple(self.begun), *plan.waves) if names else plan.waves,
            node_names=(*names, *plan.node_names),
            now=(told, *plan.now) if names else plan.now,
            guards=(*plan.guards, *self.guards),
        )


def finishing_of(
    record: UndoRecord,
    records: Sequence[AuditRecord],
    snapshot: Snapshot,
    *,
    accepts_data_loss: bool = False,
) -> Finishing:
    """Return how an unfinished operation is finished.

    Args:
        record: the operation, with what the cluster itself shows of its writes.
        records: the end of the audit file.
        snapshot: the cluster now.
        accepts_data_loss: whether maps may be lost by what is left.
    """
    progress = progress_of(record, records)
    intent = replace(finishing_intent(record, progress), accepts_data_loss=accepts_data_loss)
    if intent.kind is not OperationKind.RESTART:
        return Finishing(record, intent, {})
    done = {node.node_uid for node in progress.nodes if node.state is NodeState.DONE}
    left = [uid for uid in intent.nodes if uid not in done]
    known = [uid for uid in left if uid in snapshot.nodes]
    begun = {
        uid: baseline
        for uid in known
        if (baseline := _begun(record, records, snapshot.nodes[uid])) is not None
    }
    rest = tuple(uid for uid in known if uid not in begun)
    gone = len(left) - len(known)
    guards = [noted("nodes-gone", f"{gone} of its nodes are not there any more")] if gone else []
    return Finishing(record, replace(intent, nodes=rest), begun, tuple(guards))


def _begun(record: UndoRecord, records: Sequence[AuditRecord], facts: NodeFacts) -> Baseline | None:
    """Return how a node was before the operation restarted its agent; None where it did not."""
    node, plan = facts.node, record.plan
    write = next((w for w in plan.writes if is_restart(w) and w.node_uid == node.uid), None)
    if write is None:
        # It finished an earlier operation itself, and only verified this node.
        return Baseline(record.made_at)
    own = [one for one in records if (one.operation_id, one.node_name) == (plan.id, node.name)]
    sent = [one for one in own if one.event is AuditEvent.BEFORE_WRITE]
    if not sent:
        return None
    baseline = Baseline(sent[-1].at, PodUid(write.uid))
    answers = [one.result for one in own if one.event is AuditEvent.AFTER_WRITE]
    if answers:
        return baseline if answers[-1].startswith("done") else None
    agent = facts.agent
    is_replaced = agent is None or agent.uid != write.uid or agent.phase is AgentPhase.TERMINATING
    return baseline if is_replaced else None


def wanted_of(
    plan: OperationPlan, undone: UndoRecord | None, finishing: Finishing | None
) -> dict[NodeUid, Wanted]:
    """Return what each node's agent should run with after a plan.

    Args:
        plan: what is done.
        undone: for undoing: the record of what is put back; its nodes had their own values.
        finishing: the unfinished operation that it finishes, which had written options already.
    """
    config = [write for write in plan.writes if not is_restart(write)]
    values = {key: value for key, value in values_of(config).items() if value is not None}
    kinds = {plan.intent.kind}
    if finishing is not None:
        values = {**wanted_by(finishing.record), **values}
        kinds.add(finishing.record.plan.intent.kind)
    found = {}
    for wave in plan.waves:
        for uid in wave:
            before = dict(undone.effective.get(uid, {})) if undone is not None else {}
            found[uid] = Wanted({**values, **before}, OperationKind.RESIZE in kinds)
    return found


@dataclass(frozen=True, slots=True)
class Past:
    """What was done before: the end of the audit file, and the records of operations."""

    read: Callable[[], Sequence[AuditRecord]]
    folder: UndoFolder
    cluster: ClusterFacts
    """Which cluster is meant."""

    def is_here(self, record: AuditRecord) -> bool:
        """Tell whether an audit record is of this cluster."""
        try:
            return is_of(self.folder.read(record.operation_id), self.cluster)
        except UndoError:
            return record.context == self.cluster.context

    def besides_unfinished(self) -> Sequence[AuditRecord]:
        """Return the records without those of operations that never ended."""
        records = self.read()
        left = {one.id for one in unfinished(self.folder, records, self.cluster)}
        return [one for one in records if one.operation_id not in left]


def spacing_guards(
    plan: OperationPlan, past: Past, now: float, spacing: float, finishing: Finishing | None
) -> Iterator[Guard]:
    """Yield what forbids the restart of a single agent so soon after another one's.

    What finishes an operation goes on with its waves: its own restarts don't count against it.
    """
    verified = finishing.begun if finishing is not None else {}
    restarted = [uid for wave in plan.waves for uid in wave if uid not in verified]
    if len(restarted) != 1 or plan.intent.kind is OperationKind.UNDO:
        return
    records = past.besides_unfinished() if finishing is not None else past.read()
    yield from too_soon(records, now, spacing, past.is_here)


def with_guards(plan: OperationPlan, guards: Sequence[Guard]) -> OperationPlan:
    """Return a plan with more guards, those that forbid first."""
    blocked = [guard for guard in guards if guard.kind is GuardKind.BLOCKED]
    others = [guard for guard in guards if guard.kind is not GuardKind.BLOCKED]
    return replace(plan, guards=(*blocked, *plan.guards, *others))


def _name(snapshot: Snapshot, uid: NodeUid) -> NodeName:
    return snapshot.nodes[uid].node.name
