"""The rows of a cluster's collectors, and one collector opened."""

from __future__ import annotations

from collections.abc import Iterable

from tui.model.room import CollectorSeen, Presence
from tui.screens import wording
from tui.screens.details import Detail
from tui.screens.room.words import presence_mark, skew_words
from widgets.detail_lines import DetailLine, sentence, value
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

COLLECTOR_COLUMNS = (
    GridColumn("mark", "", 1, 1, is_sortable=False),
    GridColumn("collector", "COLLECTOR", 10, 32),
    GridColumn("state", "STATE", 7, 7),
    GridColumn("nodes", "NODES", 5, 7, align="right", sorts_descending=True),
    GridColumn("heard", "HEARD", 7, 8, align="right", sorts_descending=True),
    GridColumn("sweep", "SWEEP", 10, 12, align="right", priority=4),
    GridColumn("fails", "FAILED", 6, 9, align="right", priority=3, sorts_descending=True),
    GridColumn("dropped", "DROPPED", 7, 9, align="right", priority=6, sorts_descending=True),
    GridColumn("lost", "LOST", 5, 9, align="right", priority=2, sorts_descending=True),
    GridColumn("skew", "CLOCK", 6, 14, priority=5),
    GridColumn("says", "SAYS", 16, 40, priority=1, is_flexible=True),
    GridColumn("host", "HOST", 8, 24, priority=7),
    GridColumn("version", "VERSION", 7, 12, priority=8),
)
"""The collectors' columns."""


def collector_rows(collectors: Iterable[CollectorSeen], now: float) -> list[GridRow]:
    """Return one row a collector, those in trouble first."""
    return [_row(one, now) for one in sorted(collectors, key=_order)]


_PRESENCES = (Presence.GONE, Presence.LATE, Presence.PRESENT)


def _order(one: CollectorSeen) -> tuple[int, bool, str]:
    return _PRESENCES.index(one.presence), not one.reason, one.id


def _row(one: CollectorSeen, now: float) -> GridRow:
    mark = presence_mark(one.presence)
    is_there = one.presence is Presence.PRESENT
    cells: tuple[CellText, ...] = (
        mark,
        Span(wording.cut(one.id, 80), Tone.STRONG),
        Span(one.presence.value, mark.tone),
        wording.count(one.nodes),
        _heard(one, now),
        Span(_sweep(one), Tone.NORMAL if is_there else Tone.MUTED),
        _number(one.exec_failures),
        _number(one.dropped),
        _number(one.lost),
        Span(skew_words(one.skew_seconds), Tone.WARNING),
        Span(wording.cut(one.reason), Tone.WARNING),
        Span(wording.cut(one.host, 60), Tone.MUTED),
        Span(wording.cut(one.version, 20), Tone.MUTED),
    )
    return GridRow(
        one.id,
        cells,
        {
            "nodes": one.nodes,
            "heard": None if one.heard_at is None else now - one.heard_at,
            "sweep": one.sweep_seconds,
            "fails": one.exec_failures,
            "dropped": one.dropped,
            "lost": one.lost,
            "skew": one.skew_seconds,
        },
        is_fault=not is_there or bool(one.reason),
    )


def _heard(one: CollectorSeen, now: float) -> Span:
    if one.heard_at is None:
        return Span(symbols().unknown, Tone.UNKNOWN)
    words = wording.coarse_age(now - one.heard_at)
    if one.presence is Presence.PRESENT:
        return Span(words, Tone.MUTED)
    return Span(f"{symbols().stale} {words}", Tone.STALE)


def _sweep(one: CollectorSeen) -> str:
    if one.sweep_seconds is None:
        return symbols().unknown
    every = f"/{one.sweep_interval_seconds:.0f}" if one.sweep_interval_seconds else ""
    return f"{one.sweep_seconds:.1f}{every} s"


def _number(number: int) -> Span:
    return Span(wording.count(number), Tone.WARNING if number else Tone.MUTED)


def collector_detail(one: CollectorSeen, cluster: str, now: float) -> Detail:
    """Return everything known of one collector."""
    mark = presence_mark(one.presence)
    lines: list[DetailLine] = []
    if one.reason:
        lines.append(sentence(f"{symbols().armed} {one.reason}", Tone.WARNING))
    heard = "only a retained message is known, whose age nobody can tell"
    if one.heard_at is not None:
        heard = f"{wording.utc_stamp(one.heard_at)}, {wording.ago(now - one.heard_at)}"
    skew = "not known before it is heard live"
    if one.skew_seconds is not None:
        skew = skew_words(one.skew_seconds) or "right within a second"
    lines += [
        value("collector", one.id),
        value("cluster", cluster),
        value("state", Span(f"{mark.text} {one.presence.value}", mark.tone)),
        value("heard", heard, f"promised each {one.interval_seconds:g} s"),
        value("host", one.host or "unknown"),
        value("version", one.version or "unknown"),
        value("nodes of its share", wording.count(one.nodes)),
        value("sweep", _sweep(one), "its last sweep over its share, and how often it begins one"),
        value("execs failed", _number(one.exec_failures), "in its last sweep"),
        value("dropped", _number(one.dropped), "messages it could not send, since it started"),
        value("lost", _number(one.lost), "messages that did not arrive here, since this start"),
        value("clock", skew, "its clock against this machine's"),
    ]
    return Detail(f"Collector {wording.cut(one.id, 60)}", tuple(lines))
