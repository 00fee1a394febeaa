"""`bpf lb list` from the kernel's maps, and `service list` from what the agent believes."""

from __future__ import annotations

from typing import Any

from tui.simulator.agents.answer import Answer
from tui.simulator.agents.cobra import Parsed
from tui.simulator.agents.gojson import indented
from tui.simulator.agents.tabwriter import aligned
from tui.simulator.lbrows import address_text, flag_words
from tui.simulator.loadbalancer import SlotKey, SlotValue
from tui.simulator.model import Agent, SimNode
from tui.simulator.services import (
    NODE_ADDRESS,
    BackendTuple,
    Frontend,
    text_of,
)

ACTIVE = " (active)"


def lb_list(node: SimNode, agent: Agent, parsed: Parsed) -> Answer:
    """Answer `bpf lb list`."""
    if parsed.has("backends"):
        return _printed(parsed, _backends(agent), ("ID", _SLOT_TITLE), sorts=True)
    if parsed.has("revnat"):
        title = "BACKEND ADDRESS" if agent.release.minor == 11 else _SLOT_TITLE
        return _printed(parsed, _reverse_nat(node, agent), ("ID", title), sorts=True)
    if parsed.has("source-ranges"):
        return _printed(parsed, {}, ("SOURCE RANGE (REVNAT_ID)", ""))
    if parsed.has("frontends"):
        return _printed(parsed, _frontends(node, agent), ("SERVICE ADDRESS", "BACKEND ID"))
    title = "BACKEND ADDRESS" if agent.release.minor == 11 else _SLOT_TITLE
    return _printed(parsed, _services(node, agent), ("SERVICE ADDRESS", title))


_SLOT_TITLE = "BACKEND ADDRESS (REVNAT_ID) (SLOT)"


def _printed(
    parsed: Parsed, rows: dict[str, list[str]], title: tuple[str, str], sorts: bool = False
) -> Answer:
    seconds = 0.1 + 2e-5 * sum(map(len, rows.values()))
    if parsed.is_json:
        return Answer(indented(dict(sorted(rows.items()))), seconds=seconds)
    text = f"{title[0]}\t{title[1]}\n"
    for key, values in rows.items():
        for number, value in enumerate(values):
            text += f"{key if number == 0 else ''}\t{value}\t\n"
    return Answer(aligned(text).encode(), seconds=seconds)


def _backend_text(backend: BackendTuple, tells_protocols: bool) -> str:
    text = f"{text_of(backend.address)}:{backend.port}"
    return f"{text}/{backend.protocol}" if tells_protocols else text


def _services(node: SimNode, agent: Agent) -> dict[str, list[str]]:
    """Return what `bpf lb list` prints: up to 1.13 one key a frontend, later one a slot."""
    balancer, release = agent.maps.balancer, agent.release
    rows: dict[str, list[str]] = {}
    for key, value in balancer.services.items():
        address = address_text(key.frontend, node.address, release.has_protocols)
        if key.slot == 0:
            text = f"0.0.0.0:0 ({value.reverse_nat_id})"
            words = flag_words(value.flags)
            text = f"{text} (0) {words}" if release.minor > 13 else f"{text} {words}"
        else:
            backend = balancer.backends.get(value.backend_id)
            if backend is None:
                continue
            place = _backend_text(backend, release.has_protocols)
            text = f"{place} ({value.reverse_nat_id})"
            text += f" ({key.slot})" if release.minor > 13 else ""
        name = f"{address} ({key.slot})" if release.minor > 13 else address
        rows.setdefault(name, []).append(text)
    return rows


def value_text(value: SlotValue, is_old: bool) -> str:
    """Return a services entry's value as the agent prints it."""
    if is_old:
        return f"{value.backend_id} ({value.reverse_nat_id}) [FLAGS: 0x{value.flags:x}]"
    count = value.backend_count
    return f"{value.backend_id} {count}[0] ({value.reverse_nat_id}) [0x{value.flags:x} 0x0]"


