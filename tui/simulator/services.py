"""What the cluster wants of every node: frontends and backends from Services and EndpointSlices."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tui.simulator.objects import KubeObject

NODE_ADDRESS = 0
"""Stands for the node's own address in frontends that every node has for itself."""
ANY_ADDRESS = -1
"""Stands for 0.0.0.0, the wildcard frontend of a NodePort."""


class FrontendType(StrEnum):
    """Why a frontend exists, in the words of `service list`."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_IPS = "ExternalIPs"


class BackendTuple(NamedTuple):
    """Where a backend listens."""

    address: int
    """IPv4, as a number."""
    port: int
    protocol: str
    """TCP, UDP or SCTP; `ANY` for releases that do not tell them apart."""


class FrontendKey(NamedTuple):
    """What the datapath looks up; `address` may be NODE_ADDRESS or ANY_ADDRESS."""

    address: int
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Frontend:
    """One frontend as an agent wants to program it."""

    key: FrontendKey
    type: FrontendType
    namespace: str
    name: str
    affinity_seconds: int
    """0 without session affinity."""
    has_source_ranges: bool
    backends: tuple[BackendTuple, ...]


def number_of(address: str) -> int | None:
    """Return an IPv4 address as a number, or None for anything else."""
    try:
        return int(ipaddress.IPv4Address(address))
    except ValueError:
        return None


def text_of(address: int) -> str:
    """Return the dotted form of an IPv4 address."""
    return str(ipaddress.IPv4Address(address))


def wanted_frontends(
    services: Iterable[KubeObject], slices: Iterable[KubeObject], tells_protocols: bool
) -> tuple[Frontend, ...]:
    """Return the frontends of all Services, in the order of the objects.

    Releases before 1.17 fold the ports of one number into one frontend without a protocol
    (pkg/k8s `UniquePorts`, pkg/loadbalancer `L3n4Addr.Hash`).
    """
    endpoints = _endpoints_by_service(slices)
    found: list[Frontend] = []
    for service in services:
        metadata = service["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        found.extend(_of_service(service, endpoints.get(key, []), tells_protocols))
    return tuple(found)


def _endpoints_by_service(
    slices: Iterable[KubeObject],
) -> dict[tuple[str, str], list[KubeObject]]:
    found: dict[tuple[str, str], list[KubeObject]] = {}
    for piece in slices:
        metadata = piece["metadata"]
        name = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
        if name and piece.get("addressType", "IPv4") == "IPv4":
            found.setdefault((metadata.get("namespace", ""), name), []).append(piece)
    return found


def _of_service(
    service: KubeObject, slices: list[KubeObject], tells_protocols: bool
) -> Iterator[Frontend]:
    spec = service.get("spec") or {}
    if spec.get("clusterIP") in {None, "", "None"} or spec.get("type") == "ExternalName":
        return
    seen: set[tuple[int, str]] = set()
    affinity = _affinity_seconds(spec)
    ranges = bool(spec.get("loadBalancerSourceRanges"))
    for port in spec.get("ports") or []:
        protocol = port.get("protocol", "TCP") if tells_protocols else "ANY"
        if (port["port"], protocol) in seen:
            continue
        seen.add((port["port"], protocol))
        backends = tuple(_backends(slices, port, protocol))
        for address, number, kind in _addresses(service, spec, port):
            yield Frontend(
                FrontendKey(address, number, protocol),
                kind,
                service["metadata"].get("namespace", ""),
                service["metadata"]["name"],
                affinity,
                ranges and kind is FrontendType.LOAD_BALANCER,
                backends,
            )


def _affinity_seconds(spec: KubeObject) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds", 10800))


def _addresses(
    service: KubeObject, spec: KubeObject, port: KubeObject
) -> Iterator[tuple[int, int, FrontendType]]:
    cluster_ip = number_of(spec["clusterIP"])
    if cluster_ip is not None:
        yield cluster_ip, port["port"], FrontendType.CLUSTER_IP
    for address in spec.get("externalIPs") or []:
        external = number_of(address)
        if external is not None:
            yield external, port["port"], FrontendType.EXTERNAL_IPS
    if spec.get("type") not in {"NodePort", "LoadBalancer"}:
        return
    status = (service.get("status") or {}).get("loadBalancer") or {}
    for ingress in status.get("ingress") or []:
        ingress_ip = number_of(ingress.get("ip", ""))
        if ingress_ip is not None and spec.get("type") == "LoadBalancer":
            yield ingress_ip, port["port"], FrontendType.LOAD_BALANCER
    if port.get("nodePort"):
        yield NODE_ADDRESS, port["nodePort"], FrontendType.NODE_PORT
        yield ANY_ADDRESS, port["nodePort"], FrontendType.NODE_PORT


def _backends(slices: list[KubeObject], port: KubeObject, protocol: str) -> Iterator[BackendTuple]:
    seen: set[tuple[int, int]] = set()
    for piece in slices:
        for slice_port in piece.get("ports") or []:
            if not _is_port(slice_port, port) or slice_port.get("port") is None:
                continue
            for address in _ready_addresses(piece):
                if (address, slice_port["port"]) not in seen:
                    seen.add((address, slice_port["port"]))
                    yield BackendTuple(address, slice_port["port"], protocol)


def _is_port(slice_port: KubeObject, service_port: KubeObject) -> bool:
    same_name = (slice_port.get("name") or "") == (service_port.get("name") or "")
    return same_name and slice_port.get("protocol", "TCP") == service_port.get("protocol", "TCP")


def _ready_addresses(piece: KubeObject) -> Iterator[int]:
    for endpoint in piece.get("endpoints") or []:
        if (endpoint.get("conditions") or {}).get("ready") is False:
            continue
        for text in endpoint.get("addresses") or []:
            address = number_of(text)
            if address is not None:
                yield address
