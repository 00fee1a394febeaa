"""What brokers, networks and clocks do to collectors and dashboards, at a real Mosquitto."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Sequence
from functools import partial

import pytest

from tests.brokers import Mosquitto, MosquittoFactory, Proxy
from tests.contract.link_rig import linked, settle
from tests.contract.mqtt_faults_rig import (
    CLUSTER,
    NODES,
    Board,
    Collector,
    collecting,
    eventually,
    is_whole,
    looking,
    quick,
)
from tests.unit.bus_rig import log_batch
from tui.bus.wire.post import LinkKind, Outgoing
from tui.model.room import CollectorSeen, Presence
from tui.model.snapshot import SourceState

__all__ = ["quick"]
pytestmark = pytest.mark.usefixtures("quick")

PREFIX = f"ciltop/v1/{CLUSTER}"


def connects(broker: Mosquitto, name: str) -> int:
    """Return how many connections a client made, by the broker's log."""
    return sum("connected from" in line and f"ciltop-{name}-" in line for line in broker.lines)


def seen(board: Board, name: str) -> CollectorSeen | None:
    return next((one for one in board.snapshot.room.collectors if one.id == name), None)


def are_clocks_known(board: Board) -> bool:
    found = [seen(board, name) for name in ("alpha", "beta")]
    return all(one is not None and one.skew_seconds is not None for one in found)


def are_back(collectors: Sequence[Collector], reconnects: int) -> bool:
    return all(one.bus.link.counts.reconnects >= reconnects and one.is_up for one in collectors)


async def both_share(alpha: Collector, beta: Collector) -> None:
    both = frozenset({"alpha", "beta"})
    await eventually(lambda: alpha.present == beta.present == both, "each other")


