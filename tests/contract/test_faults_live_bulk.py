"""Much of everything: bounded memory, nothing silently left out, and the rest goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.live_faults import broken, hurry, until_live, until_swept_again
from tests.contract.live_rig import LiveRig
from tui.collect.log_lines import MOST_WAITING
from tui.model.logs import LogEntry, LogGap
from tui.simulator.faults import Fault, FaultKind
from tui.simulator.fleet import LogLine
from tui.simulator.objects import KubeObject
from tui.simulator.server import SimulatorServer

STORM_LINES = 100_000


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def write_log(rig: LiveRig, number: int, lines: Iterator[bytes]) -> float:
    """Have the agent of a node write these lines now; return when the last one was written."""
    fleet = rig.server.parts.fleet
    agent = rig.node(number).agent
    assert agent is not None
    node = fleet.node_of_pod(agent.name)  # type: ignore[attr-defined]  # the rig's fleet is the whole one
    now = time.time()
    log = fleet.restarter.ensure_log(node, now)  # type: ignore[attr-defined]  # as above
    written = [LogLine(now + position * 1e-6, text) for position, text in enumerate(lines)]
    log.extend(written)
    return written[-1].time


def messages(rig: LiveRig, number: int) -> list[str]:
    return [row.line.message for row in rig.node(number).logs if isinstance(row, LogEntry)]


async def test_a_log_storm_costs_the_lines_it_loses_and_says_so(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        rig.source.focus(rig.uid(1), frozenset())
        await rig.until(lambda: bool(rig.node(1).logs), "the first lines")
        intake = rig.source._logs
        assert intake is not None
        followers = intake._followers
        await rig.until(
            lambda: rig.uid(1) in followers and followers[rig.uid(1)] not in intake._starting,
            "a log whose past is read and that is followed",
        )
        storm = (b'level=info msg="line %d of a storm" subsys=x' % n for n in range(STORM_LINES))
        storm_ended_at = write_log(rig, 1, storm)
        state = intake._states[rig.uid(1)]
        most_waiting = 0

        def gaps() -> list[LogGap]:
            nonlocal most_waiting
            most_waiting = max(most_waiting, len(state.buffer))
            return [row for row in rig.node(1).logs if isinstance(row, LogGap)]

        await rig.until(lambda: bool(gaps()), "a gap row")
        await rig.until(
            lambda: state.cursor.last > storm_ended_at - 1e-5 and not len(state.buffer),
            "the storm's end",
        )
        write_log(rig, 1, iter([b'level=error msg="after the storm" subsys=x']))
        await rig.until(lambda: "after the storm" in messages(rig, 1), "the line after it")
        assert most_waiting <= MOST_WAITING + 1
        assert len(rig.node(1).logs) <= 700
        assert all(one.ended_at >= one.started_at for one in gaps())
        assert sum(one.lost_lines or 0 for one in gaps()) > STORM_LINES // 2
        await until_swept_again(rig, 0, 1, 2)


@pytest.mark.parametrize("ahead_seconds", [-3_600.0, 3_600.0])
async def test_logs_come_though_our_clock_is_wrong(tmp_path: Path, ahead_seconds: float) -> None:
    async with broken(tmp_path, ahead_seconds=ahead_seconds) as rig:
        await rig.until_read()
        await rig.until(lambda: all(facts.logs for facts in rig.nodes), "the first lines")
        rig.source.focus(rig.uid(0), frozenset())
        write_log(rig, 0, iter([b'level=error msg="a live line" subsys=x']))
        await rig.until(lambda: "a live line" in messages(rig, 0), "a live line")


async def test_a_quiet_log_that_can_be_read_again_says_so(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        rig.source.focus(rig.uid(0), frozenset())
        intake = rig.source._logs
        assert intake is not None
        await rig.until(
            lambda: rig.uid(0) in intake._followers and intake._states[rig.uid(0)].has_history,
            "a follower",
        )
        await asyncio.sleep(0.3)
        rig.server.faults.add(Fault(FaultKind.STATUS, path="/log", verb="log", status=503))
        rig.server.faults.add(Fault(FaultKind.STATUS, path="/log", verb="get", status=503))
        for request in list(rig.server._runner.server.connections):  # type: ignore[union-attr]  # it runs
            if request.transport is not None:
                request.transport.abort()
        await rig.until(lambda: bool(rig.node(0).log_error), "the log can't be read")
        rig.server.faults.clear()
        await rig.until(lambda: not rig.node(0).log_error, "the log can be read again")


def _service(number: int) -> list[KubeObject]:
    name, ip = f"bulk-{number}", f"10.97.{number // 250}.{number % 250 + 1}"
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}
    metadata = {"name": name, "namespace": "bulk"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "type": "ClusterIP",
                "clusterIP": ip,
                "clusterIPs": [ip],
                "ports": [port],
                "sessionAffinity": "None",
            },
            "status": {"loadBalancer": {}},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": {
                "name": f"{name}-abcde",
                "namespace": "bulk",
                "labels": {"kubernetes.io/service-name": name},
            },
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
            "endpoints": [
                {
                    "addresses": [f"10.98.{number // 250}.{number % 250 + 1}"],
                    "conditions": {"ready": True},
                }
            ],
        },
    ]


async def test_two_thousand_services_are_listed_whole(tmp_path: Path) -> None:
    def fill(server: SimulatorServer) -> None:
        store = server.parts.store
        for number in range(2_000):
            service, endpoints = _service(number)
            store.apply("services", service)
            store.apply("endpointslices", endpoints)
        # The second page of each list is too old once.
        for resource in ("services", "endpointslices"):
            server.faults.add(
                Fault(
                    FaultKind.STATUS,
                    path=rf"/{resource}\?.*continue=",
                    verb="list",
                    status=410,
                    count=1,
                )
            )

    async with broken(tmp_path, prepare=fill) as rig:

        def found() -> int:
            return sum(
                str(one.name).startswith("bulk/")
                for one in rig.snapshot.cluster.services.value or ()
            )

        await rig.until(lambda: found() == 2_000, "two thousand Services")
        assert rig.server.faults.rules == []
        await until_live(rig)
        await rig.until_read()
        for facts in rig.nodes:
            coverage = facts.services.value
            assert coverage is not None
            assert coverage.wanted_frontends >= 2_000


async def test_objects_that_cannot_be_read_are_a_gap(tmp_path: Path) -> None:
    def spoil(server: SimulatorServer) -> None:
        store = server.parts.store
        service, _ = _service(1)
        labels = {"number": 5}
        store.apply("services", {**service, "metadata": {**service["metadata"], "labels": labels}})

    async with broken(tmp_path, prepare=spoil) as rig:
        await rig.until_read()
        await rig.until(lambda: "services" in rig.snapshot.gaps, "a gap that counts it")
        gap = rig.snapshot.gaps["services"]
        assert "1" in gap.reason
        assert not gap.is_denied
        await rig.until(lambda: rig.snapshot.cluster.services.is_known, "the others")
