"""Verdicts on screen: their symbols, what is out of sight, and which plain faults they cover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from tui.model.findings import Finding, FindingSeverity, Remedy, Verdict
from tui.model.nextstart import NextStart
from tui.safety import CleanText
from tui.screens import wording
from tui.screens.faults import Fault, Subject
from tui.screens.severity import Rank, Severity

T = TypeVar("T")

LOUD = frozenset({FindingSeverity.ACTIVE, FindingSeverity.ARMED})
"""What hurts or is about to."""
QUIET = frozenset({FindingSeverity.LATENT, FindingSeverity.CLEAR})
"""What is out of sight while anything is loud."""
FOLDED_UNKNOWNS = 3
"""More verdicts than these that could not be given stand in one row."""

_SEVERITIES = {
    FindingSeverity.ACTIVE: Severity.HARM,
    FindingSeverity.ARMED: Severity.WARNING,
    FindingSeverity.UNKNOWN: Severity.UNKNOWN,
    FindingSeverity.LATENT: Severity.NOTE,
    FindingSeverity.CLEAR: None,
}
_COVERING = {
    Rank.MISSING_SERVICE: frozenset({"service-map-drift"}),
    Rank.BROKEN_SERVICE: frozenset({"service-map-drift"}),
    Rank.ODD_SERVICE: frozenset({"service-map-drift"}),
    Rank.FULL_MAP: frozenset({"map-pressure", "backend-leak"}),
    Rank.FILLING_MAP: frozenset({"map-pressure", "backend-leak"}),
    Rank.MAP_SYNC: frozenset({"map-pressure", "backend-leak"}),
}
_RANKS = {
    "service-map-drift": Rank.MISSING_SERVICE,
    "backend-leak": Rank.FULL_MAP,
    "map-pressure": Rank.FULL_MAP,
}
_OTHER_RANK = Rank.FILLING_MAP
"""Where nodes stand whose worst verdict is another check's: below what is broken or down."""


def screen_severity(severity: FindingSeverity) -> Severity | None:
    """Return the screens' severity of a verdict; None is all right."""
    return _SEVERITIES[severity]


def verdict_key(verdict: Verdict) -> str:
    """Return the key of the finding that a verdict belongs to."""
    # As the judge groups them: what is fine is one finding a check.
    group = "" if verdict.severity is FindingSeverity.CLEAR else verdict.group
    return f"{verdict.check_id}/{group}/{verdict.severity.value}"


def uncovered(faults: Iterable[Fault], verdicts: Sequence[Verdict]) -> list[Fault]:
    """Return the plain faults that no loud verdict of the node tells already."""
    loud = [verdict for verdict in verdicts if verdict.severity in LOUD]
    return [fault for fault in faults if not any(_covers(verdict, fault) for verdict in loud)]


def _covers(verdict: Verdict, fault: Fault) -> bool:
    if fault.subject is Subject.LOG:
        return any(piece.key == fault.key for piece in verdict.evidence)
    if verdict.check_id not in _COVERING.get(fault.rank, ()):
        return False
    if fault.subject is not Subject.MAPS or not verdict.group:
        return True
    name = wording.short_map(fault.key)
    about = (verdict.group, *(piece.key for piece in verdict.evidence))
    return any(wording.short_map(each) == name for each in about)


@dataclass(frozen=True, slots=True)
class Issues:
    """What is wrong on one node, in numbers, muted findings left out."""

    active: int = 0
    armed: int = 0
    unread: int = 0
    """Faults that say that something could not be read."""
    rank: int = len(Rank)
    """Of the worst of them."""


