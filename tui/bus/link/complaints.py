"""What a broker denies us while it lets us in: topics that can't be written or read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tui.bus.link.address import BrokerAddress
from tui.bus.link.faults import who

_MOST_NAMED = 3
_MOST_KEPT = 64


class Complaints:
    """Collects refusals and missing echoes, and makes one sentence of them."""

    def __init__(
        self, address: BrokerAddress, echo_seconds: float, changed: Callable[[], None]
    ) -> None:
        self._address = address
        self._echo_seconds = echo_seconds
        self._changed = changed
        self._unreadable: dict[str, str] = {}
        self._silent: set[str] = set()
        self._expected: dict[str, asyncio.TimerHandle | None] = {}

    @property
    def sentence(self) -> str:
        """All of it in one sentence; empty where there is nothing to say."""
        by = who(self._address)
        parts = [self._address.warning] if self._address.warning else []
        if self._unreadable:
            parts.append(f"the broker lets {by} not read {_named(self._unreadable)}")
        if self._silent:
            topics = ", ".join(sorted(self._silent)[:_MOST_NAMED])
            parts.append(
                f"what is sent to {topics} does not come back: the broker's ACL denies {by} to "
                "write it or to read it"
            )
        return "; ".join(parts)

    def end(self) -> None:
        """Wait for nothing more: the connection is over."""
        for topic, timer in self._expected.items():
            if timer is not None:
                timer.cancel()
                self._expected[topic] = None

    def expect(self, topic: str) -> None:
        """Wait for what is sent to a topic to come back."""
        self._expected.setdefault(topic, None)

    def was_sent(self, topic: str) -> None:
        """Begin to wait for the echo, where one is expected."""
        if topic in self._expected and self._expected[topic] is None:
            loop = asyncio.get_running_loop()
            self._expected[topic] = loop.call_later(self._echo_seconds, self._missed, topic)

    def came(self, topic: str) -> None:
        """Note an echo."""
        timer = self._expected.get(topic) if self._expected else None
        if timer is not None:
            timer.cancel()
            self._expected[topic] = None
        if topic in self._silent:
            self._silent.discard(topic)
            self._changed()

    def _missed(self, topic: str) -> None:
        self._expected[topic] = None
        if topic not in self._silent:
            self._silent.add(topic)
            self._changed()

    def was_subscribed(self, topic_filter: str, refusal: str) -> None:
        """Note the broker's answer to a subscription."""
        self._note(topic_filter, refusal)

    def forget_filter(self, topic_filter: str) -> None:
        """Forget a subscription that is no longer wanted."""
        self._note(topic_filter, "")

    def _note(self, topic_filter: str, refusal: str) -> None:
        refused = self._unreadable
        before = refused.pop(topic_filter, "")
        if refusal and len(refused) < _MOST_KEPT:
            refused[topic_filter] = refusal
        if before != refusal:
            self._changed()


def _named(refused: dict[str, str]) -> str:
    names = [f"{topic} ({reason})" for topic, reason in list(refused.items())[:_MOST_NAMED]]
    more = len(refused) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
