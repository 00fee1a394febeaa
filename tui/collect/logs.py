"""Take in the agents' logs: their start once, then live where somebody looks, else by polling.

The burst that explains an incident may be hours old, so errors and warnings are read from the
container's start. Following every agent of a large cluster would hold thousands of streams open,
so at most fifty are followed: the nodes somebody looks at, and those in trouble.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from tui.collect.focus import Focus
from tui.collect.log_nodes import NodeLogState, is_in_trouble
from tui.collect.log_reader import LogReader, Reads
from tui.collect.roster import Roster, Target
from tui.collect.shared import Shared
from tui.errors import ClusterError, ForbiddenError, NotFoundError
from tui.model.logs import LogLine
from tui.model.names import NodeUid
from tui.model.snapshot import LogTrouble, NodeReport
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.collect.logs")

TICK_SECONDS = 0.5
LINES_PER_TICK = 2_000
"""Parsed at most per tick, over all nodes: a tenth of a core."""

SLICE_LINES = 50
"""Parsed at once; then other tasks get their turn."""

MOST_FOLLOWERS = 50
READERS = 3
"""Bounded reads at once: histories and polls."""

STARTING_FOLLOWERS = 3
"""Followers that read their log's start at once: each may hold eight megabytes of it."""

POLL_SECONDS = 20.0
POLLS_PER_SECOND = 6.0
DENIED_SECONDS = 60.0
LOGS_GAP = "logs"


