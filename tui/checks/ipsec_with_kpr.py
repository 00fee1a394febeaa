"""IPsec with the kube-proxy replacement, which agents up to 1.15 refuse at their start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tui.checks.check import About, Check
from tui.checks.proof.ipsec_layers import layer_evidence, planned_layer, running_layer, switch_off
from tui.checks.remedies.commands import rollout_undo
from tui.checks.remedies.restarting import restart_command
from tui.checks.view import NodeView
from tui.cilium.releases import Release, release_of_image
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
from tui.model.logs import LogEntry
from tui.model.node import AgentPhase
from tui.safety import CleanText

_ID = "ipsec-with-kpr"
_REFUSAL = "ipsec cannot be used with bpf nodeport"
"""In lower case; `Disabling BPF NodePort feature` follows in probe mode (1.11 and 1.12,
daemon/cmd/kube_proxy_replacement.go)."""
_CONFIG_MAP = "kubectl get configmap cilium-config -o yaml"


def _judge(view: NodeView) -> Iterator[Verdict]:
    for judge in (_refused, _degraded, _supported, _next_fails):
        verdict = judge(view)
        if verdict is not None:
            yield verdict
            return
    yield _harmless(view)


def _is_before_support(release: Release | None) -> bool | None:
    """Tell whether a release refuses the two: allowed from 1.16.0 (cilium/cilium#31760)."""
    return None if release is None else not release.at_least(1, 16)


def _refused(view: NodeView) -> Verdict | None:
    """Judge an agent that does not run, by its log or by what it would read."""
    if not _is_down(view) or _is_before_support(view.release) is False:
        return None
    lines = [entry for entry in _refusals(view) if "disabling" not in _text(entry)]
    planned = planned_layer(view)
    agent = view.facts.agent
    is_looping = agent is not None and agent.phase is AgentPhase.CRASH_LOOP
    is_deduced = bool(
        is_looping
        and view.release
        and planned
        and planned.conflict
        and planned.mode != "probe"
        and not _is_overruled(view)
    )
    if not lines and not is_deduced:
        return None
    release = f"Cilium {view.release}" if view.release else "this release"
    why = planned.conflict if planned and planned.conflict else "IPsec with BPF NodePort"
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        f"the agent does not start: {release} refuses {why}",
        evidence=(*map(view.log_evidence, lines[:3]), *_agent(view), *layer_evidence(view)),
        objects=_pod(view),
        remedy=_remedy(_NOW_DOWN, switch_off(view), restart_command(view)),
        since=min((entry.line.time for entry in lines), default=None),
        harm=2,
    )


def _degraded(view: NodeView) -> Verdict | None:
    """Judge an agent in probe mode, which runs without BPF NodePort."""
    if _is_down(view) or _is_before_support(view.release) is False:
        return None
    started_at = view.facts.agent.started_at if view.facts.agent else None
    lines = [
        entry
        for entry in _refusals(view)
        if "disabling" in _text(entry) and entry.last_time >= (started_at or 0.0)
    ]
    kpr = view.kpr
    is_disabled = kpr is not None and kpr.node_port is not None and not kpr.node_port.is_enabled
    is_probing = kpr is not None and kpr.mode.lower() == "probe"
    if not lines and not (is_probing and is_disabled and _runs_ipsec(view)):
        return None
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        "the agent disabled BPF NodePort: kube-proxy-replacement=probe with IPsec; NodePorts work"
        " only where kube-proxy runs",
        evidence=(*map(view.log_evidence, lines[:3]), *_status(view), *layer_evidence(view)),
        objects=_pod(view),
        remedy=_remedy(_NOW_DEGRADED, switch_off(view), restart_command(view)),
        since=min((entry.line.time for entry in lines), default=None),
        harm=1,
    )


def _supported(view: NodeView) -> Verdict | None:
    """Clear a release that can do both, unless an older one would start next."""
    coming = _next_release(view)
    if _is_before_support(view.release) is not False or _is_before_support(coming):
        return None
    notes = ""
    if _runs_ipsec(view):
        notes = "; with IPsec, host routing is the legacy one up to 1.18 and the bandwidth manager"
        notes += " and the host firewall are out"
    summary = f"supported since 1.16.0{notes}"
    return view.verdict(_ID, FindingSeverity.CLEAR, summary, evidence=tuple(_status(view)))


