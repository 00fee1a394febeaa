"""How long the broker keeps each kind of message: a contract of sender and receiver.

A receiver that knows how long a message was meant to be kept can tell from what is left of it how
long the broker has held it: MQTT 5 §3.3.2.3.3 has the broker send the expiry less its own wait.
"""

from __future__ import annotations

from collections.abc import Mapping

from tui.bus.wire.topics import ROOT, TopicKind

KEPT_SECONDS: Mapping[TopicKind, int] = {
    TopicKind.PRESENCE: 86_400,
    TopicKind.FACTS: 3_600,
    TopicKind.CLUSTER: 86_400,
    TopicKind.FINDINGS: 86_400,
    TopicKind.PART: 86_400,
    TopicKind.ROOM: 86_400,
}
"""Expiry of each kind of message that has one."""


def kind_word(topic: str) -> str:
    """Return the last fixed level of a topic, such as `warnings`; `other` for none of ours."""
    levels = topic.split("/", 5)
    if len(levels) < 4 or not topic.startswith(f"{ROOT}/"):
        return "other"
    match levels[3]:
        case "node":
            return TopicKind.FACTS.value
        case "findings" if len(levels) > 4:
            return TopicKind.PART.value
        case word:
            return word if word in _WORDS else "other"


_WORDS = frozenset(TopicKind)
_KEPT_BY_WORD = {kind.value: seconds for kind, seconds in KEPT_SECONDS.items()}


def held_seconds(topic: str, expiry_left: int | None) -> float | None:
    """Return how long the broker held a message, from the seconds until it expires.

    None where that can't be told: no expiry came with it, or its kind has none by contract. A
    sender that uses another expiry than the contract's makes this wrong by the difference, never
    negative.
    """
    if expiry_left is None:
        return None
    kept = _KEPT_BY_WORD.get(kind_word(topic))
    return None if kept is None else float(max(0, kept - expiry_left))