def key_text(key: SlotKey, node: SimNode, agent: Agent) -> str:
    """Return a services entry's key as the agent prints it."""
    address = address_text(key.frontend, node.address, agent.release.has_protocols)
    return address if agent.release.minor <= 13 else f"{address} ({key.slot})"


def _frontends(node: SimNode, agent: Agent) -> dict[str, list[str]]:
    return {
        key_text(key, node, agent): [value_text(value, False)]
        for key, value in agent.maps.balancer.services.items()
    }


def backend_url(backend: BackendTuple, has_port: bool) -> str:
    """Return a backend as the agent prints it; from 1.14 without its port."""
    text = f"{backend.protocol}://{text_of(backend.address)}"
    return f"{text}:{backend.port}" if has_port else text


def _backends(agent: Agent) -> dict[str, list[str]]:
    return {
        str(number): [backend_url(backend, agent.release.minor <= 13)]
        for number, backend in agent.maps.balancer.backends.items()
    }


def _reverse_nat(node: SimNode, agent: Agent) -> dict[str, list[str]]:
    return {
        str(number): [address_text(frontend, node.address, False)]
        for number, frontend in agent.maps.balancer.reverse_nat.items()
    }


def service_list(node: SimNode, agent: Agent, parsed: Parsed) -> Answer:
    """Answer `service list`: what the agent believes, whether or not the kernel holds it."""
    shown = [
        frontend
        for frontend in agent.maps.balancer.attempted.values()
        # From 1.18 the table has the wildcard of a NodePort only.
        if agent.release.minor < 18 or frontend.key.address != NODE_ADDRESS
    ]
    if parsed.is_json:
        services = [_service(node, agent, found, index) for index, found in enumerate(shown, 1)]
        return Answer(indented(services), seconds=0.2)
    text = "ID\tFrontend\tService Type\tBackend\t\n"
    for index, frontend in enumerate(shown, 1):
        address = address_text(frontend.key, node.address, agent.release.has_protocols)
        head = f"{index}\t{address}\t{frontend.type}"
        state = ACTIVE if agent.release.minor > 11 else ""
        if not frontend.backends:
            text += f"{head}\t\t\n"
        for number, backend in enumerate(frontend.backends, 1):
            place = _backend_text(backend, agent.release.has_protocols)
            text += f"{head if number == 1 else chr(9) * 2}\t{number} => {place}{state}\t\n"
    return Answer(aligned(text).encode(), seconds=0.2)


def _service(node: SimNode, agent: Agent, frontend: Frontend, number: int) -> dict[str, Any]:
    address = address_text(frontend.key, node.address, False)
    front: dict[str, Any] = {"ip": address.rpartition(":")[0], "port": frontend.key.port}
    if agent.release.has_protocols:
        front["protocol"] = frontend.key.protocol
    front["scope"] = "external"
    spec = {
        "backend-addresses": [_backend(agent, backend) for backend in frontend.backends],
        "flags": _flags(agent, frontend),
        "frontend-address": front,
        "id": number,
    }
    return {"spec": spec, "status": {"realized": spec}}


def _backend(agent: Agent, backend: BackendTuple) -> dict[str, Any]:
    found: dict[str, Any] = {"ip": text_of(backend.address), "port": backend.port}
    if agent.release.minor <= 11:
        return found
    if agent.release.minor >= 18:
        found["preferred"] = True
    return {**found, "protocol": backend.protocol, "state": "active", "weight": 100}


def _flags(agent: Agent, frontend: Frontend) -> dict[str, Any]:
    is_new = agent.release.minor > 11
    found: dict[str, Any] = {}
    if is_new:
        found |= {"extTrafficPolicy": "Cluster", "intTrafficPolicy": "Cluster"}
    found |= {"name": frontend.name, "namespace": frontend.namespace}
    return {**found, "trafficPolicy": "Cluster", "type": str(frontend.type)}
