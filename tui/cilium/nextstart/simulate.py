"""Simulate one node's next agent start."""

from __future__ import annotations

from tui.model.agent import EffectiveConfig
from tui.model.cluster import ClusterFacts
from tui.model.maps import MapUsage
from tui.model.nextstart import NextStart
from tui.model.node import AgentPod, Node


def next_start(
    node: Node,
    agent: AgentPod | None,
    running: EffectiveConfig | None,
    maps: tuple[MapUsage, ...],
    cluster: ClusterFacts,
) -> NextStart:
    """Return what would change if this node's agent started now.

    Args:
        node: the node, with the labels that CiliumNodeConfigs select by.
        agent: its agent pod, with the image it runs.
        running: the effective configuration; None where it is not known.
        maps: the node's maps with their sizes and what is wanted of them.
        cluster: ConfigMap, CiliumNodeConfigs, DaemonSets and their revisions.
    """
    return NextStart()
