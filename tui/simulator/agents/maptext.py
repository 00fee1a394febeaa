"""`map list` and `map get`: what the agent's caches claim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.bpfroot import pin_folder
from tui.simulator.agents.cobra import Parsed
from tui.simulator.agents.conntrack import conntrack_texts
from tui.simulator.agents.failures import full_error
from tui.simulator.agents.gojson import indented
from tui.simulator.agents.lbtext import backend_url, key_text, value_text
from tui.simulator.agents.tabwriter import aligned
from tui.simulator.bpfmaps import MapSpec, Sizing
from tui.simulator.lbrows import address_text
from tui.simulator.loadbalancer import SlotKey, SlotValue
from tui.simulator.model import Agent, SimNode, pinned_specs, policy_specs
from tui.simulator.services import FrontendKey, text_of

Entry = dict[str, Any]


def map_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `map list`; from 1.16 on every open map that is not cached is dumped for it."""
    maps = list(_open_maps(node, agent))
    if parsed.is_json:
        found = [
            _model(
                spec,
                pin_folder(node, agent) + pin,
                _entries(node, agent, context, spec, pin),
                agent,
            )
            for spec, pin in maps
        ]
        return Answer(indented({"maps": found}), seconds=0.1 if agent.release.minor < 16 else 0.6)
    text = "Name\tNum entries\tNum errors\tCache enabled\n"
    for spec, pin in maps:
        entries = _entries(node, agent, context, spec, pin)
        errors = sum("last-error" in entry for entry in entries)
        count = str(len(entries))
        if not spec.is_cached and agent.release.minor >= 19:
            count = "unknown"
        text += f"{pin}\t{count}\t{errors}\t{str(spec.is_cached).lower()}\n"
    return Answer(aligned(text).encode(), seconds=0.1)


