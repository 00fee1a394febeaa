"""Links: what a line of a detail leads to when it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tui.model.findings import AffectedObject, Evidence, ProofKind
from tui.model.names import NodeUid

NODE = "node"
"""A node with its Findings panel; not a proof but where one goes on."""
FINDING = "finding"
"""A finding of the Findings screen; the key is `Finding.key`."""
AUDIT = "audit"
"""The Audit screen; the key is an operation's id, empty for all records."""

Follow = Callable[["Link"], str]
"""Goes where a link leads; returns why it can't, or the empty text."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where enter leads."""

    kind: str
    """A `ProofKind`, `NODE`, `FINDING` or `AUDIT`."""
    node_uid: NodeUid | None = None
    key: str = ""
    """The row there."""

    @classmethod
    def to_proof(cls, evidence: Evidence) -> Link:
        """Return the link to what shows a piece of evidence."""
        return cls(evidence.proof.value, evidence.node_uid, evidence.key)

    @classmethod
    def to_object(cls, item: AffectedObject) -> Link:
        """Return the link to a Kubernetes object."""
        return cls(ProofKind.OBJECT.value, None, f"{item.kind}/{item.namespace}/{item.name}")

    def as_line_key(self, place: str) -> str:
        """Return the link as the key of a detail line.

        Args:
            place: Tells apart lines that lead to the same place; holds no `|`.
        """
        return f"{place}|{self.kind}|{self.node_uid or ''}|{self.key}"


def parse_line_key(text: str) -> Link | None:
    """Return the link of a detail line's key, or None where it leads nowhere."""
    parts = text.split("|", 3)
    if len(parts) != 4:
        return None
    _, kind, uid, key = parts
    return Link(kind, NodeUid(uid) if uid else None, key)
