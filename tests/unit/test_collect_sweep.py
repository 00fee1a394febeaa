"""One node's trouble costs that node's section, and the reason is always said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.collect_clock import settle
from tests.unit.collect_fakes import Rig, pod, real_answer, uid
from tui.cilium.frames import EXIT_NO_AGENT, EXIT_TIMED_OUT, Frame, encode_frames
from tui.collect.focus import Focus
from tui.errors import (
    CommandMissingError,
    ConnectError,
    DeadlineError,
    ForbiddenError,
)
from tui.model.node import AgentPhase
from tui.model.reading import ReadingState
from tui.model.snapshot import GapChanged, NodeReport


@asynccontextmanager
async def sweeping(rig: Rig) -> AsyncIterator[None]:
    await rig.note_all()
    task = asyncio.create_task(rig.sweeper.run())
    await settle(80)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def merged(reports: list[NodeReport], section: str, number: int = 1) -> ReadingState | None:
    """Return the state of a section as last reported."""
    found = [
        getattr(report, section)
        for report in reports
        if report.node_uid == uid(number) and getattr(report, section) is not None
    ]
    return found[-1].state if found else None


async def test_one_exec_carries_all_and_brings_typed_facts() -> None:
    rig = Rig()
    async with sweeping(rig):
        reports = rig.reports()
    assert len(rig.execs.calls[0][1]) == 4
    first = reports[0]
    assert first.version is not None
    assert first.version.value is not None
    assert first.version.value.release == "1.17.5"
    assert first.status is not None
    assert first.status.is_known
    assert first.status.origin is not None
    assert first.status.origin.source == "cilium-dbg status -o json"
    assert first.status.origin.node_uid == uid()
    assert first.status.origin.container_id == "c1"
    assert first.maps is not None
    assert first.maps.value is not None
    assert first.maps.value[0].name == "cilium_lb4_services_v2"
    assert first.error == ""


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Frame("status", 1, 0.1, b"", b"Error: nope\nmore", False), "exit code 1: Error: nope"),
        (Frame("status", EXIT_TIMED_OUT, 8.0, b"{", b"", False), "no answer within 8 s"),
        (Frame("status", EXIT_NO_AGENT, 0.0, b"", b"", False), "agent is not running"),
        (Frame("status", 0, 0.1, b"Usage:\n  cilium status", b"", False), "usage"),
        (Frame("status", 0, 0.1, b"<html>502</html>", b"", False), "HTML"),
        (Frame("status", 0, 0.1, b"", b"", False), "printed nothing"),
        (Frame("status", None, None, b'{"cilium":', b"", True), "cut off"),
    ],
)
async def test_a_bad_answer_costs_its_own_section_only(frame: Frame, words: str) -> None:
    rig = Rig()
    rig.execs.answer = lambda probe: frame if probe == "status" else real_answer(probe)
    async with sweeping(rig):
        reports = rig.reports()
    status = reports[0].status
    assert status is not None
    assert status.state is ReadingState.FAILED
    assert words in status.reason
    assert merged(reports, "maps") is ReadingState.KNOWN
    assert merged(reports, "version") is ReadingState.KNOWN


async def test_a_parser_that_breaks_costs_its_own_section_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(stdout: bytes) -> object:
        raise KeyError("a bug")

    monkeypatch.setattr("tui.collect.node_reader.parse_version", broken)
    rig = Rig()
    async with sweeping(rig):
        reports = rig.reports()
    version = reports[0].version
    assert version is not None
    assert version.state is ReadingState.FAILED
    assert "KeyError" in version.reason
    assert merged(reports, "status") is ReadingState.KNOWN
    assert "could not be read" in caplog.text


async def test_a_bug_in_the_rows_of_the_maps_costs_that_section_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> object:
        raise NameError("a bug")

    monkeypatch.setattr("tui.collect.map_reader.occupancy", broken)
    rig = Rig()
    async with sweeping(rig):
        reports = rig.reports()
    assert merged(reports, "maps") is ReadingState.FAILED
    assert merged(reports, "status") is ReadingState.KNOWN
    assert merged(reports, "features") is ReadingState.KNOWN
    assert reports[-1].answered_at is not None


async def test_at_most_so_many_execs_at_once_and_one_per_node() -> None:
    rig = Rig(nodes=12, max_execs=3)
    async with sweeping(rig):
        await rig.clock.advance(30.0)
    assert rig.execs.most_in_flight == 3
    assert {name for name, _ in rig.execs.calls} == {f"cilium-{n}" for n in range(1, 13)}


async def test_a_hanging_node_holds_one_slot_and_nobody_else() -> None:
    rig = Rig(nodes=4, max_execs=2)
    rig.execs.hanging["cilium-1"] = asyncio.Event()
    async with sweeping(rig):
        await rig.clock.advance(35.0)
        counts = {
            name: sum(call == name for call, _ in rig.execs.calls) for name, _ in rig.execs.calls
        }
        assert counts["cilium-1"] == 1
        assert min(counts[f"cilium-{n}"] for n in (2, 3, 4)) >= 3


async def test_a_failing_node_says_why_in_every_section_asked_for() -> None:
    rig = Rig(nodes=2)
    rig.execs.failures["cilium-1"] = ConnectError("nothing answers at 10.0.0.1")
    async with sweeping(rig):
        reports = rig.reports()
    for section in ("version", "status", "metrics", "maps"):
        assert merged(reports, section) is ReadingState.FAILED
    report = next(one for one in reports if one.node_uid == uid(1))
    assert report.answered_at is None
    assert "nothing answers" in report.error
    assert merged(reports, "status", 2) is ReadingState.KNOWN
    assert rig.shared.contact.exec_failures == 1


async def test_what_came_before_the_deadline_is_used() -> None:
    rig = Rig()
    late = DeadlineError("exec did not end within 40 s")
    rig.execs.failures["cilium-1"] = late

    original = rig.execs.exec

    async def cut(*args: object, **kwargs: object) -> object:
        argv = args[3]
        assert isinstance(argv, list)
        late.stdout, late.stderr = encode_frames(argv[4], [real_answer("status")])
        return await original(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    rig.execs.exec = cut  # type: ignore[method-assign,assignment]  # one call is enough
    async with sweeping(rig):
        reports = rig.reports()
    assert merged(reports, "status") is ReadingState.KNOWN
    assert merged(reports, "version") is ReadingState.FAILED
    assert reports[0].answered_at is not None


async def test_without_a_shell_the_panel_says_so_and_nobody_asks_again_soon() -> None:
    rig = Rig()
    rig.execs.failures["cilium-1"] = CommandMissingError("no such program there: sh")
    async with sweeping(rig):
        await rig.clock.advance(200.0)
        reports = rig.reports()
    assert "no shell" in reports[0].error
    assert len(rig.execs.calls) == 1


def forbidden(number: int) -> ForbiddenError:
    path = f"/api/v1/namespaces/kube-system/pods/cilium-{number}/exec"
    return ForbiddenError(f"GET {path} create pods/exec is not allowed", "create", "pods/exec")


async def test_a_denied_exec_is_a_gap_and_a_reason_on_every_node() -> None:
    rig = Rig(nodes=30)
    for number in range(1, 31):
        rig.execs.failures[f"cilium-{number}"] = forbidden(number)
    async with sweeping(rig):
        facts = rig.facts()
        asked = len(rig.execs.calls)
        await rig.clock.advance(50.0)
        assert len(rig.execs.calls) == asked
        await rig.clock.advance(15.0)
        assert len(rig.execs.calls) == asked + 1
        rig.execs.failures.clear()
        await rig.clock.advance(90.0)
        later = rig.facts()
    gaps = [fact for fact in facts if isinstance(fact, GapChanged)]
    assert gaps
    assert gaps[0].gap is not None
    assert gaps[0].gap.is_denied
    assert "create pods/exec" in gaps[0].gap.reason
    told = {fact.node_uid for fact in facts if isinstance(fact, NodeReport)}
    assert len(told) == 30
    assert asked < 15
    reports = [fact for fact in later if isinstance(fact, NodeReport)]
    assert all(merged(reports, "status", n) is ReadingState.KNOWN for n in range(1, 31))
    assert GapChanged("exec", None) in later


async def test_one_refused_pod_does_not_stop_the_others() -> None:
    rig = Rig(nodes=4)
    rig.execs.failures["cilium-1"] = forbidden(1)
    async with sweeping(rig):
        await rig.clock.advance(25.0)
        facts = rig.facts()
    assert not [fact for fact in facts if isinstance(fact, GapChanged)]
    reports = [fact for fact in facts if isinstance(fact, NodeReport)]
    assert merged(reports, "status", 1) is ReadingState.DENIED
    assert merged(reports, "status", 2) is ReadingState.KNOWN


async def test_an_agent_that_does_not_run_is_not_asked_and_every_section_says_why() -> None:
    rig = Rig()
    rig.roster.put_pod(
        pod(phase=AgentPhase.CRASH_LOOP, started_at=None, reason="CrashLoopBackOff: exit code 1")
    )
    async with sweeping(rig):
        await rig.note_all()
        (report,) = rig.reports()
    assert rig.execs.calls == []
    for section in ("version", "status", "metrics", "maps", "services", "features", "config"):
        reading = getattr(report, section)
        assert reading.state is ReadingState.UNKNOWN
        assert "crash-looping: CrashLoopBackOff" in reading.reason


async def test_an_agent_replaced_while_it_was_asked_is_asked_anew() -> None:
    rig = Rig()
    gate = rig.execs.hanging["cilium-1"] = asyncio.Event()
    async with sweeping(rig):
        rig.roster.put_pod(pod(container="c2"))
        await rig.note_all()
        gate.set()
        await settle(80)
        containers = {report.container_id for report in rig.reports()}
    assert containers == {"c1", "c2"}


async def test_the_chosen_node_is_read_first_and_a_count_at_once() -> None:
    rig = Rig(nodes=30, max_execs=1)
    rig.sweeper.focus(Focus(uid(17), frozenset()))
    async with sweeping(rig):
        assert rig.execs.calls[0][0] == "cilium-17"
        rig.sweeper.request_count(uid(9), "cilium_ct4_global")
        await settle(200)
        counting = [name for name, probes in rig.execs.calls if "count=cilium_ct4_global" in probes]
    assert counting == ["cilium-9"]


async def test_rates_need_two_samples_of_one_container() -> None:
    rig = Rig()
    async with sweeping(rig):
        first = rig.reports()[0].metrics
        await rig.clock.advance(11.0)
        second = rig.reports()[-1].metrics
        rig.roster.put_pod(pod(container="c2"))
        await rig.note_all()
        await settle(80)
        third = rig.reports()[-1].metrics
    assert first is not None
    assert first.value is not None
    assert first.value.interval_seconds is None
    assert second is not None
    assert second.value is not None
    assert second.value.interval_seconds == pytest.approx(10.0, abs=1.5)
    assert third is not None
    assert third.value is not None
    assert third.value.interval_seconds is None


async def test_a_map_that_fills_up_has_the_services_read_at_once() -> None:
    full = b'{"id":1,"type":"hash","flags":1,"bytes_key":12,"bytes_value":12,"max_entries":64,'
    full += b'"bytes_memlock":7040,"pinned":["/sys/fs/bpf/tc/globals/cilium_lb4_backends_v3"]}\n'
    rig = Rig()
    counts = {"value": 10}

    def answer(probe: str) -> Frame:
        if probe == "maps":
            return Frame(probe, 0, 0.02, full, b"", False)
        if probe.startswith("count="):
            return Frame(probe, 0, 0.02, str(counts["value"]).encode(), b"", False)
        return real_answer(probe)

    rig.execs.answer = answer
    async with sweeping(rig):
        await rig.clock.advance(25.0)
        asked = len(rig.execs.calls)
        counts["value"] = 64
        rig.sweeper.request_count(uid(), "cilium_lb4_backends_v3")
        await settle(80)
        await rig.clock.advance(12.0)
        later = [probes for _, probes in rig.execs.calls[asked:]]
    counted = next(
        n for n, probes in enumerate(later) if any(name.startswith("count=") for name in probes)
    )
    assert "services4" not in later[counted]
    assert "services4" in later[counted + 1]
