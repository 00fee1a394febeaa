"""Topics: `ciltop/v1/<cluster>/…`, with names escaped so that none can hold `/`, `+` or `#`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote, unquote

ROOT = "ciltop/v1"

MOST_CHARACTERS = 1_024
"""MQTT allows 65,535 bytes; no name of Kubernetes comes near this."""

_SAFE = "-_.:@"
_ESCAPED = re.compile(r"(?:[A-Za-z0-9\-_.:@~]|%[0-9A-F]{2})+")


class TopicKind(StrEnum):
    """What a topic carries."""

    PRESENCE = "collector"
    """`collector/<id>`, retained, and the last will."""
    FACTS = "facts"
    """`node/<node>/facts`, retained with expiry."""
    CLUSTER = "cluster"
    """`cluster`, retained with expiry: Services, configuration, DaemonSets."""
    FINDINGS = "findings"
    """`findings`, retained: those of the whole cluster, merged by one of its collectors."""
    PART = "findings-part"
    """`findings/<id>`, retained: those of one collector's share."""
    WARNINGS = "warnings"
    """`warnings/<node>`, never retained."""
    AUDIT = "audit"
    """`audit`, not retained: what responders did."""
    ROOM = "room"
    """`room`, retained with expiry: the latest audit records and finding changes."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, taken apart; the names are as they were before they were escaped."""

    kind: TopicKind
    cluster: str
    name: str = ""
    """The node's name, or the collector's id; empty for topics of a cluster."""

    def __str__(self) -> str:
        base = f"{ROOT}/{escape(self.cluster)}"
        name = escape(self.name) if self.name else ""
        match self.kind:
            case TopicKind.PRESENCE:
                return f"{base}/collector/{name}"
            case TopicKind.FACTS:
                return f"{base}/node/{name}/facts"
            case TopicKind.PART:
                return f"{base}/findings/{name}"
            case TopicKind.WARNINGS:
                return f"{base}/warnings/{name}"
            case _:
                return f"{base}/{self.kind.value}"


def filter_of(kind: TopicKind, cluster: str | None = None) -> str:
    """Return the topic filter of all topics of a kind, in one cluster or in all (None)."""
    base = f"{ROOT}/{'+' if cluster is None else escape(cluster)}"
    match kind:
        case TopicKind.PRESENCE:
            return f"{base}/collector/+"
        case TopicKind.FACTS:
            return f"{base}/node/+/facts"
        case TopicKind.PART:
            return f"{base}/findings/+"
        case TopicKind.WARNINGS:
            return f"{base}/warnings/+"
        case _:
            return f"{base}/{kind.value}"


def escape(name: str) -> str:
    """Return a name as one level of a topic: percent-encoded UTF-8 (RFC 3986).

    Raises:
        ValueError: it is empty: an empty level would be another topic.
    """
    if not name:
        raise ValueError("an empty name can't be a level of a topic")
    return quote(name, safe=_SAFE)


def unescape(level: str) -> str:
    """Return the name of a level.

    Raises:
        ValueError: no name is escaped like this.
    """
    if not _ESCAPED.fullmatch(level):
        raise ValueError(f"not a level that ciltop writes: {level[:80]!r}")
    name = unquote(level, errors="strict")
    if quote(name, safe=_SAFE) != level:
        raise ValueError(f"a name that is escaped in another way: {level[:80]!r}")
    return name


@lru_cache(maxsize=16_384)
def parse_topic(text: str) -> Topic:
    """Take a topic apart.

    Raises:
        ValueError: it is none of ours.
    """
    if len(text) > MOST_CHARACTERS or not text.startswith(f"{ROOT}/"):
        raise ValueError(f"not a topic of {ROOT}: {text[:80]!r}")
    match text.removeprefix(f"{ROOT}/").split("/"):
        case [cluster, "collector", name]:
            return Topic(TopicKind.PRESENCE, unescape(cluster), unescape(name))
        case [cluster, "node", name, "facts"]:
            return Topic(TopicKind.FACTS, unescape(cluster), unescape(name))
        case [cluster, "findings", name]:
            return Topic(TopicKind.PART, unescape(cluster), unescape(name))
        case [cluster, "warnings", name]:
            return Topic(TopicKind.WARNINGS, unescape(cluster), unescape(name))
        case [cluster, ("cluster" | "findings" | "audit" | "room") as kind]:
            return Topic(TopicKind(kind), unescape(cluster))
        case _:
            raise ValueError(f"not a topic of {ROOT}: {text[:80]!r}")
