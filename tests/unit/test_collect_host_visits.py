"""When what the host uses is read: on visits that are made anyway, at a pace of its own."""

from __future__ import annotations

from tests.unit.schedule_rig import Rig, agent
from tui.collect.focus import Focus
from tui.collect.visits import BOOT, CHEAP, DUMP, HOST, START
from tui.model.names import NodeUid

EVERYTHING = {*CHEAP, *DUMP, *START, *BOOT}


def host_reads(rig: Rig, rounds: int) -> dict[str, int]:
    """Run sweeps and count how often each part of the host's facts was asked."""
    asked: list[str] = []
    for _ in range(rounds):
        rig.skip(10.6)
        asked += [name for turn in rig.turns() for name in turn.probes]
    return {name: asked.count(name) for name in sorted(HOST)}


def test_what_the_host_uses_is_read_without_an_exec_of_its_own() -> None:
    alone, rig = Rig(1), Rig(1)
    rig.turns()
    alone.turns()
    rig.schedule.note_host_probes(NodeUid("n000"), HOST)
    alone.schedule.note_host_probes(NodeUid("n000"), frozenset())
    # An hour: each minute the clients, each five minutes the dearer ones.
    reads = host_reads(rig, 340)
    assert 55 <= reads["clients"] <= 60
    assert 11 <= reads["sockets"] <= 12
    assert 11 <= reads["neighbors"] <= 12
    assert host_reads(alone, 340) == dict.fromkeys(sorted(HOST), 0)
    assert rig.schedule.sweeps_done == alone.schedule.sweeps_done


def test_clients_and_sockets_fit_the_visit_of_a_dump() -> None:
    rig = Rig(1)
    rig.turns()
    rig.skip(600.0)
    (turn,) = rig.turns()
    assert {*turn.probes} == {*CHEAP, *DUMP, "clients", "sockets"}


def test_neighbors_are_asked_only_where_the_release_calls_for_it() -> None:
    rig = Rig(1)
    rig.turns()
    assert host_reads(rig, 60)["neighbors"] == 0
    rig.schedule.note_host_probes(NodeUid("n000"), HOST)
    assert host_reads(rig, 60)["neighbors"] == 3


def test_the_node_somebody_looks_at_is_read_each_minute() -> None:
    rig = Rig(1)
    rig.turns()
    rig.schedule.note_host_probes(NodeUid("n000"), HOST)
    rig.schedule.focus(Focus(NodeUid("n000"), frozenset()))
    reads = host_reads(rig, 58)
    assert all(9 <= count <= 11 for count in reads.values()), reads


def test_another_boot_is_read_again_at_once() -> None:
    rig = Rig(1)
    rig.turns()
    assert host_reads(rig, 10)["sockets"] == 1
    rig.schedule.put(agent(0, container="c2"))
    assert not {"sockets"} & {name for turn in rig.turns() for name in turn.probes}
    rig.schedule.put(agent(0, container="c3", boot="b2"))
    turns = rig.turns()
    rig.skip(10.6)
    asked = {name for turn in (*turns, *rig.turns()) for name in turn.probes}
    assert asked >= {"clients", "sockets"}


def test_one_judgement_of_the_cluster_waits_for_what_the_hosts_use() -> None:
    rig = Rig(2, is_once=True)
    for number in range(2):
        rig.schedule.note_host_probes(agent(number).uid, HOST)
    turns = rig.turns()
    for number in range(2):
        asked = {name for turn in turns if turn.agent == agent(number) for name in turn.probes}
        assert asked == EVERYTHING | HOST
    assert rig.schedule.unread_count == 0
