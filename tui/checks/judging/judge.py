"""Run the checks on what changed, a little at a time, and keep what they say.

A node whose facts are the same object as before is not judged again; a changed cluster has all
nodes judged anew, as the caller's budget allows. A check that fails costs its own verdict only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

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

_CLUSTER: NodeUid | None = None


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
        self._judged: dict[NodeUid, NodeFacts] = {}
        self._pending: dict[NodeUid | None, None] = {}
        self._verdicts: dict[NodeUid, tuple[Verdict, ...]] = {}
        self._next_starts: dict[NodeUid, NextStart] = {}
        self._groups = FindingGroups(self._checks)
        self._pool = VerdictPool()
        self._grouped_at = float("-inf")
        self._is_grouping_due = False

    def note(self, nodes: Mapping[NodeUid, NodeFacts], cluster: ClusterFacts) -> None:
        """Take in what is known now; `work` judges what changed of it."""
        if cluster is not self._cluster.facts:
            self._cluster = ClusterView(cluster, self._cluster.now)
            self._pending[_CLUSTER] = None
            self._judged.clear()
        self._nodes = nodes
        for uid in self._verdicts.keys() - nodes.keys():
            self._forget(uid)
        for gone in [uid for uid in self._pending if uid is not None and uid not in nodes]:
            del self._pending[gone]
        judged = self._judged
        for uid, facts in nodes.items():
            if judged.get(uid) is not facts:
                self._pending[uid] = None

    def _forget(self, uid: NodeUid) -> None:
        self._groups.put(uid, self._verdicts.pop(uid, ()), ())
        self._next_starts.pop(uid, None)
        self._judged.pop(uid, None)
        self._pending.pop(uid, None)

    @property
    def pending_nodes(self) -> int:
        """How many nodes have facts that were not judged yet."""
        return len(self._pending) - (_CLUSTER in self._pending)

    def work(self, now: float, budget_seconds: float = float("inf")) -> bool:
        """Judge what is pending for so long; return whether something is left to do.

        Args:
            now: seconds since the epoch, for what depends on the age of a fact.
            budget_seconds: after this long it stops at the next node.
        """
        ends_at = self._stopwatch() + budget_seconds
        self._cluster.now = now
        if self._is_grouping_due:
            self._is_grouping_due = False
            is_left = self._group(now, ends_at)
            if is_left or self._stopwatch() >= ends_at:
                return True
        while self._pending:
            uid = next(iter(self._pending))
            del self._pending[uid]
            self._judge(uid)
            if self._stopwatch() >= ends_at:
                self._is_grouping_due = abs(now - self._grouped_at) >= GROUPING_SECONDS
                return True
        return self._group(now, ends_at)

    def _group(self, now: float, ends_at: float) -> bool:
        self._grouped_at = now
        return self._groups.work(now, ends_at, self._stopwatch)

    def _judge(self, uid: NodeUid | None) -> None:
        if uid is None:
            self._groups.put_cluster(self._ask_all_of_cluster())
            return
        facts = self._nodes.get(uid)
        if facts is None:
            return
        self._judged[uid] = facts
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
            except Exception as error:
                LOG.exception("check %s failed on %s", check.id, view.name)
                summary, missing = _mishap(error)
                yield view.verdict(check.id, FindingSeverity.UNKNOWN, summary, missing=missing)

    def _ask_all_of_cluster(self) -> list[Verdict]:
        found: list[Verdict] = []
        for check in self._checks:
            if check.judge_cluster is None:
                continue
            try:
                found.extend(check.judge_cluster(self._cluster))
            except Exception as error:
                LOG.exception("check %s failed", check.id)
                summary, missing = _mishap(error)
                severity = FindingSeverity.UNKNOWN
                found.append(self._cluster.verdict(check.id, severity, summary, missing=missing))
        return found

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


def _mishap(error: Exception) -> tuple[CleanText, tuple[MissingEvidence, ...]]:
    """Say that a check failed: a bug of ours, and no verdict."""
    text = clean(f"{type(error).__name__}: {error}", 200)
    how = CleanText("a bug in ciltop: start it with --log-file and report what it says")
    return CleanText("the check itself failed"), (MissingEvidence(text, how),)
