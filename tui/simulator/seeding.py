"""The Kubernetes objects a simulated cluster starts with, beside its Services.

Parts that are the same for all objects of a kind are shared: objects are never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tui.simulator.config import CONFIG_MAP
from tui.simulator.model import SimNode, uuid_from
from tui.simulator.nodeconfigs import node_config_objects
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.scenarios import DAY, QuirkKind, Scenario
from tui.simulator.seedpods import (
    AGENT,
    NAMESPACE,
    daemonset_of,
    edited,
    pod_object,
    pod_status,
    terminated,
)
from tui.simulator.seedscenes import scene_namespaces, scene_objects

_READY = ("KubeletReady", "kubelet is posting ready status")
_CAPACITY = {
    "cpu": "8",
    "ephemeral-storage": "264212084Ki",
    "memory": "32684084Ki",
    "pods": "110",
}


def namespaces(names: list[str], created_at: float) -> list[KubeObject]:
    """Return the Namespaces."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "uid": uuid_from(f"namespace/{name}"),
                "creationTimestamp": timestamp(created_at),
                "labels": {"kubernetes.io/metadata.name": name},
            },
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        for name in names
    ]


def node_object(node: SimNode, kubelet: str, now: float, is_ready: bool) -> KubeObject:
    """Return the Node."""
    created = timestamp(node.booted_at - 3600)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "uid": node.uid,
            "creationTimestamp": created,
            "labels": dict(node.labels),
            "annotations": {
                "io.cilium.network.ipv4-cilium-host": node.router_address,
                "io.cilium.network.ipv4-pod-cidr": node.pod_cidr,
            },
        },
        "spec": {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr]},
        "status": {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "conditions": _node_conditions(node, now, is_ready),
            "addresses": [
                {"type": "InternalIP", "address": node.address_text},
                {"type": "Hostname", "address": node.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": uuid_from(f"machine/{node.name}").replace("-", ""),
                "systemUUID": uuid_from(f"system/{node.name}"),
                "bootID": node.boot_id,
                "kernelVersion": node.kernel.release,
                "osImage": node.kernel.os_image,
                "containerRuntimeVersion": "containerd://1.7.20",
                "kubeletVersion": kubelet,
                "kubeProxyVersion": kubelet,
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def _node_conditions(node: SimNode, now: float, is_ready: bool) -> list[KubeObject]:
    beat = timestamp(now if is_ready else now - 240)
    since = timestamp(node.booted_at)
    found: list[KubeObject] = [
        {
            "type": "NetworkUnavailable",
            "status": "False",
            "lastHeartbeatTime": since,
            "lastTransitionTime": since,
            "reason": "CiliumIsUp",
            "message": "Cilium is running on this node",
        }
    ]
    for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready"):
        good = "True" if kind == "Ready" else "False"
        reason, message = _READY
        if kind != "Ready":
            reason, message = f"KubeletHasNo{kind}", f"kubelet has no {kind}"
        if not is_ready:
            reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
        found.append(
            {
                "type": kind,
                "status": good if is_ready else "Unknown",
                "lastHeartbeatTime": beat,
                "lastTransitionTime": since if is_ready else timestamp(now - 200),
                "reason": reason,
                "message": message,
            }
        )
    return found


def cilium_node(node: SimNode) -> KubeObject:
    """Return the CiliumNode."""
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNode",
        "metadata": {
            "name": node.name,
            "uid": uuid_from(f"ciliumnode/{node.name}"),
            "creationTimestamp": timestamp(node.booted_at),
            "generation": 4,
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}
            ],
        },
        "spec": {
            "addresses": [
                {"ip": node.address_text, "type": "InternalIP"},
                {"ip": node.router_address, "type": "CiliumInternalIP"},
            ],
            "ipam": {"podCIDRs": [node.pod_cidr]},
        },
    }


def config_map(scenario: Scenario, now: float, created_at: float) -> KubeObject:
    """Return `cilium-config` with the writers of its managedFields."""
    writes = []
    for write in scenario.config_writes:
        fields: dict[str, Any] = {f"f:{key}": {} for key in write.keys}
        writes.append(
            {
                "manager": write.manager,
                "operation": "Update",
                "apiVersion": "v1",
                "time": timestamp(now - write.age_seconds),
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {".": {}, **fields}},
            }
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": CONFIG_MAP,
            "namespace": NAMESPACE,
            "uid": uuid_from("configmap/cilium-config"),
            "creationTimestamp": timestamp(created_at),
            "managedFields": writes,
        },
        "data": dict(scenario.config),
    }


def event(reason: str, message: str, about: tuple[str, str], now: float) -> KubeObject:
    """Return an Event about a pod or a node."""
    kind, name = about
    namespace = NAMESPACE if kind == "Pod" else "default"
    suffix = f"{int(now * 1e6):x}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{suffix}", "namespace": namespace},
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace},
        "reason": reason,
        "message": message,
        "source": {"component": "kubelet"},
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "count": 1,
        "type": "Warning" if reason in {"BackOff", "Unhealthy", "NodeNotReady"} else "Normal",
    }


def seeded_events(nodes: list[SimNode], now: float) -> Iterator[KubeObject]:
    """Yield the Events that explain the state the cluster starts in."""
    for node in nodes:
        if node.agent and now - node.agent.started_at < 3600:
            about = ("Pod", node.pod_name)
            yield event("Started", f"Started container {AGENT}", about, node.agent.started_at)
        if node.is_looping:
            text = f"Back-off restarting failed container {AGENT}"
            yield event("BackOff", text, ("Pod", node.pod_name), now - 30)


def cluster_objects(scenario: Scenario, nodes: list[SimNode], now: float) -> Iterator[KubeObject]:
    """Yield everything but the Services."""
    created_at = now - 120 * DAY
    names = dict.fromkeys(
        (
            *("default", NAMESPACE, "kube-node-lease", scenario.services.namespace),
            *scene_namespaces(scenario),
        )
    )
    yield from namespaces(list(names), created_at)
    yield config_map(scenario, now, created_at)
    yield from node_config_objects(scenario, nodes, now)
    yield from scene_objects(scenario, nodes, now)
    parts: dict[str, tuple[KubeObject, str]] = {}
    for name in dict.fromkeys(node.daemonset for node in nodes):
        count = sum(node.daemonset == name for node in nodes)
        found, *revisions = daemonset_of(scenario, name, count, created_at)
        edit = next((one for one in scenario.daemonset_edits if one.daemonset == name), None)
        template = found["spec"]["template"]
        labels = revisions[0]["metadata"]["labels"]
        parts[name] = (template, labels["controller-revision-hash"])
        yield from edited(found, edit, now) if edit is not None else (found,)
        yield from revisions
    for node in nodes:
        is_ready = node.quirk(QuirkKind.NODE_NOT_READY) is None
        yield node_object(node, scenario.kubernetes_version, now, is_ready)
        yield cilium_node(node)
        if node.agent is not None:
            status = pod_status(node, node.agent, now, _last_state(node, now))
            yield pod_object(node, node.agent, *parts[node.daemonset], status)
    yield from seeded_events(nodes, now)


def _last_state(node: SimNode, now: float) -> KubeObject | None:
    return terminated(node.agent, now - 60, 1) if node.is_looping and node.agent else None
