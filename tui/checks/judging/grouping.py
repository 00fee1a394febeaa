"""Put the verdicts of many nodes together as findings, and follow how these change.

Groups that a person must see at once are made anew whenever a verdict of them changed; those of
things that are fine or latent, which hold every node of the cluster, a few times a minute.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from tui.checks.check import Check
from tui.checks.registry import rank_of
from tui.model.findings import (
    Evidence,
    Finding,
    FindingChange,
    FindingSeverity,
    MissingEvidence,
    Remedy,
    Verdict,
)
from tui.model.names import NodeName, NodeUid

EVIDENCE_SHOWN = 24
EVIDENCE_NODES = 6
OBJECTS_SHOWN = 200
CHANGES_KEPT = 500
CALM_SECONDS = 5.0
"""How often findings are made anew that hurt nobody now."""

LARGE_GROUP = 200
"""Larger ones are made anew as seldom as calm ones, and have only their first nodes in order."""

_URGENT = frozenset({FindingSeverity.ACTIVE, FindingSeverity.ARMED})
_CHANGE_NODES = 5

GroupKey = tuple[str, str, FindingSeverity]
"""Check, group and severity."""


class FindingGroups:
    """All verdicts by check, group and severity."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._abouts = {check.id: check.about for check in checks}
        self._members: dict[GroupKey, dict[NodeUid | None, tuple[Verdict, ...]]] = {}
        self._names: dict[NodeUid, NodeName] = {}
        self._cluster: tuple[Verdict, ...] = ()
        self._dirty: dict[GroupKey, None] = {}
        self._found: dict[GroupKey, Finding] = {}
        self._first_seen: dict[GroupKey, float] = {}
        self._worst: dict[tuple[str, str], FindingSeverity] = {}
        self._calm_at = float("-inf")
        self._changes: deque[FindingChange] = deque(maxlen=CHANGES_KEPT)
        self.findings: tuple[Finding, ...] = ()
        self.changes: tuple[FindingChange, ...] = ()

    def name(self, uid: NodeUid, name: NodeName) -> None:
        """Learn a node's name; verdicts that nodes share have none."""
        self._names[uid] = name

    def put(self, uid: NodeUid | None, before: Iterable[Verdict], after: Iterable[Verdict]) -> None:
        """Replace the verdicts of one node."""
        old = _by_key(before)
        new = _by_key(after)
        for key in old.keys() - new.keys():
            members = self._members.get(key)
            if members is not None:
                members.pop(uid, None)
            self._dirty[key] = None
        for key, verdicts in new.items():
            self._members.setdefault(key, {})[uid] = verdicts
            is_urgent = key[2] in _URGENT or key[2] is FindingSeverity.UNKNOWN
            if is_urgent or key not in old or _says_other(old[key], verdicts):
                self._dirty[key] = None

    def put_cluster(self, verdicts: Iterable[Verdict]) -> None:
        """Replace the verdicts on the cluster as a whole."""
        found = tuple(verdicts)
        self.put(None, self._cluster, found)
        self._cluster = found

    def work(
        self,
        now: float,
        ends_at: float,
        stopwatch: Callable[[], float],
        *,
        is_last: bool = False,
    ) -> bool:
        """Make changed findings anew until the time is up; return whether any is left."""
        since = now - self._calm_at
        is_calm_due = is_last or since >= CALM_SECONDS or since < 0.0
        due = [key for key in self._dirty if is_calm_due or self._is_urgent(key)]
        subjects: dict[tuple[str, str], None] = {}
        is_left = False
        for number, key in enumerate(due):
            del self._dirty[key]
            self._make(key, now)
            subjects[key[:2]] = None
            if stopwatch() >= ends_at and number + 1 < len(due):
                is_left = True
                break
        if subjects:
            self._order(subjects, now)
        if is_calm_due and not is_left:
            self._calm_at = now
        return is_left

    def _is_urgent(self, key: GroupKey) -> bool:
        return key[2] in _URGENT and (
            key not in self._found or len(self._members.get(key, ())) <= LARGE_GROUP
        )

    def _order(self, subjects: Iterable[tuple[str, str]], now: float) -> None:
        self.findings = tuple(sorted(self._found.values(), key=lambda finding: finding.order))
        known = len(self._changes)
        for subject in subjects:
            # Half of a change would be told as an end and a beginning.
            if not any((*subject, severity) in self._dirty for severity in _URGENT):
                self._note_change(subject, now)
        if len(self._changes) != known or known == CHANGES_KEPT:
            self.changes = tuple(self._changes)

    def _make(self, key: GroupKey, now: float) -> None:
        members = self._members.get(key)
        if not members:
            self._members.pop(key, None)
            self._found.pop(key, None)
            self._first_seen.pop(key, None)
            return
        finding = self._finding(key, members, now)
        self._found[key] = finding

    def _finding(
        self, key: GroupKey, members: dict[NodeUid | None, tuple[Verdict, ...]], now: float
    ) -> Finding:
        check_id, group, severity = key
        about = self._abouts[check_id]
        nodes = self._worst_nodes(members)
        first = [verdict for uid in islice(nodes, EVIDENCE_NODES) for verdict in members[uid]]
        first.sort(key=lambda one: -one.harm)
        worst = first[0]
        verdicts = [verdict for of_node in members.values() for verdict in of_node]
        # Nodes with equal objects share one tuple of them.
        shared = {id(one.objects): one.objects for one in (*first, *verdicts) if one.objects}
        objects = dict.fromkeys(item for group in shared.values() for item in group)
        began = min((one.since for one in verdicts if one.since is not None), default=now)
        first_seen = min(began, self._first_seen.get(key, now))
        self._first_seen[key] = first_seen
        return Finding(
            id=check_id,
            title=about.title,
            severity=severity,
            summary=worst.summary,
            why=about.why,
            nodes=tuple(uid for uid in nodes if uid is not None),
            node_names=tuple(
                self._names.get(uid, NodeName("")) for uid in nodes if uid is not None
            ),
            objects=tuple(islice(objects, OBJECTS_SHOWN)),
            objects_total=len(objects),
            evidence=_evidence(first),
            remedy=worst.remedy if worst.remedy != Remedy() else about.remedy,
            missing=_missing(first),
            references=about.references,
            first_seen=first_seen,
            last_seen=now,
            harm=sum(one.harm for one in verdicts),
            rank=rank_of(check_id),
            group=group,
        )

    def _worst_nodes(
        self, members: dict[NodeUid | None, tuple[Verdict, ...]]
    ) -> list[NodeUid | None]:
        """Return the nodes worst first; of a large group only the first few are in order."""

        def order(uid: NodeUid | None) -> tuple[int, str]:
            return (-max(one.harm for one in members[uid]), self._names.get(uid, "") if uid else "")

        if len(members) <= LARGE_GROUP:
            return sorted(members, key=order)
        first = heapq.nsmallest(EVIDENCE_NODES, members, key=order)
        return [*first, *(uid for uid in members if uid not in first)]

    def _note_change(self, subject: tuple[str, str], now: float) -> None:
        """Keep in mind when the worst severity of a check and group changed."""
        present = [
            (severity, self._found[(*subject, severity)])
            for severity in _URGENT
            if (*subject, severity) in self._found
        ]
        worst = min(present, key=lambda one: one[0].rank, default=None)
        before = self._worst.get(subject)
        after = None if worst is None else worst[0]
        if before is after:
            return
        if after is None:
            self._worst.pop(subject, None)
        else:
            self._worst[subject] = after
        finding = None if worst is None else worst[1]
        is_new = before is None and finding is not None and finding.first_seen is not None
        self._changes.append(
            FindingChange(
                at=(finding.first_seen or now) if is_new and finding is not None else now,
                id=subject[0],
                group=subject[1],
                title=self._abouts[subject[0]].title,
                before=before,
                after=after,
                node_names=() if finding is None else finding.node_names[:_CHANGE_NODES],
                nodes_total=0 if finding is None else len(finding.nodes),
            )
        )


