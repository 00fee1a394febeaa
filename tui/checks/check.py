"""What a check is: words about it, and functions that judge a node or the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tui.checks.view import ClusterView, NodeView
from tui.model.findings import Remedy, Verdict
from tui.safety import CleanText

JudgeNode = Callable[[NodeView], Iterable[Verdict]]
JudgeCluster = Callable[[ClusterView], Iterable[Verdict]]


@dataclass(frozen=True, slots=True)
class About:
    """What a person should know of a check; `ciltop explain` prints it."""

    id: str
    """Public interface, such as `backend-leak`."""
    title: CleanText
    """A few words that say what is wrong where it fires."""
    limitation: CleanText
    """The known issue or limitation it is about, in one sentence; the README's table shows it."""
    why: CleanText
    """Why it matters, in two sentences."""
    proof: tuple[CleanText, ...]
    """How it is proved, best evidence first."""
    releases: CleanText
    """Which releases and kernels it holds for, and which fixed it."""
    remedy: Remedy
    references: tuple[CleanText, ...] = ()
    """Cilium's documentation and upstream issues, as addresses or `cilium/cilium#23551`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: judges each node, or the cluster, or both.

    A judge yields at least one verdict for everything it was given, CLEAR and UNKNOWN included,
    and never raises; several verdicts of one node differ in `group`.
    """

    about: About
    judge_node: JudgeNode | None = None
    judge_cluster: JudgeCluster | None = None

    @property
    def id(self) -> str:
        """The check's public id."""
        return self.about.id
