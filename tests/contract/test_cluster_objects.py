from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.contract.cluster_server import fixture
from tui.cluster import kinds
from tui.cluster.config_objects import ControllerRevision, NodeConfigObject
from tui.cluster.lists import Page
from tui.cluster.objects import agent_pod, missing_agent, node, on_node
from tui.cluster.workload_kinds import (
    Event,
    PersistentVolume,
    VolumeAttachment,
    WorkloadPod,
    WrittenEndpoints,
)
from tui.model.node import AgentPhase

Json = dict[str, object]


def pod_of(status: Json, **metadata: object) -> kinds.Pod:
    content: Json = {
        "metadata": {"name": "cilium-x", "namespace": "kube-system", "uid": "u", **metadata},
        "spec": {
            "nodeName": "node1",
            "initContainers": [{"name": "config"}, {"name": "mount-bpf-fs"}],
            "containers": [
                {"name": "sidecar", "image": "other"},
                {"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.17.5"},
            ],
        },
        "status": status,
    }
    return msgspec.convert(content, kinds.Pod)


def agent_status(state: Json, **more: object) -> Json:
    return {"name": "cilium-agent", "state": state, **more}


RUNNING: Json = {"running": {"startedAt": "2026-11-22T07:40:43Z"}}
DONE: Json = {"terminated": {"exitCode": 0, "reason": "Completed"}}
KILLED: Json = {"terminated": {"exitCode": 137, "signal": 9, "reason": "OOMKilled"}}
BACKOFF: Json = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}


def test_recorded_nodes() -> None:
    page = msgspec.json.decode(fixture("nodes.json"), type=Page[kinds.Node])
    nodes = [node(item) for item in page.items or ()]
    assert len(nodes) == 3
    for one in nodes:
        assert one.uid
        assert one.kernel_release
        assert one.boot_id
        assert one.internal_ip
        assert one.internal_ip in one.addresses
        assert one.is_ready is True
        assert one.created_at is not None


def test_recorded_agents() -> None:
    page = msgspec.json.decode(fixture("pods-agents.json"), type=Page[kinds.Pod])
    agents = [agent_pod(item) for item in page.items or ()]
    assert len({agent.node_name for agent in agents}) == 3
    for agent in agents:
        assert agent.phase is AgentPhase.RUNNING
        assert agent.is_ready
        assert agent.image == "quay.io/cilium/cilium:v1.11.7"
        assert agent.daemonset == "cilium"
        assert agent.revision
        assert agent.started_at is not None
        assert agent.started_at > 1_700_000_000


def test_heartbeats_do_not_change_a_node() -> None:
    def beating(at: str) -> kinds.Node:
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": at,
            "lastTransitionTime": "2026-11-22T07:40:43Z",
        }
        metadata = {"name": "n", "resourceVersion": at, "labels": {"zone": "a"}}
        content = {"metadata": metadata, "status": {"conditions": [ready]}}
        return msgspec.convert(content, kinds.Node)

    first, second = node(beating("2026-11-22T08:00:00Z")), node(beating("2026-11-22T08:05:00Z"))
    assert first == second
    (condition,) = first.conditions
    assert (condition.type, condition.status, condition.reason) == ("Ready", "True", "KubeletReady")
    assert condition.since is not None
    (key,), (same,) = first.labels, second.labels
    assert key is same
    assert first.labels["zone"] is second.labels["zone"], "kept in memory once"


def test_annotations_win_over_labels_in_a_nodes_overrides() -> None:
    metadata = {
        "labels": {"config.cilium.io/mtu": "1400", "config.cilium.io/debug": "false"},
        "annotations": {"config.cilium.io/debug": "true", "cilium.io/other": "x"},
    }
    item = msgspec.convert({"metadata": metadata}, kinds.Node)
    assert node(item).config_overrides == {"mtu": "1400", "debug": "true"}


def test_recorded_services_and_slices() -> None:
    services = msgspec.json.decode(fixture("services.json"), type=Page[kinds.Service])
    specs = [item.spec for item in services.items or () if item.spec is not None]
    assert all(spec.cluster_ip and spec.ports for spec in specs)
    slices = msgspec.json.decode(fixture("endpointslices.json"), type=Page[kinds.EndpointSlice])
    by_name = {one.service_name: one for one in slices.items or ()}
    echo = by_name["echo"]
    assert echo.endpoints is not None
    assert {endpoint.node for endpoint in echo.endpoints} <= {"node1", "node2", "node3"}
    assert all(endpoint.conditions and endpoint.addresses for endpoint in echo.endpoints)
    old = msgspec.json.decode(fixture("endpoints.json"), type=Page[kinds.Endpoints])
    assert any(item.subsets for item in old.items or ())


