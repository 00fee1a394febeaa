"""`endpoint list`: the pods of a node, and the host itself."""

from __future__ import annotations

from typing import Any

from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.cobra import Parsed
from tui.simulator.agents.controllers import ZERO_TIME
from tui.simulator.agents.gojson import indented
from tui.simulator.agents.tabwriter import aligned
from tui.simulator.logs import stamp
from tui.simulator.model import Agent, SimNode, number_from, uuid_from

_OPTIONS: dict[int, tuple[str, ...]] = {
    11: ("Conntrack", "ConntrackAccounting", "ConntrackLocal", "NAT46"),
    17: ("ConntrackAccounting", "ConntrackLocal", "PolicyAccounting", "SourceIPVerification"),
    19: ("ConntrackAccounting", "PolicyAccounting", "SourceIPVerification"),
}
"""Beside those that every release has."""
_ENABLED = {
    "Conntrack",
    "DropNotification",
    "PolicyAccounting",
    "PolicyVerdictNotification",
    "TraceNotification",
}
_COMMON = (
    "Debug",
    "DebugLB",
    "DebugPolicy",
    "DropNotification",
    "MonitorAggregationLevel",
    "PolicyAuditMode",
    "PolicyVerdictNotification",
    "TraceNotification",
)


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


def _options(agent: Agent) -> dict[str, str]:
    found = {
        name: "Enabled" if name in _ENABLED else "Disabled"
        for name in sorted((*_COMMON, *_OPTIONS[agent.release.minor]))
    }
    return {**found, "MonitorAggregationLevel": "Medium"}


def _policy(agent: Agent, identity: int) -> dict[str, Any]:
    found: dict[str, Any] = {"allowed-egress-identities": [0], "allowed-ingress-identities": [0]}
    found["build"] = 1
    if agent.release.minor == 11:
        found["cidr-policy"] = {"egress": [], "ingress": []}
    return {
        **found,
        "denied-egress-identities": None,
        "denied-ingress-identities": None,
        "id": identity,
        "l4": {"egress": [], "ingress": []},
        "policy-enabled": "none",
        "policy-revision": 1,
    }


def _endpoint(node: SimNode, agent: Agent, endpoint: int, address: str) -> dict[str, Any]:
    identity, labels = _identity(endpoint, not address)
    spec = {"label-configuration": {}, "options": _options(agent)}
    policy = _policy(agent, identity)
    names: dict[str, Any] = {"pod-name": f"shop/pod-{endpoint}" if address else "/"}
    networking: dict[str, Any] = {"addressing": [{"ipv4": address}] if address else [{}]}
    networking["host-mac"] = "aa:61:6e:35:f5:2e"
    if address:
        names = {"container-id": uuid_from(f"container/{endpoint}").replace("-", ""), **names}
        networking["interface-index"] = 10 + endpoint % 200
    networking["interface-name"] = f"lxc{endpoint:012x}" if address else "cilium_host"
    return {
        "id": endpoint,
        "spec": spec,
        "status": {
            "controllers": _controllers(node, agent, endpoint),
            "external-identifiers": names,
            "health": {"bpf": "OK", "connected": True, "overallHealth": "OK", "policy": "OK"},
            "identity": {"id": identity, "labels": labels},
            "labels": {"derived": [], "realized": {}, "security-relevant": labels},
            "log": [_log_entry(agent)],
            "networking": {**networking, "mac": "aa:61:6e:35:f5:2e"},
            "policy": {"proxy-statistics": [], "realized": policy, "spec": policy},
            "realized": spec,
            "state": "ready",
        },
    }


def _log_entry(agent: Agent) -> dict[str, Any]:
    return {
        "code": "OK",
        "message": "Successfully regenerated endpoint program",
        "state": "ready",
        "timestamp": stamp(agent.ready_at, 0),
    }


def _controllers(node: SimNode, agent: Agent, endpoint: int) -> list[dict[str, Any]]:
    recovery: dict[str, Any] = {"error-retry": True, "error-retry-base": "2s"}
    if agent.release.minor > 11:
        recovery["interval"] = "1s"
    never = {"last-failure-timestamp": ZERO_TIME, "last-success-timestamp": ZERO_TIME}
    done = {**never, "last-success-timestamp": stamp(agent.ready_at, 3), "success-count": 1}
    rows = (
        (f"endpoint-{endpoint}-regeneration-recovery", recovery, never),
        (f"resolve-identity-{endpoint}", {"error-retry": True, "interval": "5m0s"}, done),
    )
    return [
        {
            "configuration": configuration,
            "name": name,
            "status": status,
            "uuid": uuid_from(f"{node.variant}/{name}"),
        }
        for name, configuration, status in rows
    ]
