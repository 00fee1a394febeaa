"""The half of a collector that publishes: the link to the broker and all who use it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link, fresh_client_id
from tui.bus.publishing.postbox import Clock, Postbox
from tui.bus.publishing.publisher import Publisher
from tui.bus.sharing.membership import Membership
from tui.bus.sharing.presence import Identity, farewell_of
from tui.bus.wire.post import Incoming, LinkCounts, LinkKind, LinkState, Outgoing
from tui.bus.wire.topics import Topic, TopicKind, filter_of
from tui.collector.notices import Notices
from tui.collector.reader import ClusterReader
from tui.errors import BrokerError
from tui.report.prometheus import CollectorStatus
from tui.safety import clean

TICK_SECONDS = 1.0
SLICE_SECONDS = 0.003
"""Nothing else runs on the publishing loop for so long."""

MOST_WAITING = 500
"""Messages that may wait at the link before no more are made: then the broker sets the pace."""

BACKLOG_SECONDS = 0.02

BEATS_PER_INTERVAL = 10
MOST_BEAT_SECONDS = 0.5


MOST_NAMED = 8
"""Collectors named in a line."""


def sentence_of(state: LinkState) -> str:
    """Return how the link stands, in one line."""
    protocol = f" with {state.protocol}" if state.kind is LinkKind.UP and state.protocol else ""
    reason = state.reason.removeprefix(f"{state.broker}: ")
    return f"broker {state.broker} {state.kind.value}{protocol}{f': {reason}' if reason else ''}"


def sharing_of(membership: Membership) -> str:
    """Return with whom the nodes are shared, in one line; empty while nobody can tell."""
    if not membership.is_settled or membership.standby_reason:
        return ""
    if membership.is_alone_unheard:
        return "the broker was not reached: reading the whole cluster until it is"
    present = sorted(membership.present)
    if len(present) == 1:
        return "reading the whole cluster: no other collector is present"
    more = f" and {len(present) - MOST_NAMED} more" if len(present) > MOST_NAMED else ""
    named = clean(", ".join(present[:MOST_NAMED]))
    return f"reading a share of the nodes: present are {named}{more}"


class _Nowhere:
    """Sends nothing: the will is made before there is a link."""

    state = LinkState()
    counts = LinkCounts()

    def send(self, outgoing: Outgoing) -> None:
        """Forget it."""

    def will_replace(self, topic: str) -> bool:
        """Nothing waits."""
        return False


class CollectorBus:
    """The link and all who use it."""

    def __init__(
        self,
        address: BrokerAddress,
        cluster: str,
        identity: Identity,
        reader: ClusterReader,
        clock: Clock,
        notices: Notices,
    ) -> None:
        self._address = address
        self._identity = identity
        self._reader = reader
        self._notices = notices
        self._parts = filter_of(TopicKind.PART, cluster)
        self._has_connected = False
        self._refusal = ""
        self._refused = asyncio.Event()
        self.membership = Membership(
            identity.id,
            clock.monotonic,
            identity.interval_seconds,
            run=identity.run,
            started_at=identity.started_at,
        )
        self.link = self._new_link(cluster, clock)
        self.publisher = Publisher(
            self.link,
            cluster,
            identity,
            self.membership,
            lambda: reader.snapshot,
            reader.tee,
            clock,
        )
        for kind in (TopicKind.PRESENCE, TopicKind.AUDIT, TopicKind.ROOM):
            self.link.subscribe(filter_of(kind, cluster), 1)
        self.link.expect_echo(str(Topic(TopicKind.PRESENCE, cluster, identity.id)))

    def _new_link(self, cluster: str, clock: Clock) -> Link:
        identity = self._identity
        will = Postbox(_Nowhere(), cluster, identity.id, identity.run, clock)
        return Link(
            self._address,
            client_id=fresh_client_id(identity.id),
            will=will.made(farewell_of(identity), TopicKind.PRESENCE, identity.id),
            will_delay_seconds=identity.interval_seconds,
            on_message=self._hear,
            on_state=self._note_state,
        )

    async def run(self) -> None:
        """Publish until cancelled, then take leave.

        Raises:
            BrokerError: the broker refused the first connection.
        """
        linking = asyncio.create_task(self.link.run(), name="broker")
        tasks = (
            linking,
            asyncio.create_task(self._beat(), name="beat"),
            asyncio.create_task(self._tick(), name="tick"),
            asyncio.create_task(self._refused.wait(), name="refused"),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks[1:], return_exceptions=True)
            await self.link.close(self.publisher.farewell() if self._has_connected else ())
            linking.cancel()
            await asyncio.gather(linking, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        raise BrokerError(self._refusal)

    async def _beat(self) -> None:
        """Keep the share and the presence, whatever else there is to do."""
        beat = min(MOST_BEAT_SECONDS, self._identity.interval_seconds / BEATS_PER_INTERVAL)
        share, leads_since = None, None
        while True:
            self.membership.tick()
            if self.membership.share is not share:
                share = self.membership.share
                self._reader.share(share)
            if self.publisher.leads_since != leads_since:
                leads_since = self.publisher.leads_since
                if leads_since is None:
                    self.link.unsubscribe(self._parts)
                else:
                    self.link.subscribe(self._parts, 1)
            self.publisher.tell_presence()
            self._notices.say("standby", str(self.membership.standby_reason))
            self._notices.say("share", sharing_of(self.membership))
            await asyncio.sleep(beat)

    async def _tick(self) -> None:
        """Publish each second, and leave the loop to others every few milliseconds."""
        loop = asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            self.publisher.cluster_uid = self._reader.cluster_uid
            self.publisher.tick()
            is_left = True
            while is_left:
                is_left = self.publisher.work(SLICE_SECONDS)
                await asyncio.sleep(BACKLOG_SECONDS if self.link.waiting > MOST_WAITING else 0)
            self.publisher.tell_the_rest()
            await asyncio.sleep(max(0.05, TICK_SECONDS - (loop.time() - began_at)))

    def _hear(self, incoming: Incoming) -> None:
        self.publisher.heard(incoming)

    def _note_state(self, state: LinkState) -> None:
        self.membership.link_changed(state.kind is LinkKind.UP)
        if state.kind is not LinkKind.CONNECTING:
            self._notices.say("link", sentence_of(state))
        self._has_connected = self._has_connected or state.kind is LinkKind.UP
        if state.kind is LinkKind.REFUSED and not self._has_connected:
            self._refusal = sentence_of(state)
            self._refused.set()

    def status(self, common: CollectorStatus) -> CollectorStatus:
        """Return a status with what is known of the bus; may be called from any thread."""
        counts, publisher, share = self.link.counts, self.publisher, self.membership.share
        return replace(
            common,
            # Counted here: nothing is published, and so nothing counted, without a broker.
            nodes=sum(share(one.node.name) for one in common.snapshot.nodes.values()),
            is_leading=publisher.is_leading,
            link=self.link.state.kind.value,
            sent=counts.sent,
            sent_bytes=counts.sent_bytes,
            received=counts.received,
            rejected=publisher.rejected,
            reconnects=counts.reconnects,
            dropped=publisher.dropped,
            facts_messages=publisher.nodes.messages,
            facts_bytes=publisher.nodes.payload_bytes,
            publishing_seconds=publisher.nodes.spent_seconds,
        )
