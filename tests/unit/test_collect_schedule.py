"""Who is read next: nobody starves, nobody is asked too much."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.unit.schedule_rig import Rig, agent, uids
from tui.cilium.probes import exec_argv
from tui.cluster.exec import command_query
from tui.collect.focus import Focus
from tui.collect.visits import BOOT, CHEAP, DUMP, DUMP_IPV6, HOST, START
from tui.model.names import NodeUid

EVERYTHING = {*CHEAP, *DUMP, *START, *BOOT}


def test_all_nodes_are_seen_cheaply_before_any_is_asked_for_more() -> None:
    turns = Rig(3).turns()
    assert [set(turn.probes) for turn in turns[:3]] == [{*CHEAP, "version"}] * 3
    assert {turn.agent.uid for turn in turns[:3]} == {"n000", "n001", "n002"}
    assert len(turns) == 9
    assert {turn.agent.uid for turn in turns[3:6]} == {"n000", "n001", "n002"}
    for number in range(3):
        asked = {name for turn in turns if turn.agent == agent(number) for name in turn.probes}
        assert asked == EVERYTHING


def test_no_command_is_longer_than_proxies_take() -> None:
    rig = Rig(1)
    rig.schedule.note_ipv6_maps(NodeUid("n000"), has_them=True)
    for name in ("cilium_ct4_global", "cilium_snat_v4_external", "cilium_lb_affinity_match"):
        rig.schedule.request_count(NodeUid("n000"), name)
    turns = rig.turns()
    rig.schedule.put(agent(0, container="c2", boot="b2"))
    turns += rig.turns()
    lines = [len(command_query(exec_argv("0" * 24, turn.probes))) for turn in turns]
    assert max(lines) < 8_192 - 500
    asked = {name for turn in turns for name in turn.probes}
    assert asked > {*EVERYTHING, *DUMP_IPV6}


def test_a_sweep_asks_only_the_cheap_ones_and_dumps_each_minute() -> None:
    rig = Rig(1)
    rig.turns()
    asked = []
    for _ in range(12):
        rig.skip(10.5)
        asked += rig.turns()
    assert len(asked) in {11, 12}
    dumps = [turn for turn in asked if set(DUMP) <= set(turn.probes)]
    assert len(dumps) == 2
    assert all(set(turn.probes) <= {*CHEAP, *DUMP, *HOST} for turn in asked)


def test_the_chosen_node_goes_first_then_the_marked_ones() -> None:
    rig = Rig(9)
    rig.turns()
    rig.schedule.focus(Focus(NodeUid("n007"), frozenset({NodeUid("n003"), NodeUid("n005")})))
    turns = rig.turns()
    assert uids(turns) == ["n007", "n003", "n005"]
    assert set(DUMP) <= set(turns[0].probes)
    assert not set(DUMP) & set(turns[1].probes)
    rig.skip(11.0)
    assert uids(rig.turns())[:3] == ["n007", "n003", "n005"]


def test_the_chosen_node_keeps_its_pace_in_a_large_cluster() -> None:
    rig = Rig(1_000)
    rig.turns()
    assert rig.schedule.interval_seconds == pytest.approx(46.0)
    rig.schedule.focus(Focus(NodeUid("n500"), frozenset()))
    rig.turns()
    rig.skip(10.1)
    assert uids(rig.turns()) == ["n500"]


def test_the_interval_stretches_with_nodes_and_with_slow_answers() -> None:
    assert Rig(100).schedule.interval_seconds == 10.0
    assert Rig(5_000).schedule.interval_seconds == pytest.approx(206.0)
    slow = Rig(40, slots=8)
    slow.turns(seconds=5.0)
    assert slow.schedule.interval_seconds == pytest.approx(1.2 * 5.0 * 40 / 8)
    assert Rig(10, interval=2.0).schedule.interval_seconds == 2.0


def test_one_exec_in_flight_per_node() -> None:
    rig = Rig(1)
    turn = rig.schedule.next_turn()
    assert turn is not None
    rig.schedule.focus(Focus(turn.agent.uid, frozenset()))
    rig.schedule.request_count(turn.agent.uid, "cilium_ipcache")
    assert rig.schedule.next_turn() is None
    rig.schedule.finished(turn, 0.1, ())
    after = rig.schedule.next_turn()
    assert after is not None
    assert "count=cilium_ipcache" in after.probes


def test_a_requested_count_comes_at_once_and_once() -> None:
    rig = Rig(3)
    rig.turns()
    rig.schedule.request_count(NodeUid("n001"), "cilium_ct4_global")
    (turn,) = rig.turns()
    assert turn.agent.uid == "n001"
    assert "count=cilium_ct4_global" in turn.probes
    rig.schedule.request_count(NodeUid("n001"), "evil; reboot")
    rig.schedule.request_count(NodeUid("gone"), "cilium_ct4_global")
    assert rig.turns() == []


def test_a_new_container_is_read_again_at_once() -> None:
    rig = Rig(2)
    rig.turns()
    rig.schedule.put(agent(1, container="c2"))
    (turn,) = rig.turns()
    assert turn.agent.container_id == "c2"
    assert set(turn.probes) >= START
    assert not BOOT & set(turn.probes)
    rig.schedule.put(agent(1, container="c3", boot="b2"))
    asked = {name for turn in rig.turns() for name in turn.probes}
    assert asked >= {*START, *BOOT, *DUMP}


def test_start_probes_that_fail_are_asked_again_after_longer_and_longer() -> None:
    rig = Rig(1, interval=1.0)
    rig.turns(failed=["config", "helpers"])
    asked_at = []
    for _ in range(700):
        rig.skip(1.1)
        for turn in rig.turns(failed=["config", "helpers"]):
            assert "headers" not in turn.probes
            assert ("config" in turn.probes) == ("helpers" in turn.probes)
            if "config" in turn.probes:
                asked_at.append(rig.clock.now)
    waits = [later - earlier for earlier, later in pairwise(asked_at)]
    assert 6 <= len(asked_at) <= 9
    assert waits == sorted(waits)
    rig.skip(700.0)
    (turn,) = rig.turns(failed=())
    assert "config" in turn.probes
    rig.skip(700.0)
    assert "config" not in rig.turns()[0].probes


def test_a_failing_node_waits_longer_each_time_and_the_others_go_on() -> None:
    rig = Rig(3)
    rig.turns()
    waits = []
    for _ in range(8):
        rig.skip(400.0)
        for turn in iter(rig.schedule.next_turn, None):
            failed = None if turn.agent.uid == "n001" else ()
            rig.schedule.finished(turn, 0.1, failed)
        waits.append(rig.schedule._visits[NodeUid("n001")].not_before - rig.clock.now)
    assert waits == sorted(waits)
    assert waits[0] < waits[-1] <= 300.0
    rig.skip(10.6)
    assert {*uids(rig.turns())} == {"n000", "n002"}


def test_an_api_server_that_is_away_costs_no_node_its_pace() -> None:
    rig = Rig(3, interval=10.0)
    rig.turns()
    for _ in range(8):
        rig.skip(20.0)
        while (turn := rig.schedule.next_turn()) is not None:
            rig.schedule.unreached(turn)
    done = rig.schedule.sweeps_done
    rig.skip(10.1)
    assert len(rig.turns()) == 3
    assert rig.schedule.sweeps_done == done + 1


def test_after_the_api_server_was_away_all_nodes_are_read_at_once() -> None:
    rig = Rig(3, interval=10.0)
    rig.turns()
    rig.skip(11.0)
    under_way = rig.schedule.next_turn()
    assert under_way is not None
    for _ in range(6):
        rig.turns(failed=None)
        rig.skip(400.0)
    rig.turns(failed=None)
    done = rig.schedule.sweeps_done
    rig.schedule.reconnect()
    assert rig.schedule.stale_count == 3
    rig.skip(0.1)
    assert len(set(uids(rig.turns()))) == 2
    assert rig.schedule.stale_count == 1
    assert rig.schedule.sweeps_done == done
    rig.schedule.finished(under_way, 0.0, None)
    assert rig.schedule.stale_count == 1
    assert uids(rig.turns()) == [under_way.agent.uid]
    assert rig.schedule.stale_count == 0


def test_a_sweep_that_nobody_answered_is_none() -> None:
    rig = Rig(3, interval=10.0)
    rig.turns(failed=None)
    assert rig.schedule.sweeps_done == 0
    assert rig.schedule.last_sweep_seconds is None


def test_a_hanging_node_does_not_hold_up_the_next_sweep() -> None:
    rig = Rig(3)
    rig.turns()
    rig.skip(10.6)
    hanging = rig.schedule.next_turn()
    assert hanging is not None
    others = rig.turns()
    assert len(others) == 2
    rig.skip(30.0)
    assert uids(rig.turns()) == uids(others)
    rig.schedule.finished(hanging, 40.0, None)
    rig.skip(10.6)
    assert set(uids(rig.turns())) >= set(uids(others))


def test_the_sweep_is_timed() -> None:
    rig = Rig(2)
    for turn in iter(rig.schedule.next_turn, None):
        rig.skip(1.5)
        rig.schedule.finished(turn, 1.5, ())
        if rig.schedule.sweeps_done:
            break
    assert rig.schedule.last_sweep_seconds == pytest.approx(3.0)
    assert rig.schedule.p95_seconds() == 1.5


def test_a_node_that_goes_is_forgotten_wherever_it_waits() -> None:
    rig = Rig(3)
    turn = rig.schedule.next_turn()
    assert turn is not None
    rig.schedule.drop(turn.agent.uid)
    rig.schedule.finished(turn, 0.1, ())
    rig.schedule.drop(NodeUid("n002"))
    assert {*uids(rig.turns())} == {"n001"}
    rig.schedule.drop(NodeUid("n001"))
    assert rig.turns() == []
    assert rig.schedule.seconds_until_due() > 0


def test_refresh_sweeps_now_and_dumps_the_chosen() -> None:
    rig = Rig(2)
    rig.turns()
    rig.schedule.focus(Focus(NodeUid("n001"), frozenset()))
    rig.turns()
    rig.schedule.refresh()
    turns = rig.turns()
    assert {*uids(turns)} == {"n000", "n001"}
    assert set(DUMP) <= set(turns[0].probes)


def test_ipv6_maps_are_dumped_where_they_exist() -> None:
    rig = Rig(1)
    rig.turns()
    rig.schedule.note_ipv6_maps(NodeUid("n000"), True)
    rig.schedule.focus(Focus(NodeUid("n000"), frozenset()))
    (turn,) = rig.turns()
    assert {"services6", "backends6"} <= set(turn.probes)


def test_a_costly_dump_is_repeated_less_often() -> None:
    rig = Rig(1, interval=10.0)
    rig.turns(seconds=10.0)
    dumps = 0
    for _ in range(19):
        rig.skip(13.0)
        dumps += sum(set(DUMP) <= set(turn.probes) for turn in rig.turns(seconds=0.1))
    assert dumps == 1


def test_a_dump_that_asks_for_another_one_gets_it() -> None:
    rig = Rig(1, is_once=True)
    turns = rig.turns()
    assert any("services4" in turn.probes for turn in turns)
    rig.schedule.refresh()
    rig.schedule.want_dump(agent(0).uid)
    turn = rig.schedule.next_turn()
    assert turn is not None
    assert "services4" in turn.probes
    # The sweep asks while the answer is read, before the exec is noted as finished.
    rig.schedule.want_dump(agent(0).uid)
    rig.schedule.finished(turn, 0.1, ())
    assert rig.schedule.unread_count == 1
    (again,) = rig.turns()
    assert "services4" in again.probes
    assert rig.schedule.unread_count == 0
