"""The smaller commands: config, endpoints, nodes, encryption, conntrack, metrics as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tui.simulator.agents import metrics
from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.cobra import CommandLine, Parsed
from tui.simulator.agents.controllers import ZERO_TIME
from tui.simulator.agents.gojson import indented
from tui.simulator.agents.tabwriter import aligned
from tui.simulator.bpfmaps import Sizing
from tui.simulator.config import effective_config
from tui.simulator.logs import stamp
from tui.simulator.model import (
    Agent,
    SimNode,
    number_from,
    pinned_specs,
    uuid_from,
)
from tui.simulator.services import BackendTuple, text_of

_READ_WRITE = "##### Read-write configurations #####"
_READ_ONLY = "#### Read-only configurations ####"


def show_config(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `config [-a]`."""
    found = effective_config(agent.release, agent.config, stamp(agent.started_at))
    options = dict(found.get("options") or {})
    if parsed.has("all"):
        return _all_config(found, options, parsed)
    if parsed.is_json:
        return Answer(indented(options), seconds=0.1)
    lines = [_READ_WRITE, *_option_lines(options, agent)]
    return Answer(("\n".join(lines) + "\n").encode(), seconds=0.1)


def _all_config(found: dict[str, Any], options: dict[str, Any], parsed: Parsed) -> Answer:
    if parsed.is_json:
        return Answer(indented(found), seconds=0.1)
    lines = [_READ_ONLY]
    for key, value in found.items():
        if key not in {"options", "policy-enforcement"}:
            lines.append(f"{key:<34}: {_go_text(value)}")
    lines += [_READ_WRITE, *(f"{key:<34}: {value}" for key, value in options.items())]
    lines.append(f"{'PolicyEnforcement':<34}: {found.get('policy-enforcement', 'default')}")
    return Answer(("\n".join(lines) + "\n").encode(), seconds=0.1)


def _option_lines(options: dict[str, Any], agent: Agent) -> Iterator[str]:
    for key, value in options.items():
        yield f"{key:<34}: {value}"
    if agent.release.minor == 11:
        yield f"{'MonitorNumPages':<34}: 64"
    yield f"{'PolicyEnforcement':<34}: default"


