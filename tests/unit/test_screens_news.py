"""New and cleared findings are told once, and what stands there at the start is no news."""

from __future__ import annotations

from dataclasses import replace

from tests.ui import finding_samples as found
from tests.ui.app_samples import NOW
from tests.ui.finding_samples import ACTIVE, ARMED
from tui.model.findings import FindingChange, FindingSeverity
from tui.model.names import NodeName
from tui.model.room import Room
from tui.model.snapshot import Snapshot
from tui.safety import clean
from tui.screens.news import FindingNews

START = found.judged()


def change(
    check: str, before: FindingSeverity | None, after: FindingSeverity | None, nodes: int = 1
) -> FindingChange:
    names = tuple(NodeName(f"node-{number}") for number in range(1, min(nodes, 5) + 1))
    return FindingChange(NOW, check, "", clean("Title"), before, after, names, nodes)


def after(*changes: FindingChange) -> Snapshot:
    return replace(START, finding_changes=(*START.finding_changes, *changes))


def begun() -> FindingNews:
    news = FindingNews()
    assert news.take(START, ()) == []
    return news


def test_what_stands_at_the_start_is_no_news() -> None:
    news = FindingNews()
    early = replace(START, unjudged_nodes=3, finding_changes=())
    assert news.take(early, ()) == []
    assert news.take(START, ()) == [], "judged only now"
    assert news.take(START, ()) == []


def test_new_worse_and_gone_are_told_once() -> None:
    news = begun()
    appeared = change("backend-leak", None, ACTIVE)
    assert news.take(after(appeared), ()) == [("✖ ACTIVE: backend-leak on node-1 (F)", True)]
    assert news.take(after(appeared), ()) == []
    worse = change("config-drift", ARMED, ACTIVE, 11)
    assert news.take(after(appeared, worse), ()) == [
        ("✖ ACTIVE, was ARMED: config-drift on node-1 +10 (F)", True)
    ]
    gone = change("backend-leak", ACTIVE, None)
    assert news.take(after(appeared, worse, gone), ()) == [("● gone: backend-leak", False)]


def test_getting_better_is_no_bad_news() -> None:
    better = change("map-pressure", ACTIVE, ARMED)
    ((_, is_bad),) = begun().take(after(better), ())
    assert not is_bad


def test_many_at_once_are_told_by_their_number() -> None:
    many = [change(f"check-{number}", None, ARMED) for number in range(5)]
    ((text, is_bad),) = begun().take(after(*many, change("x", ARMED, None)), ())
    assert text == "5 new findings, 1 gone or better: check-0, check-1, check-2 +2 (F)"
    assert is_bad


def test_muted_ones_are_not_told() -> None:
    appeared = change("backend-leak", None, ACTIVE)
    assert begun().take(after(appeared), {"backend-leak//ACTIVE"}) == []


def test_changes_that_were_dropped_meanwhile_do_not_hide_the_new_ones() -> None:
    news = begun()
    fresh = replace(START, finding_changes=(change("backend-leak", None, ACTIVE),))
    assert len(news.take(fresh, ())) == 1


def test_a_collector_that_tells_a_change_too_makes_no_news_of_it_nor_of_others() -> None:
    news = begun()
    first, second = change("backend-leak", None, ACTIVE), change("config-drift", None, ARMED)
    assert len(news.take(after(first, second), ())) == 2
    by = clean("collector-a")
    assert news.take(after(first, replace(second, by=by)), ()) == []
    moved = replace(first, at=NOW - 1_800, by=by)
    assert news.take(after(moved, replace(second, by=by)), ()) == []


def test_what_a_collector_tells_late_stands_in_its_place_and_is_news() -> None:
    news = begun()
    own = change("backend-leak", None, ACTIVE)
    news.take(after(own), ())
    told = replace(change("map-pressure", None, ACTIVE), at=NOW - 20, by=clean("collector-a"))
    assert [text for text, _ in news.take(after(told, own), ())] == [
        "✖ ACTIVE: map-pressure on node-1 (F)"
    ]


def test_the_same_change_once_more_is_news_while_the_first_one_stands() -> None:
    news = begun()
    by = clean("collector-a")
    first = replace(change("backend-leak", None, ACTIVE), by=by)
    gone = replace(change("backend-leak", ACTIVE, None), at=NOW + 10, by=by)
    news.take(after(first, gone), ())
    assert len(news.take(after(first, gone, replace(first, at=NOW + 90)), ())) == 1


def test_a_brokers_changes_from_before_the_beginning_are_no_news_however_late_they_come() -> None:
    room = Room(chosen=clean("prod-eu-1"))
    news = FindingNews()
    assert news.take(replace(START, room=room, finding_changes=()), ()) == []
    known = after(change("backend-leak", None, ACTIVE))
    assert news.take(replace(known, room=room), ()) == []
    late = replace(change("config-drift", None, ACTIVE), at=NOW + 1)
    fresh = replace(START, room=room, finding_changes=(*known.finding_changes, late))
    assert news.take(fresh, ()) == [("✖ ACTIVE: config-drift on node-1 (F)", True)]
