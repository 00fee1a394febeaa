"""Single changes, as objects and logs tell of them, and folds of those that are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tui.cilium.logcatalogue import meaning_of
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


@dataclass(frozen=True, slots=True)
class Change:
    """One change, with what makes others equal to it."""

    entry: TimelineEntry
    fold: tuple[str, ...] = ()
    many: str = ""
    """What to say of several, behind their number: `agents of DaemonSet cilium started`."""


def cluster_changes(cluster: ClusterFacts) -> Iterator[Change]:
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


def _node_config(config: CiliumNodeConfig, cluster: ClusterFacts) -> Iterator[Change]:
    name = f"CiliumNodeConfig {config.name}"
    source = _source(cluster.node_configs.origin)
    yield from _writes(name, config.writes, source, ChangeKind.CONFIG)
    created = config.created_at
    if created is not None and not any(abs(one.at - created) < 2.0 for one in config.writes):
        text = clean(f"{name} created", 200)
        yield Change(TimelineEntry(created, ChangeKind.CONFIG, text, source=source))


def _writes(
    what: str, writes: Iterable[ConfigWrite], source: CleanText, kind: ChangeKind
) -> Iterator[Change]:
    for write in writes:
        text = clean(f"{what} written by {write.manager or 'somebody'}", 200)
        yield Change(TimelineEntry(write.at, kind, text, write.manager, source=source))


def _source(origin: Origin | None) -> CleanText:
    return CleanText("") if origin is None else origin.source


def _revisions(cluster: ClusterFacts) -> Iterator[Change]:
    of_set: dict[str, list[DaemonSetRevision]] = {}
    for one in cluster.revisions.value or ():
        of_set.setdefault(one.daemonset, []).append(one)
    source = _source(cluster.revisions.origin)
    for name, revisions in of_set.items():
        before: DaemonSetRevision | None = None
        for one in sorted(revisions, key=lambda revision: revision.revision):
            if one.created_at is not None:
                text = clean(f"DaemonSet {name} revision {one.revision}{_told(one, before)}", 300)
                entry = TimelineEntry(one.created_at, ChangeKind.ROLLOUT, text, source=source)
                yield Change(entry)
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
        text = f"node {node.name} joined"
        yield _of(facts, node.created_at, ChangeKind.NODE, text, ("join",), "nodes joined")
    for condition in node.conditions:
        yield from _condition(facts, condition)
    if facts.agent is not None:
        yield from _agent(facts, facts.agent, now)
    yield from _bursts(facts)


def _of(
    facts: NodeFacts, at: float, kind: ChangeKind, text: str, fold: tuple[str, ...], many: str
) -> Change:
    node = facts.node
    source = CleanText("kubectl get node") if kind is ChangeKind.NODE else CleanText("")
    if kind is ChangeKind.AGENT and facts.agent is not None:
        source = clean(f"kubectl -n {facts.agent.namespace} get pod {facts.agent.name}", 300)
    entry = TimelineEntry(at, kind, clean(text, 400), CleanText(""), node.uid, node.name, source)
    return Change(entry, (kind.value, *fold), many)


def _condition(facts: NodeFacts, condition: NodeCondition) -> Iterator[Change]:
    node, since = facts.node, condition.since
    if since is None:
        return
    is_normal = condition.status == ("True" if condition.type == "Ready" else "False")
    started = node.created_at is not None and since - node.created_at < _JOIN_SECONDS
    if is_normal and (started or condition.type != "Ready"):
        return
    if condition.type == "Ready":
        state = {"True": "Ready again", "False": "NotReady"}.get(condition.status, "not reporting")
    else:
        state = f"{condition.type}={condition.status}"
    reason = f" ({condition.reason})" if condition.reason and not is_normal else ""
    text = f"node {node.name} {state}{reason}"
    yield _of(facts, since, ChangeKind.NODE, text, ("condition", state), f"nodes {state}")


def _agent(facts: NodeFacts, agent: AgentPod, now: float) -> Iterator[Change]:
    name, daemonset = facts.node.name, agent.daemonset or "cilium"
    if agent.phase is AgentPhase.CRASH_LOOP:
        why = f": {agent.reason}" if agent.reason else ""
        text = f"agent of {name} crashes again and again, {agent.restart_count} restarts{why}"
        at = agent.started_at if agent.started_at is not None else now
        fold = ("crash", str(agent.reason))
        yield _of(facts, at, ChangeKind.AGENT, text, fold, f"agents crash again and again{why}")
    elif agent.started_at is not None:
        restarts = f", restart {agent.restart_count} of its pod" if agent.restart_count else ""
        text = f"agent of {name} started{restarts}"
        many = f"agents of DaemonSet {daemonset} started"
        yield _of(facts, agent.started_at, ChangeKind.AGENT, text, ("start", daemonset), many)


def _bursts(facts: NodeFacts) -> Iterator[Change]:
    """Yield the first burst of each error, and of each warning that the catalogue explains."""
    seen: set[tuple[str, str]] = set()
    for entry in facts.logs:
        if not isinstance(entry, LogEntry) or not _is_telling(entry):
            continue
        template = (entry.meaning, "" if entry.meaning else str(entry.line.message))
        if template in seen:
            continue
        seen.add(template)
        yield _burst(facts, entry)
        if len(seen) >= BURSTS_PER_NODE:
            return


def _is_telling(entry: LogEntry) -> bool:
    level = entry.line.level
    return level >= LogLevel.ERROR or (level >= LogLevel.WARN and bool(entry.meaning))


def _burst(facts: NodeFacts, entry: LogEntry) -> Change:
    meaning = meaning_of(entry.meaning) if entry.meaning else None
    message = entry.line.message[:160]
    told = f"{meaning.short}: {message}" if meaning is not None else message
    times = f" ×{entry.count}" if entry.count > 1 else ""
    when = " at agent start" if entry.is_start_burst else ""
    found = _of(
        facts,
        entry.line.time,
        ChangeKind.LOG,
        f"{facts.node.name}: first{times}{when}: {told}",
        (entry.meaning or message,),
        f"nodes, first: {told}",
    )
    name = facts.agent.name if facts.agent is not None else ""
    source = clean(f"kubectl logs {name}".rstrip(), 200)
    return replace(found, entry=replace(found.entry, source=source))


def folded(changes: Iterable[Change]) -> Iterator[TimelineEntry]:
    """Yield entries with equal changes of nodes that follow one another closely as one."""
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        groups.setdefault(change.fold, []).append(change)
    for members in groups.values():
        members.sort(key=lambda one: one.entry.at)
        run = [members[0]]
        for change in members[1:]:
            if change.entry.at - run[-1].entry.at > FOLD_SECONDS:
                yield _one(run)
                run = []
            run.append(change)
        yield _one(run)


def _one(run: list[Change]) -> TimelineEntry:
    first, last = run[0], run[-1]
    if len(run) == 1:
        return first.entry
    names = ", ".join(one.entry.node_name for one in run[:3])
    more = f" and {len(run) - 3} more" if len(run) > 3 else ""
    return replace(
        first.entry,
        text=clean(f"{len(run)} {first.many} ({names}{more})", 400),
        node_uid=None,
        node_name=NodeName(""),
        source=CleanText(""),
        count=len(run),
        last_at=last.entry.at,
    )
