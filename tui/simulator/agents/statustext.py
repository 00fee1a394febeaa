"""`status` for people: the one-liner, the summary and the verbose text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.cobra import Parsed
from tui.simulator.agents.controllers import ZERO_TIME
from tui.simulator.agents.gojson import indented
from tui.simulator.agents.status import status
from tui.simulator.agents.tabwriter import aligned
from tui.simulator.model import Agent, SimNode

_ALL = ("verbose", "all-controllers")


def print_status(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `status` in all its forms."""
    found = status(node, agent, context.kubernetes, context.now)
    failing = [entry for entry in found["controllers"] if _is_failing(entry)]
    if parsed.has("brief"):
        return _brief(found, failing, parsed)
    if parsed.is_json:
        return Answer(indented(found), seconds=0.06)
    is_verbose = parsed.has("verbose")
    shows_all = any(parsed.has(name) for name in _ALL)
    printer = _Printer(agent, found, context.now)
    lines = [
        *printer.head(is_verbose or parsed.has("all-addresses")),
        *printer.datapath(is_verbose),
        f"Controller Status:\t{len(found['controllers']) - len(failing)}"
        f"/{len(found['controllers'])} healthy",
        *printer.controllers(found["controllers"] if shows_all else failing),
        *printer.tail(is_verbose),
    ]
    return Answer((aligned("\n".join(lines), minimum=2) + "\n").encode(), seconds=0.09)


def _brief(found: dict[str, Any], failing: list[dict[str, Any]], parsed: Parsed) -> Answer:
    """A failing controller is printed, and the exit code stays 0."""
    if parsed.is_json:
        brief: dict[str, Any] = {"cilium": found["cilium"], "cluster": {"nodes": None}}
        if failing:
            brief["controllers"] = failing
        return Answer(indented(brief), seconds=0.06)
    text = "OK"
    if failing:
        message = failing[0]["status"]["last-failure-msg"]
        text = f"error in controller {failing[0]['name']}: {message}"
    return Answer(f"{text}\n".encode(), seconds=0.06)


def _is_failing(controller: dict[str, Any]) -> bool:
    return bool(controller["status"].get("consecutive-failure-count", 0))


