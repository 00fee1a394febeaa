"""The Kubernetes objects a simulated cluster starts with, beside its Services.

Parts that are the same for all objects of a kind are shared: objects are never changed in place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from tui.simulator.agents.releases import RELEASES, AgentRelease
from tui.simulator.config import CONFIG_MAP
from tui.simulator.model import Agent, SimNode, uuid_from
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.scenarios import DAY, QuirkKind, Scenario

NAMESPACE = "kube-system"
AGENT = "cilium-agent"
POOL_LABEL = "node.kubernetes.io/pool"
CRASH_NAT_SIZE = "1048576"
"""Larger than the conntrack tables together: an agent refuses to start with it."""
_READY = ("KubeletReady", "kubelet is posting ready status")
_PROBE = {
    "httpGet": {
        "host": "127.0.0.1",
        "path": "/healthz",
        "port": 9879,
        "scheme": "HTTP",
        "httpHeaders": [{"name": "brief", "value": "true"}],
    },
    "failureThreshold": 3,
    "periodSeconds": 30,
    "successThreshold": 1,
    "timeoutSeconds": 5,
}
_MOUNTS = [
    {"name": "bpf-maps", "mountPath": "/sys/fs/bpf", "mountPropagation": "Bidirectional"},
    {"name": "cilium-run", "mountPath": "/var/run/cilium"},
    {"name": "cilium-config-path", "mountPath": "/tmp/cilium/config-map", "readOnly": True},  # noqa: S108  the path in Cilium's chart
]
_VOLUMES = [
    {"name": "cilium-run", "hostPath": {"path": "/var/run/cilium", "type": "DirectoryOrCreate"}},
    {"name": "bpf-maps", "hostPath": {"path": "/sys/fs/bpf", "type": "DirectoryOrCreate"}},
    {"name": "cilium-config-path", "configMap": {"name": CONFIG_MAP, "defaultMode": 420}},
]
_ENV = [
    {
        "name": "K8S_NODE_NAME",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}},
    },
    {
        "name": "CILIUM_K8S_NAMESPACE",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
    },
]
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


def pod_template(image: str, args: tuple[str, ...], restarted_at: str = "") -> KubeObject:
    """Return the template of a DaemonSet of agents."""
    annotations = {"kubectl.kubernetes.io/restartedAt": restarted_at} if restarted_at else {}
    metadata: KubeObject = {"labels": {"k8s-app": "cilium"}}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "metadata": metadata,
        "spec": {
            "containers": [
                {
                    "name": AGENT,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["cilium-agent"],
                    "args": ["--config-dir=/tmp/cilium/config-map", *args],
                    "env": _ENV,
                    "livenessProbe": _PROBE,
                    "readinessProbe": _PROBE,
                    "resources": {},
                    "securityContext": {"privileged": True},
                    "volumeMounts": _MOUNTS,
                }
            ],
            "dnsPolicy": "ClusterFirst",
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "restartPolicy": "Always",
            "serviceAccountName": "cilium",
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "volumes": _VOLUMES,
        },
    }


def revision_hash(template: KubeObject) -> str:
    """Return the name's end of a template's ControllerRevision."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def daemonset(
    name: str, template: KubeObject, labels: Mapping[str, str], nodes: int, created_at: float
) -> list[KubeObject]:
    """Return a DaemonSet of agents and its one ControllerRevision."""
    spec = dict(template["spec"])
    if labels:
        spec["nodeSelector"] = dict(labels)
    template = {**template, "spec": spec}
    uid = uuid_from(f"daemonset/{name}")
    created = timestamp(created_at)
    hash_text = revision_hash(template)
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": uid,
                "generation": 1,
                "creationTimestamp": created,
                "labels": {"k8s-app": "cilium"},
            },
            "spec": {
                "selector": {"matchLabels": {"k8s-app": "cilium"}},
                "template": template,
                "updateStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0},
                },
                "revisionHistoryLimit": 10,
            },
            "status": {
                "currentNumberScheduled": nodes,
                "numberMisscheduled": 0,
                "desiredNumberScheduled": nodes,
                "numberReady": nodes,
                "observedGeneration": 1,
                "updatedNumberScheduled": nodes,
                "numberAvailable": nodes,
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": f"{name}-{hash_text}",
                "namespace": NAMESPACE,
                "uid": uuid_from(f"revision/{name}/{hash_text}"),
                "creationTimestamp": created,
                "labels": {"controller-revision-hash": hash_text, "k8s-app": "cilium"},
                "ownerReferences": [owner_of(name)],
            },
            "data": {"spec": {"template": {**template, "$patch": "replace"}}},
            "revision": 1,
        },
    ]


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


