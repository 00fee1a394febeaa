"""One occurrence of a finding is told once, whoever saw it and by whatever clock."""

from __future__ import annotations

import pytest

from tests.unit.judge_rig import ACTIVE, ARMED
from tui.model.findings import FindingChange, FindingSeverity
from tui.safety import clean
from tui.store.change_log import ChangeLog

OLD = 1_000.0
NOW = 3_000.0
"""More than half an hour later."""
LATER = 9_000.0

Moment = tuple[float, FindingSeverity | None, FindingSeverity | None]
"""When, before, after."""


def change(moment: Moment, by: str = "") -> FindingChange:
    at, before, after = moment
    return FindingChange(at, "map-pressure", "lb4", clean("Full"), before, after, by=clean(by))


def told(own: list[Moment], shared: list[Moment], *, is_own_first: bool) -> list[tuple[float, str]]:
    log = ChangeLog()
    ours = tuple(map(change, own))
    if is_own_first:
        log.take_own(ours, NOW)
    for moment in shared:
        log.take_shared([change(moment, "collector-a")])
    return [(one.at, one.by) for one in log.take_own(ours, LATER)]


CASES: dict[str, tuple[list[Moment], list[Moment], list[tuple[float, str]]]] = {
    "a late dashboard sees it appear now": (
        [(NOW, None, ACTIVE)],
        [(OLD, None, ACTIVE)],
        [(OLD, "collector-a")],
    ),
    "a late dashboard sees only how it ended up": (
        [(NOW, None, ACTIVE)],
        [(OLD, None, ARMED), (OLD + 500, ARMED, ACTIVE)],
        [(OLD, "collector-a"), (OLD + 500, "collector-a")],
    ),
    "a slow collector tells it minutes later": (
        [(OLD, None, ACTIVE)],
        [(NOW, None, ACTIVE)],
        [(NOW, "collector-a")],
    ),
    "it was gone between: another occurrence": (
        [(NOW, None, ACTIVE)],
        [(OLD, None, ACTIVE), (OLD + 500, ACTIVE, None)],
        [(OLD, "collector-a"), (OLD + 500, "collector-a"), (NOW, "")],
    ),
    "we saw the first, they the second": (
        [(OLD, None, ACTIVE), (OLD + 500, ACTIVE, None)],
        [(NOW, None, ACTIVE)],
        [(OLD, ""), (OLD + 500, ""), (NOW, "collector-a")],
    ),
    "only we saw it end and begin again": (
        [(OLD, None, ACTIVE), (OLD + 20, ACTIVE, None), (OLD + 90, None, ACTIVE)],
        [(OLD, None, ACTIVE)],
        [(OLD, "collector-a"), (OLD + 20, ""), (OLD + 90, "")],
    ),
    "an agent's restart that only we took for an end": (
        [(OLD, None, ACTIVE), (OLD + 20, ACTIVE, None), (OLD + 40, None, ACTIVE)],
        [(OLD, None, ACTIVE)],
        [(OLD, "collector-a")],
    ),
    "both saw all of it": (
        [(OLD, None, ACTIVE), (OLD + 30, ACTIVE, None), (NOW, None, ACTIVE)],
        [(OLD - 9, None, ACTIVE), (OLD + 70, ACTIVE, None), (NOW + 5, None, ACTIVE)],
        [(OLD - 9, "collector-a"), (OLD + 70, "collector-a"), (NOW + 5, "collector-a")],
    ),
    "another severity is another change": (
        [(OLD, None, ACTIVE)],
        [(OLD, None, ARMED)],
        [(OLD, "collector-a"), (OLD, "")],
    ),
    "nobody else tells anything": ([(OLD, None, ACTIVE)], [], [(OLD, "")]),
}


@pytest.mark.parametrize("is_own_first", [True, False], ids=["own first", "shared first"])
@pytest.mark.parametrize(("own", "shared", "wanted"), CASES.values(), ids=CASES)
def test_the_collectors_word_stands_for_the_same_occurrence(
    own: list[Moment],
    shared: list[Moment],
    wanted: list[tuple[float, str]],
    is_own_first: bool,
) -> None:
    assert told(own, shared, is_own_first=is_own_first) == wanted


def test_two_collectors_that_tell_the_same_are_one_and_a_flap_is_each_time() -> None:
    log = ChangeLog()
    flap: list[Moment] = [(OLD, None, ACTIVE), (OLD + 9, ACTIVE, None), (OLD + 20, None, ACTIVE)]
    log.take_shared([change(moment, "a") for moment in flap])
    log.take_shared([change((at + 1, before, after), "b") for at, before, after in flap])
    assert [(one.at, one.by) for one in log.take_own((), LATER)] == [
        (OLD, "a"),
        (OLD + 9, "a"),
        (OLD + 20, "a"),
    ]


def test_what_we_see_alone_waits_a_minute_for_the_collectors_word() -> None:
    log = ChangeLog()
    other = FindingChange(OLD, "config-drift", "", clean("Drift"), None, ACTIVE, by=clean("a"))
    log.take_shared([other])
    own = (change((NOW, None, ACTIVE)),)
    assert log.take_own(own, NOW + 1) == (other,)
    assert log.take_own(own, NOW + 59) == (other,)
    assert log.take_own(own, NOW + 60) == (other, *own)
    told = change((NOW + 90, None, ACTIVE), "collector-a")
    log.take_shared([told])
    assert log.take_own(own, NOW + 91) == (other, told), "late, and still theirs"


def test_nothing_waits_where_nobody_tells_anything() -> None:
    own = (change((NOW, None, ACTIVE)),)
    assert ChangeLog().take_own(own, NOW) == own
