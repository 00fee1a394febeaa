"""Share what the verdicts of thousands of nodes have in common: most say the same as others."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TypeVar, cast

from tui.model.findings import Evidence, FindingSeverity, Verdict
from tui.model.names import NodeName

T = TypeVar("T", bound=Hashable)

MOST_KEPT = 20_000
"""Texts with numbers in them change for ever; then the pool begins anew."""


class VerdictPool:
    """One object for equal verdicts and equal parts of verdicts."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Hashable] = {}
        self._clear: dict[tuple[str, str], Verdict] = {}

    def shared(self, verdict: Verdict) -> Verdict:
        """Return the verdict with shared parts; a plain CLEAR is one for all nodes."""
        if len(self._parts) > MOST_KEPT:
            self._parts.clear()
        if len(self._clear) > MOST_KEPT:
            self._clear.clear()
        is_plain = not (verdict.evidence or verdict.objects or verdict.missing or verdict.harm)
        if verdict.severity is FindingSeverity.CLEAR and is_plain:
            key = (verdict.check_id, verdict.summary)
            known = self._clear.get(key)
            if known is None:
                known = replace(verdict, node_uid=None, node_name=NodeName(""), group="")
                self._clear[key] = known
            return known
        return replace(
            verdict,
            summary=self._part(verdict.summary),
            objects=self._part(verdict.objects),
            evidence=tuple(map(self._evidence, verdict.evidence)),
            remedy=self._part(verdict.remedy),
            missing=self._part(verdict.missing),
        )

    def _evidence(self, evidence: Evidence) -> Evidence:
        """Return the same evidence with shared texts: commands are the same on all nodes."""
        return replace(
            evidence,
            text=self._part(evidence.text),
            source=self._part(evidence.source),
            key=self._part(evidence.key),
        )

    def _part(self, part: T) -> T:
        return cast("T", self._parts.setdefault(part, part))
