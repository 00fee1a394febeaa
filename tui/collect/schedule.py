"""Decide which node is read next, and what it is asked: no I/O, no clock of its own.

A sweep visits every node once. The nodes somebody looks at go first and keep their own pace, a node
that fails waits longer each time, and no node ever holds up the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from tui.collect.clock import Clock, full_jitter
from tui.collect.focus import Focus
from tui.collect.visits import Answering, Turn, Visits
from tui.model.names import NodeUid

BASE_INTERVAL_SECONDS = 10.0
UNSTRETCHED_NODES = 100
NODES_PER_SECOND = 25.0
"""Above 100 nodes each 25 more stretch the sweep by a second: 5,000 nodes take 206 s."""

MOST_BACKOFF_SECONDS = 300.0
SLEEP_AT_MOST_SECONDS = 5.0
NEVER = float("-inf")

HOPELESS_FAILURES = 2
HOPELESS_SECONDS = 5.0
"""A first reading is not waited for after so many failures, or when it is put off for longer."""


class Schedule:
    """Who is due."""

    def __init__(
        self,
        clock: Clock,
        interval_seconds: float | None,
        exec_slots: int,
        *,
        is_once: bool = False,
    ) -> None:
        self._clock = clock
        self._is_once = is_once
        self._asked_interval = interval_seconds
        self._slots = exec_slots
        self._visits: dict[NodeUid, Visits] = {}
        self._leaving: dict[NodeUid, Answering] = {}
        """Agents of nodes that left while they were asked; nobody asks them twice at once."""
        self._focus = Focus()
        self._pending: dict[NodeUid, None] = {}
        self._urgent: dict[NodeUid, None] = {}
        self._follow_ups: dict[NodeUid, None] = {}
        self._in_sweep: set[NodeUid] = set()
        self._stale: set[NodeUid] = set()
        self._reconnected_at = NEVER
        self._has_answered = False
        """Whether a node answered in this sweep."""
        self._last_sweep_at = NEVER
        self._jitter = 0.0
        self._sweep_started_at: float | None = None
        self._durations: deque[float] = deque(maxlen=200)
        self.last_sweep_seconds: float | None = None
        self.sweeps_begun = 0
        self.sweeps_done = 0

    def __len__(self) -> int:
        return len(self._visits)

    def __contains__(self, uid: object) -> bool:
        return uid in self._visits

    @property
    def interval_seconds(self) -> float:
        """The pace of the sweep: as asked, else stretched with the nodes and their answers."""
        base = self._asked_interval
        if base is None:
            base = BASE_INTERVAL_SECONDS
            base += max(0, len(self._visits) - UNSTRETCHED_NODES) / NODES_PER_SECOND
        return max(base, self._feasible_seconds)

    @property
    def _feasible_seconds(self) -> float:
        """How long one sweep takes with the slots there are, with a fifth to spare."""
        if not self._durations:
            return 0.0
        mean = sum(self._durations) / len(self._durations)
        return 1.2 * mean * len(self._visits) / self._slots

    @property
    def _next_sweep_at(self) -> float:
        return self._last_sweep_at + self.interval_seconds * (1.0 + self._jitter)

    @property
    def due_count(self) -> int:
        """Nodes of this sweep that still wait."""
        return len(self._pending)

    @property
    def stale_count(self) -> int:
        """Nodes that were not read since the API server came back."""
        return len(self._stale)

    @property
    def unread_count(self) -> int:
        """Nodes whose first reading is not done, leaving out those that fail again and again."""
        soon = self._clock.monotonic() + HOPELESS_SECONDS
        return sum(
            self._is_unread(visits)
            and visits.failures < HOPELESS_FAILURES
            and visits.not_before < soon
            for visits in self._visits.values()
        )

    def _is_unread(self, visits: Visits) -> bool:
        return visits.is_unread or (self._is_once and visits.owes_host_parts)

    def p95_seconds(self) -> float | None:
        """Return the 95th percentile of one node's exec."""
        if not self._durations:
            return None
        ordered = sorted(self._durations)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]

    def put(self, agent: Answering) -> None:
        """Add an agent, due at once, or note that it was restarted or its node rebooted."""
        visits = self._visits.get(agent.uid)
        if visits is None:
            visits = self._visits[agent.uid] = Visits(agent)
            visits.is_in_flight = self._leaving.get(agent.uid) == agent
            self._pending[agent.uid] = None
            if self._sweep_started_at is None:
                now = self._clock.monotonic()
                self._sweep_started_at = now
                self._last_sweep_at = max(self._last_sweep_at, now)
        elif visits.agent != agent:
            visits.renew(agent)
            self._urgent[agent.uid] = None

    def drop(self, uid: NodeUid) -> None:
        """Forget a node whose agent can't be asked any more."""
        self._visits.pop(uid, None)
        self._leave_queues(uid)
        self._in_sweep.discard(uid)
        self._stale.discard(uid)
        self._end_sweep_if_done()

    def leave(self, uid: NodeUid) -> None:
        """Forget a node; an exec under way there is let finish, but nobody waits for it."""
        visits = self._visits.get(uid)
        if visits is not None and visits.is_in_flight:
            self._leaving[uid] = visits.agent
        self.drop(uid)

    def has_left(self, turn: Turn) -> bool:
        """Tell whether the node left since this exec began, even if it is back."""
        return self._leaving.get(turn.agent.uid) == turn.agent

    def _has_ended(self, turn: Turn) -> bool:
        """Note the end of an exec on a node that left meanwhile; False for all others."""
        if not self.has_left(turn):
            return False
        del self._leaving[turn.agent.uid]
        visits = self._visits.get(turn.agent.uid)
        if visits is not None:
            visits.is_in_flight = False
        return True

    def focus(self, focus: Focus) -> None:
        """Put the nodes somebody looks at first."""
        added = focus.nodes - self._focus.nodes
        if focus.chosen is not None and focus.chosen != self._focus.chosen:
            added |= {focus.chosen}
        self._focus = focus
        for uid in added:
            visits = self._visits.get(uid)
            if visits is not None:
                visits.wants_dump = visits.wants_dump or uid == focus.chosen
                self._urgent[uid] = None

    def request_count(self, uid: NodeUid, map_name: str) -> None:
        """Ask for one map to be counted at the node's next turn, which comes at once."""
        visits = self._visits.get(uid)
        if visits is not None and visits.request_count(map_name):
            self._urgent[uid] = None

    def revisit(self, uids: Collection[NodeUid]) -> None:
        """Read these nodes next, their load-balancing maps too: their agents were restarted."""
        for uid in uids:
            visits = self._visits.get(uid)
            if visits is not None:
                visits.not_before = NEVER
                visits.wants_dump = True
                self._urgent[uid] = None

    def refresh(self) -> None:
        """Start a sweep now, with a dump of the chosen node."""
        self._last_sweep_at = NEVER
        for uid in self._focus.ordered:
            if uid in self._visits:
                self._visits[uid].wants_dump = uid == self._focus.chosen
                self._urgent[uid] = None

    def resume(self) -> None:
        """Ask all nodes again that were left alone for a reason that is gone."""
        for visits in self._visits.values():
            visits.not_before = NEVER
        self.refresh()

    def reconnect(self) -> None:
        """Begin anew after the API server was away: what failed meanwhile tells of no node."""
        now = self._clock.monotonic()
        for visits in self._visits.values():
            visits.not_before, visits.failures = NEVER, 0
        self._reconnected_at = now
        self._stale = set(self._visits)
        self._sweep_started_at = None
        self._begin_sweep(now)

    def note_ipv6_maps(self, uid: NodeUid, has_them: bool) -> None:
        """Remember whether the IPv6 maps exist there: only then are they worth dumping."""
        if uid in self._visits:
            self._visits[uid].has_ipv6_maps = has_them

    def note_host_probes(self, uid: NodeUid, probes: frozenset[str]) -> None:
        """Remember which host probes the agent's release calls for."""
        if uid in self._visits:
            self._visits[uid].host_probes = probes

    def want_counts(self, uid: NodeUid, probes: tuple[str, ...]) -> None:
        """Have these counts made at the node's next visit."""
        if uid in self._visits:
            self._visits[uid].want_counts(probes)

    def want_dump(self, uid: NodeUid) -> None:
        """Have the load-balancing maps read again at the node's next visit."""
        if uid in self._visits:
            self._visits[uid].wants_dump = True
            if self._is_once:
                self._follow_ups[uid] = None

    def next_turn(self) -> Turn | None:
        """Return the next exec to make and note that it is under way; None when nobody is due."""
        now = self._clock.monotonic()
        if now >= self._next_sweep_at and not self._pending:
            self._begin_sweep(now)
        visits = self._pick(now)
        if visits is None:
            return None
        is_looked_at = visits.agent.uid in self._focus.nodes
        due = visits.due_probes(now, self.interval_seconds, is_looked_at=is_looked_at)
        turn = Turn(visits.agent, due)
        visits.begin(turn.probes, now)
        return turn

    def seconds_until_due(self) -> float:
        """Return how long nobody will be due, if nothing changes; never more than a few seconds."""
        now = self._clock.monotonic()
        wake_at = now + SLEEP_AT_MOST_SECONDS
        if not self._pending:
            wake_at = min(wake_at, self._next_sweep_at)
        for uid in self._focus.ordered:
            visits = self._visits.get(uid)
            if visits is not None and not visits.is_in_flight:
                wake_at = min(wake_at, self._focused_due_at(visits))
        return max(0.01, wake_at - now)

    def finished(self, turn: Turn, seconds: float, failed: Collection[str] | None) -> None:
        """Note the end of an exec.

        Args:
            turn: what was asked.
            seconds: how long it took.
            failed: the probes that gave nothing usable; None when the exec as a whole failed.
        """
        if self._has_ended(turn):
            return
        now = self._clock.monotonic()
        uid = turn.agent.uid
        self._in_sweep.discard(uid)
        visits = self._visits.get(uid)
        if visits is not None and failed is None:
            visits.note_failure(turn)
            self._back_off(visits, visits.failures)
        elif visits is not None and failed is not None:
            if not turn.is_first_reading:
                self._durations.append(seconds)
            visits.note_answer(turn, now, seconds, failed)
            self._has_answered = True
            self._stale.discard(uid)
            if visits.owes_follow_up or (self._is_once and visits.owes_host_parts):
                queue = self._urgent if uid in self._focus.nodes else self._follow_ups
                queue[uid] = None
        self._end_sweep_if_done()

    def unreached(self, turn: Turn) -> None:
        """Note an exec that never got past the API server: the node is not to blame."""
        if self._has_ended(turn):
            return
        self._in_sweep.discard(turn.agent.uid)
        visits = self._visits.get(turn.agent.uid)
        if visits is not None:
            self._back_off(visits, 0)
        self._end_sweep_if_done()

    def _back_off(self, visits: Visits, failures: int) -> None:
        visits.is_in_flight = False
        if visits.last_started_at < self._reconnected_at:
            # It was under way while the API server was lost.
            visits.failures = 0
            self._urgent[visits.agent.uid] = None
            return
        wait = full_jitter(self._clock, failures, self.interval_seconds, MOST_BACKOFF_SECONDS)
        self.postpone(visits.agent.uid, wait)

    def postpone(self, uid: NodeUid, seconds: float) -> None:
        """Leave a node alone for a while: asking it again soon can't help."""
        visits = self._visits.get(uid)
        if visits is not None:
            visits.not_before = self._clock.monotonic() + seconds
            self._leave_queues(uid)
            self._stale.discard(uid)

    def _begin_sweep(self, now: float) -> None:
        """Have all nodes visited again, but those that wait after a failure or still answer."""
        self._end_sweep(now)
        self.sweeps_begun += 1
        waiting = [
            uid
            for uid, visits in self._visits.items()
            if visits.not_before <= now and not visits.is_in_flight
        ]
        # Another order each time: nobody is always last.
        offset = int(self._clock.random() * len(waiting))
        self._pending = dict.fromkeys([*waiting[offset:], *waiting[:offset]])
        self._jitter = (self._clock.random() - 0.5) * 0.1
        self._last_sweep_at = now
        self._sweep_started_at = now if waiting else None

    def _end_sweep_if_done(self) -> None:
        if not self._pending and not self._in_sweep:
            self._end_sweep(self._clock.monotonic())

    def _end_sweep(self, now: float) -> None:
        if self._sweep_started_at is not None and self._has_answered and not self._stale:
            self.last_sweep_seconds = now - self._sweep_started_at
            self.sweeps_done += 1
        self._sweep_started_at = None
        self._has_answered = False
        self._in_sweep.clear()

    def _pick(self, now: float) -> Visits | None:
        for uid in self._focus.ordered:
            visits = self._visits.get(uid)
            if visits is not None and not visits.is_in_flight and self._is_due(visits, now):
                self._take(uid)
                return visits
        for queue in (self._urgent, self._pending, self._follow_ups):
            for uid in queue:
                visits = self._visits[uid]
                if not visits.is_in_flight and visits.not_before <= now:
                    self._take(uid)
                    return visits
        return None

    def _is_due(self, visits: Visits, now: float) -> bool:
        """Whether a node somebody looks at may go now."""
        if visits.agent.uid in self._pending:
            return now >= visits.not_before
        return now >= self._focused_due_at(visits)

    def _focused_due_at(self, visits: Visits) -> float:
        if visits.agent.uid in self._urgent:
            return visits.not_before
        pace = min(self.interval_seconds, max(self._asked_interval or 0.0, BASE_INTERVAL_SECONDS))
        return max(visits.not_before, visits.last_started_at + pace)

    def _take(self, uid: NodeUid) -> None:
        if uid in self._pending:
            self._in_sweep.add(uid)
        self._leave_queues(uid)

    def _leave_queues(self, uid: NodeUid) -> None:
        for queue in (self._pending, self._urgent, self._follow_ups):
            queue.pop(uid, None)
