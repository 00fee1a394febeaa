"""How the source fares, and the numbers that prove it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tui.collect.clock import Clock
from tui.collect.gaps import GapBook
from tui.collect.schedule import Schedule
from tui.model.snapshot import SourceHealth, SourceState
from tui.safety import CleanText, clean

FAILING_SHARE = 0.1
"""More failing execs than this share of the nodes are worth a word; a single one is its node's."""

NEEDED = frozenset({"nodes", "pods"})
"""Until these were listed, or refused, an empty screen means loading."""


@dataclass(slots=True)
class Contact:
    """When and how the API server was heard of."""

    clock: Clock
    last_good_at: float | None = None
    lost: dict[str, CleanText] = field(default_factory=dict)
    """By watch: why it sees nothing now."""
    refused: set[str] = field(default_factory=set)
    """Watches that the server answered last with a refusal."""
    listed: set[str] = field(default_factory=set)
    """Watches that brought a first answer, be it a refusal."""
    startup_error: CleanText = CleanText("")
    execs_in_flight: int = 0
    exec_failures: int = 0
    exec_error: CleanText = CleanText("")
    """Why the last exec failed; empty after one that was answered."""
    on_return: Callable[[], None] = lambda: None
    """Called when the API server answers again after it was lost."""
    _is_away: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether nothing that is needed can be seen."""
        # What is refused is tried once a minute: it can't tell that the server went away.
        telling = NEEDED - self.refused
        return bool(telling) and self.lost.keys() >= telling

    def lose(self, key: str, reason: CleanText) -> None:
        """Note that a watch sees nothing; a server that stays lost is lost once."""
        was_lost = self.is_lost
        self.lost[key] = reason
        self._is_away = self._is_away or (self.is_lost and not was_lost)

    def hear(self) -> None:
        """Note that the API server answered."""
        self.last_good_at = self.clock.time()
        if self._is_away:
            self._is_away = False
            self.on_return()


class HealthBook:
    """Judges the source."""

    def __init__(
        self,
        name: Callable[[], CleanText],
        contact: Contact,
        schedule: Schedule,
        gaps: GapBook,
        unread_logs: Callable[[], int] = lambda: 0,
        nodes_total: Callable[[], int] = lambda: 0,
    ) -> None:
        self._nodes_total = nodes_total
        self._unread_logs = unread_logs
        self._name = name
        self._contact = contact
        self._schedule = schedule
        self._gaps = gaps
        self._sweeps_seen = 0
        self._sweep_ended_at: float | None = None

    def health(self) -> SourceHealth:
        """Return the source's health as of now."""
        contact, schedule = self._contact, self._schedule
        if schedule.sweeps_done != self._sweeps_seen:
            self._sweeps_seen = schedule.sweeps_done
            self._sweep_ended_at = contact.clock.time()
        state, reason = self._judge()
        return SourceHealth(
            name=self._name(),
            state=state,
            reason=reason,
            last_good_at=contact.last_good_at,
            sweep_seconds=_rounded(schedule.last_sweep_seconds),
            sweep_p95_seconds=_rounded(schedule.p95_seconds()),
            sweep_ended_at=self._sweep_ended_at,
            sweep_interval_seconds=_rounded(schedule.interval_seconds),
            execs_in_flight=contact.execs_in_flight,
            exec_failures=contact.exec_failures,
            nodes_due=schedule.due_count,
            nodes_unread=schedule.unread_count,
            logs_unread=self._unread_logs(),
            nodes_total=self._nodes_total(),
        )

    def _judge(self) -> tuple[SourceState, CleanText]:
        contact = self._contact
        if contact.startup_error:
            return SourceState.LOST, contact.startup_error
        if contact.is_lost:
            return SourceState.LOST, contact.lost[min(NEEDED & contact.lost.keys())]
        if not contact.listed >= NEEDED:
            return SourceState.CONNECTING, CleanText("")
        reason = self._degradation()
        return (SourceState.DEGRADED if reason else SourceState.LIVE), reason

    def _degradation(self) -> CleanText:
        """Say what fails while the rest goes on; empty where nothing does."""
        contact, schedule = self._contact, self._schedule
        if schedule.stale_count:
            read = len(schedule) - schedule.stale_count
            return clean(f"reconnected, {read:,} of {len(schedule):,} nodes read")
        if contact.lost:
            return next(iter(contact.lost.values()))
        is_alone = contact.exec_failures == 1 < len(schedule)
        if contact.exec_failures > FAILING_SHARE * len(schedule) and not is_alone:
            count, error = contact.exec_failures, contact.exec_error
            return clean(f"{count} exec{'s' * (count > 1)} failed, last: {error}")
        newest = self._gaps.newest
        if newest is not None:
            return clean(f"{newest.what}: {newest.reason}")
        return CleanText("")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
