"""The meter of the bench: its histograms, and who held a loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from tests.bench.mqtt_meter import Histogram, Meter, quantile, since


def test_a_quantile_is_within_a_step_of_what_was_counted() -> None:
    histogram = Histogram()
    for milliseconds in range(1, 101):
        histogram.add(milliseconds / 1e3)
    steps = json.loads(json.dumps(histogram.steps()))
    assert quantile(steps, 0.5) == pytest.approx(0.050, rel=0.05)
    assert quantile(steps, 0.95) == pytest.approx(0.095, rel=0.05)
    assert quantile(steps, 1.0) == pytest.approx(0.100, rel=0.05)


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({"160": 0}, 0.5) is None


def test_what_came_before_a_look_does_not_count() -> None:
    histogram = Histogram()
    histogram.add(1.0)
    before = histogram.steps()
    histogram.add(0.001)
    assert quantile(since(histogram.steps(), before), 1.0) == pytest.approx(0.001, rel=0.05)
    assert since(before, None) == before


@pytest.fixture
def meter() -> Iterator[Meter]:
    """A meter that is taken out again."""
    meter = Meter()
    meter.install()
    yield meter
    patch.stopall()


def test_a_loop_that_is_held_names_the_task(meter: Meter) -> None:
    async def hold() -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    async def run() -> None:
        await asyncio.create_task(hold(), name="hog of many")

    asyncio.run(run())
    [loop] = meter.figures().values()
    [(_, cpu, _, name)] = [one for one in loop["long"] if one[3] == "hog"]
    assert cpu >= 0.02
    assert name == "hog"
    assert sum(loop["cpu"].values()) > 1
