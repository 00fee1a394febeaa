"""The time line: what changed when, by whom, in the cluster and on each node."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tui.model.names import NodeName, NodeUid
from tui.safety import CleanText

_EMPTY = CleanText("")


class ChangeKind(StrEnum):
    """What kind of change it was."""

    CONFIG = "config"
    """The ConfigMap or a CiliumNodeConfig was written."""
    ROLLOUT = "rollout"
    """A DaemonSet was written, or got a new revision."""
    AGENT = "agent"
    """An agent started."""
    NODE = "node"
    """A node's condition changed, or it joined."""
    LOG = "log"
    """The first burst of an error."""
    FINDING = "finding"
    """A finding appeared, changed or is gone."""
    ACTION = "action"
    """A responder armed a session, or did something to the cluster."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One change."""

    at: float
    kind: ChangeKind
    text: CleanText
    who: CleanText = _EMPTY
    """The field manager, collector or responder, where it is known."""
    node_uid: NodeUid | None = None
    """None for the whole cluster."""
    node_name: NodeName = NodeName("")
    source: CleanText = _EMPTY
    """Where it was read."""
    count: int = 1
    """How many equal ones are folded: agents that started in one roll."""
    last_at: float | None = None
    """The last one of the fold."""
    is_decisive: bool = False
    """Whether it explains something that is ACTIVE."""
    operation_id: str = ""
    """Of an action: the operation that it belongs to; empty where it is of none."""
