"""Single changes, as objects and logs tell of them, and folds of those that are equal."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

from tui.cilium.logcatalogue import meaning_of, short_form
from tui.model.cluster import CiliumNodeConfig, ClusterFacts, ConfigWrite, DaemonSetRevision
from tui.model.logs import LogEntry, LogLevel
from tui.model.names import NodeName
from tui.model.node import AgentPhase, AgentPod, NodeCondition
from tui.model.reading import Origin
from tui.model.snapshot import NodeFacts
from tui.model.timeline import ChangeKind, TimelineEntry
from tui.safety import CleanText, clean

FOLD_SECONDS = 300.0
"""Equal changes of several nodes that follow one another this closely are one entry."""

BURSTS_PER_NODE = 20
_JOIN_SECONDS = 600.0
"""Conditions that changed this soon after a node was created belong to its start."""

_STATUS_WRITERS = frozenset({"kube-controller-manager"})
"""Writes the status of DaemonSets all the time."""


Subject = NodeCondition | LogEntry | None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a node, not yet put into words: most of them are never shown."""

    at: float
    kind: ChangeKind
    fold: tuple[str, ...]
    """What makes others equal to it."""
    facts: NodeFacts
    subject: Subject = None
    """What tells of it, where that is not the node or its agent as a whole."""

    @property
    def entry(self) -> TimelineEntry:
        """The change in words."""
        return _worded(self)[0]


def cluster_changes(cluster: ClusterFacts) -> Iterator[TimelineEntry]:
    """Yield the writes of configuration and DaemonSets, and the rollouts."""
    held = cluster.config_map
    if held.value is not None:
        source = _source(held.origin)
        yield from _writes("cilium-config", held.value.writes, source, ChangeKind.CONFIG)
    for config in cluster.node_configs.value or ():
        yield from _node_config(config, cluster)
    for daemonset in cluster.daemonsets.value or ():
        name = f"DaemonSet {daemonset.name}"
        writes = tuple(one for one in daemonset.writes if one.manager not in _STATUS_WRITERS)
        source = _source(cluster.daemonsets.origin)
        yield from _writes(name, writes, source, ChangeKind.ROLLOUT)
    yield from _revisions(cluster)


def _node_config(config: CiliumNodeConfig, cluster: ClusterFacts) -> Iterator[TimelineEntry]:
    name = f"CiliumNodeConfig {config.name}"
    source = _source(cluster.node_configs.origin)
    yield from _writes(name, config.writes, source, ChangeKind.CONFIG)
    created = config.created_at
    if created is not None and not any(abs(one.at - created) < 2.0 for one in config.writes):
        text = clean(f"{name} created", 200)
        yield TimelineEntry(created, ChangeKind.CONFIG, text, source=source)


def _writes(
    what: str, writes: Iterable[ConfigWrite], source: CleanText, kind: ChangeKind
) -> Iterator[TimelineEntry]:
    for write in writes:
        text = clean(f"{what} written by {write.manager or 'somebody'}", 200)
        yield TimelineEntry(write.at, kind, text, write.manager, source=source)


def _source(origin: Origin | None) -> CleanText:
    return CleanText("") if origin is None else origin.source


def _revisions(cluster: ClusterFacts) -> Iterator[TimelineEntry]:
    of_set: dict[str, list[DaemonSetRevision]] = {}
    for one in cluster.revisions.value or ():
        of_set.setdefault(one.daemonset, []).append(one)
    source = _source(cluster.revisions.origin)
    for name, revisions in of_set.items():
        before: DaemonSetRevision | None = None
        for one in sorted(revisions, key=lambda revision: revision.revision):
            if one.created_at is not None:
                text = clean(f"DaemonSet {name} revision {one.revision}{_told(one, before)}", 300)
                yield TimelineEntry(one.created_at, ChangeKind.ROLLOUT, text, source=source)
            before = one


def _told(revision: DaemonSetRevision, before: DaemonSetRevision | None) -> str:
    if before is None or not before.image or not revision.image:
        return f": {revision.image}" if revision.image else ""
    if before.image != revision.image:
        return f": {before.image} → {revision.image}"
    return ": same image, another template"


def node_changes(facts: NodeFacts, now: float) -> Iterator[Change]:
    """Yield what changed on one node: its start, conditions, agent and first bursts of errors."""
    node = facts.node
    if node.created_at is not None:
        yield Change(node.created_at, ChangeKind.NODE, ("join",), facts)
    for condition in node.conditions:
        if _is_news(facts, condition):
            fold = ("condition", condition.type, condition.status)
            yield Change(condition.since or 0.0, ChangeKind.NODE, fold, facts, condition)
    agent = facts.agent
    if agent is not None and agent.phase is AgentPhase.CRASH_LOOP:
        at = agent.started_at if agent.started_at is not None else now
        yield Change(at, ChangeKind.AGENT, ("crash", agent.reason), facts)
    elif agent is not None and agent.started_at is not None:
        yield Change(agent.started_at, ChangeKind.AGENT, ("start", agent.daemonset), facts)
    if facts.logs:
        yield from _bursts(facts)


