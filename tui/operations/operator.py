"""`Operator`: plans, begins, pauses and ends operations, one at a time; recovers killed ones."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from dataclasses import replace

from tui.errors import BlockedError, CiltopError
from tui.model.operations import (
    ArmingState,
    AuditEvent,
    Guard,
    Intent,
    OperationKind,
    OperationPlan,
    OperationState,
    PlannedWrite,
)
from tui.model.snapshot import AuditWritten, OperationChanged
from tui.operations.announcing import Announcer
from tui.operations.arming_watch import ArmingWatch
from tui.operations.beginning import (
    make_record,
    new_objections,
    written,
)
from tui.operations.endpoints import count_unready
from tui.operations.executor import Executor
from tui.operations.finishing import (
    Finishing,
    Past,
    finishing_of,
    spacing_guards,
    wanted_of,
    with_guards,
)
from tui.operations.guards import recheck_node
from tui.operations.journal import Journal
from tui.operations.lease import OperationLease
from tui.operations.planning import ArmedGate, Ground, Planner, record_of
from tui.operations.progress import ProgressBook, Scribe, Tell
from tui.operations.recovery import progress_of, record_end, settled, unfinished
from tui.operations.timing import Clock, Timing
from tui.operations.tools import Controls, Look, Revisit, Tools
from tui.operations.undo import UndoError, UndoFolder, UndoRecord
from tui.operations.upkeep import upkeep
from tui.operations.writer import Writer
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.operations.operator")

TAIL_RECORDS = 500
"""So much of the audit file is shown."""
JOURNAL_RECORDS = 20_000
"""So much of it is looked through for operations that never ended."""
TICK_SECONDS = 1.0


class Operator:
    """Runs operations on one cluster; it belongs to its session's event loop."""

    def __init__(  # noqa: PLR0913 - everything it works with is given to it
        self,
        session: Ground,
        gate: ArmedGate,
        look: Look,
        tell: Tell,
        *,
        journal: Journal,
        clock: Clock,
        revisit: Revisit,
        folder: UndoFolder,
        planner: Planner,
        timing: Timing | None = None,
    ) -> None:
        self._session = session
        self._gate = gate
        self._look = look
        self._tell = tell
        self._journal = journal
        self._clock = clock
        self._revisit = revisit
        self._folder = folder
        self._planner = planner
        self._timing = timing or Timing()
        self._holder = f"{journal.who.host or 'ciltop'} {os.getpid()}-{int(clock.random() * 1e6)}"
        self._controls: Controls | None = None
        self._book: ProgressBook | None = None
        self._task: asyncio.Task[None] | None = None
        self._said: asyncio.Task[None] | None = None
        self._is_beginning = False
        self._finishes: dict[str, Finishing] = {}
        """Plan id -> how it finishes an unfinished operation."""
        self._arming = ArmingWatch(gate.arming, journal, tell)

    async def run(self) -> None:
        """Tell what was left behind, then tell for ever when the session disarms itself."""
        await self.recover()
        while True:
            await self._arming.tell_change()
            await self._clock.sleep(TICK_SECONDS)

    async def recover(self) -> None:
        """Tell the end of the audit file, and what an earlier ciltop left half done."""
        for record in (*self._journal.tail(TAIL_RECORDS), *self._journal.upkeep(TAIL_RECORDS)):
            await self._tell(AuditWritten(record))
        await self._tell_unfinished()

    @property
    def is_running(self) -> bool:
        """Whether an operation is under way."""
        return self._is_beginning or (self._task is not None and not self._task.done())

    async def plan(self, intent: Intent) -> OperationPlan:
        """Find out what an intent means here; nothing is written.

        Raises:
            CiltopError: there is no such node or operation, or the cluster can't be asked.
        """
        plan = await self._planner(intent, self._look())
        return with_guards(plan, await self._own_guards(plan))

    async def plan_finish(
        self, operation_id: str, *, accepts_data_loss: bool = False
    ) -> OperationPlan:
        """Plan what finishes an operation that an earlier ciltop left half done.

        An agent that it had restarted already is verified, and not restarted again.

        Raises:
            CiltopError: there is no such operation, or the cluster can't be asked.
        """
        records = self._journal.tail(JOURNAL_RECORDS)
        left = unfinished(self._folder, records, self._look().cluster)
        record = next((one for one in left if one.id == operation_id), None)
        if record is None:
            raise UndoError(f"operation {operation_id} is not unfinished: there is nothing to do")
        record = await settled(record, self._session)
        self._folder.write(record)
        finishing = finishing_of(record, records, self._look(), accepts_data_loss=accepts_data_loss)
        plan = await self._plan_rest(finishing)
        self._finishes[plan.id] = finishing
        return plan

    async def _plan_rest(self, finishing: Finishing) -> OperationPlan:
        if finishing.needs_plan:
            plan = await self._planner(finishing.intent, self._look())
        else:
            plan = finishing.bare_plan(self._clock.time())
        plan = finishing.joined(plan, self._look())
        return with_guards(plan, await self._own_guards(plan, finishing))

    async def dismiss(self, operation_id: str) -> None:
        """Leave an unfinished operation as it is, and show it no more.

        Raises:
            CiltopError: there is no such operation, or it can't be recorded.
        """
        record = self._folder.read(operation_id)
        told = Scribe(self._journal, self._tell, record.plan)
        await record_end(told, self._folder, operation_id, "left as it is")
        await self._tell_settled(operation_id, "left as it is")

    async def start(self, plan: OperationPlan, typed: str) -> None:
        """Begin a confirmed plan; returns once it has begun, its progress is told as facts.

        Raises:
            OperationError: it must not begin, and why; nothing was written.
            ClusterError: the cluster could not be asked; nothing was written.
            JournalError: the audit file can't be written; nothing was written.
        """
        if self.is_running:
            raise BlockedError("another operation is under way: one at a time")
        self._is_beginning = True
        stack = AsyncExitStack()
        try:
            await self._begin(plan, typed, stack)
        except BaseException:
            await stack.aclose()
            raise
        finally:
            self._is_beginning = False

    async def wait(self) -> None:
        """Wait until the operation under way has ended."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def pause(self) -> None:
        """Begin no more waves until it is resumed; what was begun is verified."""
        if self._controls is not None:
            self._controls.is_paused = True
            self._say("pauses before the next wave; what was begun is verified")

    def resume(self) -> None:
        """Go on."""
        if self._controls is not None:
            self._controls.is_paused = False
            self._say("goes on")

    def abort(self) -> None:
        """Begin nothing more; what was begun is verified. A second time: not even that."""
        if self._controls is not None:
            self._controls.is_cut = self._controls.is_aborted
            self._controls.is_aborted = True
            self._say("aborting: nothing more is begun, what was begun is verified")

    def _say(self, text: str) -> None:
        """Show that a wish was heard, before it takes effect."""
        if self.is_running and self._book is not None:
            self._said = asyncio.create_task(self._book.change(text=text), name="say")

    async def arm(self, typed: str) -> ArmingState:
        """Let this session write.

        Raises:
            ArmingError: it is read-only, or what was typed is not the context's name.
            JournalError: it can't be recorded; the session stays unarmed.
        """
        return await self._arming.arm(typed)

    async def disarm(self) -> None:
        """Let this session write no more; an operation under way stops at its next write."""
        await self._arming.disarm()

    async def close(self) -> None:
        """Stop at once, as when ciltop ends: what was begun is unfinished and stays recorded."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _begin(self, plan: OperationPlan, typed: str, stack: AsyncExitStack) -> None:
        self._gate.arming.check()
        if plan.confirmation and typed != plan.confirmation:
            raise BlockedError(f"not begun: type {plan.confirmation} to confirm")
        await self._check_again(plan)
        stack.enter_context(self._gate.arming.held())
        # Of this operation alone: the holder of one that has ended counts as dead.
        holder = f"{self._holder} {plan.id}"
        scribe = Scribe(self._journal, self._tell, plan)
        lease = self._lease(holder, scribe)
        await lease.acquire()
        stack.push_async_callback(lease.release)
        record = await make_record(plan, self._look(), self._session, self._clock.time())
        record = replace(record, holder=holder)
        stack.enter_context(self._folder.hold(plan.id))
        self._folder.write(record)
        await scribe.record(AuditEvent.CONFIRMED, plan.title, result=lease.warning)
        self._controls = Controls()
        self._book = ProgressBook(plan, self._tell, self._clock)
        await self._book.begin()
        tools = self._tools(plan, scribe, self._book, self._controls)
        running = self._run(plan, tools, record, lease, stack)
        self._task = asyncio.create_task(running, name=f"operation {plan.id}")

    async def _check_again(self, plan: OperationPlan) -> None:
        """Plan anew and compare: what a person said yes to must still be what happens."""
        finishing = self._finishes.get(plan.id)
        fresh = await (self._plan_rest(finishing) if finishing else self.plan(plan.intent))
        objections = new_objections(plan, fresh)
        if objections:
            raise BlockedError(f"not begun: {objections[0]}; look at the preview again")

    async def _run(
        self,
        plan: OperationPlan,
        tools: Tools,
        record: UndoRecord,
        lease: OperationLease,
        stack: AsyncExitStack,
    ) -> None:
        keeping = asyncio.create_task(lease.keep(tools.controls), name="keep the Lease")

        def note_written(write: PlannedWrite, uid: str) -> None:
            nonlocal record
            record = written(record, write, uid)
            self._folder.write(record)

        async with stack:
            try:
                await tools.announcer.on_daemonsets(plan, self._look(), "CiltopBegan", plan.title)
                state, said = await Executor(plan, tools, note_written).run()
                await tools.announcer.on_daemonsets(plan, self._look(), "CiltopEnded", said)
                await self._end(plan, state, said, tools)
            except CiltopError as error:
                # The audit file itself fails: what is known is on the screen at least.
                LOG.warning("operation %s: %s", plan.id, error.message)
                state, said = OperationState.FAILED, error.message
            except Exception as error:
                LOG.exception("operation %s ended", plan.id)
                state, said = OperationState.FAILED, clean(f"ended by a bug: {error!r}")
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
        await tools.book.change(state, said, record.id if record.can_undo else None)

    async def _end(
        self, plan: OperationPlan, state: OperationState, said: CleanText, tools: Tools
    ) -> None:
        """Record how it ended, before anybody is told: a command ends ciltop then."""
        if state is OperationState.ABORTED:
            await tools.scribe.record(AuditEvent.ABORTED, said)
        await record_end(tools.scribe, self._folder, plan.id, said, state.value)
        if state is not OperationState.DONE:
            return
        finished = self._finishes.pop(plan.id, None)
        if earlier := finished.record if finished else record_of(plan.intent, self._folder):
            is_undone = plan.intent.kind is OperationKind.UNDO
            text = f"{'undone' if is_undone else 'finished'} by operation {plan.id}"
            told = Scribe(self._journal, self._tell, earlier.plan)
            await record_end(told, self._folder, earlier.id, text)
            await self._tell_settled(earlier.id, text, is_undone=is_undone)

    async def _own_guards(
        self, plan: OperationPlan, finishing: Finishing | None = None
    ) -> list[Guard]:
        cluster = self._look().cluster
        past = Past(lambda: self._journal.tail(JOURNAL_RECORDS), self._folder, cluster)
        now, spacing = self._clock.time(), self._timing.spacing
        found = list(spacing_guards(plan, past, now, spacing, finishing))
        if self._task is None or self._task.done():
            found.extend(await self._lease("").guards())
        return found

    def _lease(self, holder: str, scribe: Scribe | None = None) -> OperationLease:
        namespace = str(self._look().cluster.cilium_namespace)
        return OperationLease(
            self._session,
            upkeep(self._gate, scribe),
            namespace,
            holder,
            clock=self._clock,
            timing=self._timing,
            dead=self._folder.dead_holders(),
        )

    def _tools(
        self, plan: OperationPlan, scribe: Scribe, book: ProgressBook, controls: Controls
    ) -> Tools:
        async def say(text: str) -> None:
            await book.change(text=text)

        writer = Writer(
            self._session,
            self._gate,
            scribe,
            self._clock,
            self._timing,
            stops=controls,
            say=say,
        )
        who, finishing = self._journal.who, self._finishes.get(plan.id)
        name = f"{who.user} {who.host}".strip() or "somebody"
        gate = upkeep(self._gate, scribe)
        return Tools(
            look=self._look,
            revisit=self._revisit,
            recheck=recheck_node,
            ask_endpoints=lambda facts: count_unready(self._session, facts),
            writer=writer,
            scribe=scribe,
            book=book,
            announcer=Announcer(self._session, gate, self._clock, name, self._timing.announce),
            controls=controls,
            clock=self._clock,
            timing=self._timing,
            wanted=wanted_of(plan, record_of(plan.intent, self._folder), finishing),
            begun=finishing.begun if finishing is not None else {},
        )

    async def _tell_unfinished(self) -> None:
        records = self._journal.tail(JOURNAL_RECORDS)
        for record in unfinished(self._folder, records, self._look().cluster):
            try:
                record = await settled(record, self._session)  # noqa: PLW2901 - what it is now
                self._folder.write(record)
            except CiltopError as error:
                LOG.warning("operation %s: not read back: %s", record.id, error.message)
            await self._tell(OperationChanged(progress_of(record, records)))

    async def _tell_settled(self, operation_id: str, text: str, *, is_undone: bool = False) -> None:
        """Tell that an earlier operation needs nothing more; it can be undone until it is."""
        for one in self._look().operations:
            if one.plan.id == operation_id:
                is_left = one.state is OperationState.UNFINISHED
                state = OperationState.ABORTED if is_left else one.state
                kept = "" if is_undone else one.undo_id
                changed = replace(one, state=state, text=clean(text), undo_id=kept)
                await self._tell(OperationChanged(changed))
