"""The header: which cluster, how it fares, how fresh it is, and the one line that matters."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.snapshot import Snapshot, SourceHealth, SourceState
from tui.screens import wording
from tui.screens.decisive import decisive_parts, decisive_text
from tui.screens.fleet import FleetSummary, NodeStatus
from tui.screens.marks import STATUS_TONES, status_symbol
from tui.screens.room.words import (
    broker_trouble,
    cluster_item,
    freshness_item,
    is_brokered,
    room_items,
)
from widgets.header import HeaderItem, HeaderView
from widgets.symbols import symbols
from widgets.tones import Span, Tone, context_tone

ROOMY_COLUMNS = 180
"""Width from which there is room for what helps less often."""
_HEADLINE_MARGIN = 4
"""Cells beside the headline's text: an edge on both sides, the symbol and a space."""
_HEALTH_TONES = {
    SourceState.CONNECTING: Tone.MUTED,
    SourceState.LIVE: Tone.MUTED,
    SourceState.DEGRADED: Tone.WARNING,
    SourceState.LOST: Tone.ERROR,
    SourceState.ENDED: Tone.MUTED,
}


def header_view(
    snapshot: Snapshot,
    fleet: FleetSummary,
    now: float,
    *,
    badges: Sequence[HeaderItem] = (),
    paused_at: float | None = None,
    columns: int = 200,
) -> HeaderView:
    """Return what the header shows.

    Args:
        snapshot: What is shown, which is an old one while paused.
        fleet: Its summary.
        now: The moment of drawing.
        badges: Whether this session may write, and what runs.
        paused_at: When the view was frozen; None while it is live.
        columns: How wide the terminal is; the headline keeps what is decisive.
    """
    return HeaderView(
        tuple(_items(snapshot, fleet, now, badges, paused_at, columns)),
        f"{wording.utc_clock(now)} UTC",
        wording.utc_clock(now),
        headline(snapshot, fleet, now, columns),
    )


def _items(
    snapshot: Snapshot,
    fleet: FleetSummary,
    now: float,
    badges: Sequence[HeaderItem],
    paused_at: float | None,
    columns: int,
) -> list[HeaderItem]:
    cluster = snapshot.cluster
    is_broker = is_brokered(snapshot)
    items = [
        # Before a badge or a collector that is gone has to leave a narrow line.
        HeaderItem((Span(" ciltop", Tone.STRONG),), priority=4),
        cluster_item(snapshot) if is_broker else _context(cluster.context),
    ]
    if paused_at is not None:
        since = wording.age(now - paused_at)
        words = f" {symbols().paused} PAUSED {since} "
        items.append(HeaderItem((Span(words, Tone.ALERT),)))
    items += badges
    if is_broker:
        items += room_items(snapshot)
    if cluster.kubernetes_version.value:
        version = _short_release(cluster.kubernetes_version.value)
        items.append(_plain(f"k8s {version}", 8))
    if fleet.releases:
        items.append(_releases(fleet))
    if fleet.nodes or snapshot.is_complete:
        items.append(_nodes(fleet))
    if is_broker:
        items.append(freshness_item(snapshot, now, _HEALTH_TONES[snapshot.health.state]))
    else:
        items.append(_freshness(snapshot.health, now, columns))
    gaps = len(snapshot.gaps) + fleet.unread
    if gaps:
        items.append(_gaps(gaps, columns))
    if fleet.active is not None or fleet.harms or fleet.warnings:
        items += _severities(fleet)
    return items


def _context(name: str) -> HeaderItem:
    context = wording.cut(name, 60) or "no context"
    return HeaderItem((Span(f" {context} ", context_tone(context)),))


def _divider() -> Span:
    return Span(f" {symbols().divider} ", Tone.MUTED)


def _plain(words: str, priority: int, short: str = "") -> HeaderItem:
    return HeaderItem((Span(words),), (Span(short),) if short else (), priority)


def _short_release(version: str) -> str:
    return ".".join(version.removeprefix("v").split(".")[:2])


def _releases(fleet: FleetSummary) -> HeaderItem:
    times = symbols().times
    shown = [f"{release} {times}{number}" for release, number in fleet.releases[:3]]
    if len(fleet.releases) > 3:
        shown.append(f"+{len(fleet.releases) - 3}")
    short = f"cilium {fleet.releases[0][0]}"
    if len(fleet.releases) > 1:
        short = f"{len(fleet.releases)} releases"
    return _plain(f"cilium {'  '.join(shown)}", 7, short)


def _nodes(fleet: FleetSummary) -> HeaderItem:
    spans = [Span(wording.counted(len(fleet.nodes), "node"))]
    for status in (NodeStatus.HARM, NodeStatus.WARNING, NodeStatus.UNKNOWN, NodeStatus.LOADING):
        number = fleet.statuses.get(status, 0)
        if number:
            words = f" {status_symbol(status)} {wording.count(number)}"
            spans.append(Span(words, STATUS_TONES[status]))
    healthy = fleet.statuses.get(NodeStatus.OK, 0)
    whole = (*spans, Span(f" {status_symbol(NodeStatus.OK)} {wording.count(healthy)}", Tone.OK))
    return HeaderItem(whole if healthy else tuple(spans), (spans[0],), 6)


