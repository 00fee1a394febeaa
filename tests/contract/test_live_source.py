"""The live source end to end: what it reads of a cluster, and what it says when it can't."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import time

import pytest
from aiohttp import ClientSession

from tests.contract.live_rig import running
from tui.cluster.access import ConnectionSettings
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.errors import UnknownContextError
from tui.model.logs import LogEntry, LogLevel
from tui.model.maps import CountOrigin, MapUsage
from tui.model.node import AgentPhase
from tui.model.reading import ReadingState
from tui.model.services import FaultKind
from tui.model.snapshot import Fact, HealthChanged, NodeFacts, SourceState
from tui.simulator.faults import Fault
from tui.simulator.faults import FaultKind as Broken
from tui.simulator.fleet import SCENARIOS


def usage(facts: NodeFacts, prefix: str) -> MapUsage:
    return next(one for one in facts.maps.value or () if one.name.startswith(prefix))


async def test_three_nodes_are_read_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        releases = [facts.version.value and facts.version.value.release for facts in rig.nodes]
        assert releases == ["1.19.4", "1.11.7", "1.11.7"]
        for facts in rig.nodes:
            assert facts.agent is not None
            assert facts.agent.phase is AgentPhase.RUNNING
            assert facts.status.value is not None
            assert facts.status.value.cilium.state == "Ok"
            coverage = facts.services.value
            assert coverage is not None
            assert coverage.wanted_frontends > 30
            assert coverage.missing_frontends == 0
            assert facts.features.value
            assert facts.config.value is not None
            assert facts.sweep_error == ""
        backends = [usage(facts, "cilium_lb4_backends") for facts in rig.nodes]
        assert [one.name[-2:] for one in backends] == ["v3", "v2", "v2"]
        assert all(one.entries and one.entries == one.wanted_entries for one in backends)
        assert [one.is_preallocated for one in backends] == [True, False, False]
        await rig.until(
            lambda: usage(rig.node(1), "cilium_lb4_backends").origin is CountOrigin.ACCOUNTING,
            "accounting on the 6.x kernel",
        )
        kernels = [facts.node.kernel_release for facts in rig.nodes]
        assert kernels[1:] == ["6.18.44", "5.4.0-90-generic"]
        assert usage(rig.node(2), "cilium_lb4_backends").origin is CountOrigin.COUNTED


async def test_the_cluster_itself_is_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until(lambda: rig.snapshot.cluster.services.is_known, "services")
        cluster = rig.snapshot.cluster
        assert cluster.kubernetes_version.value == "v1.31.4"
        assert cluster.cilium_namespace == "kube-system"
        assert cluster.context == "simulated"
        assert cluster.config_map.value is not None
        assert cluster.config_map.value.values["preallocate-bpf-maps"] == "false"
        assert {one.name for one in cluster.daemonsets.value or ()} == {"cilium", "cilium-old"}
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LIVE, "live")
        assert rig.snapshot.is_complete
        assert rig.snapshot.gaps == {}


async def test_logs_are_read_from_the_agents_start(tmp_path: Path) -> None:
    async with running(tmp_path, SCENARIOS["shrunk"]) as rig:
        await rig.until_read()

        def burst() -> list[LogEntry]:
            return [
                row
                for row in rig.node(2).logs
                if isinstance(row, LogEntry)
                and row.line.level is LogLevel.ERROR
                and row.is_start_burst
            ]

        await rig.until(lambda: bool(burst()), "the errors of the agent's start")
        assert any("the map is full" in row.line.error for row in burst())
        assert max(row.count for row in burst()) > 5


async def test_the_shrunk_node_misses_half_its_services_though_all_says_ok(tmp_path: Path) -> None:
    async with running(tmp_path, SCENARIOS["shrunk"]) as rig:
        await rig.until_read()
        missing = [
            facts.services.value.missing_frontends for facts in rig.nodes if facts.services.value
        ]
        assert missing[:2] == [0, 0]
        assert missing[2] > 10
        coverage = rig.node(2).services.value
        assert coverage is not None
        assert coverage.faults[0].fault is FaultKind.MISSING
        full = usage(rig.node(2), "cilium_lb4_backends_v2")
        assert full.is_full
        assert full.wanted_entries is not None
        assert full.wanted_entries > full.max_entries
        assert full.duplicate_entries == 0
        status = rig.node(2).status.value
        assert status is not None
        assert status.cilium.state == "Ok"


async def test_a_leak_is_seen_filling_up(tmp_path: Path) -> None:
    async with running(tmp_path, SCENARIOS["leak"]) as rig:
        await rig.until_read()

        def leaking() -> MapUsage:
            return max(
                (usage(facts, "cilium_lb4_backends_v2") for facts in rig.nodes),
                key=lambda one: one.duplicate_entries or 0,
            )

        first = leaking()
        assert first.duplicate_entries
        await rig.until(lambda: (leaking().entries or 0) > (first.entries or 0), "growth")
        assert len(leaking().trend.ratios) >= 1


async def test_denied_exec_leaves_what_the_api_gives_and_says_which_verb(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for verb in ("get", "create"):
            rig.server.permissions.deny(verb, "pods/exec")
        await rig.until(lambda: "exec" in rig.snapshot.gaps, "the gap")
        gap = rig.snapshot.gaps["exec"]
        assert gap.is_denied
        assert "pods/exec" in gap.reason
        await rig.until(
            lambda: all(facts.maps.state is ReadingState.DENIED for facts in rig.nodes), "denied"
        )
        assert all(facts.agent is not None and facts.agent.is_ready for facts in rig.nodes)
        await rig.until(lambda: all(facts.logs for facts in rig.nodes), "logs all the same")
        assert rig.snapshot.health.state is SourceState.DEGRADED
        rig.server.permissions.clear()
        rig.source.refresh()
        await rig.until_read()
        await rig.until(lambda: "exec" not in rig.snapshot.gaps, "the gap's end")


@pytest.mark.parametrize("resource", ["services", "endpointslices"])
async def test_denied_services_say_so_and_the_rest_goes_on(tmp_path: Path, resource: str) -> None:
    async with running(tmp_path) as rig:
        rig.server.permissions.deny("list", resource)
        await rig.until(
            lambda: (
                len(rig.nodes) == 3
                and all(facts.services.state is ReadingState.DENIED for facts in rig.nodes)
            ),
            "denied services",
        )
        assert resource in rig.node().services.reason
        assert rig.snapshot.gaps[resource].is_denied
        backends = usage(rig.node(), "cilium_lb4_backends")
        assert backends.entries is not None
        assert backends.duplicate_entries == 0


async def test_denied_nodes_are_known_by_their_pods(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.server.permissions.deny("list", "nodes")
        await rig.until(
            lambda: len(rig.nodes) == 3 and all(facts.maps.is_known for facts in rig.nodes),
            "nodes by their pods",
        )
        assert rig.snapshot.gaps["nodes"].is_denied
        assert all(facts.node.uid.startswith("name:") for facts in rig.nodes)


async def test_denied_logs_are_a_gap_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.server.permissions.deny("get", "pods/log")
        await rig.until(lambda: "logs" in rig.snapshot.gaps, "the gap")
        assert "pods/log" in rig.snapshot.gaps["logs"].reason
        await rig.until_read()


async def test_a_node_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        rig.server.faults.conditions.slow_nodes[rig.node(1).node.name] = 60.0
        stuck_at = rig.node(1).swept_at or 0.0

        def is_going_on() -> bool:
            return all((rig.node(number).swept_at or 0.0) > stuck_at + 4.0 for number in (0, 2))

        await rig.until(is_going_on, "further sweeps of the others")
        assert (rig.node(1).swept_at or 0.0) < stuck_at + 3.0


async def test_too_old_versions_are_listed_again(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until(lambda: rig.snapshot.cluster.services.is_known, "services")
        before = len(rig.snapshot.cluster.services.value or ())
        rig.server.faults.expire()
        rig.server.faults.drop_watches()
        store = rig.server.parts.store
        service = store.list("services", "shop")[0]
        metadata = {"name": "added", "namespace": "shop"}
        spec = {**service["spec"], "clusterIP": "10.96.77.77", "clusterIPs": ["10.96.77.77"]}
        store.apply("services", {**service, "metadata": metadata, "spec": spec})
        await rig.until(
            lambda: len(rig.snapshot.cluster.services.value or ()) == before + 1, "the new Service"
        )
        assert rig.snapshot.gaps == {}


async def test_an_expired_token_ends_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        rig.server.faults.add(Fault(Broken.STATUS, status=401, message="Unauthorized"))
        rig.server.faults.drop_watches()
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        assert rig.snapshot.health.reason
        assert all(facts.maps.value for facts in rig.nodes)
        await rig.until(
            lambda: any(facts.maps.state is ReadingState.FAILED for facts in rig.nodes), "failed"
        )
        rig.server.faults.clear()
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LIVE, "live again")
        await rig.until(lambda: all(facts.maps.is_known for facts in rig.nodes), "read again")


async def test_a_server_that_goes_and_comes_back_is_lost_and_found(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        await rig.server.__aexit__(None, None, None)
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        kept = rig.nodes
        assert len(kept) == 3
        assert all(facts.services.value for facts in kept)
        assert rig.snapshot.health.last_good_at is not None
        swept = rig.snapshot.health.sweep_ended_at
        back_at = time()
        await rig.server.__aenter__()
        await rig.until(lambda: rig.snapshot.health.state is not SourceState.LOST, "found")
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LIVE, "live again")
        assert all((facts.swept_at or 0.0) > back_at for facts in rig.nodes)
        assert (rig.snapshot.health.sweep_ended_at or 0.0) >= (swept or 0.0)
        assert rig.snapshot.gaps == {}


async def test_nodes_that_failed_long_are_read_as_soon_as_the_server_is_back(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, settings=CollectSettings(interval_seconds=60.0)) as rig:
        await rig.until_read()
        await rig.server.__aexit__(None, None, None)
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        rig.source.refresh()
        await rig.until(lambda: any(facts.sweep_error for facts in rig.nodes), "failed execs")
        back_at = time()
        await rig.server.__aenter__()
        await rig.until(
            lambda: all((facts.swept_at or 0.0) > back_at for facts in rig.nodes), "all read"
        )


async def test_a_restarted_agent_is_read_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        before = rig.node(0).agent
        assert before is not None
        url = f"{rig.server.url}/api/v1/namespaces/kube-system/pods/{before.name}"
        async with ClientSession() as client, client.delete(url) as answer:
            assert answer.status == 200

        def is_new() -> bool:
            facts = rig.node(0)
            agent = facts.agent
            return (
                agent is not None
                and agent.container_id not in ("", before.container_id)
                and facts.version.is_known
                and facts.config.is_known
                and facts.version.origin is not None
                and facts.version.origin.container_id == agent.container_id
            )

        await rig.until(is_new, "the new agent")


async def test_a_count_on_request_is_made(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until_read()
        assert usage(rig.node(1), "cilium_ct4_global").entries is None
        rig.source.request_count(rig.uid(1), "cilium_ct4_global")
        await rig.until(
            lambda: usage(rig.node(1), "cilium_ct4_global").origin is CountOrigin.COUNTED, "count"
        )


async def test_no_cilium_says_what_was_looked_for_and_goes_on_looking(tmp_path: Path) -> None:
    settings = CollectSettings(selector="k8s-app=calico")
    async with running(tmp_path, settings=settings) as rig:
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        assert "k8s-app=calico" in rig.snapshot.health.reason
        assert "start" in rig.snapshot.gaps
        assert not rig.snapshot.is_complete


async def test_an_unknown_context_ends_the_source_with_its_message(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        kubeconfig = str(tmp_path / "kubeconfig")
        source = LiveSource(ConnectionSettings(kubeconfig=kubeconfig, context="nowhere"))
        facts: list[Fact] = []

        async def consume() -> None:
            async for fact in source.facts():
                facts.append(fact)

        with pytest.raises(UnknownContextError, match="nowhere"):
            await consume()
        last = facts[-1]
        assert isinstance(last, HealthChanged)
        assert last.health.state is SourceState.ENDED
        assert "simulated" in last.health.reason
        assert rig.error is None


async def test_a_crash_looping_agent_gives_its_reason_and_its_last_words(tmp_path: Path) -> None:
    scenario = replace(SCENARIOS["degraded"], faults={})
    async with running(tmp_path, scenario) as rig:

        def looping() -> list[NodeFacts]:
            return [
                facts
                for facts in rig.nodes
                if facts.agent is not None and facts.agent.phase is AgentPhase.CRASH_LOOP
            ]

        def last_words() -> list[LogEntry]:
            rows = [row for facts in looping() for row in facts.logs]
            return [
                row
                for row in rows
                if isinstance(row, LogEntry) and row.line.level is LogLevel.FATAL
            ]

        await rig.until(lambda: bool(last_words()), "the log before the crash")
        assert last_words()[0].is_previous
        assert "crash-looping" in looping()[0].maps.reason


async def test_a_cluster_of_hundreds_is_swept(tmp_path: Path) -> None:
    async with running(tmp_path, nodes=150) as rig:
        await rig.until(
            lambda: (
                len(rig.nodes) == 150
                and all(facts.maps.is_known or facts.sweep_error for facts in rig.nodes)
            ),
            "150 nodes",
        )
        await rig.until(lambda: rig.snapshot.health.sweep_seconds is not None, "a sweep")
        assert rig.snapshot.health.sweep_p95_seconds is not None
