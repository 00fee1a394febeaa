"""What may not get worse on other nodes while an operation goes from node to node."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tui.model.names import NodeUid
from tui.model.node import AgentPhase
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.situation import listed


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How the cluster was when an operation began."""

    well: frozenset[NodeUid] = frozenset()
    """Nodes whose agents were ready."""
    ready: frozenset[NodeUid] = frozenset()
    """Nodes that were Ready."""
    spread: frozenset[str] = frozenset()
    """Services that had ready endpoints on several nodes."""

    def worse(self, snapshot: Snapshot, wave: Collection[NodeUid]) -> str:
        """Return why no node of a wave may be begun now, or the empty text.

        Args:
            snapshot: the cluster now.
            wave: the nodes that are next; how they are themselves is told by their guard rails.
        """
        others = [facts for uid, facts in snapshot.nodes.items() if uid not in wave]
        unready = [
            one for one in others if one.node.uid in self.ready and one.node.is_ready is not True
        ]
        if unready:
            return f"{_named(unready)} became NotReady meanwhile"
        down = [one for one in others if one.node.uid in self.well and not is_well(one)]
        if down:
            return f"the agent of {_named(down)} went down meanwhile"
        return self._sole(snapshot, wave)

    def _sole(self, snapshot: Snapshot, wave: Collection[NodeUid]) -> str:
        names = {str(snapshot.nodes[uid].node.name): uid for uid in wave if uid in snapshot.nodes}
        for one in snapshot.cluster.services.value or ():
            nodes = one.endpoint_nodes
            if len(nodes) == 1 and nodes[0] in names and str(one.name) in self.spread:
                return f"all ready endpoints of {one.name} are on {nodes[0]} by now"
        return ""


def surroundings_of(snapshot: Snapshot) -> Surroundings:
    """Return how a cluster is, as an operation begins."""
    return Surroundings(
        frozenset(uid for uid, facts in snapshot.nodes.items() if is_well(facts)),
        frozenset(uid for uid, facts in snapshot.nodes.items() if facts.node.is_ready),
        frozenset(
            str(one.name)
            for one in snapshot.cluster.services.value or ()
            if len(one.endpoint_nodes) > 1
        ),
    )


def is_well(facts: NodeFacts) -> bool:
    """Tell whether a node's agent is there and ready."""
    agent = facts.agent
    return agent is not None and agent.is_ready and agent.phase is AgentPhase.RUNNING


def _named(nodes: Collection[NodeFacts]) -> str:
    return listed(sorted(str(one.node.name) for one in nodes))
