"""What the tests of the judge share: a check that says what it is told to, and nodes to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tests.unit.checks_facts import NOW, node_facts
from tui.checks.check import About, Check
from tui.checks.judging.judge import Judge
from tui.checks.view import ClusterView, NodeView
from tui.model.cluster import ClusterFacts
from tui.model.findings import Finding, FindingSeverity, Remedy, Verdict
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = (
    FindingSeverity.ACTIVE,
    FindingSeverity.ARMED,
    FindingSeverity.UNKNOWN,
    FindingSeverity.LATENT,
    FindingSeverity.CLEAR,
)
GENERAL = Remedy(now=(CleanText("do this"),))


def about(check_id: str) -> About:
    words = CleanText("words")
    return About(check_id, clean(f"title of {check_id}"), words, words, (words,), words, GENERAL)


class Told:
    """A check that says of each node what the test tells it to, and counts how often."""

    def __init__(self, check_id: str = "map-pressure") -> None:
        self.id = check_id
        self.says: dict[NodeUid, list[Verdict]] = {}
        self.asked: list[NodeUid] = []
        self.check = Check(about(check_id), judge_node=self._judge)

    def _judge(self, view: NodeView) -> Iterator[Verdict]:
        uid = view.facts.node.uid
        self.asked.append(uid)
        yield from self.says.get(uid, [view.verdict(self.id, CLEAR, "fine")])

    def say(self, facts: NodeFacts, severity: FindingSeverity, **parts: object) -> None:
        """Have it say one thing of a node."""
        view = NodeView(facts, ClusterView(ClusterFacts(), NOW))
        summary = str(parts.pop("summary", severity.value))
        self.says[facts.node.uid] = [view.verdict(self.id, severity, summary, **parts)]


def node(number: int) -> NodeFacts:
    facts = node_facts(name=f"node-{number}")
    named = replace(facts.node, uid=NodeUid(f"uid-{number}"), name=NodeName(f"node-{number}"))
    return replace(facts, node=named)


def by_uid(*facts: NodeFacts) -> Mapping[NodeUid, NodeFacts]:
    return {one.node.uid: one for one in facts}


def again(facts: NodeFacts) -> NodeFacts:
    """Return the same facts as another object, as a changed node comes."""
    return replace(facts)


def steps(*values: float) -> Callable[[], float]:
    """Return a stopwatch that shows these times in turn, then the last one for ever."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def found(judge: Judge, severity: FindingSeverity) -> list[Finding]:
    return [one for one in judge.findings if one.severity is severity]


CLUSTER = ClusterFacts()
