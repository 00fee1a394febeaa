"""The Lease and Events in the audit file: a line before, one after, whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_fakes import CONTEXT, NAMESPACE, FakeCluster, Rig, uid_of
from tui.cluster.gate import WriteRequest
from tui.errors import CiltopError, ConnectError, DeniedError, UnknownOutcomeError
from tui.model.operations import AuditEvent, AuditRecord, OperationState
from tui.model.snapshot import AuditWritten
from tui.operations.journal import JournalError
from tui.operations.progress import Scribe
from tui.operations.recovery import progress_of
from tui.operations.undo import UndoFolder
from tui.operations.upkeep import UpkeepGate

BEFORE, AFTER = AuditEvent.BEFORE_UPKEEP, AuditEvent.AFTER_UPKEEP
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, FakeCluster(VirtualClock()))
    yield made
    await made.operator.close()


def fail_writes(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster, error: Exception) -> None:
    """Let the writes of Events fail."""
    original = cluster.write

    async def write(request: WriteRequest) -> dict[str, Any]:
        if request.resource == "events":
            raise error
        return await original(request)

    monkeypatch.setattr(cluster, "write", write)


def refuse_records(monkeypatch: pytest.MonkeyPatch, rig: Rig, event: AuditEvent) -> None:
    original = rig.journal.write

    def write(record: AuditRecord) -> AuditRecord:
        if record.event is event:
            raise JournalError("disk full")
        return original(record)

    monkeypatch.setattr(rig.journal, "write", write)


async def test_every_lease_and_event_has_its_two_lines_and_tells_who_what_where(rig: Rig) -> None:
    plan = await rig.begin(1)
    await rig.run_out()
    lines = rig.journal.upkeep(500)
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    assert [(before.event, after.event) for before, after in pairs] == [(BEFORE, AFTER)] * len(
        pairs
    )
    assert all(before.target == after.target for before, after in pairs)
    assert {one.operation_id for one in lines} == {plan.id}
    assert {(one.context, one.user, one.host) for one in lines} == {(CONTEXT, "alice", "desk")}
    assert {after.result for _, after in pairs} == {"done"}
    (taken, was_taken), (_, given_back) = pairs[0], pairs[-1]
    assert (taken.target, taken.path) == (f"create leases {NAMESPACE}/ciltop", LEASE)
    assert taken.text.startswith("held by desk ")
    uid = rig.cluster.objects[f"{LEASE}/ciltop"]["metadata"]["uid"]
    assert (taken.target_uid, was_taken.target_uid, given_back.target_uid) == ("", uid, uid)
    assert (given_back.text, given_back.path) == ("given back", f"{LEASE}/ciltop")
    events = [after for _, after in pairs if after.target.startswith("create events ")]
    assert [one.text.split(":")[0] for one in events] == [
        f"CiltopRestart on Node node-1 ({uid_of(1)})",
        f"CiltopVerified on Node node-1 ({uid_of(1)})",
    ]


async def test_what_became_of_it_is_recorded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[tuple[CiltopError, str]] = [
        (DeniedError("no right to create events", "create", "events"), "not done: no right"),
        (ConnectError("connection refused"), "not done: connection refused"),
        (UnknownOutcomeError("timed out"), "outcome unknown: timed out"),
    ]
    for number, (error, result) in enumerate(cases, 1):
        with monkeypatch.context() as patched:
            fail_writes(patched, rig.cluster, error)
            plan = await rig.begin(number, number + 1)
            await rig.run_out()
        assert rig.states(plan) == ["done", "done"]
        own = [one for one in rig.journal.upkeep(500) if one.operation_id == plan.id]
        events = [one for one in own if one.target.startswith("create events")]
        assert [one.event for one in events[:2]] == [BEFORE, AFTER]
        assert events[1].result.startswith(result)


async def test_one_that_is_given_up_has_its_second_line_too(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Event has ten seconds; a renewal is cancelled when its operation ends."""
    gate = UpkeepGate(rig.cluster, Scribe(rig.journal, rig.tell))
    body = {"metadata": {"name": "e"}}
    request = WriteRequest("create", "", "v1", "events", "default", "e", body)
    never = asyncio.Event()

    async def hang(_: WriteRequest) -> dict[str, Any]:
        await never.wait()
        return {}

    monkeypatch.setattr(rig.cluster, "write", hang)
    for recorded in (True, False):
        if not recorded:
            refuse_records(monkeypatch, rig, AFTER)
        writing = asyncio.create_task(gate.write(request))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    lines = rig.journal.upkeep(9)
    assert [one.event for one in lines] == [BEFORE, AFTER, BEFORE]
    assert lines[1].result == "outcome unknown: given up before an answer came"


async def test_without_its_record_no_lease_is_taken_and_nothing_begins(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_records(monkeypatch, rig, BEFORE)
    with pytest.raises(JournalError, match="disk full"):
        await rig.begin(1)
    assert f"{LEASE}/ciltop" not in rig.cluster.objects
    assert rig.cluster.sent == []
    assert not rig.operator.is_running


async def test_a_run_killed_between_the_two_lines_is_shown_as_without_them(
    rig: Rig, tmp_path: Path
) -> None:
    plan = await rig.begin(1, 2)
    await rig.clock.advance(30.0)
    folder = UndoFolder(tmp_path / "undo")
    record = folder.read(plan.id)
    without = progress_of(record, rig.journal.tail(500))
    half = next(one for one in rig.journal.upkeep(500) if one.event is BEFORE)
    for number in (1, 2):
        told = replace(half, at=half.at + 9_000, node_name=plan.node_names[number - 1])
        rig.journal.write(told)
    assert progress_of(record, rig.journal.tail(500)) == without
    await rig.operator.close()
    again = Rig(tmp_path, rig.cluster)
    await again.operator.recover()
    shown = again.progress(plan)
    assert shown.state is OperationState.UNFINISHED
    assert (shown.text, shown.ended_at) == (without.text, without.ended_at)
    assert [node.text for node in shown.nodes] == [node.text for node in without.nodes]


async def test_an_hour_of_renewing_hides_no_operation(rig: Rig, tmp_path: Path) -> None:
    plan = await rig.begin(1, 2)
    rig.operator.pause()
    await rig.clock.advance(3_600.0)
    lines = rig.journal.upkeep(5_000)
    assert len(lines) > 400
    assert not any(one.event.is_upkeep for one in rig.journal.tail(5_000))
    assert rig.journal.tail(5_000)[0].event is AuditEvent.CONFIRMED
    assert len(rig.journal.upkeep(10)) == 10
    again = Rig(tmp_path, rig.cluster)
    await again.operator.recover()
    events = [one.record.event for one in again.told if isinstance(one, AuditWritten)]
    assert events[0] is AuditEvent.CONFIRMED
    assert plan.id in (tmp_path / "audit.jsonl").read_text()
