"""What a broker's clusters, collectors and troubles look like, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.snapshots.test_screens import Compare
from tests.ui import room_samples as rooms
from tests.ui.app_pilot import HandApp, settled
from tests.ui.app_samples import NOW
from tui.model.room import Presence, Room
from tui.model.snapshot import Snapshot, SourceState
from tui.safety import clean
from widgets.symbols import UNICODE, use_symbols

SIZES = [(80, 24), (160, 50)]
NAMES = ["80x24", "160x50"]


@pytest.fixture(autouse=True)
def unicode_again() -> Iterator[None]:
    """Give the next test the usual symbols."""
    yield
    use_symbols(UNICODE)


def calm() -> Room:
    return rooms.room(collectors=rooms.well(), clusters=rooms.clusters()[1:2], no_acting=clean(""))


def nobody() -> Snapshot:
    """Return a dashboard whose collectors are all gone."""
    gone = (rooms.collector("prod-eu-1-c1", Presence.GONE, heard_at=NOW - 240),)
    reason = "no collector reads prod-eu-1: none was heard since 13:58:11 UTC"
    lost = rooms.health(SourceState.LOST, reason, last_good_at=NOW - 240)
    return rooms.brokered(replace(calm(), collectors=gone), lost)


def short() -> Snapshot:
    """Return a dashboard to which messages were lost."""
    reason = (
        "4,020 of 5,000 nodes received; the broker drops retained messages: max_queued_messages"
    )
    degraded = rooms.health(SourceState.DEGRADED, reason)
    return rooms.brokered(replace(calm(), lost=41, rejected=3), degraded)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
@pytest.mark.parametrize("is_ascii", [False, True], ids=["unicode", "ascii"])
def test_clusters(snap_compare: Compare, size: tuple[int, int], is_ascii: bool) -> None:
    app = HandApp(rooms.brokered(), is_ascii=is_ascii)
    assert snap_compare(app, press=["C"], terminal_size=size, run_before=settled)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_clusters_with_hostile_names(snap_compare: Compare, size: tuple[int, int]) -> None:
    name = clean("宽字符[/x]" * 12)
    named = replace(
        rooms.clusters()[1],
        name=name,
        collectors=(rooms.collector("x", Presence.GONE, id=name, host=name, reason=name),),
        worst=(name, name),
    )
    room = rooms.room(chosen=name, clusters=(named, *rooms.clusters()[2:]))
    app = HandApp(rooms.brokered(replace(room, collectors=named.collectors)))
    assert snap_compare(app, press=["C"], terminal_size=size, run_before=settled)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
@pytest.mark.parametrize("state", ["well", "trouble", "nobody", "short"])
def test_home(snap_compare: Compare, size: tuple[int, int], state: str) -> None:
    snapshots = {
        "well": rooms.brokered(calm()),
        "trouble": rooms.brokered(replace(rooms.room(), clusters=calm().clusters)),
        "nobody": nobody(),
        "short": short(),
    }
    app = HandApp(snapshots[state], is_read_only=False)
    assert snap_compare(app, terminal_size=size, run_before=settled)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        pytest.param(SourceState.CONNECTING, f"connecting to {rooms.URL}", id="connecting"),
        pytest.param(SourceState.CONNECTING, "no cluster was heard of yet", id="nobody"),
        pytest.param(
            SourceState.LOST,
            f"{rooms.URL}: refuses user 'x' (not authorised): check mqtt-user and its password",
            id="refused",
        ),
    ],
)
def test_home_without_nodes(snap_compare: Compare, state: SourceState, reason: str) -> None:
    app = HandApp(rooms.waiting(state, reason), is_read_only=False)
    assert snap_compare(app, terminal_size=(80, 24), run_before=settled)


def test_gaps(snap_compare: Compare) -> None:
    app = HandApp(rooms.brokered(rooms.room(lost=41, rejected=3, reconnects=1)))
    keys = ["escape", "colon", *"gaps", "enter"]
    assert snap_compare(app, press=keys, terminal_size=(120, 30), run_before=settled)