def _is_news(facts: NodeFacts, condition: NodeCondition) -> bool:
    """Whether a condition is not what every healthy node has since its first minutes."""
    created, since = facts.node.created_at, condition.since
    if since is None:
        return False
    if not _is_normal(condition):
        # Of a kubelet that went silent every condition is Unknown; Ready tells it once.
        return condition.type == "Ready" or condition.status != "Unknown"
    is_first = created is not None and since - created < _JOIN_SECONDS
    return condition.type == "Ready" and not is_first


def _is_normal(condition: NodeCondition) -> bool:
    return condition.status == ("True" if condition.type == "Ready" else "False")


def _bursts(facts: NodeFacts) -> Iterator[Change]:
    """Yield the first burst of each error, and of each warning that the catalogue explains."""
    seen: set[str] = set()
    for entry in facts.logs:
        if not isinstance(entry, LogEntry):
            continue
        level, meaning = entry.line.level, entry.meaning
        if level < LogLevel.WARN or (level < LogLevel.ERROR and not meaning):
            continue
        template = meaning or entry.line.message
        if template not in seen:
            seen.add(template)
            yield Change(entry.line.time, ChangeKind.LOG, ("log", template), facts, entry)
            if len(seen) >= BURSTS_PER_NODE:
                return


def _worded(change: Change) -> tuple[TimelineEntry, str]:
    """Return the entry, and what to say of several behind their number."""
    facts, subject = change.facts, change.subject
    node, agent = facts.node, facts.agent
    if isinstance(subject, LogEntry):
        one, many = _burst_words(node.name, subject)
        source = f"kubectl logs {agent.name}" if agent is not None else "agent log"
    elif isinstance(subject, NodeCondition):
        one, many = _condition_words(node.name, subject)
        source = f"kubectl get node {node.name} -o yaml"
    elif agent is not None and change.kind is ChangeKind.AGENT:
        one, many = _agent_words(node.name, agent)
        source = f"kubectl -n {agent.namespace} get pod {agent.name}"
    else:
        one, many = f"node {node.name} joined", "nodes joined"
        source = f"kubectl get node {node.name} -o yaml"
    text, told = clean(one, 400), clean(source, 300)
    entry = TimelineEntry(
        change.at, change.kind, text, node_uid=node.uid, node_name=node.name, source=told
    )
    return entry, many


def _agent_words(name: str, agent: AgentPod) -> tuple[str, str]:
    if agent.phase is AgentPhase.CRASH_LOOP:
        why = f": {agent.reason}" if agent.reason else ""
        text = f"agent of {name} crashes again and again, {agent.restart_count} restarts{why}"
        return text, f"agents crash again and again{why}"
    restarts = f", restart {agent.restart_count} of its pod" if agent.restart_count else ""
    many = f"agents of DaemonSet {agent.daemonset or 'cilium'} started"
    return f"agent of {name} started{restarts}", many


def _condition_words(name: str, condition: NodeCondition) -> tuple[str, str]:
    if condition.type == "Ready":
        words = {"True": "became Ready", "False": "became NotReady"}
        state = words.get(condition.status, "stopped reporting")
    else:
        state = f"{condition.type}={condition.status}"
    reason = f" ({condition.reason})" if condition.reason and not _is_normal(condition) else ""
    return f"node {name} {state}{reason}", f"nodes {state}"


def _burst_words(name: str, entry: LogEntry) -> tuple[str, str]:
    meaning = meaning_of(entry.meaning) if entry.meaning else None
    message = entry.line.message[:160]
    told = message
    if meaning is not None:
        told = f"{short_form(entry.line, meaning)}: {message}"
    times = f" ×{entry.count}" if entry.count > 1 else ""
    when = " at agent start" if entry.is_start_burst else ""
    return f"{name}: first{times}{when}: {told}", f"nodes, first: {told}"


def folded(changes: Iterable[Change], limit: int) -> list[TimelineEntry]:
    """Return the newest entries, equal changes of nodes that follow one another closely as one."""
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        groups.setdefault(change.fold, []).append(change)
    runs = [run for members in groups.values() for run in _runs(members)]
    return [_one(run) for run in heapq.nlargest(limit, runs, key=lambda run: run[0].at)]


def _runs(members: list[Change]) -> Iterator[list[Change]]:
    members.sort(key=_moment)
    run = [members[0]]
    for change in members[1:]:
        if change.at - run[-1].at > FOLD_SECONDS:
            yield run
            run = []
        run.append(change)
    yield run


_moment = attrgetter("at")


def _one(run: list[Change]) -> TimelineEntry:
    first, many = _worded(run[0])
    if len(run) == 1:
        return first
    names = ", ".join(one.facts.node.name for one in run[:3])
    more = f" and {len(run) - 3} more" if len(run) > 3 else ""
    return replace(
        first,
        text=clean(f"{len(run)} {many} ({names}{more})", 400),
        node_uid=None,
        node_name=NodeName(""),
        source=CleanText(""),
        count=len(run),
        last_at=run[-1].at,
    )
