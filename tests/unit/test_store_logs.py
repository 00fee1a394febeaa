"""Repeats folded, bursts marked, gaps visible, memory bounded."""

from __future__ import annotations

from tests.unit.store_facts import FIRST, NODE, batch, in_previous, line, seen
from tui.model.logs import LogBatch, LogEntry, LogGap, LogLevel
from tui.safety import clean
from tui.store import Store
from tui.store.folding import template
from tui.store.logbook import LogLimits, NodeLog, limits_for

FULL = "Error while inserting service in LB map"


def error_of(key: int) -> str:
    return (
        f"Unable to add backend &{{Key:{key} Value:ANY://10.220.31.{key}:36895}}: Unable to update "
        "element for cilium_lb4_backends_v2 map with file descriptor 15: the map is full"
    )


def entries(log: NodeLog) -> list[LogEntry]:
    return [row for row in log.rows() if isinstance(row, LogEntry)]


def test_eleven_full_map_errors_at_start_are_one_row() -> None:
    log = NodeLog()
    lines = [line(1_000.5 + n / 11, FULL, error=error_of(90 + n)) for n in range(11)]
    log.add(batch(*lines, started_at=1_000.0), 1, LogLimits())
    (entry,) = entries(log)
    assert entry.count == 11
    assert entry.is_start_burst
    assert entry.line is lines[0]
    assert entry.last_time == lines[-1].time


def test_other_subsystem_level_or_words_do_not_fold() -> None:
    first = line(1.0, "x failed on 10.0.0.1")
    assert template(first) == template(line(2.0, "x failed on 10.0.0.27"))
    assert template(first) != template(line(2.0, "y failed on 10.0.0.1"))
    assert template(first) != template(line(2.0, "x failed on 10.0.0.1", LogLevel.WARN))
    assert template(first) != template(line(2.0, "x failed on 10.0.0.1", error="denied"))


def test_uuids_addresses_and_hashes_vary() -> None:
    def made(text: str) -> object:
        return template(line(0.0, text))

    assert made("id 6f1c2a4e-7d2c-4a8e-9d6b-0a1b2c3d4e5f") == made(
        "id 0f1c2a4e-7d2c-4a8e-9d6b-0a1b2c3d4e50"
    )
    assert made("to fd00::1 now") == made("to fd00:10:244::27 now")
    assert made("at 0xff0a") == made("at 0x1")


def test_alternating_repeats_fold_within_the_window_and_not_hours_apart() -> None:
    log = NodeLog()
    lines = [line(n * 1.0, "a" if n % 2 else "b") for n in range(10)]
    log.add(batch(*lines), 1, LogLimits())
    assert [entry.count for entry in entries(log)] == [5, 5]
    log.add(batch(line(7_200.0, "b")), 3, LogLimits())
    assert [entry.count for entry in entries(log)] == [5, 5, 1]


def test_a_repeat_right_after_folds_however_late() -> None:
    log = NodeLog()
    log.add(batch(line(0.0, "b"), line(7_200.0, "b")), 1, LogLimits())
    assert [entry.count for entry in entries(log)] == [2]


def test_the_start_burst_stays_apart_from_what_came_later() -> None:
    log = NodeLog()
    log.add(batch(line(1_001.0, "b"), line(1_900.0, "b"), started_at=1_000.0), 1, LogLimits())
    assert [entry.is_start_burst for entry in entries(log)] == [True, False]


def test_previous_and_current_container_do_not_fold_together() -> None:
    log = NodeLog()
    log.add(in_previous(batch(line(1.0, "b"))), 1, LogLimits())
    log.add(batch(line(2.0, "b")), 2, LogLimits())
    assert [entry.is_previous for entry in entries(log)] == [True, False]


def test_rows_are_in_the_order_of_time_with_the_gap_where_it_is() -> None:
    log = NodeLog()
    log.add(batch(line(100.0, "late")), 1, LogLimits())
    gap = LogGap(NODE, 20.0, 50.0, None, clean("log limit"))
    log.add(LogBatch(NODE, FIRST, (line(50.0, "middle"),), gap=gap), 2, LogLimits())
    log.add(batch(line(10.0, "early", LogLevel.INFO)), 4, LogLimits())
    shown = [row.reason if isinstance(row, LogGap) else row.line.message for row in log.rows()]
    assert shown == ["early", "log limit", "middle", "late"]
    assert len({row.sequence for row in log.rows()}) == 4


def test_warnings_outlive_a_flood_of_info() -> None:
    log = NodeLog()
    log.add(batch(line(0.0, "the reason", LogLevel.WARN)), 1, LogLimits(10, 20))
    words = ["alpha", "beta", "gamma", "delta"]
    flood = [
        line(n + 1.0, " ".join(words[n // 4**k % 4] for k in range(5)), LogLevel.INFO)
        for n in range(900)
    ]
    log.add(batch(*flood), 2, LogLimits(10, 20))
    shown = entries(log)
    assert len(shown) == 21
    assert shown[0].line.message == "the reason"


def test_the_same_rows_until_something_changes() -> None:
    log = NodeLog()
    log.add(batch(line(0.0, "a")), 1, LogLimits())
    assert log.rows() is log.rows()


def test_entries_that_did_not_change_are_the_same_objects() -> None:
    log = NodeLog()
    log.add(batch(line(0.0, "a"), line(100.0, "b")), 1, LogLimits())
    first = log.rows()
    log.add(batch(line(101.0, "b")), 3, LogLimits())
    second = log.rows()
    assert second[0] is first[0]
    assert second[1] is not first[1]
    assert second[1].sequence == first[1].sequence


def test_the_share_of_a_node_shrinks_with_the_cluster() -> None:
    assert limits_for(3) == LogLimits(400, 200)
    large = limits_for(5_000)
    assert large.problems >= 12
    assert 5_000 * (large.problems + large.others) <= 80_000


def test_the_store_hands_out_lines_with_the_node() -> None:
    store = Store()
    store.apply(seen())
    store.apply(batch(line(1.0, "a"), line(2.0, "b")))
    rows = store.snapshot(5.0).nodes[NODE].logs
    assert [row.sequence for row in rows] == [1, 2]
    store.apply(batch(line(3.0, "c")))
    assert store.snapshot(6.0).nodes[NODE].logs[-1].sequence == 3
