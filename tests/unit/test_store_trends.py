"""History within bounds, and forecasts only where a rise is real."""

from __future__ import annotations

from math import sin

import pytest

from tests.unit.store_facts import NODE, maps_report, seen, usage
from tui.model.maps import CountOrigin, MapKind, MapUsage
from tui.model.names import NodeUid
from tui.model.snapshot import HealthChanged, SourceHealth, SourceState
from tui.safety import clean
from tui.store import Store
from tui.store.forecast import forecast
from tui.store.history import HISTORY_SECONDS, NodeHistory, Sample, spacing_for
from tui.store.trends import NodeTrends


def points(ratios: list[float], spacing: float = 10.0) -> list[tuple[float, float]]:
    return [(index * spacing, ratio) for index, ratio in enumerate(ratios)]


def noise_of(seed: int, count: int) -> list[float]:
    """Return numbers between -1 and 1 that look random and are the same in every run."""
    state = seed * 7_919 + 1
    found = []
    for _ in range(count):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        found.append(state / 2**30 - 1.0)
    return found


def test_a_steady_leak_has_a_time_to_full() -> None:
    found = forecast(points([0.1 + 0.01 * step for step in range(30)]))
    assert found is not None
    assert found.seconds_to_full == pytest.approx((1 - 0.39) / 0.001, rel=0.01)
    assert found.window_seconds == 290.0


def test_a_leak_with_noise_and_outliers_is_still_seen() -> None:
    noise = noise_of(3, 40)
    ratios = [0.2 + 0.005 * step + 0.004 * noise[step] for step in range(40)]
    ratios[7] = 0.9
    ratios[20] = 0.0
    found = forecast(points(ratios))
    assert found is not None
    assert found.seconds_to_full == pytest.approx((1 - ratios[-1]) / 0.0005, rel=0.15)


@pytest.mark.parametrize(
    "ratios",
    [
        [0.5] * 40,
        [0.5 + 0.002 * (step % 2) for step in range(40)],
        [0.5 + 0.05 * sin(step / 2) for step in range(60)],
        [0.9 - 0.01 * step for step in range(40)],
        [0.1] * 20 + [0.6] * 20,
        [0.1 + 0.01 * step for step in range(20)] + [0.3] * 20,
        [0.1, 0.2, 0.3],
        [0.8 + 0.01 * step for step in range(21)],
    ],
    ids=["flat", "toggle", "wave", "falling", "one step", "stopped", "too few", "full already"],
)
def test_no_forecast_without_a_real_rise(ratios: list[float]) -> None:
    assert forecast(points(ratios)) is None


@pytest.mark.parametrize("seed", range(12))
def test_noise_around_a_level_gives_no_false_alarm(seed: int) -> None:
    assert forecast(points([0.5 + 0.02 * noise for noise in noise_of(seed, 180)])) is None


def test_a_rise_too_slow_for_the_window_says_nothing() -> None:
    assert forecast(points([0.1 + 0.00003 * step for step in range(180)])) is None


def test_a_leak_that_began_late_is_judged_by_its_own_stretch() -> None:
    ratios = [0.1] * 150 + [0.1 + 0.01 * step for step in range(30)]
    found = forecast(points(ratios))
    assert found is not None
    assert found.window_seconds <= 450.0
    assert found.seconds_to_full == pytest.approx((1 - 0.39) / 0.001, rel=0.3)


def test_history_reaches_back_half_an_hour_and_no_further() -> None:
    history = NodeHistory(10.0)
    for step in range(1_000):
        history.record(step * 10.0, [Sample("a", step / 1_000, True)])
    ratios, spacing = history.ratios("a", 60)
    assert len(ratios) <= 60
    assert ratios[-1] == pytest.approx(0.999)
    assert len(ratios) * spacing == pytest.approx(HISTORY_SECONDS, rel=0.05)
    assert history.point_bytes <= 181 * 4


def test_nothing_read_is_a_hole_and_not_zero() -> None:
    history = NodeHistory(10.0)
    history.record(0.0, [Sample("a", 0.5, True)])
    history.record(40.0, [Sample("a", 0.6, True)])
    ratios, _ = history.ratios("a", 60)
    assert ratios == (0.5, None, None, None, 0.6)


def test_a_map_that_appears_late_starts_where_it_appears() -> None:
    history = NodeHistory(10.0)
    history.record(0.0, [Sample("a", 0.5, True)])
    history.record(10.0, [Sample("a", 0.5, True), Sample("b", 0.25, True)])
    history.record(20.0, [Sample("b", 0.25, True)])
    assert history.ratios("b", 60)[0] == (0.25, 0.25)
    assert history.ratios("a", 60)[0] == (0.5, 0.5, None)


def test_an_old_sample_after_a_long_silence_does_not_break_the_axis() -> None:
    history = NodeHistory(10.0)
    history.record(0.0, [Sample("a", 0.5, True)])
    history.record(1e6, [Sample("a", 0.75, True)])
    history.record(50.0, [Sample("a", 0.1, True)])
    assert history.ratios("a", 60)[0] == (0.75,)