def _go_text(value: object) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{' '.join(map(_go_text, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go_text(item)}' for key, item in value.items())}]"
    return str(value)


def get_config(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `config get NAME`."""
    if not parsed.arguments:
        text = CommandLine(agent.release).help(parsed.command)
        return Answer(text.encode(), b"Error: Missing config name argument\n\n", 1)
    found = effective_config(agent.release, agent.config, stamp(agent.started_at))
    name = parsed.arguments[0]
    values = {**found, **(found.get("options") or {})}
    if name not in values:
        return Answer(b"", f"Error: Config {name} does not exist\n\n".encode(), 1)
    if parsed.is_json:
        return Answer(indented({name: values[name]}), seconds=0.1)
    return Answer(f"{name:<34}: {_go_text(values[name])}\n".encode(), seconds=0.1)


def endpoint_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `endpoint list`; the first endpoint is the host's."""
    endpoints = node.endpoints()
    network = node.pod_cidr.removesuffix("0/24")
    if parsed.is_json:
        found = [
            _endpoint(node, agent, endpoint, "" if index == 0 else f"{network}{3 + endpoint % 250}")
            for index, endpoint in enumerate(endpoints)
        ]
        return Answer(indented(found), seconds=0.15)
    text = ""
    if not parsed.has("no-headers"):
        text = (
            "ENDPOINT\tPOLICY (ingress)\tPOLICY (egress)\tIDENTITY\tLABELS (source:key[=value])"
            "\tIPv6\tIPv4\tSTATUS\t\n"
            "\tENFORCEMENT\tENFORCEMENT\t\t\t\t\t\t\n"
        )
    for index, endpoint in enumerate(endpoints):
        identity, labels = _identity(endpoint, index == 0)
        address = "" if index == 0 else f"{network}{3 + endpoint % 250}"
        for row, label in enumerate(labels):
            head = f"{endpoint}\tDisabled\tDisabled\t{identity}" if row == 0 else "\t\t\t"
            tail = f"\t{address}\tready\t" if row == 0 else "\t\t\t"
            text += f"{head}\t{label}\t{tail}\n"
    return Answer(aligned(text).encode(), seconds=0.15)


def _identity(endpoint: int, is_host: bool) -> tuple[int, list[str]]:
    if is_host:
        return 1, ["reserved:host"]
    labels = [
        f"k8s:app=web-{endpoint % 40}",
        "k8s:io.kubernetes.pod.namespace=shop",
    ]
    return 256 + number_from(str(endpoint % 40)) % 65000, labels


def _endpoint(node: SimNode, agent: Agent, endpoint: int, address: str) -> dict[str, Any]:
    identity, labels = _identity(endpoint, not address)
    options = {
        "ConntrackAccounting": "Disabled",
        "Debug": "Disabled",
        "DropNotification": "Enabled",
        "MonitorAggregationLevel": "Medium",
        "PolicyAuditMode": "Disabled",
        "PolicyVerdictNotification": "Enabled",
        "TraceNotification": "Enabled",
    }
    spec = {"label-configuration": {}, "options": options}
    controller = {
        "configuration": {"error-retry": True, "interval": "5m0s"},
        "name": f"resolve-identity-{endpoint}",
        "status": {
            "last-failure-timestamp": ZERO_TIME,
            "last-success-timestamp": stamp(agent.ready_at, 3),
            "success-count": 1,
        },
        "uuid": uuid_from(f"{node.name}/{endpoint}"),
    }
    name = f"shop/pod-{endpoint}" if address else "/"
    return {
        "id": endpoint,
        "spec": spec,
        "status": {
            "controllers": [controller],
            "external-identifiers": {"pod-name": name},
            "health": {"bpf": "OK", "connected": True, "overallHealth": "OK", "policy": "OK"},
            "identity": {"id": identity, "labels": labels},
            "labels": {"derived": [], "realized": {}, "security-relevant": labels},
            "log": [
                {
                    "code": "OK",
                    "message": "Successfully regenerated endpoint program",
                    "state": "ready",
                    "timestamp": stamp(agent.ready_at, 0),
                }
            ],
            "networking": {
                "addressing": [{"ipv4": address}] if address else [{}],
                "host-mac": "aa:61:6e:35:f5:2e",
                "interface-name": f"lxc{endpoint:012x}" if address else "cilium_host",
                "mac": "aa:61:6e:35:f5:2e",
            },
            "policy": {"proxy-statistics": [], "realized": {"policy-enabled": "none"}},
            "realized": spec,
            "state": "ready",
        },
    }


def node_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `node list`: the node itself, as agents without health checks know it."""
    is_old = agent.release.minor == 11
    if parsed.is_json:
        primary: dict[str, Any] = {
            "alloc-range": node.pod_cidr,
            "enabled": True,
            "ip": node.address_text,
        }
        secondary = {"ip": node.router_address}
        if is_old:
            primary = {"address-type": "InternalIP", **primary}
            secondary = {"address-type": "CiliumInternalIP", **secondary}
        found = {
            "name": node.name,
            "primary-address": {"ipv4": primary, "ipv6": {}},
            "secondary-addresses": [secondary],
        }
        if not is_old:
            found["source"] = "local"
        return Answer(indented([found]), seconds=0.1)
    source = "" if is_old else "\tSource"
    text = f"Name\tIPv4 Address\tEndpoint CIDR\tIPv6 Address\tEndpoint CIDR{source}\n"
    text += f"{node.name}\t{node.address_text}\t{node.pod_cidr}\t\t{'' if is_old else chr(9)}"
    text += "\n" if is_old else "local\n"
    return Answer(aligned(text).encode(), seconds=0.1)


def encrypt_status(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `encrypt status`; 1.11 prints text whatever the format asked for."""
    mode = "Disabled"
    if agent.config.is_on("enable-ipsec"):
        mode = "IPsec"
    elif agent.config.is_on("enable-wireguard"):
        mode = "Wireguard"
    if parsed.is_json and agent.release.minor > 11:
        return Answer(indented({"mode": mode}), seconds=0.1)
    return Answer(f"Encryption: {mode:<26}\n".encode(), seconds=0.1)


def conntrack_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `bpf ct list global`: as many entries as the kernel counts."""
    if parsed.arguments[:1] not in ((), ("global",)):
        return Answer(b"", b"Unable to open endpoint's map: no such file or directory\n", 1)
    lines = []
    found: list[dict[str, Any]] = []
    for spec in pinned_specs(agent.release):
        if spec.sizing not in {Sizing.CT_TCP, Sizing.CT_ANY}:
            continue
        count = context.occupancy.entries(node, agent, spec, context.now)
        protocol = "TCP" if spec.sizing is Sizing.CT_TCP else "UDP"
        for number in range(count):
            backend = _backend(agent, number)
            port = 32768 + number_from(f"{node.variant}/{number}") % 28000
            if parsed.is_json:
                found.append(_conntrack_entry(node, backend, port, protocol))
            else:
                lines.append(_conntrack_line(node, agent, backend, port, protocol))
    seconds = 0.1 + 2e-5 * (len(lines) + len(found))
    if parsed.is_json:
        return Answer(indented(found), seconds=seconds)
    return Answer("".join(lines).encode(), seconds=seconds)


def _backend(agent: Agent, number: int) -> BackendTuple:
    backends = list(agent.maps.balancer.backends.values())
    return backends[number % len(backends)] if backends else BackendTuple(1 << 24, 80, "TCP")


def _conntrack_line(
    node: SimNode, agent: Agent, backend: BackendTuple, port: int, protocol: str
) -> str:
    flow = f"{protocol} OUT {node.address_text}:{port} -> {text_of(backend.address)}:{backend.port}"
    if agent.release.minor == 11:
        return (
            f"{flow} expires=2622 RxPackets=12 RxBytes=2182 RxFlagsSeen=0x1b LastRxReport=2612"
            " TxPackets=6 TxBytes=479 TxFlagsSeen=0x1b LastTxReport=2612 Flags=0x0010"
            " [ SeenNonSyn ] RevNAT=0 SourceSecurityID=0 IfIndex=0 \n"
        )
    return (
        f"{flow} expires=3655 Packets=0 Bytes=0 RxFlagsSeen=0x1b LastRxReport=3595"
        " TxFlagsSeen=0x1b LastTxReport=3595 Flags=0x0010 [ SeenNonSyn ] RevNAT=0"
        " SourceSecurityID=0 BackendID=0 NatPort=0 \n"
    )


def _conntrack_entry(
    node: SimNode, backend: BackendTuple, port: int, protocol: str
) -> dict[str, Any]:
    key = {
        "DestAddr": list(node.address.to_bytes(4, "big")),
        "SourceAddr": list(backend.address.to_bytes(4, "big")),
        "DestPort": (backend.port & 255) << 8 | backend.port >> 8,
        "SourcePort": (port & 255) << 8 | port >> 8,
        "NextHeader": 6 if protocol == "TCP" else 17,
        "Flags": 0,
    }
    value = {"Lifetime": 3655, "Flags": 16, "RevNAT": 0, "TxFlagsSeen": 27, "RxFlagsSeen": 27}
    return {"Key": key, "Value": value}


def metrics_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `metrics list [-p PATTERN]`."""
    found = metrics.metrics(node, agent, context.occupancy, context.now)
    text = parsed.options.get("match-pattern", "")
    if text:
        pattern = metrics.compiled(text)
        if pattern is None:
            message = f"Error: Cannot compile regex: error parsing regexp: `{text}`\n"
            return Answer(b"", message.encode(), 1)
        found = [metric for metric in found if pattern.search(metric.name)]
    if parsed.is_json:
        return Answer(metrics.to_json(found), seconds=0.2)
    quote = '"' if agent.release.minor < 15 else ""
    rows = "Metric\tLabels\tValue\n"
    for metric in found:
        labels = " ".join(f"{key}={quote}{value}{quote}" for key, value in metric.labels)
        rows += f"{metric.name}\t{labels}\t{metric.value:f}\n"
    ending = "\n" if agent.release.minor >= 17 else ""
    return Answer((aligned(rows) + ending).encode(), seconds=0.2)
