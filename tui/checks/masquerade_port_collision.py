"""`masquerade-port-collision`: BPF NodePort and iptables masquerading choose ports of one node IP.

Collisions can't be seen from outside: two connections share a port for a moment and one of them
loses its answers. So this check never says ACTIVE; it tells where both are at work.
"""

from __future__ import annotations

from collections.abc import Iterable

from tui.checks.check import About, Check
from tui.checks.phrases import counted, service_object, some_of
from tui.checks.proof.sources import option_evidence, services_evidence, stated, status_command
from tui.checks.remedies.restarting import RESTART_INTERRUPTS
from tui.checks.view import NodeView
from tui.model.agent import DropRate
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.services import Service
from tui.safety import CleanText, clean

_ID = "masquerade-port-collision"
_AUTO_PROTECT = "enable-auto-protect-node-port-range"
_EPHEMERAL_MIN = 32_768
"""The kernel's default of `net.ipv4.ip_local_port_range` (32768 to 60999)."""
_EPHEMERAL_MAX = 60_999
_RANGE_HOW = CleanText("sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports")
_OBJECTS = 50
_NO_MAPPING = "no mapping for nat masquerade"

ABOUT = About(
    id=_ID,
    title=CleanText("NodePort in BPF beside iptables masquerading"),
    limitation=CleanText(
        "BPF NodePort and iptables masquerading choose source ports of the same node IP without"
        " knowing of each other, and two connections can get the same one."
    ),
    why=CleanText(
        "Answers of one connection then reach the other, and the client sees resets or time-outs"
        " that no counter explains. It is rare, and grows with the number of connections that"
        " leave the node for the same destination."
    ),
    proof=(
        CleanText("masquerading.mode and features.nodePort of `status -o json`"),
        CleanText("Services with a NodePort, LoadBalancer or external IP: what uses BPF NodePort"),
        CleanText("drops `No mapping for NAT masquerade` that rise: the node's ports run out"),
        CleanText("node-port-range against net.ipv4.ip_local_port_range"),
    ),
    releases=CleanText("Every release; none where the agent masquerades in BPF."),
    remedy=Remedy(
        now=(CleanText("nothing to do at once: plan the change for a quiet hour"),),
        lasting=(
            CleanText(
                "masquerade in BPF (Helm bpf.masquerade=true) and restart the agents one by one"
            ),
        ),
        settings=(
            ConfigSetting("enable-bpf-masquerade", CleanText("true"), "bpf.masquerade=true"),
        ),
        needs_restart=True,
        interrupts=clean(
            f"{RESTART_INTERRUPTS} Connections that iptables masqueraded before lose their"
            " translation and are reset."
        ),
        test=CleanText("cilium-dbg status | grep Masquerading"),
    ),
    references=(
        CleanText("cilium/cilium#23604"),
        CleanText("cilium/cilium#33723"),
        CleanText("cilium/cilium#16827"),
        CleanText("https://docs.cilium.io/en/stable/network/concepts/masquerading/"),
    ),
)


def _judge_node(view: NodeView) -> Iterable[Verdict]:
    yield _masquerading(view)
    overlap = _range_overlap(view)
    if overlap is not None:
        yield overlap


def _masquerading(view: NodeView) -> Verdict:
    word, evidence = _mode(view)
    if word in {"bpf", "disabled"}:
        why = "the agent masquerades in BPF" if word == "bpf" else "masquerading is off"
        return view.verdict(_ID, FindingSeverity.CLEAR, why, evidence=evidence)
    node_port = _has_node_port(view)
    if node_port is False:
        return view.verdict(_ID, FindingSeverity.CLEAR, "NodePort is not handled in BPF")
    if not word or node_port is None:
        what = "how the agent masquerades" if not word else "whether NodePort is handled in BPF"
        how = view.command(f"{view.binary} status -o json")
        missing = (view.missing(view.facts.status, what, how),)
        return view.verdict(_ID, FindingSeverity.UNKNOWN, f"{what} is not known", missing=missing)
    return _with_iptables(view, evidence)


def _mode(view: NodeView) -> tuple[str, tuple[Evidence, ...]]:
    """Return `bpf`, `iptables`, `disabled` or the empty text, and what says so."""
    status = view.facts.status
    if status.value is not None and status.value.masquerading:
        mode = status.value.masquerading
        return str(mode).lower(), (
            stated(view, status, f"masquerading mode: {mode}", status_command(view)),
        )
    is_bpf = view.flag("enable-bpf-masquerade")
    families = [view.flag("enable-ipv4-masquerade"), view.flag("enable-ipv6-masquerade")]
    setting = view.setting("enable-bpf-masquerade")
    evidence = (
        (option_evidence(view, "enable-bpf-masquerade", setting),) if setting is not None else ()
    )
    if families[0] is False and families[1] is not True:
        return "disabled", evidence
    return {True: "bpf", False: "iptables", None: ""}[is_bpf], evidence


def _has_node_port(view: NodeView) -> bool | None:
    proxy = view.kpr
    if proxy is not None and proxy.node_port is not None:
        return proxy.node_port.is_enabled
    if proxy is not None and proxy.is_enabled is False:
        return False
    return view.flag("enable-node-port")


