"""The Pods of agents, and the DaemonSets they belong to.

Parts that are the same for all objects of a kind are shared: objects are never changed in place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tui.simulator.agents.releases import RELEASES, AgentRelease
from tui.simulator.config import CONFIG_MAP
from tui.simulator.model import Agent, SimNode, uuid_from
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.scenarios import DaemonSetEdit, Scenario

NAMESPACE = "kube-system"
AGENT = "cilium-agent"
STATE_CLEANER = "clean-cilium-state"
CLEANING = {"CILIUM_ALL_STATE": "clean-cilium-state", "CILIUM_BPF_STATE": "clean-cilium-bpf-state"}
POOL_LABEL = "node.kubernetes.io/pool"
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


def pod_template(
    release: AgentRelease, args: tuple[str, ...], pre_stop: Sequence[str] = ()
) -> KubeObject:
    """Return the template of a DaemonSet of agents."""
    hook = {"lifecycle": {"preStop": {"exec": {"command": list(pre_stop)}}}} if pre_stop else {}
    return {
        "metadata": {"labels": {"k8s-app": "cilium"}},
        "spec": {
            "initContainers": [*_config_builder(release), _state_cleaner(release)],
            "containers": [
                {
                    "name": AGENT,
                    "image": release.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["cilium-agent"],
                    "args": ["--config-dir=/tmp/cilium/config-map", *args],
                    "env": _ENV,
                    **hook,
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


def _config_builder(release: AgentRelease) -> list[KubeObject]:
    """Return the init container that merges ConfigMap and CiliumNodeConfigs for the agent."""
    if not release.has_node_config:
        return []
    container = {
        "name": "config",
        "image": release.image,
        "command": [release.binary, "build-config"],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  as in Cilium's chart
        "env": _ENV,
    }
    return [container]


def _state_cleaner(release: AgentRelease) -> KubeObject:
    """Return the init container that removes the maps where the ConfigMap says so."""
    env = [
        {
            "name": variable,
            "valueFrom": {"configMapKeyRef": {"name": CONFIG_MAP, "key": key, "optional": True}},
        }
        for variable, key in CLEANING.items()
    ]
    return {
        "name": STATE_CLEANER,
        "image": release.image,
        "command": ["/init-container.sh"],
        "env": env,
    }


def cleans_state(template: KubeObject, values: Mapping[str, str]) -> bool:
    """Tell whether a new pod of a template removes the maps, by the ConfigMap's values."""
    return any(
        (variable.get("valueFrom") or {}).get("configMapKeyRef", {}).get("name") == CONFIG_MAP
        and values.get(variable["valueFrom"]["configMapKeyRef"]["key"]) == "true"
        for container in template["spec"].get("initContainers") or []
        for variable in container.get("env") or []
        if variable["name"] in CLEANING
    )


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
    whole = {**template, "spec": spec}
    created = timestamp(created_at)
    found = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uuid_from(f"daemonset/{name}"),
            "generation": 1,
            "creationTimestamp": created,
            "labels": {"k8s-app": "cilium", "app.kubernetes.io/managed-by": "Helm"},
            "managedFields": [_written("helm", created)],
        },
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "cilium"}},
            "template": whole,
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
    }
    return [found, _revision(name, whole, created)]


def _written(manager: str, at: str) -> KubeObject:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": at,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}},
    }


def edited(found: KubeObject, edit: DaemonSetEdit, now: float) -> list[KubeObject]:
    """Return a DaemonSet whose template was changed, with that template's ControllerRevision.

    Its pods stay on the template of before until somebody deletes them.
    """
    at = timestamp(now - edit.age_seconds)
    name, spec = found["metadata"]["name"], found["spec"]
    pod_spec = spec["template"]["spec"]
    container = dict(pod_spec["containers"][0])
    container["args"] = [
        *container["args"],
        *(f"--{key}={value}" for key, value in edit.args.items()),
    ]
    whole = {**spec["template"], "spec": {**pod_spec, "containers": [container]}}
    metadata = {
        **found["metadata"],
        "generation": 2,
        "managedFields": [*found["metadata"]["managedFields"], _written(edit.manager, at)],
    }
    changed = {
        **found,
        "metadata": metadata,
        "spec": {**spec, "template": whole, "updateStrategy": {"type": "OnDelete"}},
        "status": {**found["status"], "observedGeneration": 2, "updatedNumberScheduled": 0},
    }
    return [changed, {**_revision(name, whole, at), "revision": 2}]


def template_flags(template: KubeObject) -> dict[str, str]:
    """Return the options that a template's arguments set, those of the ConfigMap left out."""
    args = template["spec"]["containers"][0].get("args") or []
    pairs = (arg.removeprefix("--").partition("=") for arg in args if arg.startswith("--"))
    return {key: value for key, _, value in pairs if key != "config-dir"}


def _revision(name: str, template: KubeObject, created: str) -> KubeObject:
    hash_text = revision_hash(template)
    return {
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
    }


def daemonset_of(scenario: Scenario, name: str, nodes: int, created_at: float) -> list[KubeObject]:
    """Return one DaemonSet of the scenario; each serves the nodes of one pool."""
    groups = [group for group in scenario.groups if group.daemonset == name]
    release = RELEASES[groups[0].release]
    args = tuple(f"--{key}={value}" for key, value in groups[0].config.items())
    hook = scenario.pre_stop.get(name, ())
    is_only = all(group.daemonset == name for group in scenario.groups)
    labels = {} if is_only else {POOL_LABEL: name}
    return daemonset(name, pod_template(release, args, hook), labels, nodes, created_at)


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
        **_init_statuses(agent, started),
        "containerStatuses": [
            {
                "name": AGENT,
                "state": _container_state(node, started),
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


def _init_statuses(agent: Agent, started: str) -> KubeObject:
    """Return the status of the init containers."""
    names = {"config": "c0f16000"} if agent.release.has_node_config else {}
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": started}
    return {
        "initContainerStatuses": [
            {
                "name": name,
                "state": {"terminated": ended},
                "lastState": {},
                "ready": True,
                "restartCount": 0,
                "image": agent.release.image,
                "imageID": image_id(agent.release),
                "containerID": agent.container_id[:-8] + end,
            }
            for name, end in {**names, STATE_CLEANER: "c1ea0000"}.items()
        ]
    }


def _container_state(node: SimNode, started: str) -> KubeObject:
    if not node.is_looping:
        return {"running": {"startedAt": started}}
    message = f"back-off 5m0s restarting failed container={AGENT} pod={node.pod_name}_{NAMESPACE}"
    return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}


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
