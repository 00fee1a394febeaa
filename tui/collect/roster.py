"""Join Node objects with the agent pods that serve them.

Nodes and pods come from two watches in any order, and either may be denied: without the right to
list nodes, the pods still tell on which nodes an agent runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tui.cluster.objects import missing_agent, on_node
from tui.collect.visits import Answering
from tui.model.names import NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node
from tui.model.snapshot import NodeGone, NodeSeen

Change = NodeSeen | NodeGone

_DERIVED = "name:"
"""How the UID of a node begins that only its pods tell of."""

_PREFERRED = (
    AgentPhase.RUNNING,
    AgentPhase.NOT_READY,
    AgentPhase.UNREACHABLE,
    AgentPhase.CRASH_LOOP,
    AgentPhase.PENDING,
    AgentPhase.TERMINATING,
    AgentPhase.MISSING,
)
"""Which of several agent pods on one node speaks for it: during a rollout, the new one."""


_ANSWERING = frozenset({AgentPhase.RUNNING, AgentPhase.NOT_READY, AgentPhase.UNREACHABLE})


@dataclass(frozen=True, slots=True)
class Target:
    """A node and the agent pod that answers for it, if any."""

    node: Node
    agent: AgentPod | None

    @property
    def answering(self) -> Answering | None:
        """Whom to ask, or None where no container runs or its kubelet is silent.

        On a node that is NotReady the kubelet mostly still serves an exec: the answers are what
        explains it.
        """
        agent = self.agent
        if agent is None or not agent.container_id or agent.started_at is None:
            return None
        if agent.phase not in _ANSWERING:
            return None
        if self.node.is_ready is None and not self.node.uid.startswith(_DERIVED):
            return None
        return Answering(self.node.uid, agent.container_id, self.node.boot_id)


class Roster:
    """Which nodes there are, and who answers for them."""

    def __init__(self) -> None:
        self._nodes: dict[NodeName, Node] = {}
        self._pods: dict[PodUid, AgentPod] = {}
        self._by_node: dict[NodeName, set[PodUid]] = {}
        self._targets: dict[NodeName, Target] = {}
        self._by_uid: dict[NodeUid, Target] = {}
        self._derives_nodes = False
        self._has_pods = False
        self.namespace = ""
        """Where the agents run; named where one is missing."""

    @property
    def targets(self) -> Iterable[Target]:
        """All nodes with their agents."""
        return self._targets.values()

    def __len__(self) -> int:
        return len(self._targets)

    def get(self, uid: NodeUid) -> Target | None:
        """Return a node by its UID."""
        return self._by_uid.get(uid)

    def has_daemonset(self, name: str) -> bool:
        """Tell whether some agent pod belongs to that DaemonSet."""
        return any(pod.daemonset == name for pod in self._pods.values())

    def derive_nodes(self) -> list[Change]:
        """Take the pods' word for which nodes there are: Node objects can't be read."""
        self._derives_nodes = True
        return self._settle({pod.node_name for pod in self._pods.values()})

    def trust_nodes(self) -> list[Change]:
        """Take the Node objects' word again for which nodes there are."""
        if not self._derives_nodes:
            return []
        self._derives_nodes = False
        return self._settle({*self._nodes, *self._targets})

    def keep_nodes(self, names: Iterable[NodeName]) -> list[Change]:
        """Forget all nodes but these, at the end of a fresh list."""
        self._derives_nodes = False
        gone = {*self._nodes, *self._targets}.difference(names)
        for name in gone:
            self._nodes.pop(name, None)
        return self._settle(gone)

    def put_node(self, node: Node) -> list[Change]:
        """Add or replace a node."""
        self._nodes[node.name] = node
        return self._settle({node.name})

    def drop_node(self, name: NodeName) -> list[Change]:
        """Forget a node that was deleted."""
        self._nodes.pop(name, None)
        return self._settle({name})

    def keep_pods(self, uids: Iterable[PodUid]) -> list[Change]:
        """Forget all agent pods but these, at the end of a fresh list.

        From then on a node without an agent pod is known to lack one.
        """
        gone = set(self._pods).difference(uids)
        changes = [change for uid in gone for change in self.drop_pod(uid)]
        if not self._has_pods:
            self._has_pods = True
            changes += self._settle(name for name in self._nodes if name not in self._by_node)
        return changes

    def put_pod(self, pod: AgentPod) -> list[Change]:
        """Add or replace an agent pod."""
        before = self._pods.get(pod.uid)
        touched = {pod.node_name}
        if before is not None and before.node_name != pod.node_name:
            touched.add(before.node_name)
            self._by_node[before.node_name].discard(pod.uid)
        self._add_pod(pod)
        return self._settle(touched)

    def drop_pod(self, uid: PodUid) -> list[Change]:
        """Forget an agent pod that was deleted."""
        pod = self._pods.pop(uid, None)
        if pod is None:
            return []
        remaining = self._by_node[pod.node_name]
        remaining.discard(uid)
        if not remaining:
            del self._by_node[pod.node_name]
        return self._settle({pod.node_name})

    def _add_pod(self, pod: AgentPod) -> None:
        self._pods[pod.uid] = pod
        self._by_node.setdefault(pod.node_name, set()).add(pod.uid)

    def _settle(self, touched: Iterable[NodeName]) -> list[Change]:
        return [change for name in sorted(touched) for change in self._settle_one(name)]

    def _settle_one(self, name: NodeName) -> Iterator[Change]:
        node = self._nodes.get(name)
        if node is None and self._derives_nodes and name and self._by_node.get(name):
            node = Node(NodeUid(f"{_DERIVED}{name}"), name, is_ready=None)
        before = self._targets.get(name)
        if before is not None and (node is None or before.node.uid != node.uid):
            del self._targets[name]
            del self._by_uid[before.node.uid]
            yield NodeGone(before.node.uid)
            before = None
        if node is None:
            return
        target = Target(node, self._agent_of(node))
        if target != before:
            self._targets[name] = target
            self._by_uid[node.uid] = target
            yield NodeSeen(node, target.agent)

    def _agent_of(self, node: Node) -> AgentPod | None:
        pods = [self._pods[uid] for uid in self._by_node.get(node.name, ())]
        if not pods:
            return missing_agent(node, self.namespace) if self._has_pods else None
        pod = min(pods, key=_preference)
        return pod if self._derives_nodes else on_node(pod, node)


def _preference(pod: AgentPod) -> tuple[bool, int, float, str]:
    # An evicted or failed pod stays as NOT_READY until somebody deletes it, beside its successor.
    is_over = pod.phase is AgentPhase.NOT_READY and pod.started_at is None
    return is_over, _PREFERRED.index(pod.phase), -(pod.started_at or 0.0), pod.uid