class _Printer:
    """Writes the parts of a status in the words of its release."""

    def __init__(self, agent: Agent, found: dict[str, Any], now: float) -> None:
        self._release = agent.release
        self._found = found
        self._now = now
        self._is_old = agent.release.minor < 14

    def head(self, has_addresses: bool) -> Iterator[str]:
        """Yield everything down to IPAM."""
        found = self._found
        apis = json.dumps(found["kubernetes"]["k8s-api-versions"])
        replacement = found["kube-proxy-replacement"]
        yield f"KVStore:\t{found['kvstore']['state']}\t{found['kvstore']['msg']}"
        yield f"Kubernetes:\t{found['kubernetes']['state']}\t{found['kubernetes']['msg']}"
        yield f"Kubernetes APIs:\t{apis}"
        yield f"KubeProxyReplacement:\t{replacement['mode']}\t[{self._devices()}]"
        yield f"Host firewall:\t{found['host-firewall']['mode']}"
        if not self._is_old:
            yield "SRv6:\tDisabled"
            yield f"CNI Chaining:\t{found['cni-chaining']['mode']}"
            yield f"CNI Config file:\t{found['cni-file']['msg']}"
        yield f"Cilium:\t{found['cilium']['state']}\t{found['cilium']['msg']}"
        monitor = found["nodeMonitor"]
        yield (
            f"NodeMonitor:\tListening for events on {monitor['cpus']} CPUs with"
            f" {monitor['npages']}x{monitor['pagesize']} of shared memory"
        )
        yield f"IPAM:\t{found['ipam']['status']}"
        if has_addresses:
            yield "Allocated addresses:"
            for address, owner in found["ipam"]["allocations"].items():
                yield f"  {address} ({owner})"

    def datapath(self, is_verbose: bool) -> Iterator[str]:
        """Yield the lines from the bandwidth manager to the clock source."""
        found = self._found
        if self._is_old:
            yield "BandwidthManager:\tDisabled"
            yield f"Host Routing:\t{found['host-routing']['mode']}"
        else:
            yield "IPv4 BIG TCP:\tDisabled"
            yield "IPv6 BIG TCP:\tDisabled"
            yield "BandwidthManager:\tDisabled"
            routing = found["routing"]
            yield (
                f"Routing:\tNetwork: {routing['inter-host-routing-mode']}"
                f" [{routing['tunnel-protocol']}]   Host: {routing['intra-host-routing-mode']}"
            )
            yield f"Attach Mode:\t{found['attach-mode'].upper()}"
            yield f"Device Mode:\t{found['datapath-mode']}"
        yield f"Masquerading:\t{self._masquerading()}"
        if is_verbose:
            yield f"Clock Source for BPF:\t{found['clock-source']['mode']}"

    def controllers(self, shown: list[dict[str, Any]]) -> Iterator[str]:
        """Yield the table of controllers, aligned by itself."""
        if not shown:
            return
        text = "  Name\tLast success\tLast error\tCount\tMessage\n"
        for entry in sorted(shown, key=lambda found: str(found["name"])):
            state = entry["status"]
            cells = (
                self._ago(state["last-success-timestamp"]),
                self._ago(state["last-failure-timestamp"]),
                str(state.get("consecutive-failure-count", 0)),
                state.get("last-failure-msg", "no error"),
            )
            text += f"  {entry['name']}\t{chr(9).join(cells)}\t\n"
        yield from aligned(text, minimum=0).splitlines()

    def tail(self, is_verbose: bool) -> Iterator[str]:
        """Yield the lines behind the controllers."""
        found = self._found
        if self._release.minor < 18:
            yield "Proxy Status:\tNo managed proxy redirect"
        else:
            proxy = found["proxy"]
            yield (
                f"Proxy Status:\tOK, ip {proxy['ip']}, 0 redirects active on ports"
                f" {proxy['port-range']}, Envoy: {proxy['envoy-deployment-mode']}"
            )
        if not self._is_old:
            bounds = found["identity-range"]
            yield (
                f"Global Identity Range:\tmin {bounds['min-identity']},"
                f" max {bounds['max-identity']}"
            )
        yield self._hubble()
        if is_verbose:
            yield from self._replacement_details()
            yield from self._map_sizes()
        ending = "" if self._is_old or self._release.minor >= 18 else "\t"
        yield f"Encryption:\t{found['encryption']['mode']}{ending}"
        gap = "\t" if self._release.minor >= 18 else "\t\t"
        yield f"Cluster health:{gap}Probe disabled"

    def _devices(self) -> str:
        device = self._found["kube-proxy-replacement"]["deviceList"][0]
        addresses = " ".join(device["ip"])
        gap = "   " if len(device["ip"]) > 1 else " "
        return f"{device['name']}{gap}{addresses.strip()} (Direct Routing)"

    def _masquerading(self) -> str:
        found = self._found["masquerading"]
        if not found.get("enabled"):
            return "Disabled"
        if found["mode"] == "BPF":
            return f"BPF\t[eth0]\t{found['snat-exclusion-cidr-v4']} [IPv4: Enabled, IPv6: Disabled]"
        return "IPTables [IPv4: Enabled, IPv6: Disabled]"

    def _hubble(self) -> str:
        found = self._found["hubble"]
        if found["state"] == "Disabled":
            return "Hubble:\tDisabled" + ("\tMetrics: Disabled" if not self._is_old else "")
        observer = found["observer"]
        return (
            f"Hubble:\tOk\tCurrent/Max Flows: {observer['current-flows']}/{observer['max-flows']}"
            " (100.00%), Flows/s: 25.06\tMetrics: Disabled"
        )

    def _replacement_details(self) -> Iterator[str]:
        replacement = self._found["kube-proxy-replacement"]
        features = replacement["features"]
        yield "KubeProxyReplacement Details:"
        lines = [f"  Status:\t{replacement['mode']}"]
        lines += self._socket_lines(features)
        node_port = features["nodePort"]
        if not node_port:
            yield from aligned("\n".join(lines[:1]), minimum=2).splitlines()
            return
        lines += [
            f"  Devices:\t{self._devices()}",
            f"  Mode:\t{node_port['mode']}",
            f"  Backend Selection:\t{node_port['algorithm']}",
            "  Session Affinity:\tEnabled",
        ]
        if "gracefulTermination" in features:
            lines.append("  Graceful Termination:\tEnabled")
        if not self._is_old:
            lines.append("  NAT46/64 Support:\tDisabled")
        ports = f"{node_port['portMin']}-{node_port['portMax']}"
        lines += [
            f"  XDP Acceleration:\t{node_port['acceleration']}",
            "  Services:",
            "  - ClusterIP:\tEnabled",
            f"  - NodePort:\tEnabled (Range: {ports}) ",
            "  - LoadBalancer:\tEnabled ",
            "  - externalIPs:\tEnabled ",
            "  - HostPort:\tEnabled",
        ]
        if "annotations" in features:
            lines += ["  Annotations:", *(f"  - {name}" for name in features["annotations"])]
        yield from aligned("\n".join(lines), minimum=2).splitlines()

    def _socket_lines(self, features: dict[str, Any]) -> list[str]:
        if "hostReachableServices" in features:
            protocols = ", ".join(features["hostReachableServices"].get("protocols", ()))
            return [f"  Socket LB Protocols:\t{protocols}"]
        coverage = "Hostns-only" if features.get("bpfSocketLBHostnsOnly") else "Full"
        return [
            "  Socket LB:\tEnabled",
            "  Socket LB Tracing:\tEnabled",
            f"  Socket LB Coverage:\t{coverage}",
        ]

    def _map_sizes(self) -> Iterator[str]:
        found = self._found["bpf-maps"]
        ratio = found.get("dynamic-size-ratio")
        sizing = f"on (ratio: {ratio:.6f})" if ratio else "off"
        yield f"BPF Maps:\tdynamic sizing: {sizing}"
        rows = "".join(f"  {row['name']}\t{row['size']}\n" for row in found["maps"])
        yield from aligned(f"  Name\tSize\n{rows}", minimum=2).splitlines()

    def _ago(self, moment: str) -> str:
        if moment == ZERO_TIME:
            return "never"
        seconds = int(self._now - datetime.fromisoformat(moment).timestamp())
        hours, minutes = seconds // 3600, seconds // 60 % 60
        text = f"{hours}h" if hours else ""
        text += f"{minutes}m" if hours or minutes else ""
        return f"{text}{max(seconds, 0) % 60}s ago"
