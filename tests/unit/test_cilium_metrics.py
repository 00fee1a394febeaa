from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cilium_fixtures import WITH_STATUS, read
from tui.cilium.metrics import MetricSample, metrics_between, parse_metrics
from tui.errors import ParseError
from tui.safety import CleanText


def sample(*metrics: tuple[str, dict[str, str], float | None]) -> MetricSample:
    items: list[dict[str, Any]] = []
    for name, labels, value in metrics:
        item: dict[str, Any] = {"name": f"cilium_{name}", "labels": labels}
        items.append(item if value is None else {**item, "value": value})
    return parse_metrics(json.dumps(items).encode())


def drop(reason: str, value: float | None) -> tuple[str, dict[str, str], float | None]:
    return "drop_count_total", {"direction": "INGRESS", "reason": reason}, value


@pytest.mark.parametrize("version", WITH_STATUS)
def test_reads_the_metrics_of_every_agent(version: str) -> None:
    found = parse_metrics(read(version, "metrics-list.json"))
    first = metrics_between(None, found, None)
    assert found.values["forward_count_total"]
    assert first.problems
    assert first.interval_seconds is None
    assert all(problem.since_last == 0 for problem in first.problems)


def test_pressure_and_capacity_are_named_differently() -> None:
    found = parse_metrics(read("1.19.4-full", "metrics-list.json"))
    assert found.pressures[CleanText("lb4_services_v2")] == 1.0
    assert found.capacity("cilium_lb4_services_v2") == 64
    # Of 65536, the commonest size here: `default` has it, but does not say so.
    assert found.capacity("cilium_ct4_global") is None
    assert parse_metrics(read("1.11.7", "metrics-list.json")).capacity("cilium_ct4_global") is None


def test_no_series_is_a_sample_but_no_output_is_none() -> None:
    assert parse_metrics(read("1.11.7", "metrics-list-bpf-map-pressure.json")).pressures == {}
    assert parse_metrics(b"null").values == {}
    down = read("1.17.5", "agent-down/metrics-list-o-json.txt")
    with pytest.raises(ParseError, match="printed nothing"):
        parse_metrics(down)
    with pytest.raises(ParseError, match="usage"):
        parse_metrics(read("1.19.4", "agent-down/metrics-list-o-json.txt"))


def test_a_missing_value_is_zero() -> None:
    found = sample(drop("Policy denied", None))
    assert list(found.values["drop_count_total"].values()) == [0.0]


def test_drops_become_rates() -> None:
    before = sample(drop("Policy denied", 10), drop("Stale or unroutable IP", 5))
    after = sample(drop("Policy denied", 40), drop("Stale or unroutable IP", 5))
    change = metrics_between(before, after, 10.0)
    assert [(one.reason, one.packets, one.per_second, one.total) for one in change.drops] == [
        ("Policy denied", 30, 3.0, 40),
        ("Stale or unroutable IP", 0, 0.0, 5),
    ]
    assert change.drops[0].direction == "ingress"
    assert change.interval_seconds == 10.0


def test_a_counter_that_went_down_was_reset() -> None:
    change = metrics_between(sample(drop("x", 100)), sample(drop("x", 7)), 10.0)
    assert [(one.packets, one.total) for one in change.drops] == [(7, 7)]


def test_a_series_that_was_not_there_before_counts_from_zero() -> None:
    change = metrics_between(sample(), sample(drop("x", 7)), 10.0)
    assert [one.packets for one in change.drops] == [7]


@pytest.mark.parametrize("interval", [None, 0.0, -1.0])
def test_without_an_interval_no_rate_is_known(interval: float | None) -> None:
    change = metrics_between(sample(drop("x", 1)), sample(drop("x", 9)), interval)
    assert change.interval_seconds is None
    assert [(one.packets, one.per_second) for one in change.drops] == [(0, 0.0)]


def test_level_words_of_all_releases_are_one() -> None:
    def logged(level: str, value: float) -> tuple[str, dict[str, str], float]:
        return "errors_warnings_total", {"level": level, "subsystem": "k8s"}, value

    before = sample(logged("WARN", 1), logged("warning", 1), logged("ERROR", 2))
    after = sample(logged("WARN", 2), logged("warning", 3), logged("ERROR", 2), logged("error", 5))
    found = metrics_between(before, after, 1.0).problems
    assert [(one.level, one.total, one.since_last) for one in found] == [
        ("error", 7, 5),
        ("warning", 5, 3),
    ]


def test_failed_updates_are_counted_by_the_kernels_map_name() -> None:
    def failed(operation: str, outcome: str, value: float) -> tuple[str, dict[str, str], float]:
        labels = {"map_name": "lb4_backends_v2", "operation": operation, "outcome": outcome}
        return "bpf_map_ops_total", labels, value

    before = sample(failed("update", "fail", 10), failed("delete", "fail", 1))
    after = sample(failed("update", "fail", 28), failed("delete", "fail", 9))
    change = metrics_between(before, after, 10.0)
    assert change.failed_map_operations == {"cilium_lb4_backends_v2": 18}
    assert metrics_between(None, after, None).failed_map_operations == {}


def test_bad_items_cost_themselves_only() -> None:
    text = b'[{"name":3},{"name":"cilium_x","value":"a"},{"name":"cilium_y","value":2},7,null]'
    assert set(parse_metrics(text).values) == {"y"}
    with pytest.raises(ParseError, match="no metric"):
        parse_metrics(b"[1,2]")