def issues_of(
    faults: Iterable[Fault], verdicts: Sequence[Verdict], muted: Collection[str] = ()
) -> Issues:
    """Return a node's numbers: its loud verdicts, and the faults that they do not tell."""
    shown = [
        verdict
        for verdict in verdicts
        if verdict.severity in LOUD and (not muted or verdict_key(verdict) not in muted)
    ]
    rest = uncovered(faults, verdicts)
    numbers = Counter(verdict.severity for verdict in shown)
    told = Counter(fault.severity for fault in rest)
    ranks = [
        (_SEVERITIES[verdict.severity] or Severity.HARM, _RANKS.get(verdict.check_id, _OTHER_RANK))
        for verdict in shown
    ]
    ranks += [(fault.severity, fault.rank) for fault in rest]
    return Issues(
        numbers[FindingSeverity.ACTIVE] + told[Severity.HARM],
        numbers[FindingSeverity.ARMED] + told[Severity.WARNING],
        told[Severity.UNKNOWN],
        int(min(ranks)[1]) if ranks else len(Rank),
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """What a node's next agent start would change, in numbers."""

    count: int | None = None
    """Keys that would change; None where that is unknown."""
    breaks: bool = False
    is_judged: bool = True
    """False before the node was judged for the first time."""


def pending_of(next_start: NextStart | None) -> Pending:
    """Return the numbers of a node's next start."""
    if next_start is None:
        return Pending(is_judged=False)
    if not next_start.is_known:
        return Pending(None, next_start.breaks)
    return Pending(next_start.pending_count, next_start.breaks)


@dataclass(frozen=True, slots=True)
class Sight(Generic[T]):
    """What of some findings or verdicts is in sight, and what is not."""

    shown: tuple[T, ...] = ()
    """Worst first, the muted ones at the end."""
    quiet: Counter[FindingSeverity] = field(default_factory=Counter)
    """LATENT and CLEAR ones by severity: out of sight, unless all are shown."""
    muted: int = 0
    has_loud: bool = False
    """Whether anything is ACTIVE or ARMED that is not muted."""

    def line(self, *, is_all: bool) -> str:
        """Return what is out of sight and how it is shown: `3 latent, 9 clear: A shows all`."""
        words = [
            f"{wording.count(self.quiet[severity])} {severity.value.lower()}"
            for severity in FindingSeverity
            if self.quiet[severity]
        ]
        if self.muted:
            words.append(f"{wording.count(self.muted)} muted")
        if not words or not (is_all or self.muted or self.has_loud):
            return ""
        return f"{', '.join(words)}: A {'hides them' if is_all else 'shows all'}"


def in_sight(
    items: Iterable[T], keyed: Callable[[T], tuple[str, FindingSeverity]], muted: Collection[str],
    *, is_all: bool,
) -> Sight[T]:  # fmt: skip
    """Return what is in sight: LATENT and CLEAR are not while anything is ACTIVE or ARMED.

    Args:
        items: Findings or verdicts, worst first.
        keyed: Gives an item's key among the muted ones, and its severity.
        muted: Keys that are out of sight too.
        is_all: Whether everything is asked for.
    """
    kept: list[tuple[T, FindingSeverity]] = []
    dimmed: list[T] = []
    for item in items:
        key, severity = keyed(item)
        if key in muted:
            dimmed.append(item)
        else:
            kept.append((item, severity))
    has_loud = any(severity in LOUD for _, severity in kept)
    shown = [item for item, severity in kept if is_all or not has_loud or severity not in QUIET]
    quiet = Counter(severity for _, severity in kept if severity in QUIET)
    return Sight((*shown, *(dimmed if is_all else ())), quiet, len(dimmed), has_loud)


def finding_of(verdict: Verdict, whole: Finding | None) -> Finding:
    """Return one node's verdict as a finding of its own.

    Args:
        verdict: What the check says of the node.
        whole: The finding over all nodes, whose general words hold where the verdict has none.
    """
    if whole is None:
        whole = Finding(
            verdict.check_id, CleanText(verdict.check_id), verdict.severity, verdict.summary,
            CleanText(""), first_seen=verdict.since, group=verdict.group,
        )  # fmt: skip
    is_of_node = verdict.node_uid is not None
    return replace(
        whole,
        summary=verdict.summary,
        nodes=(verdict.node_uid,) if verdict.node_uid is not None else (),
        node_names=(verdict.node_name,) if is_of_node else (),
        objects=verdict.objects,
        objects_total=len(verdict.objects),
        evidence=verdict.evidence,
        remedy=verdict.remedy if verdict.remedy != Remedy() else whole.remedy,
        missing=verdict.missing,
        first_seen=verdict.since or whole.first_seen,
    )