def _next_fails(view: NodeView) -> Verdict | None:
    """Judge what the next start would read."""
    planned = planned_layer(view)
    coming = _next_release(view)
    blockers = _blockers(view)
    conflict = planned.conflict if planned and not _is_overruled(view) else ""
    if not blockers and not conflict:
        return None
    is_refused = _is_before_support(coming)
    if not blockers and is_refused is None:
        what = MissingEvidence(CleanText("the agent's release"), view.command("cilium version"))
        return view.verdict(
            _ID,
            FindingSeverity.UNKNOWN,
            f"{conflict}: refused up to 1.15, and the release is not known",
            evidence=tuple(layer_evidence(view)),
            missing=(what,),
        )
    if planned is not None and planned.mode == "probe" and not blockers:
        effect = "the next restart of this node's agent would disable BPF NodePort"
    else:
        effect = "the next restart of this node's agent would not come up"
    evidence = [*layer_evidence(view), *_agent(view)]
    for one in blockers:
        evidence.append(view.fact(one, _CONFIG_MAP, None, ProofKind.CONFIG, "enable-ipsec"))
    return view.verdict(
        _ID,
        FindingSeverity.ARMED,
        f"{effect}: {conflict or blockers[0]} ({coming or 'its release'} refuses it)",
        evidence=tuple(evidence),
        objects=_pod(view),
        remedy=_armed_remedy(view),
        harm=1,
    )


def _harmless(view: NodeView) -> Verdict:
    running, planned = running_layer(view), planned_layer(view)
    if planned is None:
        known = f"; running: {running.legal}" if running else ""
        held = view.cluster.facts.config_map
        missing = [view.missing(held, "ConfigMap cilium-config: the next start", _CONFIG_MAP)]
        if running is None:
            how = view.command(f"{view.binary} config -a")
            missing.append(view.missing(view.facts.config, "the running configuration", how))
        return view.verdict(
            _ID,
            FindingSeverity.UNKNOWN,
            f"whether IPsec meets the kube-proxy replacement here is not known{known}",
            missing=tuple(missing),
        )
    wireguard = "; WireGuard goes with it" if view.flag("enable-wireguard") else ""
    return view.verdict(
        _ID,
        FindingSeverity.CLEAR,
        f"{planned.legal}{wireguard}",
        evidence=tuple(layer_evidence(view)),
    )


def _is_down(view: NodeView) -> bool:
    agent = view.facts.agent
    return agent is None or agent.phase is not AgentPhase.RUNNING


def _text(entry: LogEntry) -> str:
    return f"{entry.line.message} {entry.line.error}".lower()


def _refusals(view: NodeView) -> list[LogEntry]:
    """Return the log's refusals; K5 alone has other reasons too."""
    return [entry for entry in view.logged("K4", "K5") if _REFUSAL in _text(entry)]


def _next_release(view: NodeView) -> Release | None:
    if view.next_start.changes_image:
        return release_of_image(view.next_start.image_next)
    return view.release


def _blockers(view: NodeView) -> list[CleanText]:
    return [one for one in view.next_start.blockers if _REFUSAL in one.lower()]


def _is_overruled(view: NodeView) -> bool:
    """Tell whether the simulated start, which knows all layers, finds nothing to refuse.

    The ConfigMap alone does not tell where a CiliumNodeConfig or an argument goes before it.
    """
    planned = planned_layer(view)
    facts = view.cluster.facts
    daemonsets = facts.daemonsets.value or ()
    has_arguments = bool(daemonsets) and all(one.args for one in daemonsets)
    is_judged = has_arguments and facts.node_configs.value is not None
    is_fatal = planned is not None and planned.mode != "probe"
    return is_judged and is_fatal and _next_release(view) is not None and not _blockers(view)


def _runs_ipsec(view: NodeView) -> bool:
    status = view.facts.status.value
    if status is not None and status.encryption_mode:
        return status.encryption_mode.lower() == "ipsec"
    running = running_layer(view)
    return running is not None and running.ipsec


def _status(view: NodeView) -> Iterator[Evidence]:
    status = view.facts.status.value
    if status is not None and status.encryption_mode:
        text = f"encryption {status.encryption_mode}"
        text += f", host routing {status.host_routing}" if status.host_routing else ""
        if view.kpr is not None:
            text += f", kube-proxy-replacement {view.kpr.mode}"
        yield view.evidence(view.facts.status, text)


