"""Commands for a person to run, with this cluster's own names in them."""

from __future__ import annotations

from tui.checks.view import NodeView
from tui.safety import CleanText, clean


def helm_set(view: NodeView, *values: str) -> CleanText:
    """Return the Helm command that sets values and leaves the others as they are."""
    sets = " ".join(f"--set {value}" for value in values)
    return clean(
        f"helm upgrade cilium cilium/cilium -n {_namespace(view)} --reuse-values"
        f" --version {view.release or '<this release>'} {sets}",
        600,
    )


def restart_agents(view: NodeView) -> CleanText:
    """Return the command that restarts all agents of the node's DaemonSet, node after node."""
    agent = view.facts.agent
    name = agent.daemonset if agent is not None and agent.daemonset else "cilium"
    return clean(f"kubectl -n {_namespace(view)} rollout restart daemonset/{name}", 600)


def drain(view: NodeView) -> CleanText:
    """Return the command that empties the node before its kernel is changed."""
    return clean(f"kubectl drain {view.name} --ignore-daemonsets --delete-emptydir-data", 600)


def _namespace(view: NodeView) -> str:
    agent = view.facts.agent
    if agent is not None and agent.namespace:
        return agent.namespace
    return view.cluster.facts.cilium_namespace or CleanText("kube-system")
