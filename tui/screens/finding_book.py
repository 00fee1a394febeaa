"""The findings on the board: by key, how many are loud, and which are muted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tui.model.findings import Finding, FindingSeverity
from tui.screens.mutes import Mute
from tui.screens.verdicts import Sight, in_sight


class FindingBook:
    """Hold the newest findings with the muted ones of the context."""

    def __init__(self) -> None:
        self.findings: tuple[Finding, ...] = ()
        self.muted: Mapping[str, Mute] = {}
        self._by_key: dict[str, Finding] = {}
        self._sights: dict[bool, Sight[Finding]] = {}
        self.counts: Counter[FindingSeverity] = Counter()
        """By severity, the muted ones left out."""
        self.checks = 0
        """How many checks have said something."""

    def take(self, findings: tuple[Finding, ...], muted: Mapping[str, Mute]) -> None:
        """Take in the newest findings; the same ones cost nothing."""
        if findings is self.findings and muted == self.muted:
            return
        self.findings, self.muted = findings, muted
        self._by_key = {finding.key: finding for finding in findings}
        self._sights = {}
        self.counts = Counter(finding.severity for finding in findings if finding.key not in muted)
        self.checks = len({finding.id for finding in findings})

    def get(self, key: str) -> Finding | None:
        """Return a finding, or None when it is gone."""
        return self._by_key.get(key)

    def same_subject(self, finding: Finding) -> Finding | None:
        """Return the worst finding that a check makes of the same thing now.

        One that got worse, or better, has another key.
        """
        return next(
            (
                each
                for each in self.findings
                if (each.id, each.group) == (finding.id, finding.group)
            ),
            None,
        )

    def sight(self, *, is_all: bool) -> Sight[Finding]:
        """Return what is in sight, and what is not."""
        if is_all not in self._sights:
            self._sights[is_all] = in_sight(
                self.findings,
                lambda finding: (finding.key, finding.severity),
                self.muted,
                is_all=is_all,
            )
        return self._sights[is_all]
