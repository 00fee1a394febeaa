"""The cluster before and after an operation's own writes: what every guard rail looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from tui.checks.view import ClusterView, NodeView
from tui.cilium.map_catalogue import family_of
from tui.cilium.nextstart.images import Images, daemonset_of, images_of
from tui.cilium.nextstart.layers import Planned, plan
from tui.cilium.releases import Release
from tui.model.cluster import CiliumDaemonSet
from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.model.operations import Guard, GuardKind, Intent, PlannedWrite, Scope
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations import changes
from tui.safety import clean

HOSTNS_ONLY = "bpf-lb-sock-hostns-only"


class Situation:
    """An intent, its writes, and every node's view before and after them; made and thrown away.

    `held` are values that are asked for and need no write.
    """

    def __init__(
        self,
        intent: Intent,
        nodes: Iterable[NodeUid],
        snapshot: Snapshot,
        writes: Sequence[PlannedWrite] = (),
        held: Mapping[str, str] | None = None,
    ) -> None:
        self.intent = intent
        self.snapshot = snapshot
        self.writes = tuple(write for write in writes if not changes.is_restart(write))
        self.nodes = tuple(dict.fromkeys(nodes))
        """Whose agents restart, known or not."""
        self._held = held or {}
        self._now: dict[NodeUid, NodeView] = {}
        self._next: dict[NodeUid, NodeView] = {}

    @cached_property
    def targets(self) -> tuple[NodeFacts, ...]:
        """The facts of the nodes whose agents restart; unknown ones are left out."""
        known = self.snapshot.nodes
        return tuple(known[uid] for uid in self.nodes if uid in known)

    @cached_property
    def others(self) -> tuple[NodeFacts, ...]:
        """All other nodes."""
        chosen = set(self.nodes)
        return tuple(one for uid, one in self.snapshot.nodes.items() if uid not in chosen)

    @cached_property
    def values(self) -> Mapping[str, str | None]:
        """The options that the writes set; None where a key is taken away.

        Where nothing has to be written they are what is asked for, which some layer holds already.
        """
        return changes.values_of(self.writes) or dict(self._held)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Every option that the writes give another value, directly or by a deletion."""
        gone = changes.removed(self.writes, self.snapshot.cluster)
        return frozenset(self.values).union(*(one.values for one in gone))

    @cached_property
    def own_source(self) -> str:
        """The layer that gets the values, as the next start names it; empty without one."""
        return changes.source_of(self.writes)

    @cached_property
    def scope(self) -> Scope:
        """Where the writes change the configuration; for the nodes where they change none."""
        is_wide = any(changes.is_config_map(write) for write in self.writes)
        return Scope.CLUSTER if is_wide else Scope.NODES

    @cached_property
    def sole_services(self) -> Mapping[str, list[str]]:
        """Names of Services by the one node that has all their ready endpoints."""
        found: dict[str, list[str]] = {}
        for one in self.snapshot.cluster.services.value or ():
            if len(one.endpoint_nodes) == 1:
                found.setdefault(one.endpoint_nodes[0], []).append(str(one.name))
        return found

    @cached_property
    def cluster_now(self) -> ClusterView:
        """The cluster as it is."""
        return ClusterView(self.snapshot.cluster, self.snapshot.taken_at)

    @cached_property
    def cluster_next(self) -> ClusterView:
        """The cluster as it is after the writes: what the next start reads."""
        facts = changes.after_writes(self.writes, self.snapshot.cluster)
        return ClusterView(facts, self.snapshot.taken_at)

    def now(self, facts: NodeFacts) -> NodeView:
        """Return a node's view before the writes."""
        return self._view(self._now, facts, self.cluster_now)

    def next(self, facts: NodeFacts) -> NodeView:
        """Return a node's view after the writes: its next start is the one that counts."""
        if not self.writes:
            return self.now(facts)
        return self._view(self._next, facts, self.cluster_next)

    @staticmethod
    def _view(held: dict[NodeUid, NodeView], facts: NodeFacts, cluster: ClusterView) -> NodeView:
        uid = facts.node.uid
        if uid not in held:
            held[uid] = NodeView(facts, cluster)
        return held[uid]

    def planned(self, facts: NodeFacts) -> Planned:
        """Return the layers that a node's next start reads after the writes, merged."""
        return planned_of(self.next(facts))


def images_on(view: NodeView) -> Images:
    """Return the image that runs on a node and the one that starts next."""
    facts = view.facts
    return images_of(facts.agent, daemonset_on(view), view.cluster.facts)


def daemonset_on(view: NodeView) -> CiliumDaemonSet | None:
    """Return the DaemonSet that runs a node's agent, where it is known."""
    return daemonset_of(view.facts.agent, view.cluster.facts)


def planned_of(view: NodeView) -> Planned:
    """Return the layers that a view's next start reads, merged."""
    return plan(view.facts.node, daemonset_on(view), images_on(view), view.cluster.facts)


def next_release(view: NodeView) -> Release | None:
    """Return the release that starts next on a node; the running one where nothing differs."""
    return images_on(view).next_release or view.release


def tracking_maps(view: NodeView) -> Iterator[MapUsage]:
    """Yield a node's conntrack maps."""
    for usage in view.maps.values():
        if family_of(str(usage.name)).key in ("ct-tcp", "ct-any"):
            yield usage


def blocked(guard_id: str, text: str, node: NodeUid | None = None, *, loses: bool = False) -> Guard:
    """Return a guard rail that forbids the operation."""
    return Guard(GuardKind.BLOCKED, guard_id, clean(text, 600), node, is_data_loss=loses)


def warned(guard_id: str, text: str, node: NodeUid | None = None) -> Guard:
    """Return a guard rail that warns."""
    return Guard(GuardKind.WARNED, guard_id, clean(text, 600), node)


def noted(guard_id: str, text: str, node: NodeUid | None = None) -> Guard:
    """Return something worth knowing."""
    return Guard(GuardKind.NOTED, guard_id, clean(text, 600), node)


def listed(names: Iterable[str], most: int = 4) -> str:
    """Return names with commas, the rest as a count."""
    found = list(names)
    rest = len(found) - most
    if rest <= 1:
        return ", ".join(found)
    return f"{', '.join(found[:most])} and {rest} more"
