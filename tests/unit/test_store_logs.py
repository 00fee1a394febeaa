"""Repeats folded, bursts marked, gaps visible, memory bounded."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import pytest

from tests.unit.store_facts import FIRST, NODE, batch, in_previous, line, seen
from tui.model.logs import LogBatch, LogEntry, LogGap, LogLevel, LogLine
from tui.safety import clean
from tui.store import Store, logbook
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
    assert entry.line == lines[0]
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
    assert 5_000 * (large.problems + large.others) <= 70_000


def test_the_store_hands_out_lines_with_the_node() -> None:
    store = Store()
    store.apply(seen())
    store.apply(batch(line(1.0, "a"), line(2.0, "b")))
    rows = store.snapshot(5.0).nodes[NODE].logs
    assert [row.sequence for row in rows] == [1, 2]
    store.apply(batch(line(3.0, "c")))
    assert store.snapshot(6.0).nodes[NODE].logs[-1].sequence == 3


def test_a_fold_knows_what_its_line_means() -> None:
    log = NodeLog()
    log.add(batch(line(1.0, FULL, error=error_of(90)), line(2.0, "unheard of")), 1, LogLimits())
    assert [entry.meaning for entry in entries(log)] == ["L2", ""]


def test_a_repeat_does_not_ask_the_catalogue_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def explain(asked_line: LogLine) -> None:
        asked.append(asked_line.message)

    monkeypatch.setattr(logbook, "explain", explain)
    log = NodeLog()
    log.add(batch(*(line(float(n), f"never seen before: {n}") for n in range(50))), 1, LogLimits())
    assert [entry.count for entry in entries(log)] == [50]
    assert asked == ["never seen before: 0"]


def test_maps_that_only_a_field_names_are_events_of_their_own() -> None:
    log = NodeLog()
    maps = ("cilium_lb4_services_v2", "cilium_lb4_backends_v2", "cilium_lb4_services_v2")
    lines = [
        replace(
            line(float(n), "Removing map to allow for property upgrade (expect map data loss)"),
            fields=((clean("file-path"), clean(f"/sys/fs/bpf/tc/globals/{name}")),),
        )
        for n, name in enumerate(maps)
    ]
    log.add(batch(*lines), 1, LogLimits())
    assert [(entry.count, entry.meaning) for entry in entries(log)] == [(2, "L17"), (1, "L17")]


def test_drifting_keys_and_stuck_probes_are_events_of_their_own() -> None:
    log = NodeLog()
    texts = (("Mismatch found", "key"), ("No response from probe within 15 seconds", "name"))
    lines = [
        replace(line(float(n), text), fields=((clean(field), clean(value)),))
        for n, (text, field) in enumerate(texts)
        for value in ("one", "other", "one")
    ]
    log.add(batch(*lines), 1, LogLimits())
    assert [entry.count for entry in entries(log)] == [2, 1, 2, 1]


def test_the_full_maps_of_both_address_families_stay_apart() -> None:
    four, six = line(1.0, FULL, error=error_of(1)), error_of(1).replace("lb4", "lb6")
    assert template(four) != template(line(1.0, FULL, error=six))
    assert template(line(0.0, "IPv4 failed")) != template(line(0.0, "IPv6 failed"))
    assert template(line(0.0, "cilium_policy_00380")) == template(line(0.0, "cilium_policy_01999"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pod shop/web-7d764666f9-x7k2p gone", "pod shop/web-7d764666f9-bcdfg gone"),
        ("agent cilium-xk2lp gone", "agent cilium-9bzqw gone"),
        ('service "web" failed', 'service "shop/load-3" failed'),
        ("took 1m3.5s", "took 412ms"),
        ("took 2h45m0s", "took 3s"),
        ("used 0.5 of 1", "used 12.25 of 7"),
        ("container abcdef123456 gone", "container 00aa11bb22cc gone"),
        ("from fd00::1 to 10.0.0.1", "from ::ffff:10.0.0.9 to fd00::22"),
        ("mac 0a:58:0a:00:00:01", "mac 0a:58:0a:ff:00:f1"),
        ("port 80 of 10.0.0.1:80/TCP", "port 8080 of 10.0.12.1:8080/TCP"),
    ],
)
def test_variable_parts_fold_together(one: str, other: str) -> None:
    assert template(line(0.0, one)) == template(line(0.0, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('error: "no route to host" seen', 'error: "connection refused" seen'),
        ("read-only file system", "read-write file system"),
        ("deadbeef", "decade"),
    ],
)
def test_words_do_not_fold(one: str, other: str) -> None:
    assert template(line(0.0, one)) != template(line(0.0, other))


def test_what_nobody_explains_is_one_row_with_its_number() -> None:
    log = NodeLog()
    for n in range(412):
        lines = [line(n * 60.0, f"odd thing {n} happened"), line(n * 60.0 + 1, "noise")]
        log.add(batch(*lines), 1, LogLimits())
    counts = {entry.line.message: (entry.count, entry.is_varied) for entry in entries(log)}
    assert counts == {"odd thing 0 happened": (412, True), "noise": (412, False)}


def test_what_is_explained_keeps_its_bursts_apart() -> None:
    log = NodeLog()
    lines = [line(at, FULL, error=error_of(1)) for at in (0.0, 1.0, 120.0)]
    log.add(batch(lines[0], lines[1], line(60.0, "x"), lines[2]), 1, LogLimits())
    assert [entry.count for entry in entries(log) if entry.meaning] == [2, 1]


@pytest.mark.parametrize(
    "text", ["a-", "1", "-bcdf", '"', "1.", ":", "f:", "1m", "a1", "cilium_lb"]
)
def test_folding_of_hostile_lines_is_quick(text: str) -> None:
    hostile = line(0.0, (text * 8_192)[:8_192])
    started = process_time()
    for _ in range(10):
        template(hostile)
    # Ten lines of the longest length that is kept; a blow-up would take minutes.
    assert process_time() - started < 1.0