def _gaps(number: int, columns: int) -> HeaderItem:
    words = f"{symbols().unknown} {wording.counted(number, 'gap')}"
    whole = f"{words} :gaps" if columns >= ROOMY_COLUMNS else words
    short = f"{symbols().unknown} {wording.count(number)}"
    return HeaderItem((Span(whole, Tone.WARNING),), (Span(short, Tone.WARNING),), 5)


def _freshness(health: SourceHealth, now: float, columns: int) -> HeaderItem:
    tone = _HEALTH_TONES[health.state]
    age = None if health.sweep_ended_at is None else now - health.sweep_ended_at
    if health.state in (SourceState.LIVE, SourceState.CONNECTING) and age is not None:
        is_told = health.sweep_seconds is not None and columns >= ROOMY_COLUMNS
        sweep = f"sweep {health.sweep_seconds:.1f} s, " if is_told else ""
        return HeaderItem(
            (Span(f"{sweep}{wording.ago(age)}", tone),), (Span(wording.ago(age), tone),), 4
        )
    word = "no Cilium" if has_no_cilium(health) else health.state.value
    return HeaderItem((Span(word, tone),), priority=1)


def _severities(fleet: FleetSummary) -> list[HeaderItem]:
    """Return the findings in numbers; until the checks have judged, the faults seen on nodes."""
    table = symbols()
    numbers = [
        (table.active, fleet.active or 0, "active", Tone.ERROR),
        (table.armed, fleet.armed, "armed", Tone.WARNING),
    ]
    if fleet.active is None:
        numbers = [
            (table.active, fleet.harms, _plural(fleet.harms, "fault"), Tone.ERROR),
            (table.armed, fleet.warnings, _plural(fleet.warnings, "warning"), Tone.WARNING),
        ]
    spans: list[Span] = []
    short: list[Span] = []
    for symbol, number, noun, tone in numbers:
        if number:
            gap = " " if spans else ""
            spans.append(Span(f"{gap}{symbol} {wording.count(number)} {noun}", tone))
            short.append(Span(f"{gap}{symbol} {wording.count(number)}", tone))
    return [HeaderItem(tuple(spans), tuple(short), 2)] if spans else []


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


def headline(
    snapshot: Snapshot, fleet: FleetSummary, now: float, columns: int = 160
) -> tuple[Span, ...]:
    """Return the second line: a source in trouble first, else what is broken, unread or near it."""
    parts = decisive_parts(fleet.nodes, snapshot, fleet.muted)
    is_broken = bool(parts) and fleet.nodes[0].status is NodeStatus.HARM
    trouble = source_trouble(snapshot, now)
    if trouble:
        tone = _HEALTH_TONES[snapshot.health.state]
        spans = [Span(f"{symbols().stale} {trouble}", tone)]
        if is_broken:
            spans += [_divider(), Span(decisive_text(parts, columns), Tone.ERROR)]
        return tuple(spans)
    room = columns - _HEADLINE_MARGIN
    if is_broken:
        return (Span(f"{symbols().active} {decisive_text(parts, room)}", Tone.ERROR),)
    if snapshot.gaps:
        return _gaps_line(snapshot)
    if parts:
        return (Span(f"{symbols().armed} {decisive_text(parts, room)}", Tone.WARNING),)
    return ()


def has_no_cilium(health: SourceHealth) -> bool:
    """Return whether the API answers, and only the agents' pods were not found."""
    return health.reason.startswith("no Cilium")


def source_trouble(snapshot: Snapshot, now: float) -> str:
    """Return why what is shown grows old; the empty text while it does not."""
    health = snapshot.health
    if is_brokered(snapshot):
        return broker_trouble(snapshot, now)
    if health.state not in (SourceState.DEGRADED, SourceState.LOST):
        return ""
    if has_no_cilium(health):
        return wording.cut(health.reason)
    word = "lost the API" if health.state is SourceState.LOST else "degraded"
    since = ""
    if health.last_good_at is not None:
        since = f", last answer {wording.ago(now - health.last_good_at)}"
    reason = f": {wording.cut(health.reason)}" if health.reason else ""
    return f"{word}{since}{reason}"


def _gaps_line(snapshot: Snapshot) -> tuple[Span, ...]:
    first = next(iter(snapshot.gaps.values()))
    more = f" +{len(snapshot.gaps) - 1} (:gaps)" if len(snapshot.gaps) > 1 else ""
    word = "denied" if first.is_denied else "failed"
    text = f"{symbols().unknown} can't {first.what}, {word}: {wording.cut(first.reason)}{more}"
    return (Span(text, Tone.WARNING),)
