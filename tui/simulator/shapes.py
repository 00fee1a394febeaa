"""One object in the several shapes the API serves it in: other versions, other groups, parts."""

from __future__ import annotations

from collections.abc import Callable

from tui.simulator.objects import KubeObject, Stored
from tui.simulator.resources import Resource

_HEAD = ("kind", "apiVersion")
_HOSTNAME = "kubernetes.io/hostname"
_ZONE = "topology.kubernetes.io/zone"


def shaped(obj: KubeObject, resource: Resource) -> KubeObject:
    """Return the object as this version of its resource shows it."""
    if obj.get("apiVersion") == resource.group_version:
        return obj
    convert = _CONVERSIONS.get((resource.plural, resource.group_version))
    converted = convert(obj) if convert else dict(obj)
    return {**converted, "apiVersion": resource.group_version, "kind": resource.kind}


def stored_shape(obj: KubeObject, resource: Resource) -> KubeObject:
    """Return an object that a client wrote in the shape it is kept in."""
    if resource.group == "events.k8s.io":
        return {**_core_event(obj), "apiVersion": "v1", "kind": "Event"}
    return obj


def item_bytes(stored: Stored, resource: Resource) -> bytes:
    """Return the object as an item of a list: without kind and apiVersion, unless it is custom."""
    return stored.encode(
        f"item {resource.group_version}",
        lambda obj: _without_head(shaped(obj, resource), resource.is_custom),
    )


def object_bytes(stored: Stored, resource: Resource) -> bytes:
    """Return the whole object, kind and apiVersion first."""
    item = item_bytes(stored, resource)
    if resource.is_custom:
        return item
    return head_bytes(resource.kind, resource.group_version) + b"," + item[1:]


def head_bytes(kind: str, group_version: str) -> bytes:
    """Return the opening of an object, without a comma behind it."""
    return f'{{"kind":"{kind}","apiVersion":"{group_version}"'.encode()


def partial_metadata(obj: KubeObject) -> KubeObject:
    """Return the object's metadata alone, as the rows of a table carry it."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def _without_head(obj: KubeObject, is_custom: bool) -> KubeObject:
    if is_custom:
        return obj
    return {key: value for key, value in obj.items() if key not in _HEAD}


def _beta_slice(obj: KubeObject) -> KubeObject:
    """Turn a v1 EndpointSlice into v1beta1, where the node is in `topology`."""
    endpoints = []
    for endpoint in obj.get("endpoints") or []:
        rest = {k: v for k, v in endpoint.items() if k not in {"nodeName", "zone", "hints"}}
        node, zone = endpoint.get("nodeName"), endpoint.get("zone")
        topology = ({_HOSTNAME: node} if node else {}) | ({_ZONE: zone} if zone else {})
        endpoints.append({**rest, "topology": topology} if topology else rest)
    return {**obj, "endpoints": endpoints}


def _v1_slice(obj: KubeObject) -> KubeObject:
    """Turn a v1beta1 EndpointSlice into v1, where the node is a field of its own."""
    endpoints = []
    for endpoint in obj.get("endpoints") or []:
        rest = {key: value for key, value in endpoint.items() if key != "topology"}
        topology = endpoint.get("topology") or {}
        if _HOSTNAME in topology:
            rest.setdefault("nodeName", topology[_HOSTNAME])
        if _ZONE in topology:
            rest["zone"] = topology[_ZONE]
        endpoints.append(rest)
    return {**obj, "endpoints": endpoints}


_EVENT_NAMES = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)


def _new_event(obj: KubeObject) -> KubeObject:
    names = dict(_EVENT_NAMES)
    return {names.get(key, key): value for key, value in obj.items()}


def _core_event(obj: KubeObject) -> KubeObject:
    names = {new: core for core, new in _EVENT_NAMES}
    return {names.get(key, key): value for key, value in obj.items()}


_CONVERSIONS: dict[tuple[str, str], Callable[[KubeObject], KubeObject]] = {
    ("endpointslices", "discovery.k8s.io/v1beta1"): _beta_slice,
    ("endpointslices", "discovery.k8s.io/v1"): _v1_slice,
    ("events", "events.k8s.io/v1"): _new_event,
    ("events", "v1"): _core_event,
}
