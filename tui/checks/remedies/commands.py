"""Commands for a person to run, with this cluster's own names in them."""

from __future__ import annotations

from tui.checks.view import ClusterView, NodeView
from tui.cilium.releases import Release, release_of_image
from tui.safety import CleanText, clean

View = NodeView | ClusterView


def helm_set(view: View, *values: str) -> CleanText:
    """Return the Helm command that sets values and leaves the others as they are."""
    sets = " ".join(f"--set {value}" for value in values)
    return clean(
        f"helm upgrade cilium cilium/cilium -n {_namespace(view)} --reuse-values"
        f" --version {_release(view) or '<this release>'} {sets}",
        600,
    )


def restart_agents(view: View) -> CleanText:
    """Return the command that restarts all agents of the node's DaemonSet, node after node.

    For the cluster it names all DaemonSets of agents.
    """
    if isinstance(view, ClusterView):
        named = [f"daemonset/{one.name}" for one in view.facts.daemonsets.value or ()]
        names = " ".join(named) or "daemonset/cilium"
    else:
        agent = view.facts.agent
        names = f"daemonset/{(agent.daemonset if agent is not None else '') or 'cilium'}"
    return clean(f"kubectl -n {_namespace(view)} rollout restart {names}", 600)


def releases_of(cluster: ClusterView) -> set[Release]:
    """Return the releases that the DaemonSets' images name; empty where they name none."""
    images = (one.image for one in cluster.facts.daemonsets.value or ())
    return {release for image in images if (release := release_of_image(image)) is not None}


def rollout_undo(view: NodeView) -> CleanText:
    """Return the command that brings the DaemonSet's last revision back; its pods stay."""
    agent = view.facts.agent
    name = agent.daemonset if agent is not None and agent.daemonset else "cilium"
    return clean(f"kubectl -n {_namespace(view)} rollout undo daemonset/{name}", 600)


def drain(view: NodeView) -> CleanText:
    """Return the command that empties the node before its kernel is changed."""
    return clean(f"kubectl drain {view.name} --ignore-daemonsets --delete-emptydir-data", 600)


def _release(view: View) -> Release | None:
    if isinstance(view, NodeView):
        return view.release
    found = releases_of(view)
    return next(iter(found)) if len(found) == 1 else None


def _namespace(view: View) -> str:
    if isinstance(view, NodeView):
        agent = view.facts.agent
        if agent is not None and agent.namespace:
            return agent.namespace
        view = view.cluster
    return view.facts.cilium_namespace or CleanText("kube-system")
