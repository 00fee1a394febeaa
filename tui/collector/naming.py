"""What a cluster is called in the broker's topics."""

from __future__ import annotations

from dataclasses import dataclass

from tui.model.cluster import ClusterFacts
from tui.model.reading import ReadingState

CILIUM_DEFAULT = "default"
"""`cluster-name` where nobody set it: every such cluster has it (pkg/defaults, ClusterName)."""

NAMELESS = "default"


@dataclass(frozen=True, slots=True)
class ClusterName:
    """A cluster's name."""

    name: str
    warning: str = ""
    """What is doubtful about it."""


def cluster_name(
    chosen: str | None, facts: ClusterFacts, context: str | None, *, is_last: bool
) -> ClusterName | None:
    """Return the cluster's name, or None while it is not known yet.

    Every collector of one cluster has to come to the same name: it waits rather than guess while
    the ConfigMap may still be read.

    Args:
        chosen: by a setting.
        facts: what is known of the cluster.
        context: the kubeconfig context's name; None in a pod.
        is_last: whether a ConfigMap that can't be read was waited for long enough.
    """
    if chosen:
        return ClusterName(chosen)
    config = facts.config_map
    if config.value is not None:
        name = config.value.values.get("cluster-name", "").strip()
        if name and name != CILIUM_DEFAULT:
            return ClusterName(name)
        reason = "Cilium's cluster-name is not set"
    elif config.state is ReadingState.DENIED or (config.reason and is_last):
        reason = f"Cilium's cluster-name can't be read: {config.reason}"
    else:
        return None
    if context:
        return ClusterName(context)
    return ClusterName(
        NAMELESS,
        f"{reason}: this cluster is called {NAMELESS!r} at the broker; name it with --cluster, or "
        "another cluster's collector gets into its topics",
    )