def pod_object(
    node: SimNode, agent: Agent, template: KubeObject, hash_text: str, status: KubeObject
) -> KubeObject:
    """Return the Pod of an agent; what the template gives is shared with all others."""
    annotations = template["metadata"].get("annotations")
    metadata: KubeObject = {
        "name": node.pod_name,
        "generateName": f"{node.daemonset}-",
        "namespace": NAMESPACE,
        "uid": uuid_from(f"pod/{node.pod_name}/{agent.container_id}"),
        "creationTimestamp": timestamp(agent.started_at - 1),
        "labels": {
            **template["metadata"].get("labels", {}),
            "controller-revision-hash": hash_text,
            "pod-template-generation": "1",
        },
        "ownerReferences": [owner_of(node.daemonset)],
    }
    if annotations:
        metadata["annotations"] = annotations
    spec = {key: value for key, value in template["spec"].items() if key != "nodeSelector"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**spec, "nodeName": node.name, "schedulerName": "default-scheduler"},
        "status": status,
    }


@lru_cache(maxsize=64)
def owner_of(daemonset_name: str) -> KubeObject:
    """Return the owner reference to a DaemonSet."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": daemonset_name,
        "uid": uuid_from(f"daemonset/{daemonset_name}"),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_status(
    node: SimNode, agent: Agent, now: float, last_state: KubeObject | None = None
) -> KubeObject:
    """Return the status of an agent's Pod as the kubelet writes it."""
    is_ready = agent.is_up(now) and not node.is_looping
    started = timestamp(agent.started_at)
    since = timestamp(max(agent.started_at, min(now, agent.ready_at)))
    state: KubeObject = {"running": {"startedAt": started}}
    if node.is_looping:
        state = {
            "waiting": {
                "reason": "CrashLoopBackOff",
                "message": f"back-off 5m0s restarting failed container={AGENT}"
                f" pod={node.pod_name}_{NAMESPACE}",
            }
        }
    word = "True" if is_ready else "False"
    return {
        "phase": "Running",
        "conditions": [
            {"type": "Initialized", "status": "True", "lastTransitionTime": started},
            {"type": "Ready", "status": word, "lastTransitionTime": since},
            {"type": "ContainersReady", "status": word, "lastTransitionTime": since},
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": started},
        ],
        "hostIP": node.address_text,
        "podIP": node.address_text,
        "podIPs": [{"ip": node.address_text}],
        "startTime": started,
        "containerStatuses": [
            {
                "name": AGENT,
                "state": state,
                "lastState": last_state or {},
                "ready": is_ready,
                "restartCount": node.restarts,
                "image": agent.release.image,
                "imageID": image_id(agent.release),
                "containerID": agent.container_id,
                "started": is_ready,
            }
        ],
        "qosClass": "BestEffort",
    }


def image_id(release: AgentRelease) -> str:
    """Return the digest a node reports for a release's image."""
    digest = hashlib.sha256(release.image.encode()).hexdigest()
    return f"quay.io/cilium/cilium@sha256:{digest}"


def terminated(agent: Agent, finished_at: float, exit_code: int) -> KubeObject:
    """Return the state of a container that has ended."""
    return {
        "terminated": {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "startedAt": timestamp(agent.started_at),
            "finishedAt": timestamp(finished_at),
            "containerID": agent.container_id,
        }
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


def daemonset_of(scenario: Scenario, name: str, nodes: int, created_at: float) -> list[KubeObject]:
    """Return one DaemonSet of the scenario; each serves the nodes of one pool."""
    groups = [group for group in scenario.groups if group.daemonset == name]
    release = RELEASES[groups[0].release]
    args = tuple(f"--{key}={value}" for key, value in groups[0].config.items())
    is_only = all(group.daemonset == name for group in scenario.groups)
    labels = {} if is_only else {POOL_LABEL: name}
    return daemonset(name, pod_template(release.image, args), labels, nodes, created_at)


def cluster_objects(scenario: Scenario, nodes: list[SimNode], now: float) -> Iterator[KubeObject]:
    """Yield everything but the Services."""
    created_at = now - 120 * DAY
    names = dict.fromkeys(("default", NAMESPACE, "kube-node-lease", scenario.services.namespace))
    yield from namespaces(list(names), created_at)
    yield config_map(scenario, now, created_at)
    yield from _node_configs(nodes, now)
    parts: dict[str, tuple[KubeObject, str]] = {}
    for name in dict.fromkeys(node.daemonset for node in nodes):
        count = sum(node.daemonset == name for node in nodes)
        found, revision = daemonset_of(scenario, name, count, created_at)
        yield found
        yield revision
        labels = revision["metadata"]["labels"]
        parts[name] = (found["spec"]["template"], labels["controller-revision-hash"])
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


def _node_configs(nodes: list[SimNode], now: float) -> Iterator[KubeObject]:
    """Yield the CiliumNodeConfig behind each crash loop: tables that do not fit together."""
    for node in nodes:
        if not node.is_looping:
            continue
        yield {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNodeConfig",
            "metadata": {
                "name": f"nat-tuning-{node.name}",
                "namespace": NAMESPACE,
                "uid": uuid_from(f"nodeconfig/{node.name}"),
                "creationTimestamp": timestamp(now - 1860),
            },
            "spec": {
                "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": node.name}},
                "defaults": {"bpf-nat-global-max": CRASH_NAT_SIZE},
            },
        }
