"""Links to real brokers, with everything they tell kept and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link, Pace
from tui.bus.link.outbox import DEFAULT_BOUNDS, Bounds
from tui.bus.wire.post import Incoming, LinkKind, LinkState, Outgoing

FAST = Pace(retry=(0.02, 0.1), retry_refused=(0.02, 0.1), echo=0.3, ask_again=0.2)
HOUR = 3600.0


class Linked:
    """A running link and what it told."""

    def __init__(
        self,
        address: BrokerAddress,
        pace: Pace,
        client_id: str = "",
        will: Outgoing | None = None,
        will_delay_seconds: float = 0.0,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> None:
        self.messages: list[Incoming] = []
        self.states: list[LinkState] = []
        self._changed = asyncio.Event()
        self.link = Link(
            address,
            client_id=client_id,
            will=will,
            will_delay_seconds=will_delay_seconds,
            on_message=self._came,
            on_state=self._stands,
            pace=pace,
            bounds=bounds,
        )

    def _came(self, incoming: Incoming) -> None:
        self.messages.append(incoming)
        self._changed.set()

    def _stands(self, state: LinkState) -> None:
        self.states.append(state)
        self._changed.set()

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    async def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until something holds, looked at after each message and each state."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            last = [payload[:60] for payload in self.payloads[-5:]]
            raise AssertionError(f"never held; told: {self.states} {last}") from None

    async def until_kind(self, kind: LinkKind) -> LinkState:
        await self.until(lambda: self.link.state.kind is kind)
        return self.link.state

    async def until_reason(self, words: str) -> LinkState:
        await self.until(lambda: words in self.link.state.reason)
        return self.link.state

    async def until_came(self, payload: bytes) -> Incoming:
        await self.until(lambda: payload in self.payloads)
        return self.messages[self.payloads.index(payload)]


@asynccontextmanager
async def linked(
    address: BrokerAddress,
    *filters: str,
    pace: Pace = FAST,
    client_id: str = "",
    will: Outgoing | None = None,
    will_delay_seconds: float = 0.0,
    bounds: Bounds = DEFAULT_BOUNDS,
    last: Sequence[Outgoing] = (),
) -> AsyncIterator[Linked]:
    """Run a link, subscribed with QoS 1 to the filters, and close it in the end."""
    rig = Linked(address, pace, client_id, will, will_delay_seconds, bounds)
    for topic_filter in filters:
        rig.link.subscribe(topic_filter, 1)
    running = asyncio.create_task(rig.link.run())
    try:
        yield rig
        await rig.link.close(last)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def settle(rig: Linked, topic: str = "ciltop/v1/settle") -> None:
    """Wait until the broker has handled all that the link asked for: one message there and back.

    The link has to be subscribed to the topic.
    """
    word = f"settled {len(rig.messages)}".encode()
    rig.link.send(Outgoing(topic, word, 1))
    await rig.until_came(word)
