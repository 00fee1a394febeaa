"""Drops of the datapath that a full map explains, and those that only contention does.

Rates are those since the last sweep; a total alone says nothing of now.
"""

from __future__ import annotations

from collections.abc import Sequence

from tui.checks.phrases import percent
from tui.checks.proof.mapfacts import NEARLY_FULL_RATIO, MapFacts, count_command, count_evidence
from tui.checks.proof.sources import metrics_command, stated
from tui.checks.view import NodeView
from tui.model.agent import DropRate
from tui.model.findings import FindingSeverity, MissingEvidence, Remedy, Verdict
from tui.safety import CleanText, clean

CONNTRACK_REASON = "CT: Map insertion failed"
"""Drop reason 155."""
_NAT_REASON = "No mapping for NAT masquerade"
_SHARED_LOCK_FIXED = (6, 15)
"""Kernels before it return EBUSY from an LRU map's insert under lock contention."""
HURTING_RATE = 1.0
"""Packets a second; TCP sends a rare lost first packet again."""
_GROUP = "conntrack"
_MOST_HARM = 1e9

CONTENTION_REMEDY = Remedy(
    now=(
        CleanText("do not resize: the conntrack maps have room, and a resize loses all state"),
        CleanText("look for a scan or a burst of new connections to the node (hubble, conntrack)"),
    ),
    lasting=(
        CleanText("kernel 6.15 or later, where inserts do not fail for a busy lock"),
        CleanText(
            "fewer garbage collections: a fixed conntrack-gc-interval in place of the short"
            " intervals that churn makes"
        ),
    ),
    needs_restart=None,
    interrupts=CleanText("Nothing now; a new kernel needs a reboot of the node."),
    test=CleanText("cilium-dbg metrics list -p cilium_drop_count_total -o json"),
)


def dropping(view: NodeView) -> tuple[str, ...]:
    """Return the drops that go on now and that a full map can explain, as `REASON: 3.0/s …`."""
    return tuple(
        _words(drop)
        for drop in _drops(view)
        if drop.reason.startswith((CONNTRACK_REASON, _NAT_REASON))
    )


def _drops(view: NodeView) -> Sequence[DropRate]:
    metrics = view.facts.metrics.value
    return [] if metrics is None else [drop for drop in metrics.drops if drop.per_second > 0]


def _words(drop: DropRate) -> str:
    way = f" {drop.direction}" if drop.direction else ""
    return f"{drop.reason}{way}: {drop.per_second:.1f}/s, {drop.packets:,} since the last sweep"


def judge_contention(view: NodeView, check_id: str, every: Sequence[MapFacts]) -> Verdict | None:
    """Judge conntrack inserts that fail while no conntrack map is nearly full."""
    drops = [drop for drop in _drops(view) if drop.reason.startswith(CONNTRACK_REASON)]
    if not drops:
        return None
    tables = [facts.usage for facts in every if facts.key in ("ct-tcp", "ct-any")]
    ratios = [usage.ratio for usage in tables if usage.ratio is not None]
    if ratios and max(ratios) >= NEARLY_FULL_RATIO:
        return None
    rate = sum(drop.per_second for drop in drops)
    severity = FindingSeverity.ACTIVE if rate >= HURTING_RATE else FindingSeverity.LATENT
    missing: tuple[MissingEvidence, ...] = ()
    cause, remedy = _cause(view, max(ratios, default=None))
    if not ratios:
        how = view.command(count_command(view, tables[0]) if tables else "bpftool -j -f map show")
        missing = (MissingEvidence(CleanText("how full the conntrack maps are"), how),)
    metrics, command = view.facts.metrics, metrics_command(view)
    return view.verdict(
        check_id,
        severity,
        f"new connections are dropped, {rate:.1f}/s ({CONNTRACK_REASON}): {cause}",
        evidence=(
            *(stated(view, metrics, f"drops: {_words(drop)}", command) for drop in drops),
            *(count_evidence(view, usage) for usage in tables),
        ),
        remedy=remedy,
        missing=missing,
        harm=max(1, int(min(rate, _MOST_HARM))),
        group=_GROUP,
    )


def _cause(view: NodeView, ratio: float | None) -> tuple[str, Remedy]:
    if ratio is None:
        why = "capacity or contention, as no conntrack map was counted"
        now = (clean("count the conntrack maps first: only above 90 % is it capacity"),)
        return why, Remedy(now=now, test=CONTENTION_REMEDY.test)
    room = f"the conntrack maps are at most {percent(ratio)} full"
    kernel = view.kernel
    if kernel is not None and kernel.at_least(*_SHARED_LOCK_FIXED):
        text = f"not capacity, {room}; kernel {view.facts.node.kernel_release} is not one whose"
        return f"{text} inserts fail for a busy lock either", CONTENTION_REMEDY
    return f"contention, not capacity: {room}", CONTENTION_REMEDY
