"""Whether one node's agent may be restarted, and how: the words that several remedies share.

A restart re-reads the configuration, so it can spread an outage; never is "restart all" a first
step (design §0).
"""

from __future__ import annotations

from collections.abc import Collection

from tui.checks.proof.cleaning import wipe_text
from tui.checks.view import NodeView
from tui.model.node import AgentPhase
from tui.safety import CleanText, clean

RESTART_INTERRUPTS = CleanText(
    "A restart of the agent keeps the datapath forwarding; until it is ready the node starts no"
    " new pods, follows no change of Services and policies, and its DNS proxy and embedded Envoy"
    " answer nothing."
)
LB_RESIZE_INTERRUPTS = CleanText(
    "The load-balancing maps come back empty and are refilled from Kubernetes: for seconds new"
    " connections through Services fail on that node, and as ids of Services and backends change,"
    " some established ones break. The agent starts no new pods meanwhile."
)


def restart_command(view: NodeView) -> CleanText:
    """Return the command that restarts this node's agent alone; its DaemonSet makes a new pod."""
    agent = view.facts.agent
    namespace = agent.namespace if agent is not None else view.cluster.facts.cilium_namespace
    place = namespace or "kube-system"
    if agent is not None and agent.name:
        return clean(f"kubectl -n {place} delete pod {agent.name}", 400)
    return clean(
        f"kubectl -n {place} delete pod -l k8s-app=cilium"
        f" --field-selector spec.nodeName={view.name}",
        400,
    )


def restart_danger(view: NodeView, *, resized: Collection[str] = ()) -> str:
    """Return why this node's next agent start would break something, or the empty text.

    Args:
        view: the node.
        resized: names of maps whose size the remedy itself sets, so that their shrinking is over.
    """
    start = view.next_start
    reasons = [f"the agent would not start: {reason}" for reason in start.blockers]
    reasons += [str(wipe_text(one)) for one in start.wipes]
    reasons += [
        f"{fit.name} would shrink {fit.max_now:,} → {fit.max_next:,}, {fit.wanted:,} wanted"
        for fit in start.maps
        if fit.is_too_small and fit.wanted is not None and str(fit.name) not in resized
    ]
    return "; ".join(reasons)


def restart_step(
    view: NodeView, what: str = "", *, resized: Collection[str] = ()
) -> tuple[CleanText, tuple[CleanText, ...]]:
    """Return the step that restarts this node's agent, and its command where that is safe.

    Where the next start would break something the step says so, and there is no command.

    Args:
        view: the node.
        what: what the restart does here, such as `it refills the maps`.
        resized: names of maps whose size the remedy sets before.
    """
    danger = restart_danger(view, resized=resized)
    if danger:
        text = f"do NOT restart the agent of {view.name} yet, its next start breaks: {danger}"
        return clean(f"{text} (see config-drift)", 600), ()
    reason = f": {what}" if what else ""
    text = f"restart the agent of {view.name} alone{reason}"
    if not view.next_start.is_known:
        text += "; first compare what it would read at its start (config-drift can't tell here)"
    elif view.next_start.changes_image:
        text += f"; it would start another image, {view.next_start.image_next}"
    return clean(text, 600), (restart_command(view),)


def agent_trouble(view: NodeView) -> str:
    """Return what keeps the agent from writing its maps, or the empty text."""
    agent = view.facts.agent
    if agent is None or agent.phase is AgentPhase.MISSING:
        return "no agent runs on this node"
    if agent.phase in (AgentPhase.RUNNING, AgentPhase.NOT_READY):
        return ""
    reason = f" ({agent.reason})" if agent.reason else ""
    return f"the agent is {agent.phase.value}{reason}"


def is_stale(view: NodeView, at: float | None, allowed_seconds: float = 300.0) -> bool:
    """Tell whether a reading is too old to say that all is well."""
    return at is not None and view.now - at > allowed_seconds