def map_get(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `map get NAME`."""
    if not parsed.arguments:
        return Answer(b"", b"Error: map name must be specified\n", 1)
    name = parsed.arguments[0]
    found = next(((spec, pin) for spec, pin in _open_maps(node, agent) if pin == name), None)
    if found is None:
        gap = " " if agent.release.minor < 14 else ""
        text = f"Error: [GET /map/{{name}}][404] getMapNameNotFound{gap}\n"
        return Answer(b"", text.encode(), 1, 0.08)
    spec, pin = found
    entries = _entries(node, agent, context, spec, pin)
    if parsed.is_json:
        return Answer(
            indented(_model(spec, pin_folder(node, agent) + pin, entries, agent)), seconds=0.08
        )
    if not entries:
        state = "empty" if spec.is_cached else "disabled"
        return Answer(f"Cache is {state}\n\n".encode(), seconds=0.08)
    text = "Key\tValue\tState\tError\n"
    for entry in entries:
        state = entry.get("desired-action", "")
        error = entry.get("last-error", "")
        text += f"{entry['key']}\t{entry.get('value', '')}\t{state}\t{error}\n"
    return Answer(aligned(text).encode(), seconds=0.08)


def _model(spec: MapSpec, path: str, entries: list[Entry], agent: Agent) -> dict[str, Any]:
    """Return a map as the API does: without a cache it is null up to 1.18."""
    is_null = not entries and not spec.is_cached and agent.release.minor < 18
    return {"cache": None if is_null else entries, "path": path}


def _open_maps(node: SimNode, agent: Agent) -> Iterator[tuple[MapSpec, str]]:
    for spec, pin, _ in policy_specs(node, agent.release):
        yield spec, pin
    is_new = agent.release.minor >= 19
    connections = {Sizing.CT_TCP, Sizing.CT_ANY, Sizing.NAT}
    for spec in pinned_specs(agent.release):
        is_counted = is_new and (spec.sizing in connections or spec.sizing is Sizing.SOCK_REVERSE)
        if is_counted:
            yield replace(spec, is_cached=True), spec.pin
        elif spec.is_open:
            yield spec, spec.pin


def _entries(node: SimNode, agent: Agent, context: Context, spec: MapSpec, pin: str) -> list[Entry]:
    makers = {
        "cilium_lb4_services_v2": _services,
        agent.release.backends_pin: _backends,
        "cilium_lb4_reverse_nat": _reverse_nat,
        "cilium_lxc": _endpoints,
        agent.release.ipcache_pin: _ipcache,
    }
    maker = makers.get(pin)
    if maker is not None:
        return maker(node, agent)
    if spec.sizing in {Sizing.CT_TCP, Sizing.CT_ANY}:
        return _connections(node, agent, context, spec)
    if pin == "cilium_lb_affinity_match":
        pairs = sorted(agent.maps.balancer.affinity_match)
        return [_entry(agent, f"{backend_id} {number}") for backend_id, number in pairs]
    is_shown = spec.is_cached and (spec.sizing is Sizing.FIXED or agent.release.minor >= 16)
    if not is_shown or agent.release.minor < 16 or pin.startswith("cilium_policy"):
        return []
    count = min(context.occupancy.entries(node, agent, spec, context.now), 2000)
    return [_entry(agent, str(number), "0") for number in range(count)]


def _entry(
    agent: Agent, key: str, value: str = "", error: str = "", is_written: bool = False
) -> Entry:
    """Return one entry; from 1.18 only maps that the agent writes through a cache have a state."""
    entry: Entry = {}
    if agent.release.has_map_sync or is_written:
        entry["desired-action"] = "to-be-inserted" if error else "sync"
    entry["key"] = key
    if error:
        entry["last-error"] = error
    if value:
        entry["value"] = value
    return entry


def _services(node: SimNode, agent: Agent) -> list[Entry]:
    balancer, is_old = agent.maps.balancer, agent.release.minor <= 13
    if not is_old:
        rows = [
            _entry(agent, key_text(key, node, agent), value_text(value, False))
            for key, value in balancer.services.items()
        ]
        return rows + _refused(node, agent, balancer.pending_services)
    # One entry a frontend: the slots' keys print alike, and the last write wins.
    last: dict[FrontendKey, tuple[SlotKey, SlotValue]] = {}
    for key, value in sorted(balancer.services.items(), key=lambda pair: -pair[0].slot):
        last[key.frontend] = (key, value)
    for key in balancer.pending_services:
        last.pop(key.frontend, None)
    rows = [
        _entry(agent, key_text(key, node, agent), value_text(value, True))
        for key, value in last.values()
    ]
    return rows + _refused(node, agent, balancer.pending_services)


def _refused(node: SimNode, agent: Agent, pending: dict[SlotKey, SlotValue]) -> list[Entry]:
    error = full_error(agent.release, "cilium_lb4_services_v2")
    is_old = agent.release.minor <= 13
    return [
        _entry(agent, key_text(key, node, agent), value_text(value, is_old), error)
        for key, value in pending.items()
    ]


def _backends(node: SimNode, agent: Agent) -> list[Entry]:
    balancer, has_port = agent.maps.balancer, agent.release.minor <= 13
    hidden = balancer.leaked if agent.release.has_map_sync else set()
    rows = [
        _entry(agent, str(number), backend_url(backend, has_port))
        for number, backend in balancer.backends.items()
        if number not in hidden
    ]
    error = full_error(agent.release, agent.release.backends_pin)
    rows += [
        _entry(agent, str(number), backend_url(backend, has_port), error)
        for number, backend in balancer.pending_backends.items()
    ]
    return rows


def _reverse_nat(node: SimNode, agent: Agent) -> list[Entry]:
    return [
        _entry(agent, str(number), address_text(frontend, node.address, False))
        for number, frontend in agent.maps.balancer.reverse_nat.items()
    ]


def _endpoints(node: SimNode, agent: Agent) -> list[Entry]:
    rows = [
        _entry(agent, f"{node.address_text}:0", "(localhost)", is_written=True),
        _entry(agent, f"{node.router_address}:0", "(localhost)", is_written=True),
    ]
    network = node.pod_cidr.removesuffix("0/24")
    for endpoint in node.endpoints():
        value = f"id={endpoint:<5} sec_id={256 + endpoint} flags=0x0000 ifindex={endpoint % 90}"
        rows.append(_entry(agent, f"{network}{3 + endpoint % 250}:0", value, is_written=True))
    return rows


def _connections(node: SimNode, agent: Agent, context: Context, spec: MapSpec) -> list[Entry]:
    return [_entry(agent, key, value) for key, value in conntrack_texts(node, agent, context, spec)]


def _ipcache(node: SimNode, agent: Agent) -> list[Entry]:
    value = "{} 0 0.0.0.0" if agent.release.minor < 14 else _IPCACHE_VALUE
    identities = {f"{node.router_address}/32": 1, f"{node.address_text}/32": 1, "0.0.0.0/0": 2}
    for backend in agent.maps.balancer.backends.values():
        identities.setdefault(f"{text_of(backend.address)}/32", 12345)
    return [
        _entry(agent, key, value.format(identity), is_written=True)
        for key, identity in identities.items()
    ]


_IPCACHE_VALUE = "identity={} encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"
