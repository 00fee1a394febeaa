"""Nothing is written on a Lease that may have run out, nor twice where an answer came late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.collect_clock import VirtualClock, settle
from tests.unit.operations_fakes import NAMESPACE, FakeCluster, Rig, uid_of
from tui.cluster.gate import WriteRequest
from tui.errors import ConnectError, UnknownOutcomeError
from tui.model.operations import AuditEvent, Intent, OperationKind, Permission
from tui.model.snapshot import Fact, OperationChanged, SourceHealth, SourceState
from tui.operations.lease import OperationLease
from tui.operations.timing import Timing
from tui.operations.undo import UndoError, UndoFolder
from tui.safety import clean

PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/ciltop"
LOST = SourceHealth(clean("fake"), SourceState.LOST, clean("nothing answers"))
LIVE = SourceHealth(clean("fake"), SourceState.LIVE)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, FakeCluster(VirtualClock()))
    yield made
    await made.operator.close()


def fails(error: Exception) -> Callable[[object], None]:
    def fail(_: object) -> None:
        raise error

    return fail


def cut_lease(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster) -> list[bool]:
    """Let every question about the Lease fail while the list is not empty."""
    is_cut = [True]
    original = cluster.get_json

    async def get_json(path: str, decoder_type: type[Any]) -> Any:
        if path == PATH and is_cut:
            raise ConnectError("connection refused")
        return await original(path, decoder_type)

    monkeypatch.setattr(cluster, "get_json", get_json)
    return is_cut


@pytest.mark.parametrize("is_taken", [True, False])
async def test_who_lost_the_api_asks_for_the_lease_before_the_next_write(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    plan = await rig.begin(1, 2)
    await rig.clock.advance(30.0)
    is_cut = cut_lease(monkeypatch, rig.cluster)
    rig.cluster.health = LOST
    await rig.clock.advance(300.0)
    is_cut.clear()
    if is_taken:
        cluster = rig.cluster
        bob = OperationLease(
            cluster, cluster, NAMESPACE, "bob", clock=cluster.clock, timing=Timing()
        )
        await bob.acquire()
    else:
        rig.cluster.objects[PATH]["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z"
    rig.cluster.health = LIVE
    # The next renewal of its own is up to 15 s away.
    await rig.run_out()
    others = [] if is_taken else ["cilium-2-0"]
    assert rig.restarted() == ["cilium-1-0", *others]
    assert rig.states(plan) == (["done", "skipped"] if is_taken else ["done", "done"])
    if is_taken:
        assert "bob" in rig.progress(plan).text


async def test_a_write_waits_while_nobody_can_say_who_has_the_lease(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await rig.begin(1, 2)
    is_cut = cut_lease(monkeypatch, rig.cluster)
    rig.operator.pause()
    await rig.clock.advance(200.0)
    rig.operator.resume()
    await rig.clock.advance(60.0)
    assert rig.restarted() == ["cilium-1-0"]
    assert "waiting for the API" in rig.progress(plan).text
    is_cut.clear()
    await rig.run_out()
    assert rig.states(plan) == ["done", "done"]


async def test_what_was_done_after_it_was_read_back_counts_as_done(rig: Rig) -> None:
    def late(request: WriteRequest) -> None:
        rig.cluster._do(request)  # the first request arrives when the second one is sent

    rig.cluster.before_write = [fails(UnknownOutcomeError("timed out")), late]
    plan = await rig.begin(1)
    await rig.run_out()
    assert rig.states(plan) == ["done"]
    after = [one.result for one in rig.journal.tail(9) if one.event is AuditEvent.AFTER_WRITE]
    assert [text.partition(":")[0] for text in after] == [
        "not done",
        "done; the answer was lost, the object shows it",
    ]


async def test_aborting_twice_ends_reading_back_too(rig: Rig) -> None:
    rig.cluster.after_write = [fails(UnknownOutcomeError("the connection broke"))]
    plan = await rig.operator.plan(Intent(OperationKind.RESTART, (uid_of(1),)))
    await rig.operator.start(plan, "")
    rig.cluster.before_read = [fails(ConnectError("refused"))] * 1_000
    await settle()
    rig.operator.abort()
    rig.operator.abort()
    await rig.run_out(60.0)
    assert not rig.operator.is_running
    assert "nobody knows whether it was done" in rig.progress(plan).nodes[0].text


async def test_a_preview_says_that_nobody_can_be_kept_away(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def may(request: WriteRequest) -> Permission:
        asked.append(request.verb)
        return Permission.DENIED if request.resource == "leases" else Permission.ALLOWED

    monkeypatch.setattr(rig.cluster, "may", may)
    plan = await rig.operator.plan(Intent(OperationKind.RESTART, (uid_of(1),)))
    assert [guard.id for guard in plan.guards] == ["no-lease"]
    assert "nothing keeps a second operator away" in plan.guards[0].text
    assert not plan.is_blocked
    assert asked == ["create"]


async def test_a_holder_is_of_one_operation_alone(rig: Rig, tmp_path: Path) -> None:
    """A second run here must not take the Lease of a second operation for that of the first."""
    for number in (1, 2):
        await rig.begin(number, 3 - number)
        await rig.run_out()
        held = rig.cluster.objects[PATH]["spec"]
        assert held["holderIdentity"] == ""
    holders = [one.holder for one in UndoFolder(tmp_path / "undo").records()]
    assert len(set(holders)) == 2
    third = await rig.begin(3, 4)
    assert rig.cluster.objects[PATH]["spec"]["holderIdentity"] not in holders
    other = Rig(tmp_path, rig.cluster)
    plan = await other.operator.plan(third.intent)
    assert [guard.id for guard in plan.blockers] == ["lease-held"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "undo").write_text("a file")
    folder = UndoFolder(tmp_path / "undo")
    with pytest.raises(UndoError, match="can't be written"), folder.hold("7f3a"):
        pass


async def test_an_end_is_told_when_it_is_recorded_and_the_lease_given_back(rig: Rig) -> None:
    """A command ends ciltop as soon as it is told."""
    seen: list[tuple[str, str]] = []
    tell = rig.tell

    async def watch(fact: Fact) -> None:
        await tell(fact)
        if isinstance(fact, OperationChanged) and fact.progress.is_over:
            records = rig.journal.tail(1)
            held = rig.cluster.objects[PATH]["spec"]["holderIdentity"]
            seen.append((records[-1].event.value, held))

    rig.operator._tell = watch
    await rig.begin(1)
    await rig.run_out()
    assert seen == [("ended", "")]