async def test_all_say_that_the_broker_died_and_are_whole_again_when_it_is_back(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    alpha, beta = (Collector(broker.address(), name) for name in ("alpha", "beta"))
    async with collecting(alpha, beta), looking(broker.address(), CLUSTER) as board:
        await both_share(alpha, beta)
        await board.until(lambda: is_whole(board), "all nodes")
        shares = [len(one.reader.shares) for one in (alpha, beta)]
        uid = next(iter(alpha.reader.snapshot.nodes))
        for one in (alpha, beta):
            one.is_sweeping = False
        await eventually(lambda: alpha.bus.link.waiting == beta.bus.link.waiting == 0, "all sent")
        broker.kill()
        killed_at = time.time()
        await board.until(lambda: board.state is SourceState.LOST, "the dashboard's word of it")
        for one in (alpha, beta):
            await eventually(partial(one.says, "broker", " down"), "a collector's word")
            one.is_sweeping = True
        assert len(board.snapshot.nodes) == NODES
        alpha.reader.tee.offer(log_batch(uid, "level=warning msg=while-it-was-away"))
        broker.start()
        await board.until(lambda: is_whole(board, since=killed_at), "fresh facts of all nodes")
        await board.until(
            lambda: "while-it-was-away" in str(board.snapshot.nodes[uid].logs), "the log line"
        )
        for one in (alpha, beta):
            assert one.says("broker", " up ")
            assert not one.bus.publisher.dropped
            assert one.bus.link.counts.reconnects == 1
        assert [len(one.reader.shares) for one in (alpha, beta)] == shares
        room = board.snapshot.room
        assert (room.lost, room.rejected, room.reconnects) == (0, 0, 1)
        assert not board.snapshot.gaps
        async with looking(broker.address(), None) as late:
            await late.until(lambda: is_whole(late, since=killed_at), "all nodes, retained anew")


async def test_a_collector_whose_connection_is_half_open_is_missed_and_comes_back(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    async with Proxy(broker.ports["mqtt"]) as proxy:
        alpha = Collector(broker.address(port=proxy.port), "alpha")
        async with collecting(alpha), looking(broker.address(), CLUSTER) as board:
            await board.until(lambda: is_whole(board), "all nodes")
            shares = len(alpha.reader.shares)
            proxy.freeze()
            await board.until(lambda: board.state is SourceState.LOST, "that nobody is heard")
            await eventually(
                lambda: alpha.says("not even to our pings"),
                "the collector's word",
                lambda: alpha.said,
            )
            frozen_at = time.time()
            proxy.thaw()
            await board.until(lambda: is_whole(board, since=frozen_at), "fresh facts")
            assert alpha.bus.link.counts.reconnects >= 1
            assert len(alpha.reader.shares) == shares, "nobody else was there to take its nodes"


async def test_a_dashboard_whose_connection_is_half_open_says_so_and_comes_back(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    async with Proxy(broker.ports["mqtt"]) as proxy:
        alpha = Collector(broker.address(), "alpha")
        async with (
            collecting(alpha),
            looking(broker.address(port=proxy.port), CLUSTER) as board,
        ):
            await board.until(lambda: is_whole(board), "all nodes")
            proxy.freeze()
            await board.until(
                lambda: "not even to our pings" in board.snapshot.health.reason, "its word"
            )
            frozen_at = time.time()
            assert len(board.snapshot.nodes) == NODES
            proxy.thaw()
            await board.until(lambda: is_whole(board, since=frozen_at), "fresh facts")
            assert board.snapshot.room.lost == 0, "what is retained is the latest"


async def test_a_network_that_flaps_moves_no_node(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    async with Proxy(broker.ports["mqtt"]) as proxy:
        address = broker.address(port=proxy.port)
        alpha, beta = (Collector(address, name) for name in ("alpha", "beta"))
        async with collecting(alpha, beta), looking(broker.address(), CLUSTER) as board:
            await both_share(alpha, beta)
            await board.until(lambda: is_whole(board), "all nodes")
            shares = [len(one.reader.shares) for one in (alpha, beta)]
            for count in range(1, 6):
                await proxy.cut()
                await eventually(partial(are_back, (alpha, beta), count), "both again")
            flapped_at = time.time()
            await board.until(lambda: is_whole(board, since=flapped_at), "fresh facts")
            assert [len(one.reader.shares) for one in (alpha, beta)] == shares


def _old_presence() -> bytes:
    return json.dumps(
        {"schema": "ciltop/0", "collector": "old", "state": "present", "interval": 5}
    ).encode()


GARBAGE = {
    "collector/old": _old_presence(),
    "collector/alpha": b"online",
    "node/node-uid-0/facts": gzip.compress(b'{"schema": "ciltop/0", "node": {}}'),
    "node/node-uid-1/facts": gzip.compress(b'{"schema": "ciltop/1"}' * 100)[:20],
    "node/nobody/facts": b'{"schema": "ciltop/1", "kind": "facts"',
    "cluster": b"\x00\xff\xfe",
    "findings": b"[]",
    "findings/old": b'{"schema":"ciltop/0","findings":[]}',
    "room": b"hello",
}
FOR_COLLECTORS = {"collector/old", "collector/alpha", "room", "findings/old"}


async def test_what_an_older_schema_left_behind_is_counted_and_harms_nobody(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    async with linked(broker.address(), "ciltop/v1/settle") as old:
        for topic, payload in GARBAGE.items():
            old.link.send(Outgoing(f"{PREFIX}/{topic}", payload, 1, is_retained=True))
        await settle(old)
    async with looking(broker.address(), CLUSTER) as board:
        # A part of the findings is for the leader alone.
        told = len(GARBAGE) - 1
        await board.until(lambda: board.snapshot.room.rejected == told, "the rejections")
        assert not board.snapshot.nodes
        assert not board.snapshot.room.collectors
        alpha = Collector(broker.address(), "alpha")
        async with collecting(alpha):
            await board.until(lambda: is_whole(board), "all nodes")
            await eventually(
                lambda: alpha.bus.publisher.rejected == len(FOR_COLLECTORS), "its rejections"
            )
            assert alpha.present == {"alpha"}
            assert board.snapshot.room.rejected == told
            assert board.snapshot.room.lost == 0
            await board.until(lambda: seen(board, "alpha") is not None, "the collector")
            async with looking(broker.address(), None) as late:
                await late.until(lambda: is_whole(late), "all nodes and no other")
                kept = late.snapshot.room.rejected
                assert 2 <= kept < len(GARBAGE), "what is of no collector or node that is left"


@pytest.mark.parametrize("ahead", [-7_200.0, 7_200.0])
async def test_hours_between_two_clocks_change_no_age_and_are_shown(
    mosquitto: MosquittoFactory, ahead: float
) -> None:
    broker = mosquitto()
    alpha = Collector(broker.address(), "alpha", ahead=ahead)
    beta = Collector(broker.address(), "beta")
    async with collecting(alpha, beta), looking(broker.address(), CLUSTER) as early:
        await both_share(alpha, beta)
        began_at = time.time()
        await early.until(lambda: is_whole(early, since=began_at), "fresh facts of all nodes")
        async with looking(broker.address(), CLUSTER) as late:
            for board in (early, late):
                await board.until(partial(is_whole, board), "all nodes")
                for one in board.snapshot.nodes.values():
                    assert one.swept_at is not None
                    assert -2.0 < time.time() - one.swept_at < 20.0
                await board.until(partial(are_clocks_known, board), "their clocks")
                skews = [one.skew_seconds for one in board.snapshot.room.collectors]
                assert skews == pytest.approx([ahead, 0.0], abs=3.0)


async def test_the_later_of_two_with_one_id_stands_by_until_the_other_ends(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    first, second = (Collector(broker.address(), "alpha") for _ in range(2))
    async with looking(broker.address(), CLUSTER) as board, collecting(second) as _:
        # The later one to begin is not the later one to connect.
        await board.until(lambda: is_whole(board), "all nodes")
        async with collecting(first):
            await eventually(lambda: second.says("stands by", "--collector-id"), "its word")
            await eventually(lambda: second.share is not None and not second.share.is_open, "rest")
            assert first.share is not None
            assert first.share.is_open
            told_at = time.time()
            await board.until(lambda: is_whole(board, since=told_at), "fresh facts of the first")
            assert [one.id for one in board.snapshot.room.collectors] == ["alpha"]
            assert second.is_up, "they do not throw each other off the broker"
        ended_at = time.time()
        await board.until(lambda: is_whole(board, since=ended_at), "fresh facts of the second")
        assert connects(broker, "alpha") == 2


async def test_rights_that_are_missing_are_named_and_nobody_connects_again_and_again(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto(acl="topic readwrite ciltop/v1/another-cluster/#\n")
    alpha = Collector(broker.address(), "alpha")
    async with collecting(alpha), looking(broker.address(), CLUSTER) as board:
        words = f"{PREFIX}/collector/alpha does not come back", "ACL denies"
        await eventually(partial(alpha.says, *words), "its word", lambda: alpha.said)
        await board.until(lambda: board.state is SourceState.LOST, "the dashboard's word")
        assert "no collector" in board.snapshot.health.reason
        swept = alpha.reader.sweeps
        await eventually(lambda: alpha.reader.sweeps > swept + 15, "sweeps as before")
        assert connects(broker, "alpha") == 1
        assert alpha.is_up
        assert not board.snapshot.nodes


async def test_rights_that_are_taken_away_end_nobody_and_are_asked_for_slowly(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto(users={"c": "right"})
    alpha = Collector(broker.address(user="c", password="right"), "alpha")
    async with (
        collecting(alpha),
        looking(broker.address(user="c", password="right"), CLUSTER) as board,
    ):
        await board.until(lambda: is_whole(board), "all nodes")
        broker.stop()
        (broker.folder / "passwords").write_text("", encoding="ascii")
        broker.lines.clear()
        broker.start()
        await eventually(lambda: alpha.says("refused", "'c'"), "the collector's word")
        await board.until(lambda: "'c'" in board.snapshot.health.reason, "the dashboard's word")
        assert board.state is SourceState.LOST
        assert len(board.snapshot.nodes) == NODES
        swept = alpha.reader.sweeps
        await eventually(lambda: alpha.reader.sweeps > swept + 15, "sweeps as before")
        assert alpha.bus.link.state.kind is LinkKind.REFUSED
        refusals = [line for line in broker.lines if "not authorised" in line.lower()]
        assert 2 <= len(refusals) <= 4, "each once, with MQTT 5 and perhaps with 3.1.1"


async def test_who_dies_is_gone_by_its_last_will(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    async with Proxy(broker.ports["mqtt"]) as proxy:
        alpha = Collector(broker.address(port=proxy.port), "alpha")
        beta = Collector(broker.address(), "beta")
        async with collecting(alpha, beta), looking(broker.address(), CLUSTER) as board:
            await both_share(alpha, beta)
            await board.until(lambda: is_whole(board), "all nodes")
            proxy.freeze()
            await proxy.cut()

            def is_gone() -> bool:
                one = seen(board, "alpha")
                return one is not None and one.presence is not Presence.PRESENT

            await board.until(is_gone, "the collector's end")
            await eventually(lambda: beta.present == {"beta"}, "its nodes' move")
            moved_at = time.time()
            await board.until(
                lambda: all((n.swept_at or 0.0) > moved_at for n in board.snapshot.nodes.values()),
                "all nodes, by the other",
            )
            assert len(board.snapshot.nodes) == NODES
            proxy.thaw()
