"""The log's ring: bounded, in order, replaced and filtered by row."""

from __future__ import annotations

from widgets.filters import Filter, compile_filter
from widgets.log_ring import LOG_FIELDS, LogRing
from widgets.log_rows import LogGapRow, LogRow


def line(sequence: int, message: str = "map is full", severity: int = 30) -> LogRow:
    return LogRow(sequence, "13:28:38", "node-3", "WARN", severity, message)


def a_filter(source: str) -> Filter:
    compiled = compile_filter(source, LOG_FIELDS)
    assert isinstance(compiled, Filter)
    return compiled


def sequences(ring: LogRing) -> list[int]:
    return [item.sequence for item in ring.shown]


def test_rows_are_added_and_replaced_by_sequence() -> None:
    ring = LogRing()
    ring.extend([line(1), line(2)])
    ring.extend([line(3)])
    folded = line(2, "map is full ×4")
    ring.extend([folded])
    assert sequences(ring) == [1, 2, 3]
    assert ring.shown[1] is folded


def test_the_ring_is_bounded() -> None:
    ring = LogRing(max_rows=100)
    for number in range(1000):
        ring.extend([line(number)])
    assert 100 <= ring.total_rows <= 110
    assert sequences(ring)[-1] == 999
    ring.replace([line(number) for number in range(500)])
    assert sequences(ring) == list(range(400, 500))


def test_level_and_filter_hide_rows_but_not_gaps() -> None:
    ring = LogRing()
    ring.extend([line(1, "quiet", 20), LogGapRow(2, "gap: 5 lines lost"), line(3)])
    ring.set_min_severity(30)
    assert sequences(ring) == [2, 3]
    assert (ring.shown_rows, ring.total_rows) == (1, 2)
    ring.set_min_severity(0)
    ring.set_filter(a_filter("message:quiet"))
    assert sequences(ring) == [1, 2]


def test_gaps_alone_are_not_shown_and_come_back() -> None:
    ring = LogRing()
    ring.extend([line(1), LogGapRow(2, "gap")])
    ring.set_filter(a_filter("nowhere"))
    assert (sequences(ring), ring.shown_rows, ring.total_rows) == ([], 0, 1)
    ring.extend([line(3, "nowhere else")])
    assert sequences(ring) == [2, 3]


def test_new_rows_are_filtered_as_they_come() -> None:
    ring = LogRing()
    ring.extend([line(1)])
    ring.set_filter(a_filter("full"))
    ring.extend([line(2, "other"), line(3)])
    assert sequences(ring) == [1, 3]
    ring.extend([line(2, "now full")])
    assert sequences(ring) == [1, 2, 3]
