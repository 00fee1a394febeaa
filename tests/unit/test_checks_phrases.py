"""The small phrases that verdicts share."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tui.checks.phrases import (
    counted,
    is_rising,
    memory,
    percent,
    service_object,
    some_of,
    span,
)


def test_counts_agree_with_their_noun() -> None:
    assert [counted(number, "frontend") for number in (0, 1, 1_024)] == [
        "0 frontends",
        "1 frontend",
        "1,024 frontends",
    ]


def test_nothing_is_called_whole_before_it_is() -> None:
    assert [percent(ratio) for ratio in (0.0, 0.9, 0.999, 1.0)] == ["0 %", "90 %", "99 %", "100 %"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 seconds"),
        (59.9, "59 seconds"),
        (60.0, "1 minute"),
        (7_300.0, "2 hours"),
        (90_000.0, "1 day"),
        (float("inf"), "an unknown time"),
        (float("nan"), "an unknown time"),
    ],
)
def test_a_span_of_time_in_its_greatest_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_names_are_cut_short_and_told_once() -> None:
    assert some_of(["a", "b"]) == "a, b"
    assert some_of(["a", "a", "b", "c", "d"]) == "a, b +2"
    assert some_of(map(str, range(2_000)), 1) == "0 +1,999"
    assert some_of([]) == ""


@pytest.mark.parametrize(
    ("size", "words"),
    [(12, "12 bytes"), (2_048, "2.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")],
)
def test_sizes_in_memory(size: int, words: str) -> None:
    assert memory(size) == words


@pytest.mark.parametrize(
    ("ratios", "rises"),
    [
        ((), False),
        ((0.5,), False),
        ((None, 0.5, None), False),
        ((0.1, None, 0.3), True),
        ((0.1, 0.5, 0.3), False),
        ((0.3, 0.3), False),
    ],
)
def test_a_history_that_rises(ratios: Sequence[float | None], rises: bool) -> None:
    assert is_rising(ratios) is rises


def test_a_service_by_its_full_name() -> None:
    found = service_object("shop/web", "NodePort 30080")
    assert (found.kind, found.namespace, found.name) == ("Service", "shop", "web")
    assert found.detail == "NodePort 30080"