def test_node_in_slices_of_either_version() -> None:
    new = msgspec.convert({"nodeName": "n1", "topology": None}, kinds.Endpoint)
    old = msgspec.convert({"topology": {"kubernetes.io/hostname": "n2"}}, kinds.Endpoint)
    assert (new.node, old.node, kinds.Endpoint().node) == ("n1", "n2", "")


@pytest.mark.parametrize(
    ("status", "expected"), [("True", True), ("False", False), ("Unknown", None), (None, None)]
)
def test_readiness_of_a_node(status: str | None, expected: bool | None) -> None:
    conditions = [{"type": "Ready", "status": status}] if status else None
    item = msgspec.convert({"status": {"conditions": conditions}}, kinds.Node)
    assert node(item).is_ready is expected


@pytest.mark.parametrize(
    ("status", "phase", "reason"),
    [
        (
            {"phase": "Running", "containerStatuses": [agent_status(RUNNING, ready=True)]},
            AgentPhase.RUNNING,
            "",
        ),
        (
            {"phase": "Running", "containerStatuses": [agent_status(RUNNING, ready=False)]},
            AgentPhase.NOT_READY,
            "running, not ready",
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    agent_status(RUNNING, ready=False, restartCount=3, lastState=KILLED)
                ],
            },
            AgentPhase.NOT_READY,
            "running, not ready; restarted after OOMKilled, exit code 137, signal 9",
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [agent_status(BACKOFF, restartCount=9, lastState=KILLED)],
            },
            AgentPhase.CRASH_LOOP,
            "CrashLoopBackOff: OOMKilled, exit code 137, signal 9",
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [agent_status({"terminated": {"exitCode": 1}})],
            },
            AgentPhase.CRASH_LOOP,
            "Error, exit code 1",
        ),
        (
            {
                "phase": "Pending",
                "containerStatuses": [agent_status({"waiting": {"reason": "ImagePullBackOff",
                    "message": "Back-off pulling image"}})],
            },
            AgentPhase.PENDING,
            "ImagePullBackOff: Back-off pulling image",
        ),
        (
            {
                "phase": "Pending",
                "containerStatuses": [agent_status({"waiting": {"reason": "ContainerCreating"}})],
            },
            AgentPhase.PENDING,
            "ContainerCreating",
        ),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False",
                    "reason": "Unschedulable", "message": "0/3 nodes are available"}],
            },
            AgentPhase.PENDING,
            "Unschedulable: 0/3 nodes are available",
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
            AgentPhase.NOT_READY,
            "Evicted: low on memory",
        ),
        ({"phase": "Unknown", "reason": "NodeLost"}, AgentPhase.UNREACHABLE, "NodeLost"),
        ({}, AgentPhase.PENDING, "Pending"),
    ],
)  # fmt: skip
def test_phases(status: Json, phase: AgentPhase, reason: str) -> None:
    agent = agent_pod(pod_of(status))
    assert agent.phase is phase
    assert agent.reason == reason
    assert agent.is_ready == (phase is AgentPhase.RUNNING)
    assert agent.container == "cilium-agent"
    assert agent.image == "quay.io/cilium/cilium:v1.17.5"


@pytest.mark.parametrize(
    ("states", "phase", "reason"),
    [
        (
            [BACKOFF, {"waiting": {"reason": "PodInitializing"}}],
            AgentPhase.CRASH_LOOP,
            "Init:CrashLoopBackOff (config): OOMKilled, exit code 137, signal 9",
        ),
        (
            [DONE, {"terminated": {"exitCode": 2, "reason": "Error"}}],
            AgentPhase.CRASH_LOOP,
            "Init:Error (mount-bpf-fs): Error, exit code 2",
        ),
        ([DONE, RUNNING], AgentPhase.PENDING, "Init:1/2 (mount-bpf-fs)"),
        (
            [{"waiting": {"reason": "ErrImagePull", "message": "no"}}, {}],
            AgentPhase.PENDING,
            "Init:ErrImagePull (config): no",
        ),
        ([DONE, DONE], AgentPhase.PENDING, "PodInitializing"),
    ],
)
def test_init_containers(states: list[Json], phase: AgentPhase, reason: str) -> None:
    status: Json = {
        "phase": "Pending",
        "initContainerStatuses": [
            {"name": name, "state": state, "restartCount": 4, "lastState": KILLED}
            for name, state in zip(("config", "mount-bpf-fs"), states, strict=True)
        ],
        "containerStatuses": [agent_status({"waiting": {"reason": "PodInitializing"}})],
    }
    agent = agent_pod(pod_of(status))
    assert (agent.phase, agent.reason) == (phase, reason)


