"""Acting from a dashboard over a broker: only with a kubeconfig of the very same cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.contract.dashboard_rig import Dashboard, Received, Simulated, dashboard, simulated
from tests.unit.bus_source_rig import Sender
from tui.bus.wire.encoding import Decoder
from tui.bus.wire.messages import AuditMessage, RoomMessage
from tui.bus.wire.post import Incoming
from tui.checks.timeline import timeline
from tui.errors import CiltopError, KubeconfigError
from tui.model.names import NodeUid
from tui.model.operations import ArmingMode, AuditEvent, AuditRecord
from tui.model.snapshot import SourceState
from tui.model.timeline import ChangeKind
from tui.safety import clean


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the audit file in the test's folder, and any kubeconfig of this machine out."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path / "state" / "ciltop"


@asynccontextmanager
async def acting_rig(
    folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Simulated, Dashboard]]:
    """Run a dashboard with the kubeconfig of a simulated cluster."""
    async with (
        simulated(folder) as cluster,
        dashboard(patch, kubeconfig=cluster.kubeconfig, cluster="fleet") as board,
    ):
        yield cluster, board


def no_acting(board: Dashboard) -> str:
    return str(board.snapshot.room.no_acting)


async def acting(board: Dashboard, cluster: Simulated, sender: Sender) -> str:
    """Wait until it may act; return the context's name."""
    cluster.tell(board, sender)
    await board.until(
        lambda: bool(board.snapshot.room.collectors) and not no_acting(board), "acting"
    )
    return str(board.snapshot.cluster.context)


def published(board: Dashboard) -> list[AuditRecord]:
    decoder = Decoder()
    records: list[AuditRecord] = []
    for outgoing in board.link.sent:
        letter = decoder.decode(Incoming(outgoing.topic, outgoing.payload, False, 0.0))
        assert isinstance(letter.message, AuditMessage)
        assert (outgoing.qos, outgoing.is_retained) == (1, False)
        records += letter.message.records
    return records


async def test_a_kubeconfig_of_the_same_cluster_lets_act_and_all_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    async with acting_rig(tmp_path, monkeypatch) as (cluster, board):
        context = await acting(board, cluster, sender)
        assert context != "fleet", "what must be typed is the kubeconfig's context"
        assert board.snapshot.cluster.cilium_namespace == "kube-system"
        armed = await asyncio.wrap_future(board.thread.arm(context))
        assert armed.mode is ArmingMode.ARMED
        await board.until(lambda: bool(published(board)), "the audit record at the broker")
        assert [one.event for one in published(board)] == [AuditEvent.ARMED]
        assert {one.topic for one in board.link.sent} == {"ciltop/v1/fleet/audit"}
        assert board.link.expected == ["ciltop/v1/fleet/audit"]
        board.say(sender, RoomMessage(records=tuple(published(board))))
        await asyncio.wrap_future(board.thread.disarm())
        await board.until(lambda: len(board.snapshot.audit) == 2, "both records, each once")


async def test_old_records_of_the_audit_file_are_not_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with simulated(tmp_path) as cluster:
        flags = {"kubeconfig": cluster.kubeconfig, "cluster": "fleet"}
        async with dashboard(monkeypatch, **flags) as board:
            context = await acting(board, cluster, Sender())
            await asyncio.wrap_future(board.thread.arm(context))
        async with dashboard(monkeypatch, **flags) as board:
            await acting(board, cluster, Sender())
            await board.until(lambda: bool(board.snapshot.audit), "the file's end")
            assert published(board) == []


async def test_the_audit_file_and_the_broker_tell_a_record_once_and_of_which_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    sender = Sender()
    async with simulated(tmp_path) as cluster:
        flags = {"kubeconfig": cluster.kubeconfig, "cluster": "fleet"}
        async with dashboard(monkeypatch, **flags) as board:
            context = await acting(board, cluster, sender)
            await asyncio.wrap_future(board.thread.arm(context))
            await board.until(lambda: bool(board.snapshot.audit), "the record")
            armed = board.snapshot.audit[0]
        with (state / "audit.jsonl").open("ab") as file:
            elsewhere = replace(armed, context=clean("staging"), id="0123456789abcdef")
            file.write(msgspec.json.encode(elsewhere) + b"\n")
        async with dashboard(monkeypatch, **flags) as board:
            # The broker is first, with times by another clock.
            board.say(sender, RoomMessage(records=(replace(armed, at=armed.at + 2.0),)))
            await acting(board, cluster, sender)
            await board.until(lambda: len(board.snapshot.audit) >= 2, "the file's end")
            snapshot = board.snapshot
            told = [(one.context, snapshot.is_of_cluster(one)) for one in snapshot.audit]
            assert sorted(told) == [(context, True), ("staging", False)]
            actions = [one for one in timeline(snapshot) if one.kind is ChangeKind.ACTION]
            assert len(actions) == 1


