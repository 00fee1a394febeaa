"""What the header, empty panels, gaps and refusals say of a broker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tests.ui import operation_samples as operations
from tests.ui import room_samples as rooms
from tests.ui.app_pilot import HandApp, settled, shows
from tests.ui.app_samples import NOW
from tests.ui.room_samples import one
from tests.ui.test_app_findings import is_on
from tests.ui.test_app_room import WIDE, pressed
from tests.ui.test_app_typing import enter_line
from tui.model.operations import ArmingMode, ArmingState
from tui.model.reading import Reading
from tui.model.room import Presence
from tui.model.snapshot import Snapshot, SourceState
from tui.safety import clean
from tui.screens.node_detail import node_detail
from tui.screens.room.clusters_screen import ClustersScreen

# The header


async def header(snapshot: Snapshot, columns: int = 160) -> list[str]:
    app = HandApp(snapshot, is_read_only=False)
    async with app.run_test(size=(columns, 24)) as pilot:
        text = await settled(pilot)
    return text.splitlines()[:2]


async def test_header_tells_broker_cluster_collectors_and_age() -> None:
    first, _ = await header(rooms.brokered(one()))
    assert "ciltop ▏ mqtt  prod-eu-1  ▏ unarmed ▏ collectors 2/2 ▏ k8s 1.33" in first
    assert "▏ 2 s ago ▏" in first


async def test_header_names_the_collector_that_is_gone_before_what_is_less_urgent() -> None:
    away = rooms.collector("prod-eu-1-c2", Presence.GONE)
    room = one(collectors=(rooms.well()[0], away), lost=12, rejected=3)
    first, _ = await header(rooms.brokered(room), 200)
    assert "collectors 1/2 gone: prod-eu-1-c2" in first
    assert "12 lost, 3 rejected" in first
    first, _ = await header(rooms.brokered(room), 80)
    assert "prod-eu-1" in first
    assert "1/2 gone" in first
    assert "✖ 2 ▲ 1" in first


async def test_a_narrow_header_keeps_the_collector_that_is_gone_beside_what_runs_here() -> None:
    away = rooms.collector("prod-eu-1-c2", Presence.GONE)
    shown = rooms.brokered(one(collectors=(rooms.well()[0], away), no_acting=clean("")))
    arming = ArmingState(ArmingMode.ARMED, disarms_at=NOW + 900)
    acting = replace(shown, arming=arming, operations=(operations.running(),))
    first, _ = await header(acting, 80)
    for essential in ("prod-eu-1", "ARMED", "1/2 gone", "✖ 2 ▲ 1"):
        assert essential in first


async def test_header_without_any_collector_says_so() -> None:
    reason = "no collector reads prod-eu-1: none was heard since 13:58:11 UTC"
    gone = one(collectors=(rooms.collector("c-1", Presence.GONE),))
    lost = rooms.health(SourceState.LOST, reason, last_good_at=NOW - 240)
    first, second = await header(rooms.brokered(gone, lost))
    assert "collectors 0/1" in first
    assert "lost" in first
    assert f"lost, last message 4 m ago: {reason}" in second
    assert "node-3" in second, "data stays, and what is broken is still said"


async def test_header_while_the_link_is_down_says_why_and_which_broker() -> None:
    reason = f"{rooms.URL}: nothing listens there (since 14:00:11 UTC)"
    lost = rooms.health(SourceState.LOST, reason, last_good_at=NOW - 120)
    late = tuple(replace(each, presence=Presence.LATE) for each in rooms.well())
    first, second = await header(rooms.brokered(one(collectors=late), lost))
    assert "lost, 2 m ago" in first
    assert "collectors" not in first, "nobody is heard: that says nothing of them"
    assert f"lost, last message 2 m ago: {reason}" in second
    again = rooms.health(SourceState.CONNECTING, f"connecting to {rooms.URL}")
    first, second = await header(rooms.brokered(one(), again))
    assert "connecting" in first
    assert f"connecting to {rooms.URL}" in second


async def test_header_tells_how_much_of_the_retained_state_came() -> None:
    filling = rooms.health(SourceState.CONNECTING, "4,020 of 5,000 nodes received")
    _, second = await header(rooms.brokered(one(), filling), 80)
    assert second.startswith(" ⧗ 4,020 of 5,000 nodes received")


# Where there is nothing


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        (SourceState.CONNECTING, f"connecting to {rooms.URL}", "loading: connecting to mqtts://"),
        (SourceState.CONNECTING, "no cluster was heard of yet", "ciltop collect --mqtt URL"),
        (
            SourceState.LOST,
            f"{rooms.URL}: refuses user 'x' (not authorised): check mqtt-user",
            "refuses user",
        ),
        (SourceState.LOST, f"{rooms.URL}: nothing listens there", "it keeps trying"),
        (SourceState.CONNECTING, f"{rooms.URL}: trying MQTT 3.1.1", "loading: mqtts://"),
    ],
)
async def test_no_cluster_yet_says_why_on_home_and_on_the_clusters_screen(
    state: SourceState, reason: str, shown: str
) -> None:
    app = HandApp(rooms.waiting(state, reason))
    async with app.run_test(size=(80, 24)) as pilot:
        assert shown in await settled(pilot)
        text = await pressed(pilot, "C")
        assert is_on(app, ClustersScreen)
        assert shown in text


async def test_nobody_heard_may_be_a_user_without_rights() -> None:
    app = HandApp(rooms.waiting(SourceState.CONNECTING, "no cluster was heard of yet"))
    async with app.run_test(size=(80, 24)) as pilot:
        text = await settled(pilot)
    assert "no collector is heard here" in text
    assert "see the broker's ACL" in text


async def test_a_cluster_that_nobody_reads_names_those_that_are_read() -> None:
    reason = "no collector reads prod-eu: none was heard since 10:00:00 UTC"
    room = replace(one(), chosen=clean("prod-eu"))
    app = HandApp(rooms.waiting(SourceState.LOST, reason, room))
    async with app.run_test(size=(80, 24)) as pilot:
        text = await settled(pilot)
    assert "C shows prod-eu-1" in text


async def test_a_chosen_cluster_without_nodes_says_what_it_waits_for() -> None:
    waiting = "waiting for what is known of prod-eu-1"
    app = HandApp(rooms.waiting(SourceState.CONNECTING, waiting, one()))
    async with app.run_test(size=(80, 24)) as pilot:
        assert f"loading: {waiting}" in await settled(pilot)


async def test_a_cluster_that_nobody_reads_says_how_to_begin() -> None:
    room = one()
    nobody = replace(room.clusters[0], collectors=())
    app = HandApp(rooms.brokered(replace(room, clusters=(nobody,))))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "C")
    assert "nobody reads this cluster" in text
    assert "ciltop collect --mqtt URL" in text


# What else there is to know


async def test_gaps_tell_of_the_broker_and_of_each_collector() -> None:
    app = HandApp(rooms.brokered(rooms.room(lost=41, rejected=3, reconnects=1)))
    async with app.run_test(size=(120, 50)) as pilot:
        await settled(pilot)
        await pressed(pilot, "escape")
        text = await enter_line(pilot, ":gaps")
    assert "lost         41" in text
    assert "rejected     3" in text
    assert "prod-eu-1-c2 ✖ gone: 0 nodes, heard 42 s ago" in text
    assert "prod-eu-1-c3 ▲ late: 6 nodes, heard 14 s ago, 1,204 messages dropped" in text
    assert "degraded: 3 of 12 execs failed" in text


async def test_node_detail_says_which_collector_read_it_and_when() -> None:
    facts = samples.healthy(2)
    reading = facts.maps
    assert reading.origin is not None
    origin = replace(reading.origin, collector_id="prod-eu-1-c1", observed_at=NOW - 3)
    before = replace(origin, collector_id="prod-eu-1-c2", observed_at=NOW - 90)
    assert facts.features.value is not None
    facts = replace(
        facts,
        maps=replace(reading, origin=origin),
        features=Reading.known(facts.features.value, before),
    )
    snapshot = replace(rooms.brokered(one()), nodes={facts.node.uid: facts})
    app = HandApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        node = app.dashboard.desk.board.node(facts.node.uid)
    assert node is not None
    lines = {line.label: (line.text, line.origin) for line in node_detail(node, NOW).lines}
    assert lines["read by"] == ("prod-eu-1-c1", "3 s ago")
    assert lines["before by"] == ("prod-eu-1-c2", "1 m ago")


async def test_nothing_is_asked_of_collectors() -> None:
    app = HandApp(rooms.brokered(one()))
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "r")
        await shows(pilot, "nothing is asked of them through a broker")
        await pressed(pilot, "1", "c")
    assert not [call for call in app.hands.calls if call[0] in ("refresh", "count")]


# Acting


async def test_where_nothing_can_be_written_header_arm_and_menu_say_why() -> None:
    why = "no context of the kubeconfig has node UIDs of prod-eu-1"
    app = HandApp(rooms.brokered(one(no_acting=clean(why))), is_read_only=False)
    async with app.run_test(size=(240, 50), notifications=True) as pilot:
        text = await settled(pilot)
        assert "look only: no context of the kubeconfig has node UIDs" in text
        assert f"nothing can be written from here: {why}" in await enter_line(pilot, ":arm")
        await pressed(pilot, "escape")
        assert why[:40] in await pressed(pilot, "a")
        await pressed(pilot, "enter")
    assert app.acts.asked == []