class LogIntake:
    """Reads all agents' logs."""

    def __init__(self, logs: Reads, roster: Roster, shared: Shared) -> None:
        self._roster = roster
        self._shared = shared
        self._states: dict[NodeUid, NodeLogState] = {}
        self._focus = Focus()
        self._followers: dict[NodeUid, asyncio.Task[None]] = {}
        self._reading: set[NodeUid] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._troubled: dict[NodeUid, None] = {}
        self._interesting: frozenset[NodeUid] = frozenset()
        self._denied_until = float("-inf")
        self._reader = LogReader(logs, shared, lambda: len(self._states))

    # Those who work on nodes

    async def note(self, target: Target) -> None:
        """Take in a node that appeared, or whose agent was replaced."""
        uid, agent = target.node.uid, target.agent
        if agent is None or not agent.name:
            self.forget(uid)
            return
        state = self._states.get(uid)
        if state is None or state.pod_uid != agent.uid:
            self.forget(uid)
            state = self._states[uid] = NodeLogState(uid, agent)
        elif state.renew(agent):
            self._stop_following(uid)
        if is_in_trouble(agent):
            self._troubled[uid] = None

    def forget(self, uid: NodeUid) -> None:
        """Forget a node that left."""
        self._states.pop(uid, None)
        self._troubled.pop(uid, None)
        self._stop_following(uid)

    def resume(self) -> None:
        """Read the logs again that failed while the API server was away."""
        for state in self._states.values():
            if state.failures:
                state.failures = 0
                state.next_read_at = 0.0

    def focus(self, focus: Focus) -> None:
        """Follow these nodes live."""
        self._focus = focus

    def note_report(self, report: NodeReport) -> None:
        """Follow a node whose probes found harm."""
        if _shows_harm(report):
            self._troubled[report.node_uid] = None
        else:
            self._troubled.pop(report.node_uid, None)

    @property
    def unread_count(self) -> int:
        """Logs whose past is not read and parsed yet, leaving out those that can't be read."""
        if self._is_denied():
            return 0
        return sum(
            state.has_waiting
            or (state.has_log and not state.has_history and not state.failures and state.can_follow)
            for state in self._states.values()
        )

    def problems_of(self, uid: NodeUid) -> Sequence[LogLine]:
        """Return the warnings and errors since the agent's start, as far as they were kept."""
        state = self._states.get(uid)
        return tuple(state.buffer.problems) if state is not None else ()

    async def run(self) -> None:
        """Read logs for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                ordered = self._ordered()
                self._start_followers(group, ordered)
                self._start_reads(group, ordered)
                await self._parse_some(ordered)
                await self._shared.clock.sleep(TICK_SECONDS)

    # Whose log is read how

    def _ordered(self) -> Sequence[NodeLogState]:
        """The nodes by how much their log matters now."""
        now = self._now()
        noisy = [
            (state.buffer.last_problem_at, uid)
            for uid, state in self._states.items()
            if state.is_noisy(now)
        ]
        noisy.sort(reverse=True)
        first = (*self._focus.ordered, *self._troubled, *(uid for _, uid in noisy))
        self._interesting = frozenset(first)
        ordered = dict.fromkeys((*first, *self._states))
        return [self._states[uid] for uid in ordered if uid in self._states]

    def _start_followers(self, group: asyncio.TaskGroup, ordered: Iterable[NodeLogState]) -> None:
        if self._is_denied():
            return
        chosen: list[NodeUid] = []
        for state in ordered:
            if len(chosen) >= MOST_FOLLOWERS or state.uid not in self._interesting:
                break
            if state.can_follow:
                chosen.append(state.uid)
        for uid in self._followers.keys() - set(chosen):
            self._stop_following(uid)
        for uid in chosen:
            if len(self._starting) >= STARTING_FOLLOWERS:
                break
            if uid not in self._followers and uid not in self._reading:
                state = self._states[uid]
                task = group.create_task(self._follow(state), name=f"follow log {uid}")
                self._followers[uid] = task
                self._starting.add(task)
                task.add_done_callback(self._starting.discard)

    def _stop_following(self, uid: NodeUid) -> None:
        task = self._followers.pop(uid, None)
        if task is not None:
            task.cancel()

    def _start_reads(self, group: asyncio.TaskGroup, ordered: Iterable[NodeLogState]) -> None:
        if self._is_denied() or len(self._reading) >= READERS:
            return
        now = self._shared.clock.monotonic()
        for state in ordered:
            uid = state.uid
            if now < state.next_read_at or uid in self._reading or uid in self._followers:
                continue
            if state.has_log:
                self._reading.add(uid)
                group.create_task(self._read(state), name=f"read log {uid}")
                if len(self._reading) >= READERS:
                    break

    def _now(self) -> float:
        return self._shared.clock.time()

    def _is_denied(self) -> bool:
        return self._shared.clock.monotonic() < self._denied_until

    # Reading

    async def _read(self, state: NodeLogState) -> None:
        """Read the history of a log, or what came since the last look."""
        pace = max(POLL_SECONDS, len(self._states) / POLLS_PER_SECOND)
        try:
            await self._reader.catch_up(state)
            await self._note_readable(state)
            state.failures = 0
        except ClusterError as error:
            await self._note_unreadable(state, error)
            pace *= min(8.0, 2.0**state.failures)
        finally:
            self._reading.discard(state.uid)
        jitter = 0.8 + 0.4 * self._shared.clock.random()
        state.next_read_at = self._shared.clock.monotonic() + pace * jitter

    async def _follow(self, state: NodeLogState) -> None:
        """Read the history of a log, then follow it until nobody wants it."""
        task = asyncio.current_task()
        try:
            await self._reader.catch_up(state)
            await self._note_readable(state)
            state.failures = 0
            self._starting -= {task}
            async for piece in self._reader.follow(state):
                if piece.trouble:
                    error = (ForbiddenError if piece.is_denied else ClusterError)(piece.trouble)
                    await self._note_unreadable(state, error)
                else:
                    await self._note_readable(state)
        except ClusterError as error:
            await self._note_unreadable(state, error)
        self._starting -= {task}
        # Not again at once: a log that ends right away would be opened for ever.
        await self._shared.clock.sleep(2.0 + 2.0 * min(state.failures, 14))
        if self._followers.get(state.uid) is task:
            del self._followers[state.uid]

    def _is_read(self, state: NodeLogState) -> bool:
        """Whether the node is still ours to read, and its agent the same."""
        return self._states.get(state.uid) is state

    async def _note_readable(self, state: NodeLogState) -> None:
        self._shared.contact.hear()
        await self._shared.gaps.close(LOGS_GAP)
        if state.trouble and self._is_read(state):
            state.trouble = CleanText("")
            await self._shared.outbox.put(LogTrouble(state.uid, state.trouble))

    async def _note_unreadable(self, state: NodeLogState, error: ClusterError) -> None:
        state.failures += 1
        reason = error.message
        if isinstance(error, NotFoundError) and self._roster.get(state.uid) is None:
            return
        LOG.info("log of %s: %s", state.pod_name, reason)
        if isinstance(error, ForbiddenError):
            self._denied_until = self._shared.clock.monotonic() + DENIED_SECONDS
            what = clean("logs of the agent pods")
            await self._shared.gaps.open(LOGS_GAP, what, reason, is_denied=True)
        if state.trouble != reason and self._is_read(state):
            state.trouble = reason
            await self._shared.outbox.put(LogTrouble(state.uid, reason))

    # Parsing

    async def _parse_some(self, ordered: Iterable[NodeLogState]) -> None:
        """Parse what waits, the nodes that matter first, each with a share of the tick."""
        states = [state for state in ordered if state.has_waiting]
        budget = LINES_PER_TICK
        while states and budget > 0:
            for state in list(states):
                batch = state.take(SLICE_LINES) if self._is_read(state) else None
                if batch is None:
                    states.remove(state)
                    continue
                budget -= len(batch.lines)
                await self._shared.outbox.put(batch)
                await asyncio.sleep(0)


def _shows_harm(report: NodeReport) -> bool:
    if report.error:
        return True
    coverage = report.services.value if report.services is not None else None
    if coverage is not None and coverage.faults_total:
        return True
    if report.maps is not None and any(usage.is_full for usage in report.maps.value or ()):
        return True
    status = report.status.value if report.status is not None else None
    return status is not None and bool(status.failing_controllers)