async def test_read_only_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with simulated(tmp_path) as cluster:
        flags: dict[str, str | bool] = {"kubeconfig": cluster.kubeconfig, "read-only": True}
        async with dashboard(monkeypatch, cluster="fleet", **flags) as board:
            context = await acting(board, cluster, Sender())
            with pytest.raises(CiltopError, match="read-only"):
                await asyncio.wrap_future(board.thread.arm(context))


async def test_a_kubeconfig_of_another_cluster_does_not_let_act(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    async with simulated(tmp_path) as cluster:
        received = Received(monkeypatch, cluster.server)
        async with dashboard(monkeypatch, kubeconfig=cluster.kubeconfig, cluster="fleet") as board:
            cluster.nodes = [
                replace(node, uid=NodeUid(f"other-{number}"))
                for number, node in enumerate(cluster.nodes)
            ]
            cluster.tell(board, sender)
            await board.until(lambda: "is another cluster" in no_acting(board), "the refusal")
            with pytest.raises(CiltopError):
                await asyncio.wrap_future(board.thread.arm("fleet"))
        assert sum(received.requests.values()) == 1, received.requests


async def test_without_a_kubeconfig_it_shows_everything_and_says_why_it_can_t_act(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sender = Sender()
    async with dashboard(monkeypatch, cluster="fleet") as board:
        board.say(sender, sender.presence())
        board.say(sender, sender.node(0), "node-fleet-uid-0")
        await board.until(lambda: len(board.snapshot.nodes) == 1, "the node")
        await board.until(lambda: "kubeconfig" in no_acting(board), "the reason")
        with pytest.raises(CiltopError):
            await asyncio.wrap_future(board.thread.arm("fleet"))


async def test_a_kubeconfig_that_was_named_and_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(KubeconfigError):
        await asyncio.to_thread(Dashboard, {"kubeconfig": str(tmp_path / "missing")}, monkeypatch)


async def test_another_cluster_takes_acting_away_until_its_own_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet, other = Sender(), Sender(cluster="other")
    async with acting_rig(tmp_path, monkeypatch) as (cluster, board):
        context = await acting(board, cluster, fleet)
        await asyncio.wrap_future(board.thread.arm(context))
        await board.until(
            lambda: board.snapshot.arming.mode is ArmingMode.ARMED, "the armed session"
        )
        board.thread.choose_cluster("other")
        await board.until(lambda: board.snapshot.room.chosen == "other", "the choice")
        await board.until(
            lambda: board.snapshot.arming.mode is ArmingMode.UNARMED, "the disarmed session"
        )
        board.say(other, other.presence())
        board.say(other, other.node(0), "node-other-uid-0")
        await board.until(
            lambda: board.snapshot.health.state is SourceState.LIVE, "the other cluster"
        )
        await board.until(lambda: "knows none" in no_acting(board), "the refusal")
        with pytest.raises(CiltopError):
            await asyncio.wrap_future(board.thread.arm(context))
        board.thread.choose_cluster("fleet")
        await board.until(lambda: board.snapshot.room.chosen == "fleet", "the way back")
        assert await acting(board, cluster, fleet) == context
        armed = await asyncio.wrap_future(board.thread.arm(context))
        assert armed.mode is ArmingMode.ARMED
        count = sum(one.event is AuditEvent.ARMED for one in board.snapshot.audit)
        assert count <= 2, "the audit file's end is not shown twice"


async def test_a_broker_does_not_decide_what_must_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(cluster="fleet")
    async with acting_rig(tmp_path, monkeypatch) as (cluster, board):
        context = await acting(board, cluster, sender)
        forged = replace(sender.facts_of_cluster().facts, context=clean(""))
        board.say(sender, replace(sender.facts_of_cluster(), facts=forged))
        before = board.snapshot.version
        await board.until(lambda: board.snapshot.version > before, "the forged facts")
        assert board.snapshot.cluster.context == context