def _agent(view: NodeView) -> Iterator[Evidence]:
    agent = view.facts.agent
    if agent is not None:
        reason = f": {agent.reason}" if agent.reason else ""
        text = f"{agent.name} is {agent.phase.value}, {agent.restart_count} restarts{reason}"
        source = f"kubectl -n {agent.namespace} get pod {agent.name}"
        yield view.fact(text, source, None, ProofKind.OBJECT, f"Pod/{agent.namespace}/{agent.name}")


def _pod(view: NodeView) -> tuple[AffectedObject, ...]:
    agent = view.facts.agent
    if agent is None or not agent.name:
        return ()
    return (AffectedObject("Pod", agent.name, agent.namespace),)


_NOW_DOWN = (
    CleanText("restart no other agent: those that run still hold the old configuration"),
    CleanText("take enable-ipsec back where it was set: the evidence names the layer"),
    CleanText("then delete this agent's pod: from 1.13 on a pod reads it once, as it starts"),
)
_NOW_ARMED = (
    CleanText("restart no agent and no node until one of the two is off"),
    CleanText("take enable-ipsec back where it was set: the evidence names the layer"),
)
_NOW_OLDER_IMAGE = (
    CleanText("restart no agent and no node while the DaemonSet has an image before 1.16"),
    CleanText("put the DaemonSet's image back: agents that run the newer one are not restarted"),
)
_NOW_DEGRADED = (
    CleanText("see that kube-proxy runs on this node: it serves the NodePorts meanwhile"),
)
_LASTING = (
    CleanText("encrypt with WireGuard instead (kernel 5.6 and later)"),
    CleanText("or upgrade Cilium to 1.16 or later before IPsec is switched on"),
    CleanText("or run kube-proxy, with kube-proxy-replacement off"),
)
_SETTINGS = (
    ConfigSetting("enable-ipsec", CleanText("false")),
    ConfigSetting("enable-wireguard", CleanText("true"), "encryption.type=wireguard"),
)
_INTERRUPTS = CleanText(
    "traffic between nodes is not encrypted while IPsec is off; the node's agent starts anew"
)
_TAKES_BACK = CleanText(
    "Nothing: what runs stays as it is. WireGuard in its place needs a restart of the agents."
)
_TEST = CleanText("kubectl -n kube-system exec ds/cilium -c cilium-agent -- cilium encrypt status")


def _armed_remedy(view: NodeView) -> Remedy:
    """Return what to take back: the image where an older one would start, else IPsec."""
    if _is_before_support(view.release) is False:
        remedy = _remedy(_NOW_OLDER_IMAGE, rollout_undo(view))
        return replace(remedy, settings=(), lasting=_LASTING[1:2])
    return _remedy(_NOW_ARMED, switch_off(view))


def _remedy(now: tuple[CleanText, ...], *commands: CleanText) -> Remedy:
    restarts = len(commands) > 1
    return Remedy(
        now=now,
        lasting=_LASTING,
        settings=_SETTINGS,
        commands=commands,
        needs_restart=restarts,
        interrupts=_INTERRUPTS if restarts else _TAKES_BACK,
        test=_TEST,
    )


ABOUT = About(
    id=_ID,
    title=CleanText("IPsec with the kube-proxy replacement"),
    limitation=CleanText(
        "The kube-proxy replacement can't be used with IPsec transparent encryption up to 1.15."
    ),
    why=CleanText(
        "An agent that finds both ends at its start, and its node's Services stay as they were. A"
        " changed ConfigMap shows only at the next restart: then node after node is lost."
    ),
    proof=(
        CleanText("the agent in a crash loop with `IPSec cannot be used with BPF NodePort`"),
        CleanText("enable-ipsec, kube-proxy-replacement, enable-node-port as the agent runs them"),
        CleanText("the same keys as its next start would read them"),
    ),
    releases=CleanText("1.11 to 1.15; both go together from 1.16.0 on (cilium/cilium#31760)."),
    remedy=Remedy(
        now=_NOW_ARMED,
        lasting=_LASTING,
        settings=_SETTINGS,
        needs_restart=True,
        interrupts=_INTERRUPTS,
        test=_TEST,
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/security/network/encryption-ipsec/"),
        CleanText("cilium/cilium#31760"),
        CleanText("cilium/cilium#37054"),
    ),
)
CHECK = Check(ABOUT, judge_node=_judge)
