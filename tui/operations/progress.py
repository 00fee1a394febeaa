"""How an operation stands: one book that tells every change as a fact."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from tui.model.names import NodeName, NodeUid
from tui.model.operations import (
    AuditEvent,
    AuditRecord,
    HealthMark,
    NodeProgress,
    NodeState,
    OperationPlan,
    OperationProgress,
    OperationState,
)
from tui.model.snapshot import AuditWritten, Fact, OperationChanged
from tui.operations.journal import Journal
from tui.operations.timing import Clock
from tui.safety import CleanText, clean

Tell = Callable[[Fact], Awaitable[None]]


def waiting_nodes(plan: OperationPlan) -> tuple[NodeProgress, ...]:
    """Return the nodes of a plan before anything happened, in their order."""
    uids = [(uid, number) for number, wave in enumerate(plan.waves) for uid in wave]
    names = plan.node_names if len(plan.node_names) == len(uids) else [NodeName("")] * len(uids)
    return tuple(
        NodeProgress(uid, name, wave) for (uid, wave), name in zip(uids, names, strict=True)
    )


class ProgressBook:
    """The progress of one operation."""

    def __init__(self, plan: OperationPlan, tell: Tell, clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._progress = OperationProgress(
            plan, OperationState.RUNNING, waiting_nodes(plan), started_at=clock.time()
        )

    @property
    def progress(self) -> OperationProgress:
        """How it stands now."""
        return self._progress

    def node(self, uid: NodeUid) -> NodeProgress:
        """Return one node's progress."""
        return next(node for node in self._progress.nodes if node.node_uid == uid)

    async def begin(self) -> None:
        """Tell that it began."""
        await self._tell(OperationChanged(self._progress))

    async def change(
        self,
        state: OperationState | None = None,
        text: str | None = None,
        undo_id: str | None = None,
    ) -> None:
        """Change what is said of the operation as a whole; how it ended stays said."""
        before = self._progress
        if before.is_over and state is None and undo_id is None:
            return
        now = replace(
            before,
            state=before.state if state is None else state,
            text=before.text if text is None else clean(text),
            undo_id=before.undo_id if undo_id is None else undo_id,
        )
        if now.is_over and before.ended_at is None:
            now = replace(now, ended_at=self._clock.time())
        await self._put(now)

    async def change_node(
        self,
        uid: NodeUid,
        state: NodeState | None = None,
        text: str | None = None,
        marks: Iterable[HealthMark] | None = None,
    ) -> None:
        """Change what is said of one node."""
        nodes = tuple(
            self._changed(node, state, text, marks) if node.node_uid == uid else node
            for node in self._progress.nodes
        )
        await self._put(replace(self._progress, nodes=nodes))

    def _changed(
        self,
        node: NodeProgress,
        state: NodeState | None,
        text: str | None,
        marks: Iterable[HealthMark] | None,
    ) -> NodeProgress:
        now = replace(
            node,
            state=node.state if state is None else state,
            text=node.text if text is None else clean(text),
            marks=node.marks if marks is None else tuple(marks),
        )
        if now.state not in (NodeState.WAITING, NodeState.SKIPPED) and node.started_at is None:
            now = replace(now, started_at=self._clock.time())
        if now.state in (NodeState.DONE, NodeState.FAILED):
            return now if node.ended_at is not None else replace(now, ended_at=self._clock.time())
        return now

    async def _put(self, now: OperationProgress) -> None:
        if now != self._progress:
            self._progress = now
            await self._tell(OperationChanged(now))


class Scribe:
    """Writes audit records of one operation to the file and tells them."""

    def __init__(self, journal: Journal, tell: Tell, plan: OperationPlan | None = None) -> None:
        self._journal = journal
        self._tell = tell
        self._plan = plan

    async def record(  # noqa: PLR0913 - the fields of a record
        self,
        event: AuditEvent,
        text: str = "",
        *,
        target: str = "",
        path: str = "",
        target_uid: str = "",
        diff: CleanText = CleanText(""),
        result: str = "",
        node_name: NodeName = NodeName(""),
    ) -> None:
        """Append a record.

        Raises:
            JournalError: the file can't be written.
        """
        plan = self._plan
        written = self._journal.write(
            AuditRecord(
                0.0,
                event,
                operation_id=plan.id if plan is not None else "",
                kind=plan.intent.kind.value if plan is not None else "",
                text=clean(text),
                target=clean(target),
                path=clean(path),
                target_uid=target_uid,
                diff=diff,
                result=clean(result),
                node_name=node_name,
            )
        )
        await self._tell(AuditWritten(written))
