"""Why a node's kernel lacks Services, and what helps against that cause on that node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tui.checks.proof.mapfacts import MapFacts, map_evidence, map_facts, says_full
from tui.checks.proof.sources import log_lines, version_evidence
from tui.checks.remedies.map_remedy import remedy_for
from tui.checks.remedies.mapsizes import is_balancing
from tui.checks.remedies.restarting import RESTART_INTERRUPTS, agent_trouble, restart_step
from tui.checks.view import NodeView
from tui.cilium.releases import Release
from tui.model.findings import Evidence, FindingSeverity, Remedy
from tui.model.services import FaultKind, FrontendFault, ServiceCoverage
from tui.safety import CleanText, clean

_FAILED_UPDATES = ("L1", "L4", "L6", "L7", "L10", "L15")
_RECENT_SECONDS = 3_600.0
_YOUNG_AGENT_SECONDS = 60.0
_STALE_SINCE = Release(1, 19, 0)
_STALE_FIXED = Release(1, 19, 3)
_UPGRADE = CleanText("upgrade to 1.19.3 or later (cilium/cilium#45198)")


@dataclass(frozen=True, slots=True)
class Cause:
    """What explains the drift, as far as the node's own facts tell."""

    text: str
    remedy: Remedy
    evidence: tuple[Evidence, ...] = ()
    since: float | None = None


def cause_of(view: NodeView, coverage: ServiceCoverage) -> Cause:
    """Return the cause that explains most: a full map, an agent that is down, a known fault."""
    for facts in map_facts(view):
        refusal = facts.refusal if is_balancing(facts.usage) else None
        if refusal is not None and refusal[0] is FindingSeverity.ACTIVE:
            return _full(view, facts, refusal[1])
    trouble = agent_trouble(view)
    if trouble:
        return _agent_down(view, trouble)
    if _is_stale_release(view) and any(_has_old_backends(one) for one in coverage.faults):
        return _stale_backends(view)
    failing = [
        entry
        for entry in view.logged(*_FAILED_UPDATES)
        if view.now - (entry.last_time or entry.line.time) <= _RECENT_SECONDS
    ]
    if failing:
        full = any(says_full(entry) for entry in failing)
        text = "the log says that updates fail"
        text += ", a map being full: see map-pressure" if full else "; no map is full"
        return replace(_drift(view, text), evidence=log_lines(view, failing))
    agent = view.facts.agent
    if agent is not None and agent.started_at is not None:
        age = view.now - agent.started_at
        if 0 <= age < _YOUNG_AGENT_SECONDS:
            return _drift(view, f"the agent started {int(age)} s ago and may still be writing")
    return _drift(
        view, "no map is full and no update failed lately: the node fell behind the cluster"
    )


def _full(view: NodeView, facts: MapFacts, words: str) -> Cause:
    usage = facts.usage
    wanted = usage.wanted_entries
    needs = f", {wanted:,} wanted" if wanted is not None and wanted > usage.max_entries else ""
    other = "backend-leak" if usage.duplicate_entries and not needs else "map-pressure"
    remedy = remedy_for(view, usage)
    first = clean(f"{usage.name} is the cause, see {other}: only what fits is programmed", 300)
    return Cause(
        f"{usage.name} is {words}{needs} (see {other})",
        replace(remedy, now=(first, *remedy.now)),
        map_evidence(view, facts),
        facts.since,
    )


def _agent_down(view: NodeView, trouble: str) -> Cause:
    agent = view.facts.agent
    place = agent.namespace if agent is not None else view.cluster.facts.cilium_namespace
    name = agent.name if agent is not None else f"-l k8s-app=cilium  # on {view.name}"
    remedy = Remedy(
        now=(clean(f"get the agent running first: {trouble}; nobody writes the maps now", 300),),
        commands=(
            clean(f"kubectl -n {place or 'kube-system'} describe pod {name}", 300),
            clean(f"kubectl -n {place or 'kube-system'} logs {name} --previous --tail=50", 300),
        ),
        needs_restart=None,
        interrupts=CleanText("Nothing."),
    )
    return Cause(f"{trouble}, so the maps follow no change", remedy)


def _is_stale_release(view: NodeView) -> bool:
    release = view.release
    return release is not None and _STALE_SINCE <= release < _STALE_FIXED


def _has_old_backends(fault: FrontendFault) -> bool:
    is_wrong = fault.fault in (FaultKind.WRONG_BACKENDS, FaultKind.NO_BACKENDS)
    return is_wrong and bool(fault.surplus_backends or fault.missing_backends)


def _stale_backends(view: NodeView) -> Cause:
    text = (
        f"{view.release} keeps stale backends after a reconnect to the API server (fixed in 1.19.3)"
    )
    cause = _drift(view, text)
    evidence = version_evidence(view)
    return replace(cause, evidence=(evidence,), remedy=replace(cause.remedy, lasting=(_UPGRADE,)))


def _drift(view: NodeView, text: str) -> Cause:
    step, commands = restart_step(view, "it writes all Services anew from Kubernetes")
    remedy = Remedy(
        now=(step,),
        lasting=(
            CleanText("where it comes back, keep a sysdump of the node before the next restart"),
        ),
        commands=commands,
        needs_restart=True,
        interrupts=RESTART_INTERRUPTS,
    )
    return Cause(text, remedy)


def effect_test(view: NodeView, broken: Sequence[FrontendFault]) -> CleanText:
    """Return the command that tests the effect from this node: none of it was tested.

    Agent images have bash and not always curl; the container shares the host's network, so its
    connections take the node's own path. A UDP frontend answers nobody who does not speak its
    protocol: only DNS can be asked by a command.
    """
    for fault in broken:
        if fault.frontend.protocol in ("TCP", "ANY"):
            ip, port = fault.frontend.ip, fault.frontend.port
            host = f"[{ip}]" if ":" in ip else ip
            tries = f'curl -m 3 {host}:{port} || timeout 3 bash -c "</dev/tcp/{ip}/{port}"'
            return view.command(f"bash -c '{tries} && echo connected'")
    for fault in broken:
        if fault.frontend.protocol == "UDP" and fault.frontend.port == 53:
            command = f"nslookup -timeout=3 kubernetes.default {fault.frontend.ip}"
            return clean(f"kubectl exec POD-ON-{view.name} -- {command}", 400)
    return CleanText("")
