"""A small cluster for the operator's tests: objects by path, a gate that writes, a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from tests.unit.collect_clock import VirtualClock, settle
from tests.unit.store_facts import origin
from tui.cluster.arming import Arming
from tui.cluster.exec import ExecResult
from tui.cluster.gate import WriteRequest
from tui.errors import IdentityError, NotFoundError, WriteConflictError
from tui.model.agent import AgentMetrics, AgentStatus, ComponentState, EffectiveConfig
from tui.model.cluster import ClusterFacts
from tui.model.logs import LogEntry, LogLevel, LogLine
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node
from tui.model.operations import (
    Intent,
    OperationKind,
    OperationPlan,
    OperationProgress,
    Permission,
    PlannedWrite,
)
from tui.model.reading import Reading
from tui.model.services import Service, ServiceCoverage
from tui.model.snapshot import (
    Fact,
    NodeFacts,
    OperationChanged,
    Snapshot,
    SourceHealth,
    SourceState,
)
from tui.operations.journal import Journal, Who
from tui.operations.operator import Operator
from tui.operations.timing import Timing
from tui.operations.undo import UndoFolder
from tui.safety import clean

T = TypeVar("T")

TIMING = Timing(verify=100.0, quiet=5.0, soak=20.0, poll=0.5)
NAMESPACE = "kube-system"
CONTEXT = clean("lab")


def uid_of(number: int) -> NodeUid:
    return NodeUid(f"uid-{number}")


def pod_path(name: str) -> str:
    return f"/api/v1/namespaces/{NAMESPACE}/pods/{name}"


class FakeCluster:
    """Session and gate in one: a deleted agent pod is followed by a new one, `start_seconds` on."""

    def __init__(
        self,
        clock: VirtualClock,
        count: int = 4,
        start_seconds: float = 10.0,
        server: str = "https://lab",
    ) -> None:
        self.clock = clock
        self.server = clean(server)
        self.start_seconds = start_seconds
        self.objects: dict[str, dict[str, Any]] = {}
        self.services: Sequence[Service] = ()
        self.nodes: dict[NodeUid, NodeFacts] = {}
        self.health = SourceHealth(clean("fake"), SourceState.LIVE)
        self.sent: list[WriteRequest] = []
        self.reads: list[str] = []
        self.before_write: list[Callable[[WriteRequest], None]] = []
        """Each is called once with a write before it is done, and may raise."""
        self.after_write: list[Callable[[WriteRequest], None]] = []
        self.before_read: list[Callable[[str], None]] = []
        self.on_restart: Callable[[NodeFacts], NodeFacts] = lambda facts: facts
        """Changes the facts of a restarted node."""
        self.asked: list[tuple[str, float]] = []
        """Which agent was asked for its endpoints, and when."""
        self.endpoint_state: Callable[[str], str] = lambda pod: "ready"
        """Of an agent's only endpoint; empty where it can't be asked."""
        self.arming = Arming(False, "", CONTEXT, clock.time)
        self.arming.arm("lab")
        self._versions = 1
        for number in range(1, count + 1):
            self._add(number)

    def _add(self, number: int) -> None:
        node = Node(uid_of(number), NodeName(f"node-{number}"), is_ready=True)
        self.nodes[node.uid] = self._with_agent(NodeFacts(node), f"cilium-{number}-0")

    def _with_agent(self, facts: NodeFacts, name: str) -> NodeFacts:
        agent = AgentPod(
            PodUid(f"pod-{name}"),
            clean(name),
            clean(NAMESPACE),
            facts.node.name,
            AgentPhase.RUNNING,
            container_id=ContainerId(f"c-{name}"),
            is_ready=True,
            started_at=self.clock.time(),
        )
        self.objects[pod_path(name)] = {"metadata": {"uid": agent.uid, "resourceVersion": "1"}}
        line = LogLine(self.clock.time(), LogLevel.INFO, clean("Initializing daemon"))
        first = LogEntry(facts.node.uid, agent.container_id, line)
        return self.answering(replace(facts, agent=agent, logs=(first,)))

    def answering(self, facts: NodeFacts) -> NodeFacts:
        """Return the facts as its agent would give them now."""
        assert facts.agent is not None
        held = ServiceCoverage(10, 10, 20, 20)
        made = replace(origin(self.clock.time() + 0.1, facts.agent.container_id), node_uid=None)
        return replace(
            facts,
            status=Reading.known(AgentStatus(ComponentState(clean("Ok"))), made),
            config=Reading.known(EffectiveConfig({}), made),
            services=Reading.known(held, made),
            metrics=Reading.known(AgentMetrics(interval_seconds=10.0), made),
            maps=Reading.known((), made),
        )

    def snapshot(self) -> Snapshot:
        facts = ClusterFacts(
            context=CONTEXT,
            server=self.server,
            cilium_namespace=clean(NAMESPACE),
            services=Reading.known(tuple(self.services), origin(self.clock.time())),
        )
        nodes = {uid: self.on_look(one) for uid, one in self.nodes.items()}
        return Snapshot(self.clock.time(), cluster=facts, nodes=nodes, health=self.health)

    def on_look(self, facts: NodeFacts) -> NodeFacts:
        if facts.agent is None:
            return facts
        return self.on_restart(facts) if not facts.agent.name.endswith("-0") else facts

    async def get_json(self, path: str, decoder_type: type[T]) -> T:
        self.reads.append(path)
        if self.before_read:
            self.before_read.pop(0)(path)
        if path not in self.objects:
            raise NotFoundError(f"{path} not found", 404)
        return cast("T", self.objects[path])

    async def exec(
        self, namespace: str, pod: str, container: str, argv: object, *, deadline_seconds: float
    ) -> ExecResult:
        self.asked.append((pod, self.clock.time()))
        state = self.endpoint_state(pod)
        if not state:
            return ExecResult(1, b"", b"no answer of the agent", False, 0.1)
        return ExecResult(0, b'[{"status": {"state": "%s"}}]' % state.encode(), b"", False, 0.1)

    async def may(self, request: WriteRequest) -> Permission:
        return Permission.ALLOWED

    async def dry_run(self, request: WriteRequest) -> dict[str, Any]:
        return {}

    async def write(self, request: WriteRequest) -> dict[str, Any]:
        self.arming.check()
        is_counted = request.resource not in ("leases", "events")
        if is_counted:
            self.sent.append(request)
            if self.before_write:
                self.before_write.pop(0)(request)
        answer = self._do(request)
        if is_counted and self.after_write:
            self.after_write.pop(0)(request)
        return answer

    def _do(self, request: WriteRequest) -> dict[str, Any]:
        path = request.object_path
        found = self.objects.get(path)
        self._versions += 1
        if request.verb == "create":
            if found is not None:
                raise WriteConflictError(f"{request.title}: exists already")
            body = cast("dict[str, Any]", request.body)
            metadata = {**body["metadata"], "uid": f"made-{self._versions}"}
            metadata["resourceVersion"] = str(self._versions)
            self.objects[path] = {**body, "metadata": metadata}
            return self.objects[path]
        if found is None or found["metadata"]["uid"] != request.uid:
            raise IdentityError(f"{request.title}: it was replaced by another object meanwhile")
        if request.resource_version not in ("", found["metadata"]["resourceVersion"]):
            raise WriteConflictError(f"{request.title}: it was changed meanwhile")
        if request.verb == "patch":
            body = cast("dict[str, Any]", request.body)
            for part, values in body.items():
                kept = {**found.get(part, {}), **values}
                found[part] = {key: value for key, value in kept.items() if value is not None}
            found["metadata"]["resourceVersion"] = str(self._versions)
            return found
        del self.objects[path]
        if request.resource == "pods":
            self._restart(request.name)
        return {}

    def _restart(self, name: str) -> None:
        uid, facts = next((u, f) for u, f in self.nodes.items() if f.agent and f.agent.name == name)
        self.nodes[uid] = replace(facts, agent=None)

        async def begin() -> None:
            await self.clock.sleep(self.start_seconds)
            stem, _, count = name.rpartition("-")
            self.nodes[uid] = self._with_agent(facts, f"{stem}-{int(count) + 1}")

        self._starting = asyncio.create_task(begin())


class Rig:
    """An operator on a fake cluster, with everything that it told."""

    def __init__(self, folder: Path, cluster: FakeCluster, timing: Timing = TIMING) -> None:
        self.cluster = cluster
        self.clock = cluster.clock
        self.folder = folder
        self.told: list[Fact] = []
        self.revisited: list[frozenset[NodeUid]] = []
        self.plans = 0
        self.journal = Journal(
            folder / "audit.jsonl", cluster.clock.time, Who(CONTEXT, clean("alice"), clean("desk"))
        )
        self.operator = Operator(
            cluster,
            cluster,
            self.look,
            self.tell,
            journal=self.journal,
            clock=cluster.clock,
            revisit=self.revisit,
            folder=UndoFolder(folder / "undo"),
            planner=self.make,
            timing=timing,
        )

    def look(self) -> Snapshot:
        operations = {
            fact.progress.plan.id: fact.progress
            for fact in self.told
            if isinstance(fact, OperationChanged)
        }
        return replace(self.cluster.snapshot(), operations=tuple(operations.values()))

    async def tell(self, fact: Fact) -> None:
        self.told.append(fact)

    def revisit(self, uids: Collection[NodeUid]) -> None:
        self.revisited.append(frozenset(uids))

    async def make(self, intent: Intent, snapshot: Snapshot) -> OperationPlan:
        """Plan the restart of the intent's nodes: one, then waves."""
        self.plans += 1
        uids, size = list(intent.nodes), intent.wave_size
        waves = [tuple(uids[:1])]
        waves += [tuple(uids[at : at + size]) for at in range(1, len(uids), size)]
        writes = []
        for uid in uids:
            agent = snapshot.nodes[uid].agent
            if agent is not None:
                writes.append(delete(uid, agent))
        return OperationPlan(
            f"plan{self.plans}",
            intent,
            clean("restart"),
            self.clock.time(),
            tuple(waves),
            tuple(snapshot.nodes[uid].node.name for uid in uids),
            writes=tuple(writes),
            confirmation=CONTEXT if len(uids) > 1 else clean(""),
        )

    async def begin(self, *numbers: int, wave_size: int = 1) -> OperationPlan:
        intent = Intent(OperationKind.RESTART, tuple(map(uid_of, numbers)), wave_size=wave_size)
        plan = await self.operator.plan(intent)
        await self.operator.start(plan, plan.confirmation)
        await settle()
        return plan

    def progress(self, plan: OperationPlan) -> OperationProgress:
        return next(one for one in self.look().operations if one.plan.id == plan.id)

    def states(self, plan: OperationPlan) -> list[str]:
        return [node.state.value for node in self.progress(plan).nodes]

    async def run_out(self, seconds: float = 2_000.0) -> None:
        """Let time run until the operation has ended, or so long."""
        end = self.clock.now + seconds
        while self.operator.is_running and self.clock.now < end:
            await self.clock.advance(0.5)

    def restarted(self) -> list[str]:
        return [one.name for one in self.cluster.sent if one.resource == "pods"]


def delete(uid: NodeUid, agent: AgentPod) -> PlannedWrite:
    return PlannedWrite(
        f"restart-{uid}",
        "delete",
        "pods",
        "",
        clean(NAMESPACE),
        agent.name,
        str(agent.uid),
        "1",
        version="v1",
        node_uid=uid,
    )
