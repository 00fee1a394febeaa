"""What can't be read and why: opened once, closed once, never silent."""

from __future__ import annotations

from tui.collect.clock import Clock
from tui.collect.outbox import Outbox
from tui.model.snapshot import Gap, GapChanged
from tui.safety import CleanText

ONLY_FOR_CHECKS = frozenset(
    {
        "ciliumnodeconfigs",
        "controllerrevisions",
        "endpoints",
        "events",
        "persistentvolumes",
        "volumeattachments",
        "workload pods",
    }
)
"""Gaps that leave some checks without evidence, which these say, and hurt nothing else."""


class GapBook:
    """The open gaps of one source."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._open: dict[str, Gap] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def newest(self) -> Gap | None:
        """The gap that opened last, of those that make the source worse.

        A right that only some checks need is refused for good: the checks say UNKNOWN.
        """
        telling = (
            gap for key, gap in self._open.items() if not (gap.is_denied and key in ONLY_FOR_CHECKS)
        )
        return max(telling, key=lambda gap: gap.since, default=None)

    async def open(
        self, key: str, what: CleanText, reason: CleanText, *, is_denied: bool = False
    ) -> None:
        """Note that something can't be read; the same gap keeps its beginning."""
        before = self._open.get(key)
        since = before.since if before is not None else self._clock.time()
        gap = Gap(what, reason, since, is_denied)
        if gap != before:
            self._open[key] = gap
            await self._outbox.put(GapChanged(key, gap))

    async def close(self, key: str) -> None:
        """Note that it can be read again."""
        if self._open.pop(key, None) is not None:
            await self._outbox.put(GapChanged(key, None))
