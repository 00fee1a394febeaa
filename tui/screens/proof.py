"""The command lines that prove what is shown, ready to be copied and run."""

from __future__ import annotations

import re
import shlex

from tui.cilium.probes import command_text, count_probe
from tui.model.features import Feature, Proof
from tui.model.maps import CountOrigin, MapUsage
from tui.screens.faults import Fault, Subject
from tui.screens.fleet import NodeSummary
from tui.screens.severity import Rank, Severity

_QUOTED = re.compile(r"'[^']*'")
_NEEDS_SHELL = re.compile(r"[|;&<>$*]")
_MAP_NAME = re.compile(r"[a-zA-Z0-9_]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9_./-]+")
_WANTED = "get services,endpointslices -A"


def kubectl(node: NodeSummary, arguments: str) -> str:
    """Return a `kubectl` line for the cluster of a node."""
    context = f" --context {shlex.quote(node.context)}" if node.context else ""
    return f"kubectl{context} {arguments}"


def exec_line(node: NodeSummary, command: str) -> str:
    """Return the line that runs a command in the node's agent; the empty text without an agent."""
    agent = node.facts.agent
    if agent is None or not command:
        return ""
    if _NEEDS_SHELL.search(_QUOTED.sub("", command)):
        command = f"sh -c {shlex.quote(command)}"
    place = f"-n {shlex.quote(agent.namespace)} exec {shlex.quote(agent.name)}"
    return kubectl(node, f"{place} -c {shlex.quote(agent.container)} -- {command}")


def logs_line(node: NodeSummary, text: str) -> str:
    """Return the line that finds a text in the log of the node's agent."""
    agent = node.facts.agent
    if agent is None:
        return ""
    place = f"-n {shlex.quote(agent.namespace)} logs {shlex.quote(agent.name)}"
    found = f" | grep -F {shlex.quote(text)}" if text else ""
    return kubectl(node, f"{place} -c {shlex.quote(agent.container)} --timestamps{found}")


def binary(node: NodeSummary) -> str:
    """Return what the agent's command is called in its release."""
    version = node.facts.version.value
    return "cilium-dbg" if version is None else str(version.binary)


def probe_line(node: NodeSummary, probe: str) -> str:
    """Return the line that sees what a probe saw."""
    host = node.facts.host.value
    root = host.mounts.root if host is not None and host.mounts is not None else ""
    return exec_line(node, command_text(probe, binary(node), root))


def map_commands(node: NodeSummary, usage: MapUsage) -> list[str]:
    """Return what proves a map's numbers, in the order in which they stand."""
    lines = []
    if usage.members > 1:
        lines.append(probe_line(node, "policies"))
    elif usage.origin is CountOrigin.METRIC:
        lines.append(probe_line(node, "metrics"))
    elif _MAP_NAME.fullmatch(usage.name):
        lines.append(probe_line(node, count_probe(usage.name)))
    if usage.origin is CountOrigin.ACCOUNTING:
        lines.append(probe_line(node, "maps"))
    if usage.wanted_entries is not None:
        lines.append(kubectl(node, _WANTED))
    if usage.sync_failure:
        lines.append(probe_line(node, "status"))
    return [line for line in lines if line]


def feature_command(node: NodeSummary, feature: Feature) -> str:
    """Return what proves a feature's value, asked of the source that gave it."""
    if feature.proof is Proof.NODE_OBJECT:
        path = "-o jsonpath={.status.nodeInfo.kernelVersion}"
        return kubectl(node, f"get node {shlex.quote(node.name)} {path}")
    if feature.proof is Proof.LOG_LINE:
        return logs_line(node, feature.evidence)
    probe = _PROBES.get(feature.proof)
    if probe is not None:
        return probe_line(node, probe)
    return exec_line(node, _kernel_command(feature))


_PROBES = {
    Proof.STATUS: "status",
    Proof.AGENT_CONFIG: "config",
    Proof.HOOK: "cgroup",
}


def _kernel_command(feature: Feature) -> str:
    """Return the command for a value that the kernel or its files gave, from its evidence."""
    words = _WORD.findall(feature.evidence)
    first = words[0] if words else ""
    path = next((word for word in reversed(words) if word.startswith("/")), "")
    fallback = command_text("kernel")
    commands = {
        Proof.CONFIG_FILE: f"{'zgrep' if path.endswith('.gz') else 'grep'} {first} {path}",
        Proof.HEADER: f"grep {_cookie_name(words)} {path}" if path else command_text("headers"),
        Proof.SYMBOL: f"grep {first} /proc/kallsyms",
        Proof.MODULE_LIST: _module_command(first, words),
        Proof.SYSCTL: f"cat {path}",
        Proof.PROBE: "bpftool feature probe",
        Proof.KERNEL_RELEASE: "uname -r",
    }
    is_whole = bool(path) or feature.proof not in (Proof.CONFIG_FILE, Proof.SYSCTL)
    return commands.get(feature.proof, fallback) if is_whole else fallback


def _cookie_name(words: list[str]) -> str:
    return next((word for word in words if "NETNS_COOKIE" in word.upper()), "NETNS_COOKIE")


def _module_command(module: str, words: list[str]) -> str:
    listing = next((word for word in words if word.startswith("modules.")), "")
    if listing:
        return f"grep {module} /lib/modules/$(uname -r)/{listing}"
    return f"grep -w {module} /proc/modules"


def fault_commands(node: NodeSummary, fault: Fault) -> list[str]:
    """Return what proves a plain fault."""
    lines: list[str] = []
    if fault.subject is Subject.MAPS:
        usages = node.facts.maps.value or ()
        named = [usage for usage in usages if usage.name == fault.key]
        lines = [line for usage in named for line in map_commands(node, usage)]
        if fault.rank is Rank.MAP_SYNC or not lines:
            lines.append(exec_line(node, fault.origin))
    elif fault.subject is Subject.SERVICES:
        lines = [exec_line(node, fault.origin), kubectl(node, _WANTED)]
    elif fault.subject is Subject.LOG:
        lines = [logs_line(node, fault.title.partition(": ")[2])]
    else:
        lines = _agent_commands(node, fault)
    return [line for line in dict.fromkeys(lines) if line]


def _agent_commands(node: NodeSummary, fault: Fault) -> list[str]:
    agent = node.facts.agent
    if fault.severity is Severity.UNKNOWN:
        return [probe_line(node, "status")]
    if fault.rank is Rank.NODE_DOWN:
        return [kubectl(node, f"describe node {shlex.quote(node.name)}")]
    reading = node.facts.status.origin
    if reading is not None and fault.origin == reading.source:
        return [exec_line(node, fault.origin)]
    if agent is None:
        return [kubectl(node, f"get pods -A -o wide --field-selector spec.nodeName={node.name}")]
    place = f"-n {shlex.quote(agent.namespace)} describe pod {shlex.quote(agent.name)}"
    return [kubectl(node, place)]
