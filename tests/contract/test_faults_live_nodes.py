"""One node's trouble, or one agent's, is that node's alone, and every section says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.live_faults import (
    NAMESPACE,
    broken,
    hurry,
    pod_of,
    until_live,
    until_swept_again,
    with_container,
)
from tui.model.node import AgentPhase
from tui.model.reading import ReadingState
from tui.model.snapshot import NodeFacts
from tui.simulator.faults import Fault, FaultKind
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.server import SimulatorServer

SECTIONS = ("version", "status", "metrics", "maps", "services", "features", "config")
LOOPING = {
    "ready": False,
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
    "lastState": {
        "terminated": {
            "reason": "Error",
            "exitCode": 1,
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:00:09Z",
        }
    },
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def sections_without_reason(facts: NodeFacts) -> list[str]:
    """Return the sections that are not known and do not say why."""
    found = {name: getattr(facts, name) for name in SECTIONS}
    return [name for name, one in found.items() if not one.is_known and not one.reason]


async def test_exec_denied_on_one_node_is_that_nodes_alone(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        rig.server.faults.conditions.denied_exec_nodes.append(rig.node(1).node.name)
        await rig.until(
            lambda: rig.node(1).maps.state is ReadingState.DENIED, "denied on the one node"
        )
        await until_swept_again(rig, 0, 2)
        assert "exec" not in rig.snapshot.gaps
        assert "pods/exec" in rig.node(1).maps.reason
        assert rig.node(1).maps.value
        assert sections_without_reason(rig.node(1)) == []
        assert all(rig.node(number).maps.is_known for number in (0, 2))
        rig.server.faults.clear()
        rig.source.refresh()
        await rig.until(lambda: rig.node(1).maps.is_known, "allowed again")


async def test_an_exec_nobody_answers_holds_up_that_node_only(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        name = pod_of(rig, 1)["metadata"]["name"]
        rig.server.faults.add(Fault(FaultKind.HALF_OPEN, path=f"/{name}/exec", verb="exec"))
        await until_swept_again(rig, 0, 2)
        stuck_at = rig.node(1).swept_at
        await until_swept_again(rig, 0, 2)
        assert rig.node(1).swept_at == stuck_at
        assert rig.node(1).maps.value
        assert rig.snapshot.health.execs_in_flight >= 1


@pytest.mark.parametrize("after_bytes", [0, 60, 3_000, 20_000])
@pytest.mark.parametrize("kind", [FaultKind.TRUNCATE, FaultKind.RESET])
async def test_output_that_breaks_off_costs_what_is_missing(
    tmp_path: Path, kind: FaultKind, after_bytes: int
) -> None:
    async with broken(tmp_path) as rig:
        rig.server.faults.add(Fault(kind, verb="exec", after_bytes=after_bytes))
        await rig.until(
            lambda: (
                len(rig.nodes) == 3
                and all(facts.sweep_error or facts.swept_at for facts in rig.nodes)
            ),
            "an answer or its failure",
        )
        assert all(
            reading.is_known or reading.reason
            for facts in rig.nodes
            for reading in (facts.status, facts.maps, facts.metrics, facts.version)
        )
        rig.server.faults.clear()
        rig.source.refresh()
        await rig.until_read()
        await until_live(rig)


async def test_characters_split_over_frames_survive(tmp_path: Path) -> None:
    async with broken(
        tmp_path, prepare=lambda server: server.faults.rules.append(Fault(FaultKind.SPLIT_UTF8))
    ) as rig:
        await rig.until_read()
        await until_live(rig)
        for facts in rig.nodes:
            assert facts.status.is_known
            assert facts.version.is_known


async def test_slow_nodes_are_read_late_and_not_lost(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        slow = rig.node(1).node.name
        rig.server.faults.conditions.slow_nodes[slow] = 1.5
        await until_swept_again(rig, 0, 2)
        await until_swept_again(rig, 1)
        assert rig.node(1).sweep_error == ""


async def test_another_container_in_the_same_pod_is_read_anew(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        pod = pod_of(rig, 0)
        renewed = with_container(pod, containerID="containerd://another", restartCount=1)
        rig.server.parts.store.apply("pods", renewed)

        def is_new() -> bool:
            origins = [
                getattr(rig.node(0), name).origin for name in ("version", "status", "config")
            ]
            return all(one and one.container_id == "containerd://another" for one in origins)

        await rig.until(is_new, "the new container's sections")
        assert rig.node(0).version.is_known


async def test_a_node_that_leaves_and_one_that_comes(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        store = rig.server.parts.store
        name, pod = rig.node(0).node.name, pod_of(rig, 0)
        found = store.get("nodes", None, name)
        assert found is not None
        store.delete("nodes", None, name)
        store.delete("pods", NAMESPACE, pod["metadata"]["name"])
        await rig.until(lambda: len(rig.nodes) == 2, "two nodes")
        await until_swept_again(rig, 0, 1)
        uid = "11111111-2222-3333-4444-555555555555"
        store.apply("nodes", {**found, "metadata": {**found["metadata"], "uid": uid}})
        await rig.until(
            lambda: len(rig.nodes) == 3 and rig.uid(0) == uid, "the node under another UID"
        )
        agent = rig.node(0).agent
        assert agent is None or agent.phase is AgentPhase.MISSING
        assert "no agent pod" in rig.node(0).maps.reason
        assert sections_without_reason(rig.node(0)) == []
        store.apply("pods", pod)
        await rig.until_read()


async def test_a_crash_loop_and_its_end(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        pod, store = pod_of(rig, 2), rig.server.parts.store
        store.apply("pods", with_container(pod, **LOOPING))

        def phase() -> AgentPhase | None:
            agent = rig.node(2).agent
            return agent.phase if agent is not None else None

        await rig.until(lambda: phase() is AgentPhase.CRASH_LOOP, "the crash loop")
        await rig.until(lambda: "crash-looping" in rig.node(2).maps.reason, "the reason")
        assert "exit code 1" in rig.node(2).maps.reason
        assert rig.node(2).maps.value
        assert sections_without_reason(rig.node(2)) == []
        await until_swept_again(rig, 0, 1)
        store.apply("pods", with_container(pod, containerID="containerd://fixed", restartCount=5))
        await rig.until(
            lambda: phase() is AgentPhase.RUNNING and rig.node(2).maps.is_known, "running again"
        )
        assert rig.node(2).sweep_error == ""


def _relabelled(pod: KubeObject, value: str) -> KubeObject:
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "labels": {**metadata["labels"], "k8s-app": value}}}


async def test_cilium_that_is_installed_later_is_found(tmp_path: Path) -> None:
    def hide(server: SimulatorServer) -> None:
        store = server.parts.store
        for pod in store.list("pods"):
            if pod["metadata"].get("labels", {}).get("k8s-app") == "cilium":
                store.apply("pods", _relabelled(pod, "none"))

    async with broken(tmp_path, prepare=hide) as rig:
        await rig.until(lambda: "no Cilium found" in rig.snapshot.health.reason, "nothing found")
        assert not rig.snapshot.is_complete
        assert "k8s-app=cilium" in rig.snapshot.gaps["start"].reason
        store = rig.server.parts.store
        for pod in store.list("pods"):
            if pod["metadata"].get("labels", {}).get("k8s-app") == "none":
                store.apply("pods", _relabelled(pod, "cilium"))
        await rig.until_read()
        await until_live(rig)


async def test_agents_of_a_second_namespace_are_read_too(tmp_path: Path) -> None:
    def move(server: SimulatorServer) -> None:
        store = server.parts.store
        pods = [
            pod
            for pod in store.list("pods", NAMESPACE)
            if pod["metadata"].get("labels", {}).get("k8s-app") == "cilium"
        ]
        store.delete("pods", NAMESPACE, pods[0]["metadata"]["name"])
        moved = {**pods[0]["metadata"], "namespace": "cilium", "ownerReferences": []}
        store.apply("pods", {**pods[0], "metadata": moved})

    async with broken(tmp_path, prepare=move) as rig:
        await rig.until(lambda: len(rig.nodes) == 3, "three nodes")
        await rig.until_read()
        namespaces = sorted(str(facts.agent.namespace) for facts in rig.nodes if facts.agent)
        assert namespaces == ["cilium", "kube-system", "kube-system"]


async def test_a_pod_whose_start_lies_in_our_future(tmp_path: Path) -> None:
    def ahead(server: SimulatorServer) -> None:
        store = server.parts.store
        later = timestamp(store.clock() + 3_600)
        for pod in store.list("pods", NAMESPACE):
            if pod["metadata"].get("labels", {}).get("k8s-app") == "cilium":
                running = with_container(pod, state={"running": {"startedAt": later}})
                store.apply("pods", running)

    async with broken(tmp_path, prepare=ahead) as rig:
        await rig.until_read()
        await until_live(rig)
        assert all(facts.sweep_error == "" for facts in rig.nodes)


async def test_an_evicted_pod_does_not_hide_the_one_that_crash_loops(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        pod, store = pod_of(rig, 1), rig.server.parts.store
        store.apply("pods", with_container(pod, **LOOPING))
        evicted = {
            **pod,
            "metadata": {
                **pod["metadata"],
                "name": "cilium-evicted",
                "uid": "99999999-2222-3333-4444-555555555555",
                "ownerReferences": [],
            },
            "status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
        }
        store.apply("pods", evicted)

        def is_looping() -> bool:
            agent = rig.node(1).agent
            return agent is not None and agent.phase is AgentPhase.CRASH_LOOP

        await rig.until(is_looping, "the crash loop")
        await until_swept_again(rig, 0, 2)
        assert is_looping()