def _with_iptables(view: NodeView, evidence: tuple[Evidence, ...]) -> Verdict:
    proxy = view.kpr
    mode = str(proxy.node_port.mode).lower() if proxy is not None and proxy.node_port else ""
    services = view.cluster.external_services
    if mode:
        text = f"NodePort in BPF is on, mode {mode}"
        evidence = (*evidence, stated(view, view.facts.status, text, status_command(view)))
    both = "iptables masquerades beside BPF NodePort"
    if mode == "dsr":
        summary = f"{both}, but in DSR mode the node gives TCP connections no port of its own"
        return view.verdict(_ID, FindingSeverity.LATENT, summary, evidence=evidence)
    listed = view.cluster.facts.services
    if listed.value is None:
        missing = (view.missing(listed, "the Services", "kubectl get services -A"),)
        summary = f"{both}; which Services use NodePort is not known"
        return view.verdict(
            _ID, FindingSeverity.LATENT, summary, evidence=evidence, missing=missing
        )
    if not services:
        summary = f"{both}, but no Service has a NodePort, LoadBalancer or external IP"
        return view.verdict(_ID, FindingSeverity.LATENT, summary, evidence=evidence)
    text = f"reached from outside: {some_of(str(one.name) for one in services)}"
    proof = services_evidence(view, text, str(services[0].name))
    severity, because = FindingSeverity.LATENT, "collisions can't be seen, only be ruled out"
    drop = _failed_mapping(view)
    if drop is not None:
        severity = FindingSeverity.ARMED
        because = f"the node runs out of free ports: {drop.per_second:.1f} `{drop.reason}` a second"
        metrics = f"{view.binary} metrics list -p drop_count_total -o json"
        text = f"dropped since the last sweep: {drop.packets} with `{drop.reason}`"
        evidence = (*evidence, stated(view, view.facts.metrics, text, metrics))
    return view.verdict(
        _ID,
        severity,
        f"{both}, and {counted(len(services), 'Service')} with a NodePort, LoadBalancer or external"
        f" IP can meet it: {because}",
        evidence=(*evidence, proof),
        objects=tuple(_object(one) for one in services[:_OBJECTS]),
    )


def _failed_mapping(view: NodeView) -> DropRate | None:
    """Return the rising drop that tells of node ports that are all taken (reason 167)."""
    metrics = view.facts.metrics.value
    drops = () if metrics is None else metrics.drops
    found = (one for one in drops if one.packets > 0 and _NO_MAPPING in one.reason.casefold())
    return max(found, key=lambda one: one.packets, default=None)


def _object(service: Service) -> AffectedObject:
    ports = ", ".join(str(port.node_port) for port in service.ports if port.node_port)
    return service_object(service.name, f"NodePort {ports}" if ports else service.type)


def _range_overlap(view: NodeView) -> Verdict | None:
    """Judge a NodePort range that reaches into the ephemeral ports, where nothing reserves it."""
    proxy = view.kpr
    node_port = proxy.node_port if proxy is not None else None
    setting, is_pending = _unprotected(view)
    if node_port is None or not node_port.is_enabled or setting is None:
        return None
    low, high = node_port.port_min, node_port.port_max
    if low is None or high is None or high < _EPHEMERAL_MIN or low > _EPHEMERAL_MAX:
        return None
    text = f"NodePort range {low}-{high}"
    evidence = (
        stated(view, view.facts.status, text, status_command(view)),
        setting,
    )
    words = (
        "refuses to start next time where they do overlap"
        if is_pending
        else "started with it, so something else keeps them apart here"
    )
    return view.verdict(
        _ID,
        FindingSeverity.ARMED if is_pending else FindingSeverity.LATENT,
        f"the NodePort range {low}-{high} reaches into the kernel's default ephemeral ports"
        f" ({_EPHEMERAL_MIN}-{_EPHEMERAL_MAX}) and the agent may not reserve it: it {words}",
        evidence=evidence,
        missing=(MissingEvidence(CleanText("the node's own ephemeral range"), _RANGE_HOW),),
        remedy=_RANGE_REMEDY,
        group="node-port-range",
    )


def _unprotected(view: NodeView) -> tuple[Evidence | None, bool]:
    """Return the setting by which nothing is reserved, and whether it waits for a restart.

    An agent looks at the two ranges as it starts (`checkNodePortAndEphemeralPortRanges`) and ends
    where they overlap: one that runs unprotected has passed it.
    """
    running = view.setting(_AUTO_PROTECT)
    if running is not None and _is_false(running.value):
        return option_evidence(view, _AUTO_PROTECT, running), False
    held = view.cluster.facts.config_map
    planned = "" if held.value is None else held.value.values.get(_AUTO_PROTECT, "")
    if not _is_false(planned):
        return None, False
    text = f"{_AUTO_PROTECT}={planned} (ConfigMap)"
    return view.cluster.evidence(held, text, ProofKind.CONFIG, _AUTO_PROTECT), True


def _is_false(text: str) -> bool:
    return text.strip().lower() == "false"


_RANGE_REMEDY = Remedy(
    now=(
        CleanText("let the agent reserve the range: enable-auto-protect-node-port-range=true"),
        CleanText("or set net.ipv4.ip_local_reserved_ports to the range on every node"),
    ),
    lasting=(CleanText("keep the NodePort range below the node's ephemeral ports"),),
    settings=(
        ConfigSetting(_AUTO_PROTECT, CleanText("true"), "nodePort.autoProtectPortRange=true"),
    ),
    needs_restart=True,
    interrupts=RESTART_INTERRUPTS,
    test=_RANGE_HOW,
)

CHECK = Check(ABOUT, judge_node=_judge_node)
