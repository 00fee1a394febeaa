"""Findings: what the checks conclude, each with the proof, the way out, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tui.model.names import NodeName, NodeUid
from tui.safety import CleanText

_EMPTY = CleanText("")


class FindingSeverity(StrEnum):
    """How bad a finding is, worst first; the words are public interface."""

    ACTIVE = "ACTIVE"
    """Harm that is seen now."""
    ARMED = "ARMED"
    """The condition, and something that uses it."""
    UNKNOWN = "UNKNOWN"
    """Evidence is missing; the finding names it and how to get it."""
    LATENT = "LATENT"
    """The condition alone: nothing uses it."""
    CLEAR = "CLEAR"
    """It can't hurt here, and the finding says why."""

    @property
    def rank(self) -> int:
        """Sort worst first."""
        return _ORDER[self]

    def is_at_least(self, level: FindingSeverity) -> bool:
        """Tell whether this is as bad as a level or worse; UNKNOWN is no level of harm."""
        return self is not FindingSeverity.UNKNOWN and self.rank <= level.rank


_ORDER = {severity: rank for rank, severity in enumerate(FindingSeverity)}


class ProofKind(StrEnum):
    """Which view shows a piece of evidence; `Evidence.key` names the row in it."""

    MAP = "map"
    """The Maps panel; the key is the map's name."""
    SERVICE = "service"
    """The Services panel; the key is `namespace/name`."""
    FEATURE = "feature"
    """The Features panel; the key is the feature's."""
    LOG = "log"
    """The Log panel; the key is the entry's sequence number."""
    CONFIG = "config"
    """A configuration key; the key is its option name."""
    AGENT = "agent"
    """The node's and its agent's own details; no key."""
    OBJECT = "object"
    """A Kubernetes object; the key is `Kind/namespace/name`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that proves a verdict, with where it came from."""

    text: CleanText
    """The deciding values or lines."""
    source: CleanText
    """The command as a person would type it in the agent container, or `GET /api/...`."""
    node_uid: NodeUid | None = None
    """None for a fact of the cluster."""
    node_name: NodeName = NodeName("")
    at: float | None = None
    """When it was observed, or the log line's own time; seconds since the epoch."""
    proof: ProofKind = ProofKind.AGENT
    key: str = ""


@dataclass(frozen=True, slots=True, order=True)
class AffectedObject:
    """A Kubernetes object that a finding is about."""

    kind: str
    name: CleanText
    namespace: CleanText = _EMPTY
    detail: CleanText = _EMPTY
    """Such as `port 9100/SCTP` or `hostPort 31000`."""

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"


@dataclass(frozen=True, slots=True)
class ConfigSetting:
    """A key of the ConfigMap `cilium-config` with the value to give it."""

    key: str
    value: CleanText
    helm: str = ""
    """The Helm value that sets it, such as `bpf.lbMapMax=256`; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """The way out: what to do now first, then what makes it last."""

    now: tuple[CleanText, ...] = ()
    """Steps, in order."""
    lasting: tuple[CleanText, ...] = ()
    settings: tuple[ConfigSetting, ...] = ()
    commands: tuple[CleanText, ...] = ()
    """Exact commands, to be run by the person; ciltop runs none of them."""
    needs_restart: bool | None = None
    """Whether agents must be restarted; None where it depends."""
    interrupts: CleanText = _EMPTY
    """What the remedy interrupts."""
    test: CleanText = _EMPTY
    """The command that tests the effect: what is not programmed was not tested."""


@dataclass(frozen=True, slots=True)
class MissingEvidence:
    """What would have to be known, and how to get it."""

    what: CleanText
    how: CleanText


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check says of one node, or of the cluster as a whole."""

    check_id: str
    severity: FindingSeverity
    summary: CleanText
    """One sentence with the deciding numbers; for CLEAR, why: `fixed in 1.16.0`."""
    node_uid: NodeUid | None = None
    """None for a verdict on the cluster, and for a CLEAR that many nodes share."""
    node_name: NodeName = NodeName("")
    evidence: tuple[Evidence, ...] = ()
    objects: tuple[AffectedObject, ...] = ()
    remedy: Remedy = Remedy()
    """What is to be done here; where empty, the check's general remedy holds."""
    missing: tuple[MissingEvidence, ...] = ()
    since: float | None = None
    """When it began, as far as the evidence tells."""
    harm: int = 0
    """How much is broken, such as missing frontends: ranks findings of one check."""
    group: str = ""
    """Verdicts of one check, severity and group are one finding: a workload's or a map's name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdicts of one check that belong together, over all nodes."""

    id: str
    title: CleanText
    severity: FindingSeverity
    summary: CleanText
    """Of the worst node."""
    why: CleanText
    """Why it matters, in two sentences."""
    nodes: tuple[NodeUid, ...] = ()
    """Worst first, of more than 200 only the first few; empty for a finding about the cluster."""
    node_names: tuple[NodeName, ...] = ()
    """In the order of `nodes`."""
    nodes_total: int = 0
    """How many there are, where a message had no room for all of them; 0 where all are here."""
    objects: tuple[AffectedObject, ...] = ()
    """Bounded, see `objects_total`."""
    objects_total: int = 0
    evidence: tuple[Evidence, ...] = ()
    """Of the worst nodes first; bounded: each node's own is in `Snapshot.verdicts`."""
    remedy: Remedy = Remedy()
    missing: tuple[MissingEvidence, ...] = ()
    references: tuple[CleanText, ...] = ()
    first_seen: float | None = None
    last_seen: float | None = None
    harm: int = 0
    rank: int = 0
    """Among findings of one severity, the check's place in the order of harm; 0 is worst."""
    group: str = ""

    @property
    def key(self) -> str:
        """What stays the same while it lasts; a worse severity is another finding."""
        return f"{self.id}/{self.group}/{self.severity.value}"

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Sort worst first."""
        return (self.severity.rank, self.rank, -self.harm, self.key)


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding appeared, changed its severity, or is gone."""

    at: float
    id: str
    group: str
    title: CleanText
    before: FindingSeverity | None
    """None where it is new."""
    after: FindingSeverity | None
    """None where it is gone."""
    node_names: tuple[NodeName, ...] = ()
    """Some of them."""
    nodes_total: int = 0
    by: CleanText = _EMPTY
    """Whose checks saw it, where that was another machine's."""
