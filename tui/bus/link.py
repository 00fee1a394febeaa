"""The connection to the broker: kept, and honest about why it is down."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence

from tui.bus.address import BrokerAddress
from tui.bus.post import Incoming, LinkCounts, LinkState, Outgoing

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")


def fresh_client_id(name: str) -> str:
    """Return a client id that no other run has: a broker closes the older of two with one id."""
    return f"ciltop-{_NOT_IN_IDS.sub('-', name)[:48]}-{secrets.token_hex(4)}"


class Link:
    """One connection to a broker, made anew whenever it breaks.

    Everything of it is called on one event loop, the one of `run`.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str = "",
        will: Outgoing | None = None,
        will_delay_seconds: float = 0.0,
        on_message: Callable[[Incoming], None],
        on_state: Callable[[LinkState], None],
    ) -> None:
        """Prepare the link; `run` connects. An empty `client_id` gets a fresh one."""
        self._address = address
        self._client_id = client_id or fresh_client_id("")
        self._state = LinkState()
        self._counts = LinkCounts()

    @property
    def state(self) -> LinkState:
        """How the connection stands."""
        return self._state

    @property
    def counts(self) -> LinkCounts:
        """What went through."""
        return self._counts

    def send(self, outgoing: Outgoing) -> None:
        """Queue it; never waits. What finds the queue full is counted and given up."""
        raise NotImplementedError

    def subscribe(self, topic_filter: str, qos: int = 0) -> None:
        """Ask for topics, now and after each reconnect."""
        raise NotImplementedError

    def unsubscribe(self, topic_filter: str) -> None:
        """Ask for them no longer."""
        raise NotImplementedError

    def expect_echo(self, topic: str) -> None:
        """Warn in the state's reason when what is sent to this topic doesn't come back.

        A broker that denies a write or a read may say nothing at all: MQTT 3.1.1 can't refuse a
        message, and Mosquitto's ACL file lets everybody subscribe. The caller subscribes to the
        topic itself.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Connect, and again, until `close` or until cancelled."""
        raise NotImplementedError

    async def close(self, last: Sequence[Outgoing] = ()) -> None:
        """Send the last messages, wait at most 2 s for their acks, and leave without a will."""
        raise NotImplementedError