def test_a_running_sidecar_does_not_hold_the_agent_back() -> None:
    status: Json = {
        "phase": "Running",
        "initContainerStatuses": [{"name": "config", "ready": True, "state": RUNNING}],
        "containerStatuses": [agent_status(RUNNING, ready=True)],
    }
    assert agent_pod(pod_of(status)).phase is AgentPhase.RUNNING


def test_an_agent_being_deleted_is_terminating() -> None:
    status: Json = {"phase": "Running", "containerStatuses": [agent_status(RUNNING, ready=True)]}
    agent = agent_pod(pod_of(status, deletionTimestamp="2026-11-22T07:40:43Z"))
    assert agent.phase is AgentPhase.TERMINATING
    assert not agent.is_ready


def test_previous_log_is_there_after_a_restart_only() -> None:
    fresh = agent_status(RUNNING, ready=True, restartCount=0)
    again = agent_status(RUNNING, ready=True, restartCount=1, lastState=KILLED)
    assert not agent_pod(pod_of({"containerStatuses": [fresh]})).has_previous
    assert agent_pod(pod_of({"containerStatuses": [again]})).has_previous


def test_another_container_can_be_the_agent() -> None:
    status: Json = {"containerStatuses": [{"name": "sidecar", "ready": True, "state": RUNNING}]}
    assert agent_pod(pod_of(status), "sidecar").container == "sidecar"
    nameless = replace(agent_pod(pod_of(status), "absent"))
    assert nameless.container == "sidecar", "the first container where none has the name"


def ready_node(status: str) -> kinds.Node:
    return msgspec.convert(
        {
            "metadata": {"name": "node1", "uid": "n1"},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        },
        kinds.Node,
    )


def test_the_node_says_whether_the_agent_can_be_believed() -> None:
    up = agent_pod(
        pod_of({"phase": "Running", "containerStatuses": [agent_status(RUNNING, ready=True)]})
    )
    crashing = agent_pod(pod_of({"containerStatuses": [agent_status(BACKOFF, lastState=KILLED)]}))
    assert on_node(up, node(ready_node("True"))) is up
    lost = on_node(up, node(ready_node("Unknown")))
    assert lost.phase is AgentPhase.UNREACHABLE
    assert not lost.is_ready
    assert on_node(up, node(ready_node("False"))).phase is AgentPhase.UNREACHABLE
    assert on_node(crashing, node(ready_node("False"))) is crashing, "it may be why"
    gone = on_node(crashing, node(ready_node("Unknown")))
    assert gone.phase is AgentPhase.UNREACHABLE
    assert "CrashLoopBackOff" in gone.reason


def test_a_node_without_agent() -> None:
    agent = missing_agent(node(ready_node("True")), "kube-system")
    assert agent.phase is AgentPhase.MISSING
    assert agent.node_name == "node1"
    assert on_node(agent, node(ready_node("Unknown"))).phase is AgentPhase.MISSING


def test_hostile_text_is_cleaned() -> None:
    bad = "\x1b]0;x\x07a\x1b[2Jb\u202ec"
    status: Json = {
        "phase": "Failed",
        "reason": bad,
        "message": bad,
        "containerStatuses": [agent_status({}, containerID=bad, imageID=bad)],
    }
    pod = pod_of(status, labels={"controller-revision-hash": bad}, ownerReferences=[
        {"kind": "DaemonSet", "name": bad}])  # fmt: skip
    agent = agent_pod(pod)
    texts = [agent.reason, agent.container_id, agent.image_id, agent.revision, agent.daemonset]
    for text in texts:
        assert text
        assert not set(text) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize("kind", [kinds.Node, kinds.Pod, kinds.Service, kinds.EndpointSlice,
                                  kinds.Endpoints, kinds.ConfigMap, kinds.DaemonSet,
                                  ControllerRevision, WrittenEndpoints, WorkloadPod,
                                  PersistentVolume, VolumeAttachment, Event,
                                  NodeConfigObject])  # fmt: skip
def test_every_kind_bears_an_empty_object(kind: type[kinds.KubeObject]) -> None:
    assert msgspec.json.decode(b'{"metadata": {}}', type=kind).metadata.name == ""
    assert msgspec.json.decode(b"{}", type=kind).metadata.uid == ""
