"""The cells of the Table answers, kind by kind.

Source: pkg/printers/internalversion/printers.go of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping

from tui.simulator.objects import KubeObject
from tui.simulator.printing import NONE, Cell, age_of, joined_labels, name_of, since

_MAX_ENDPOINTS = 3


def _selector(selector: KubeObject | None) -> str:
    return joined_labels((selector or {}).get("matchLabels"))


def _port(port: KubeObject) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


def _external_ip(spec: KubeObject, status: KubeObject) -> str:
    addresses = list(spec.get("externalIPs") or [])
    if spec.get("type") == "LoadBalancer":
        ingress = (status.get("loadBalancer") or {}).get("ingress") or []
        addresses = [item.get("ip") or item.get("hostname") or "" for item in ingress] + addresses
        return ",".join(addresses) or "<pending>"
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    return ",".join(addresses) or NONE


def service(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a Service."""
    spec = obj.get("spec") or {}
    return [
        name_of(obj),
        spec.get("type", "ClusterIP"),
        spec.get("clusterIP") or NONE,
        _external_ip(spec, obj.get("status") or {}),
        ",".join(_port(port) for port in spec.get("ports") or []) or NONE,
        age_of(obj, now),
        joined_labels(spec.get("selector")),
    ]


def _containers(spec: KubeObject) -> list[Cell]:
    containers = (spec.get("template") or {}).get("spec", {}).get("containers") or []
    return [
        ",".join(item["name"] for item in containers),
        ",".join(item.get("image", "") for item in containers),
        _selector(spec.get("selector")),
    ]


def _counts(source: KubeObject, *names: str) -> list[Cell]:
    return [int(source.get(name) or 0) for name in names]


def daemon_set(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a DaemonSet."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    template = (spec.get("template") or {}).get("spec") or {}
    return [
        name_of(obj),
        *_counts(
            status,
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        ),
        joined_labels(template.get("nodeSelector")),
        age_of(obj, now),
        *_containers(spec),
    ]


def deployment(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a Deployment."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas', 1)}",
        *_counts(status, "updatedReplicas", "availableReplicas"),
        age_of(obj, now),
        *_containers(spec),
    ]


def replica_set(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a ReplicaSet."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        *_counts(spec, "replicas"),
        *_counts(status, "replicas", "readyReplicas"),
        age_of(obj, now),
        *_containers(spec),
    ]


def controller_revision(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a ControllerRevision."""
    owners = obj["metadata"].get("ownerReferences") or []
    owner = next((item for item in owners if item.get("controller")), None)
    group = owner["apiVersion"].partition("/")[0] if owner else ""
    controller = f"{owner['kind'].lower()}.{group}/{owner['name']}" if owner else NONE
    return [name_of(obj), controller, *_counts(obj, "revision"), age_of(obj, now)]


def config_map(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a ConfigMap."""
    size = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [name_of(obj), str(size), age_of(obj, now)]


def secret(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a Secret."""
    return [
        name_of(obj),
        obj.get("type", "Opaque"),
        str(len(obj.get("data") or {})),
        age_of(obj, now),
    ]


def service_account(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a ServiceAccount."""
    return [name_of(obj), str(len(obj.get("secrets") or [])), age_of(obj, now)]


def namespace(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a Namespace."""
    return [name_of(obj), (obj.get("status") or {}).get("phase", "Active"), age_of(obj, now)]


def event(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of an Event."""
    about, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp")
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    return [
        since(last or first, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        ", ".join(part for part in (component, source.get("host")) if part),
        str(obj.get("message", "")).strip(),
        since(first, now),
        int(obj.get("count") or series.get("count") or 1),
        name_of(obj),
    ]


def _joined(parts: list[str]) -> str:
    if not parts:
        return NONE
    more = f" + {len(parts) - _MAX_ENDPOINTS} more..." if len(parts) > _MAX_ENDPOINTS else ""
    return ",".join(parts[:_MAX_ENDPOINTS]) + more


def endpoints(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of an Endpoints object."""
    parts = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    return [name_of(obj), _joined(parts), age_of(obj, now)]


def endpoint_slice(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of an EndpointSlice."""
    ports = [str(item.get("port", "*")) for item in obj.get("ports") or []]
    addresses = [
        str(address)
        for item in obj.get("endpoints") or []
        for address in item.get("addresses") or []
    ]
    return [
        name_of(obj),
        obj.get("addressType", ""),
        _joined(ports) if ports else "<unset>",
        _joined(addresses) if addresses else "<unset>",
        age_of(obj, now),
    ]


def lease(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a Lease."""
    return [name_of(obj), (obj.get("spec") or {}).get("holderIdentity") or "", age_of(obj, now)]


_MODES: Mapping[str, str] = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _modes(modes: list[str] | None) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in modes or [])


def persistent_volume(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a PersistentVolume."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef")
    return [
        name_of(obj),
        (spec.get("capacity") or {}).get("storage", ""),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", "Retain"),
        status.get("phase", ""),
        f"{claim['namespace']}/{claim['name']}" if claim else "",
        spec.get("storageClassName", ""),
        status.get("reason", ""),
        age_of(obj, now),
        spec.get("volumeMode", "Filesystem"),
    ]


def persistent_volume_claim(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a PersistentVolumeClaim; capacity and modes are those it got."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    is_bound = bool(spec.get("volumeName"))
    return [
        name_of(obj),
        status.get("phase", ""),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "") if is_bound else "",
        _modes(status.get("accessModes")) if is_bound else "",
        spec.get("storageClassName", ""),
        age_of(obj, now),
        spec.get("volumeMode", "Filesystem"),
    ]


def volume_attachment(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a VolumeAttachment."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName") or "",
        spec.get("nodeName", ""),
        "true" if status.get("attached") else "false",
        age_of(obj, now),
    ]


def cilium_node(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a CiliumNode."""
    found = {
        item.get("type"): item["ip"] for item in (obj.get("spec") or {}).get("addresses") or []
    }
    return [
        name_of(obj),
        found.get("CiliumInternalIP", ""),
        found.get("InternalIP", ""),
        age_of(obj, now),
    ]
