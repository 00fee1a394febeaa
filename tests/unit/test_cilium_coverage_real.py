from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.unit.cilium_fixtures import OUTPUTS, dumps_of, read
from tui.cilium.config import parse_config
from tui.cilium.coverage import compare
from tui.cilium.lbmaps import HeldServices, held_services
from tui.cilium.releases import Release
from tui.cilium.servicespec import (
    EndpointPortSpec,
    EndpointSliceSpec,
    EndpointSpec,
    ServicePortSpec,
    ServiceSpec,
)
from tui.cilium.status import parse_status
from tui.cilium.wants import WantedServices, wanted_services
from tui.model.names import NodeName, NodeUid
from tui.model.node import Node
from tui.model.services import FaultKind
from tui.safety import CleanText

NODE = Node(NodeUid("u"), NodeName("n1"), True, internal_ip=CleanText("10.200.0.2"))
NEW = Release(1, 19, 4)
OLD = Release(1, 11, 7)


def wanted_of(version: str) -> WantedServices:
    """What the agent's own service list wants, as Services and EndpointSlices."""
    services: dict[str, ServiceSpec] = {}
    slices: dict[str, EndpointSliceSpec] = {}
    for item in json.loads(read(version, "service-list.json")):
        spec: dict[str, Any] = item["spec"]
        flags, frontend = spec["flags"], spec["frontend-address"]
        name = flags["name"]
        service = services.setdefault(name, ServiceSpec(flags["namespace"], name))
        port = service.ports[0] if service.ports else ServicePortSpec(80)
        if flags["type"] == "NodePort":
            port = replace(port, node_port=frontend["port"])
            service = replace(service, type="NodePort")
        elif flags["type"] == "LoadBalancer":
            service = replace(service, type="LoadBalancer", ingress_ips=(frontend["ip"],))
        else:
            port = replace(port, port=frontend["port"])
            service = replace(service, cluster_ips=(frontend["ip"],))
        services[name] = replace(service, ports=(port,))
        backends = spec["backend-addresses"]
        slices[name] = EndpointSliceSpec(
            flags["namespace"],
            name,
            ports=(EndpointPortSpec(backends[0]["port"]),),
            endpoints=tuple(EndpointSpec((one["ip"],)) for one in backends),
        )
    return wanted_services(services.values(), slices.values())


def with_affinity(wanted: WantedServices, ip: str) -> WantedServices:
    """Mark the Service of one frontend as having session affinity: the list does not tell."""
    found = {
        key: tuple(
            replace(one, has_session_affinity=True) if one.ip == ip else one for one in group
        )
        for key, group in wanted.frontends.items()
    }
    return replace(wanted, frontends=found)


def test_the_full_map_of_a_real_agent() -> None:
    """The agent logged 38 errors for 38 frontends it could not write (metrics-list.json)."""
    wanted = with_affinity(wanted_of("1.11.7-k8s"), "10.98.0.8")
    services, backends = dumps_of("1.11.7-k8s")
    held = held_services([services], [backends])
    found = compare(
        wanted,
        held,
        NODE,
        release=OLD,
        status=parse_status(read("1.11.7-k8s", "status.json")),
        config=parse_config(read("1.11.7-k8s", "config-a-json.json")),
    )
    listed = json.loads(read("1.11.7-k8s", "service-list.json"))
    assert found.wanted_frontends == len(listed) == 54
    assert found.missing_frontends == 38
    assert {fault.fault for fault in found.faults} == {FaultKind.MISSING}
    assert found.faults_total == 38
    assert found.wanted_service_entries == sum(
        1 + len(one["spec"]["backend-addresses"]) for one in listed
    )
    assert found.wanted_backends == len(
        {(b["ip"], b["port"]) for one in listed for b in one["spec"]["backend-addresses"]}
    )
    # Entries whose frontend never came are in the backend map and in no list of this agent.
    assert found.held_backends <= 64
    partial = next(one for one in found.faults if one.frontend.ip == "10.98.0.13")
    assert partial.service == "shop/web-12"
    assert partial.detail == "slots without a frontend entry"


def test_a_healthy_real_agent_has_no_fault() -> None:
    wanted = wanted_of("1.19.4")
    wanted = with_affinity(wanted, "10.98.0.1")
    ports = {
        key: tuple(replace(one, has_session_affinity=True) for one in group)
        for key, group in wanted.node_ports.items()
    }
    wanted = replace(wanted, node_ports=ports)
    services, backends = dumps_of("1.19.4")
    found = compare(
        wanted,
        held_services([services], [backends]),
        NODE,
        release=NEW,
        status=parse_status(read("1.19.4", "status.json")),
    )
    assert found.faults == ()
    assert (found.wanted_frontends, found.held_frontends) == (8, 8)
    assert (found.wanted_backends, found.held_backends) == (15, 15)
    assert found.wanted_service_entries == 38 == len(services.entries)


def test_real_answers_of_an_api_server() -> None:
    objects = OUTPUTS.parent / "kubernetes-objects"
    services = []
    for item in json.loads((objects / "services.json").read_bytes())["items"]:
        spec = item["spec"]
        services.append(
            ServiceSpec(
                item["metadata"]["namespace"],
                item["metadata"]["name"],
                spec["type"],
                tuple(spec["clusterIPs"]),
                tuple(
                    ServicePortSpec(one["port"], one.get("name", ""), one["protocol"])
                    for one in spec["ports"]
                ),
            )
        )
    slices = []
    for item in json.loads((objects / "endpointslices.json").read_bytes())["items"]:
        slices.append(
            EndpointSliceSpec(
                item["metadata"]["namespace"],
                item["metadata"]["labels"]["kubernetes.io/service-name"],
                tuple(EndpointPortSpec(p["port"], p["name"], p["protocol"]) for p in item["ports"]),
                tuple(
                    EndpointSpec(tuple(one["addresses"]), one["conditions"]["ready"])
                    for one in item["endpoints"]
                ),
            )
        )
    found = compare(wanted_services(services, slices), HeldServices(), NODE, release=OLD)
    assert [fault.service for fault in found.faults] == ["default/echo", "default/kubernetes"]
    assert (found.wanted_backends, found.wanted_service_entries) == (5, 7)
