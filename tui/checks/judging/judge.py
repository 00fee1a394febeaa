"""Run the checks on what changed, a little at a time, and keep what they say.

A node whose facts are the same object as before is not judged again; a changed cluster has all
nodes judged anew, as the caller's budget allows, those first that changed themselves. A node of
which nothing but its log goes on is judged every few seconds only: some logs never rest. A check
that fails costs its own verdict only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter, is_
from types import MappingProxyType
from typing import NamedTuple

from tui.checks.check import Check
from tui.checks.judging.grouping import FindingGroups
from tui.checks.judging.sharing import VerdictPool
from tui.checks.registry import all_checks
from tui.checks.view import ClusterView, NodeView
from tui.model.cluster import ClusterFacts
from tui.model.findings import Finding, FindingChange, FindingSeverity, MissingEvidence, Verdict
from tui.model.names import NodeUid
from tui.model.nextstart import NextStart
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.checks")

GROUPING_SECONDS = 1.0
"""How often findings are told while nodes are pending all the time: in a cluster that changes."""

LOG_SECONDS = 5.0
"""How often a node is judged whose log alone changes."""

_CLUSTER: NodeUid | None = None


class _Judged(NamedTuple):
    """What a node was judged by, and when."""

    facts: NodeFacts
    at: float


class Judge:
    """The checks at work; one thread uses it."""

    def __init__(
        self,
        checks: Sequence[Check] | None = None,
        *,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._checks = all_checks() if checks is None else tuple(checks)
        self._stopwatch = stopwatch
        self._nodes: Mapping[NodeUid, NodeFacts] = {}
        self._cluster = ClusterView(ClusterFacts(), 0.0)
        self._judged: dict[NodeUid, _Judged] = {}
        self._pending: dict[NodeUid | None, None] = {}
        self._waiting: dict[NodeUid, None] = {}
        """Judged before the cluster changed, and the same since."""
        self._talking: dict[NodeUid, None] = {}
        """Changed in nothing but their log since they were judged."""
        self._verdicts: dict[NodeUid, tuple[Verdict, ...]] = {}
        self._next_starts: dict[NodeUid, NextStart] = {}
        self._groups = FindingGroups(self._checks)
        self._mishaps: set[tuple[str, str]] = set()
        self._pool = VerdictPool()
        self._grouped_at = float("-inf")
        self._is_grouping_due = False

    def anew(self) -> Judge:
        """Return one with the same checks that knows nothing yet."""
        return Judge(self._checks, stopwatch=self._stopwatch)

    def note(
        self,
        nodes: Mapping[NodeUid, NodeFacts],
        cluster: ClusterFacts,
        touched: Iterable[NodeUid] | None = None,
    ) -> None:
        """Take in what is known now; `work` judges what changed of it.

        Args:
            nodes: all nodes.
            cluster: what is known of the cluster as a whole.
            touched: the nodes that may have come, gone or changed since the last call; None for
                all. Looking at thousands takes longer than judging one.
        """
        self._nodes = nodes
        if cluster is not self._cluster.facts:
            self._cluster = ClusterView(cluster, self._cluster.now)
            self._pending[_CLUSTER] = None
            self._waiting = {uid: None for uid in self._judged if uid not in self._pending}
        if touched is None:
            touched = (*nodes, *(self._known_nodes() - nodes.keys()))
        for uid in touched:
            facts = nodes.get(uid)
            known = self._judged.get(uid)
            if facts is None:
                self._forget(uid)
            elif known is None or (known.facts is not facts and uid not in self._pending):
                self._note_changed(uid, known, facts)

    def _known_nodes(self) -> set[NodeUid]:
        return self._judged.keys() | {uid for uid in self._pending if uid is not None}

    def _note_changed(self, uid: NodeUid, known: _Judged | None, facts: NodeFacts) -> None:
        if known is not None and _differ_in_log_only(known.facts, facts):
            self._talking[uid] = None
        else:
            self._note_due(uid)

    def _forget(self, uid: NodeUid) -> None:
        self._groups.put(uid, self._verdicts.pop(uid, ()), ())
        self._next_starts.pop(uid, None)
        for kept in (self._judged, self._pending, self._waiting, self._talking):
            kept.pop(uid, None)

    @property
    def pending_nodes(self) -> int:
        """How many nodes have facts that were not judged yet."""
        return len(self._pending) - (_CLUSTER in self._pending) + len(self._waiting)

    def work(self, now: float, budget_seconds: float = float("inf")) -> bool:
        """Judge what is pending for so long; return whether something is left to do.

        Args:
            now: seconds since the epoch, for what depends on the age of a fact.
            budget_seconds: after this long it stops at the next node; without end, logs that go on
                are looked at, too.
        """
        ends_at = self._stopwatch() + budget_seconds
        self._cluster.now = now
        if self._is_grouping_due:
            self._is_grouping_due = False
            is_left = self._group(now, ends_at)
            if is_left or self._stopwatch() >= ends_at:
                return True
        self._hear_out(now, is_all=budget_seconds == float("inf"))
        while self._pending or self._waiting:
            self._judge(self._next(), now)
            if self._stopwatch() >= ends_at:
                self._is_grouping_due = abs(now - self._grouped_at) >= GROUPING_SECONDS
                return True
        return self._group(now, ends_at)

    def finish(self, now: float) -> None:
        """Judge all that is pending and make all findings of it: nothing more will come."""
        self.work(now)
        self._groups.work(now, float("inf"), self._stopwatch, is_last=True)

    def _hear_out(self, now: float, *, is_all: bool) -> None:
        """Have those judged whose log went on for long enough."""
        for uid in list(self._talking):
            known = self._judged.get(uid)
            if is_all or known is None or abs(now - known.at) >= LOG_SECONDS:
                self._note_due(uid)

    def _note_due(self, uid: NodeUid) -> None:
        self._pending[uid] = None
        self._waiting.pop(uid, None)
        self._talking.pop(uid, None)

    def _next(self) -> NodeUid | None:
        uid = next(iter(self._pending or self._waiting))
        self._pending.pop(uid, None)
        if uid is not None:
            self._waiting.pop(uid, None)
            self._talking.pop(uid, None)
        return uid

    def _group(self, now: float, ends_at: float) -> bool:
        self._grouped_at = now
        return self._groups.work(now, ends_at, self._stopwatch)

    def _judge(self, uid: NodeUid | None, now: float) -> None:
        if uid is None:
            self._groups.put_cluster(self._ask_all_of_cluster())
            return
        facts = self._nodes.get(uid)
        if facts is None:
            return
        self._judged[uid] = _Judged(facts, now)
        view = NodeView(facts, self._cluster)
        asked = sorted(self._ask_all(view), key=lambda one: one.severity.rank)
        found = tuple(map(self._pool.shared, asked))
        self._groups.name(uid, facts.node.name)
        self._groups.put(uid, self._verdicts.get(uid, ()), found)
        self._verdicts[uid] = found
        self._next_starts[uid] = view.next_start

    def _ask_all(self, view: NodeView) -> Iterable[Verdict]:
        for check in self._checks:
            if check.judge_node is None:
                continue
            try:
                yield from check.judge_node(view)
            except Exception as error:  # noqa: BLE001 - logged, and said as a verdict
                self._log(check, error, f"on {view.name}")
                summary, missing = _mishap(error)
                yield view.verdict(check.id, FindingSeverity.UNKNOWN, summary, missing=missing)

    def _ask_all_of_cluster(self) -> list[Verdict]:
        found: list[Verdict] = []
        for check in self._checks:
            if check.judge_cluster is None:
                continue
            try:
                found.extend(check.judge_cluster(self._cluster))
            except Exception as error:  # noqa: BLE001 - logged, and said as a verdict
                self._log(check, error, "on the cluster")
                summary, missing = _mishap(error)
                severity = FindingSeverity.UNKNOWN
                found.append(self._cluster.verdict(check.id, severity, summary, missing=missing))
        return found

    def _log(self, check: Check, error: Exception, where: str) -> None:
        """Log each kind of failure once: thousands of nodes fail alike, again and again."""
        kind = (check.id, type(error).__name__)
        if kind not in self._mishaps:
            self._mishaps.add(kind)
            LOG.error("check %s failed %s", check.id, where, exc_info=error)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, worst first."""
        return self._groups.findings

    @property
    def changes(self) -> tuple[FindingChange, ...]:
        """What appeared, changed and went, oldest first."""
        return self._groups.changes

    @property
    def verdicts(self) -> Mapping[NodeUid, tuple[Verdict, ...]]:
        """A copy of what is said of each node."""
        return MappingProxyType(dict(self._verdicts))

    @property
    def next_starts(self) -> Mapping[NodeUid, NextStart]:
        """A copy of each node's next start."""
        return MappingProxyType(dict(self._next_starts))


_ALL_BUT_LOG = attrgetter(*(part.name for part in fields(NodeFacts) if part.name != "logs"))


def _differ_in_log_only(before: NodeFacts, now: NodeFacts) -> bool:
    """Tell whether all else is the very same; facts that equal others are not looked into."""
    return before.logs is not now.logs and all(map(is_, _ALL_BUT_LOG(before), _ALL_BUT_LOG(now)))


def _mishap(error: Exception) -> tuple[CleanText, tuple[MissingEvidence, ...]]:
    """Say that a check failed: a bug of ours, and no verdict."""
    text = clean(f"{type(error).__name__}: {error}", 200)
    how = CleanText("a bug in ciltop: start it with --log-file and report what it says")
    return CleanText("the check itself failed"), (MissingEvidence(text, how),)
