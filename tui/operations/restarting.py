"""One node of an operation: its agent's pod is deleted, and watched until it is healthy again."""

from __future__ import annotations

from collections.abc import Iterable

from tui.errors import CiltopError
from tui.model.names import NodeUid
from tui.model.operations import (
    AuditEvent,
    Guard,
    GuardKind,
    NodeState,
    OperationPlan,
    PlannedWrite,
)
from tui.model.snapshot import NodeFacts, SourceState
from tui.operations.health import baseline_of, conditions, crash_reason, merged
from tui.operations.patient import Baseline, Condition, Patient, Wanted
from tui.operations.rollouts import ROLLOUT
from tui.operations.seen import brought_along
from tui.operations.tools import AbortedError, LeaseLostError, Tools
from tui.safety import CleanText, clean


class NodeRestart:
    """The restart of one agent."""

    def __init__(self, plan: OperationPlan, uid: NodeUid, tools: Tools) -> None:
        self._plan = plan
        self._uid = uid
        self._tools = tools
        self._name = tools.book.node(uid).node_name
        self._baseline = Baseline(tools.clock.time())
        self._unready: int | None = None
        self._unready_reason = CleanText("")
        self._next_ask = 0.0
        self.is_begun = False
        """Whether a write was tried: what follows may be its consequence."""

    async def run(self) -> bool:
        """Restart and verify; return whether the node is healthy again.

        Raises:
            AbortedError: before anything was begun on this node.
            LeaseLostError: the same.
            JournalError: the record could not be written.
        """
        book = self._tools.book
        begun = self._tools.begun.get(self._uid)
        if begun is not None:
            self._baseline, self.is_begun = begun, True
            text = "restarted before: it is verified, not restarted again"
            await book.change_node(self._uid, NodeState.VERIFYING, text)
            return await self._verify()
        try:
            facts = await self._take_baseline()
            self.is_begun = True
            await self._delete(facts)
        except (AbortedError, LeaseLostError):
            self.is_begun = False
            await book.change_node(self._uid, NodeState.SKIPPED, "not begun")
            raise
        except CiltopError as error:
            return await self._fail(error.message)
        return await self._verify()

    async def _take_baseline(self) -> NodeFacts:
        """Check the guards once more and note how the node is.

        Raises:
            BlockedError: a guard rail forbids it now.
        """
        tools = self._tools
        tools.controls.check()
        snapshot = tools.look()
        facts = snapshot.nodes.get(self._uid)
        if facts is None:
            raise CiltopError("the node has left the cluster")
        guards = tools.recheck(self._plan, snapshot, self._uid)
        for guard in guards:
            is_accepted = self._plan.intent.accepts_data_loss and guard.is_data_loss
            if guard.kind is GuardKind.BLOCKED and not is_accepted:
                raise CiltopError(f"blocked meanwhile: {guard.text}")
        for guard in (*brought_along(self._plan, guards), *self._rolled_out(guards)):
            raise CiltopError(f"other than in the preview, plan again: {guard.text}")
        await tools.book.change_node(self._uid, NodeState.WRITING, "taking the baseline")
        unready, _ = await tools.ask_endpoints(facts)
        self._baseline = baseline_of(facts, tools.clock.time(), unready)
        return facts

    def _rolled_out(self, guards: Iterable[Guard]) -> list[Guard]:
        """Return what tells of a rollout that nobody saw in the preview."""
        if any(guard.id == ROLLOUT for guard in self._plan.guards):
            return []
        return [guard for guard in guards if guard.id == ROLLOUT]

    async def _delete(self, facts: NodeFacts) -> None:
        tools = self._tools
        planned = self._planned()
        await tools.announcer.on_node(
            self._plan, facts.node, "CiltopRestart", f"restarting the Cilium agent {planned.name}"
        )
        await tools.book.change_node(self._uid, NodeState.WRITING, f"deleting pod {planned.name}")
        await tools.writer.make(planned, self._name)
        await tools.book.change_node(
            self._uid, NodeState.RESTARTING, "waiting for the new agent pod"
        )

    def _planned(self) -> PlannedWrite:
        for write in self._plan.writes:
            if write.node_uid == self._uid:
                return write
        raise CiltopError("the plan has no write for this node")

    async def _verify(self) -> bool:
        """Watch the node until all marks are met; time without the API does not count."""
        tools = self._tools
        left, before = tools.timing.verify, tools.clock.monotonic()
        found: tuple[Condition, ...] = ()
        while not tools.controls.is_cut:
            now = tools.clock.monotonic()
            snapshot = tools.look()
            facts = snapshot.nodes.get(self._uid)
            if snapshot.health.state is SourceState.LOST:
                await self._tell_lost(snapshot.health.reason)
            elif facts is None:
                return await self._fail(clean("the node has left the cluster"))
            else:
                left -= now - before
                found = await self._examine(facts)
                if (crash := crash_reason(self._baseline, facts)) is not None:
                    return await self._fail(crash)
                if all(one.is_satisfied for one in found):
                    return await self._succeed()
                if left <= 0:
                    return await self._fail(_unmet(found, tools.timing.verify), _proof(found))
            before = now
            await tools.clock.sleep(tools.timing.poll)
        text = "not verified: the operation was cut off; the restart itself goes on"
        await tools.book.change_node(self._uid, NodeState.UNKNOWN, text)
        return False

    async def _tell_lost(self, reason: CleanText) -> None:
        text = f"the API can't be asked ({reason}); the marks are as they were last known"
        await self._tools.book.change_node(self._uid, NodeState.UNKNOWN, text)

    async def _examine(self, facts: NodeFacts) -> tuple[Condition, ...]:
        tools = self._tools
        was_asked = self._unready != 0 and await self._ask_endpoints(facts)
        found = self.examine(facts)
        if not was_asked and all(one.is_satisfied for one in found):
            # They were ready while other marks were waited for: that is no proof of now.
            self._next_ask = 0.0
            await self._ask_endpoints(facts)
            found = self.examine(facts)
        is_new = facts.agent is not None and facts.agent.uid != self._baseline.pod_uid
        met = sum(one.mark.is_met is True for one in found)
        text = f"{met} of {len(found)} marks met" if is_new else "waiting for the new agent pod"
        marks = merged(tools.book.node(self._uid).marks, found, tools.clock.time())
        state = NodeState.VERIFYING if is_new else NodeState.RESTARTING
        await tools.book.change_node(self._uid, state, text, tuple(marks))
        return found

    async def _ask_endpoints(self, facts: NodeFacts) -> bool:
        """Ask the new agent, unless it was asked a moment ago; return whether it was asked."""
        agent, now = facts.agent, self._tools.clock.monotonic()
        is_up = agent is not None and agent.is_ready and agent.uid != self._baseline.pod_uid
        if not is_up or now < self._next_ask:
            return False
        self._unready, self._unready_reason = await self._tools.ask_endpoints(facts)
        self._next_ask = self._tools.clock.monotonic() + self._tools.timing.revisit
        return True

    async def look_again(self, facts: NodeFacts) -> tuple[Condition, ...]:
        """Return the marks of a node that was healthy, with the endpoints as they are now."""
        await self._ask_endpoints(facts)
        return self.examine(facts)

    def examine(self, facts: NodeFacts) -> tuple[Condition, ...]:
        """Return the marks as the facts have them."""
        tools = self._tools
        patient = Patient(
            facts,
            self._baseline,
            tools.wanted.get(self._uid, Wanted()),
            tools.clock.time(),
            tools.timing.quiet,
            self._unready,
            self._unready_reason,
        )
        return conditions(patient)

    async def _succeed(self) -> bool:
        text = "healthy again"
        await self._tools.book.change_node(self._uid, NodeState.DONE, text)
        marks = self._tools.book.node(self._uid).marks
        await self._tools.scribe.record(
            AuditEvent.VERIFIED,
            "; ".join(mark.text for mark in marks),
            result=text,
            node_name=self._name,
        )
        await self._announce("CiltopVerified", "the restarted Cilium agent is healthy again")
        return True

    async def fail_later(self, reason: str) -> None:
        """Note that the node, verified before, is healthy no more."""
        await self._fail(clean(reason))

    async def _fail(self, reason: CleanText, proof: str = "") -> bool:
        await self._tools.book.change_node(self._uid, NodeState.FAILED, reason)
        await self._tools.scribe.record(
            AuditEvent.FAILED, reason, result=proof, node_name=self._name
        )
        await self._announce("CiltopFailed", reason, is_warning=True)
        return False

    async def _announce(self, reason: str, text: str, *, is_warning: bool = False) -> None:
        facts = self._tools.look().nodes.get(self._uid)
        if facts is not None:
            await self._tools.announcer.on_node(
                self._plan, facts.node, reason, text, is_warning=is_warning
            )


def _unmet(found: tuple[Condition, ...], seconds: float) -> CleanText:
    unmet = [str(one.mark.text) for one in found if not one.is_satisfied]
    return clean(f"not healthy within {seconds:.0f} s: {'; '.join(unmet)}")


def _proof(found: tuple[Condition, ...]) -> str:
    """Return what was asked in vain, with the whole commands: it is for the audit file alone."""
    return "; ".join(str(one.proof) for one in found if one.proof and not one.is_satisfied)
