"""Every write that the API server receives has a line in the audit file before it and one after."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from tests.contract.operations_rig import DONE, FAST, Rig, operating, over
from tests.contract.test_operations_running import FOUR
from tui.model.operations import Intent, OperationKind
from tui.simulator.faults import Fault, FaultKind, RequestFaults
from tui.simulator.server import SimulatorServer

VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
QUICK = replace(FAST, renew=0.2, announce=1.0)
LEASES = r"/leases/ciltop\?(?!.*dryRun)"
EVENTS = r"/events\?(?!.*dryRun)"

Line = dict[str, str]


class Received:
    """The writes that a simulated API server received, and whether the file told of each before."""

    def __init__(self, patch: pytest.MonkeyPatch, server: SimulatorServer, file: Path) -> None:
        self.writes: list[tuple[str, str]] = []
        self.unannounced: list[tuple[str, str]] = []
        self._file = file
        answer = server._answer

        async def watch(request: web.BaseRequest, faults: RequestFaults) -> web.StreamResponse:
            if await _is_write(request):
                self._note(VERBS[request.method], request.path)
            return await answer(request, faults)

        patch.setattr(server, "_answer", watch)

    def _note(self, verb: str, path: str) -> None:
        self.writes.append((verb, path))
        open_lines: Counter[tuple[str, str]] = Counter()
        for line in lines_of(self._file):
            if line["event"].startswith("before-"):
                open_lines[sent(line)] += 1
            elif line["event"].startswith("after-"):
                open_lines[sent(line)] -= 1
        if not open_lines[verb, path]:
            self.unannounced.append((verb, path))


async def _is_write(request: web.BaseRequest) -> bool:
    """Whether it changes something: no dry run and no question about rights."""
    is_question = request.path.startswith("/apis/authorization.k8s.io/")
    if request.method not in VERBS or is_question or "dryRun" in request.query:
        return False
    return not json.loads(await request.read() or b"{}").get("dryRun")


def lines_of(file: Path) -> list[Line]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def sent(line: Line) -> tuple[str, str]:
    return line["target"].split()[0], line["path"]


def pairs_of(lines: list[Line]) -> list[tuple[Line, Line]]:
    """Return each line before a write with the line after it; fails where one has none."""
    found: list[tuple[Line, Line]] = []
    waiting: dict[tuple[str, str, str, str], Line] = {}
    for line in lines:
        when, _, what = line["event"].partition("-")
        key = (what, line["target"], line["path"], line["text"])
        if when == "before":
            assert key not in waiting, line
            waiting[key] = line
        elif when == "after":
            found.append((waiting.pop(key), line))
    assert not waiting
    return found


def flip(rig: Rig) -> Intent:
    return Intent(
        OperationKind.HOSTNS_ONLY, tuple(one.node.uid for one in rig.live.nodes[:2]), is_on=True
    )


async def test_the_api_server_and_the_audit_file_know_the_same_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operating(tmp_path, FOUR, timing=QUICK) as rig:
        file = tmp_path / "state" / "audit.jsonl"
        received = Received(monkeypatch, rig.server, file)
        plan, ended = await rig.done(flip(rig))
        assert ended.state is DONE, over(ended)
        pairs = pairs_of(lines_of(file))
        assert received.unannounced == []
        assert Counter(sent(before) for before, _ in pairs) == Counter(received.writes)
        kinds = Counter(path.split("/")[-1] for _, path in received.writes)
        assert kinds["ciliumnodeconfigs"] == 1
        assert kinds["events"] == 6
        assert kinds["leases"] == 1
        assert kinds["ciltop"] > 3, "the Lease was renewed and given back"
        assert {after["result"] for _, after in pairs} == {"done"}
        assert {before["operation_id"] for before, _ in pairs} == {plan.id}
        assert all(before["user"] and before["host"] for before, _ in pairs)
        of_plan = {before["target"].split()[1] for before, _ in pairs if _is_of_plan(before)}
        assert of_plan == {"ciliumnodeconfigs", "pods"}
        upkeep = {before["target"].split()[1] for before, _ in pairs if not _is_of_plan(before)}
        assert upkeep == {"leases", "events"}
        assert not any(one.event.is_upkeep for one in rig.snapshot.audit)
        assert len(rig.snapshot.upkeep) == 2 * sum(not _is_of_plan(before) for before, _ in pairs)


def _is_of_plan(line: Line) -> bool:
    return line["event"] == "before-write"


async def test_writes_that_go_wrong_have_their_lines_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operating(tmp_path, FOUR, timing=QUICK) as rig:
        file = tmp_path / "state" / "audit.jsonl"
        received = Received(monkeypatch, rig.server, file)
        for fault in (
            Fault(FaultKind.RESET, path=LEASES, verb="patch", count=1),
            Fault(FaultKind.STATUS, status=422, path=f"/default{EVENTS}", verb="create", count=1),
            Fault(FaultKind.HALF_OPEN, path=f"/kube-system{EVENTS}", verb="create", count=1),
        ):
            rig.server.faults.add(fault)
        _, ended = await rig.done(flip(rig))
        assert ended.state is DONE, over(ended)
        pairs = pairs_of(lines_of(file))
        assert received.unannounced == []
        assert Counter(sent(before) for before, _ in pairs) == Counter(received.writes)
        wrong = [after for _, after in pairs if after["result"] != "done"]
        assert sorted((one["target"].split()[1], one["result"].split(":")[0]) for one in wrong) == [
            ("events", "not done"),
            ("events", "outcome unknown"),
            ("leases", "outcome unknown"),
        ]


async def test_what_is_denied_is_recorded_and_never_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operating(tmp_path, FOUR) as rig:
        file = tmp_path / "state" / "audit.jsonl"
        received = Received(monkeypatch, rig.server, file)
        rig.server.permissions.deny("create", "leases")
        rig.server.permissions.deny("create", "events")
        node = rig.live.nodes[0].node.uid
        _, ended = await rig.done(Intent(OperationKind.RESTART, (node,)))
        assert ended.state is DONE, over(ended)
        assert [verb for verb, _ in received.writes] == ["delete"]
        upkeep = [after for _, after in pairs_of(lines_of(file)) if after["event"] != "after-write"]
        assert [one["target"].split()[1] for one in upkeep] == ["leases", "events"]
        assert all(one["result"].startswith("not done: no right to create") for one in upkeep)


async def test_a_run_killed_while_it_renews_shows_what_one_without_a_lease_shows(
    tmp_path: Path,
) -> None:
    async with operating(tmp_path, FOUR, timing=QUICK) as rig:
        plan = await rig.operator.plan(Intent(OperationKind.RESTART, flip(rig).nodes))
        await rig.operator.start(plan, plan.confirmation)
        await rig.until(lambda: bool(rig.states(plan)), "its progress")
        file = tmp_path / "state" / "audit.jsonl"
        async with asyncio.timeout(20.0):
            await rig.until(
                lambda: any(one.event.value == "verified" for one in rig.snapshot.audit), "a node"
            )
        await rig.operator.close()
        kept = file.read_bytes()
        half = next(line for line in reversed(kept.splitlines()) if b'"before-upkeep"' in line)
        file.write_bytes(kept + half + b"\n")
        await rig.operator.recover()
        shown = rig.operation(plan)
        file.write_bytes(b"".join(one for one in kept.splitlines(True) if b"-upkeep" not in one))
        await rig.operator.recover()
        assert shown == rig.operation(plan)
        assert "1 of 2 nodes verified" in shown.text