def test_respacing_keeps_the_course() -> None:
    history = NodeHistory(10.0)
    for step in range(60):
        history.record(step * 10.0, [Sample("a", step / 100, step % 2 == 0)])
    history.respace(40.0)
    ratios, spacing = history.ratios("a", 60)
    assert spacing == 40.0
    assert ratios[0] == pytest.approx(0.02, abs=0.02)
    assert ratios[-1] == pytest.approx(0.58, abs=0.02)


def test_five_thousand_nodes_fit_the_budget() -> None:
    spacing = spacing_for(5_000, 10.0)
    assert 5_000 * 20 * (HISTORY_SECONDS / spacing) * 4 <= 60_000_000
    assert spacing_for(100, 10.0) == 10.0
    assert spacing_for(5_000, 125.0) == 125.0


def lru(entries: int, at: float) -> MapUsage:
    return MapUsage(clean("lru"), MapKind.LRU_HASH, 1_000, entries, CountOrigin.METRIC, at)


def test_only_maps_that_refuse_get_a_forecast() -> None:
    trends = NodeTrends(10.0)
    for step in range(20):
        at = step * 10.0
        trends.record(at, (usage(100 + 10 * step, at), lru(100 + 10 * step, at)))
    hash_map, lru_map = trends.attach((usage(290, 190.0), lru(290, 190.0)), is_detailed=True)
    assert hash_map.trend.seconds_to_full is not None
    assert hash_map.trend.window_seconds == pytest.approx(190.0)
    assert lru_map.trend.seconds_to_full is None
    assert len(lru_map.trend.ratios) == 20


def test_a_count_that_is_only_repeated_proves_no_trend() -> None:
    trends = NodeTrends(10.0)
    for step in range(40):
        counted = step // 10 * 100.0
        trends.record(step * 10.0, (usage(100 + step // 10 * 50, counted),))
    shown = trends.attach((usage(250, 300.0),), is_detailed=True)[0]
    assert shown.trend.seconds_to_full is None
    assert None not in shown.trend.ratios


def test_a_map_of_a_new_size_starts_a_new_trend() -> None:
    trends = NodeTrends(10.0)
    for step in range(20):
        trends.record(step * 10.0, (usage(100 + 10 * step, step * 10.0),))
    assert trends.attach((usage(290, 190.0),), True)[0].trend.seconds_to_full is not None
    trends.record(200.0, (usage(300, 200.0, 100_000),))
    assert trends.attach((usage(300, 200.0, 100_000),), True)[0].trend.seconds_to_full is None


def test_a_large_cluster_spreads_out_the_worst_map_and_the_focused_nodes_only() -> None:
    store = Store()
    for number in range(201):
        store.apply(seen(NodeUid(f"n{number}")))
    store.apply(seen())
    other = MapUsage(clean("small"), MapKind.HASH, 1_000, 1, CountOrigin.COUNTED, 5.0)
    for step in range(3):
        store.apply(maps_report(step * 10.0, usage(500 + step, step * 10.0), other))
    worst, small = store.snapshot(0.0).nodes[NODE].maps.value or ()
    assert worst.trend.ratios
    assert not small.trend.ratios
    store.focus(frozenset({NODE}))
    assert store.has_changed()
    _, small = store.snapshot(0.0).nodes[NODE].maps.value or ()
    assert small.trend.ratios


def test_maps_without_a_trend_are_the_objects_that_were_read() -> None:
    store = Store()
    for number in range(201):
        store.apply(seen(NodeUid(f"n{number}")))
    store.apply(seen())
    other = MapUsage(clean("small"), MapKind.HASH, 1_000, 1, CountOrigin.COUNTED, 5.0)
    store.apply(maps_report(1.0, usage(500, 1.0), other))
    _, small = store.snapshot(0.0).nodes[NODE].maps.value or ()
    assert small is other


def test_unknown_occupancy_has_no_history() -> None:
    store = Store()
    store.apply(seen())
    store.apply(maps_report(10.0, usage(None, 10.0)))
    (shown,) = store.snapshot(0.0).nodes[NODE].maps.value or ()
    assert shown.trend.ratios == ()


def test_the_spacing_follows_the_sweep() -> None:
    store = Store()
    store.apply(seen())
    for step in range(12):
        store.apply(maps_report(step * 10.0, usage(step, step * 10.0)))
    health = SourceHealth(state=SourceState.LIVE, sweep_interval_seconds=60.0)
    store.apply(HealthChanged(health))
    store.apply(maps_report(120.0, usage(12, 120.0)))
    (shown,) = store.snapshot(0.0).nodes[NODE].maps.value or ()
    assert shown.trend.spacing_seconds == 60.0
    assert shown.trend.ratios == (0.005, 0.011, 0.012)


def test_a_short_rise_says_nothing_about_the_next_hour() -> None:
    slow = [0.16 + 0.0004 * step for step in range(6)]
    assert forecast(points(slow)) is None
    quick = [0.6 + 0.03 * step for step in range(6)]
    assert forecast(points(quick)) is not None
