"""The nodes of one cluster as the messages of their collectors tell them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from tui.bus.receiving import shifting
from tui.bus.receiving.losses import Step
from tui.bus.receiving.nodelog import NodeLog
from tui.bus.wire.encoding import RejectedError
from tui.bus.wire.messages import NODE_READINGS, FactsMessage, WarningsMessage
from tui.model.names import ContainerId, NodeUid
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import Fact, LogTrouble, NodeFacts, NodeGone, NodeReport, NodeSeen
from tui.safety import CleanText

T = TypeVar("T")

MOST_NODES = 20_000

_EARLY_NODES = 1_000
_EARLY_MESSAGES = 20
"""Log lines of one node that came before its facts."""

_LOOK_SECONDS = 30.0

_NOTHING = CleanText("")


@dataclass(slots=True)
class _Node:
    """What came of one node."""

    told: shifting.Told
    log: NodeLog

    @property
    def uid(self) -> NodeUid:
        return self.told.facts.node.uid


class NodeIntake:
    """The nodes by name: a topic has no other."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._names: dict[NodeUid, str] = {}
        self._looked_at = float("-inf")
        self._early: dict[str, list[tuple[WarningsMessage, CleanText]]] = {}

    def forget(self, uids: Iterable[NodeUid]) -> None:
        """Forget nodes that nobody told of for long: if they come back they are news."""
        for uid in uids:
            self._nodes.pop(self._names.pop(uid, ""), None)

    def facts(self, name: str, message: FactsMessage, shift: float, now_mono: float) -> list[Fact]:
        """Return what a node's message says that was not known.

        Raises:
            RejectedError: its UID is another node's, or there are too many nodes.
        """
        if message.facts is None:
            return self._forget(name)
        node = message.facts.node
        self._refuse(name, node.uid)
        before = self._nodes.get(name)
        changed: list[Fact] = []
        if before is not None and before.uid != node.uid:
            changed += self._forget(name)
            before = None
        known = None if before is None else before.told
        told = shifting.told(message.facts, shift, known)
        facts = told.facts
        log = NodeLog(node.uid) if before is None else before.log
        self._nodes[name] = _Node(told, log)
        self._names[node.uid] = name
        changed += _state_changes(facts, None if known is None else known.facts)
        changed += log.entries(message.logged, facts.agent, now_mono)
        for early, lost in self._early.pop(name, ()):
            changed += log.batches(early.batches, is_handover=False, lost=lost)
        return changed

    def warnings(
        self, name: str, message: WarningsMessage, step: Step, lost: CleanText
    ) -> list[Fact]:
        """Return the lines of a node's log that did not come before.

        Args:
            name: the node's.
            message: what came.
            step: how it follows the message before.
            lost: what was lost between the two, in words; empty where nothing was.
        """
        node = self._nodes.get(name)
        if node is not None:
            return [*node.log.batches(message.batches, is_handover=step.is_handover, lost=lost)]
        if name in self._early or len(self._early) < _EARLY_NODES:
            early = self._early.setdefault(name, [])
            early.append((message, lost))
            del early[:-_EARLY_MESSAGES]
        return []

    def tick(self, now_mono: float) -> None:
        """Forget what is only good for a while."""
        # A walk over thousands of nodes for what most of them don't have: once in a while.
        if now_mono - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now_mono
        for node in self._nodes.values():
            node.log.tick(now_mono)

    def _refuse(self, name: str, uid: NodeUid) -> None:
        owner = self._names.get(uid)
        if owner is not None and owner != name:
            raise RejectedError(f"the UID of {name!r} is that of {owner!r}")
        if owner is None and len(self._nodes) >= MOST_NODES and name not in self._nodes:
            raise RejectedError(f"more than {MOST_NODES} nodes")

    def _forget(self, name: str) -> list[Fact]:
        node = self._nodes.pop(name, None)
        if node is None:
            return []
        self._names.pop(node.uid, None)
        return [NodeGone(node.uid)]


def _state_changes(facts: NodeFacts, before: NodeFacts | None) -> list[Fact]:
    """Return the node, its report and its log's trouble, where they differ from before."""
    changed: list[Fact] = []
    is_seen = (
        before is None or _differ(facts.node, before.node) or _differ(facts.agent, before.agent)
    )
    if is_seen:
        changed.append(NodeSeen(facts.node, facts.agent))
    if _was_asked(facts) and (is_seen or before is None or _has_news(facts, before)):
        # What did not change is told again only where the store may have marked it as outdated.
        changed.append(_report(facts, None if is_seen else before))
    if facts.log_error != (_NOTHING if before is None else before.log_error):
        changed.append(LogTrouble(facts.node.uid, facts.log_error))
    return changed


def _differ(one: object, other: object) -> bool:
    return one is not other and one != other


def _report(facts: NodeFacts, before: NodeFacts | None) -> NodeReport:
    """Return the readings, without those that are the objects of before."""
    container = ContainerId("") if facts.agent is None else facts.agent.container_id
    readings = (getattr(facts, name) for name in NODE_READINGS)
    if before is not None:
        known = (getattr(before, name) for name in NODE_READINGS)
        told = [
            None if new is old else _asked(new) for new, old in zip(readings, known, strict=True)
        ]
    else:
        told = [_asked(reading) for reading in readings]
    return NodeReport(facts.node.uid, container, facts.swept_at, facts.sweep_error, *told)


def _asked(reading: Reading[T]) -> Reading[T] | None:
    """Return a reading, or None for one that was never asked for."""
    if reading.state is not ReadingState.UNKNOWN or reading.origin is not None:
        return reading
    return reading if reading.reason or reading.value is not None else None


def _was_asked(facts: NodeFacts) -> bool:
    return (
        facts.swept_at is not None
        or bool(facts.sweep_error)
        or any(_asked(getattr(facts, name)) is not None for name in NODE_READINGS)
    )


def _has_news(facts: NodeFacts, before: NodeFacts) -> bool:
    return (
        facts.swept_at != before.swept_at
        or facts.sweep_error != before.sweep_error
        or any(getattr(facts, name) is not getattr(before, name) for name in NODE_READINGS)
    )
