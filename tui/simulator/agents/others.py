"""The smaller commands: config, endpoints, nodes, encryption, conntrack, metrics as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tui.simulator.agents import metrics
from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.cobra import CommandLine, Parsed
from tui.simulator.agents.gojson import indented
from tui.simulator.agents.tabwriter import aligned
from tui.simulator.config import effective_config
from tui.simulator.logs import stamp
from tui.simulator.model import (
    Agent,
    SimNode,
)

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