def _by_key(verdicts: Iterable[Verdict]) -> dict[GroupKey, tuple[Verdict, ...]]:
    found: dict[GroupKey, tuple[Verdict, ...]] = {}
    for verdict in verdicts:
        # What is fine is told once a check, whatever it is about.
        group = "" if verdict.severity is FindingSeverity.CLEAR else verdict.group
        key = (verdict.check_id, group, verdict.severity)
        found[key] = (*found.get(key, ()), verdict)
    return found


def _says_other(old: Sequence[Verdict], new: Sequence[Verdict]) -> bool:
    """Tell whether a node's verdicts read otherwise than before; their proofs age all the time."""
    return [(one.summary, one.harm, one.objects, one.missing) for one in old] != [
        (one.summary, one.harm, one.objects, one.missing) for one in new
    ]


def _evidence(worst_first: Sequence[Verdict]) -> tuple[Evidence, ...]:
    shown = worst_first[:EVIDENCE_NODES]
    each = max(1, EVIDENCE_SHOWN // max(1, len(shown)))
    return tuple(dict.fromkeys(piece for verdict in shown for piece in verdict.evidence[:each]))


def _missing(worst_first: Sequence[Verdict]) -> tuple[MissingEvidence, ...]:
    every = (piece for verdict in worst_first for piece in verdict.missing)
    return tuple(islice(dict.fromkeys(every), 8))
