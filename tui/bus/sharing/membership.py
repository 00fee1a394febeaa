"""Which collectors are there, and so which nodes are ours: pure, with a clock from outside.

Only the receiver's monotonic time counts, never a sender's clock. The share changes at once when a
collector comes or says that it goes, and within two presence intervals when it falls silent. While
the link to the broker is down nothing changes: a broker that flaps costs no node its reader.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from tui.bus.sharing.rendezvous import Shares
from tui.bus.wire.messages import Letter, PresenceMessage
from tui.model.room import Presence
from tui.model.snapshot import SourceState
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.bus.sharing.membership")

INTERVAL_SECONDS = 5.0
LEAST_INTERVAL_SECONDS = 0.1
MOST_INTERVAL_SECONDS = 60.0
"""Longer promises are not believed: the nodes of a dead collector would wait for it."""

SILENT_INTERVALS = 1.75
"""A collector that was not heard for so long is dead."""

ANEW_INTERVALS = 1.25
"""Within an interval, give or take, everybody alive is heard anew: so long counts a retained
presence, which may be of a collector that died long ago, and whoever was there before we, or the
link, stood still."""

GRACE_INTERVALS = 2.0
"""After our link was down nobody is dead for so long, and a start without broker waits so long."""

SETTLE_SECONDS = 1.0
"""After the subscription, until the retained presences are in."""

MOST_PEERS = 256
"""Collectors of one cluster; more are not believed."""

LEADER_KEY = "leader"


@dataclass(frozen=True, slots=True)
class Share:
    """Which nodes are ours, as of one moment: never changes, may be asked from any thread."""

    own_id: str
    present: frozenset[str]
    is_open: bool
    """False owns nothing: not settled yet, or standing by for another with our id."""
    shares: Shares

    def __call__(self, name: str) -> bool:
        """Tell whether a node is ours."""
        return self.is_open and self.shares.owner(name, self.present) == self.own_id


@dataclass(slots=True)
class _Peer:
    run: str
    interval: float
    until: float
    """Present until then, by our monotonic clock."""
    is_live: bool
    """Whether it was heard itself, not only what the broker kept."""
    can_collect: bool = True


@dataclass(slots=True)
class _Twin:
    """Another live collector with our id."""

    run: str
    host: CleanText
    until: float


class Membership:
    """Keeps who is present; asked and told on one loop, only `share` may leave it.

    Two live collectors with the same id: the one that started later, by the two start times that
    both know, stands by: it owns nothing, says why (`standby_reason`) and must not announce itself,
    until the other is gone or silent.
    """

    def __init__(
        self,
        own_id: str,
        clock: Callable[[], float],
        interval: float = INTERVAL_SECONDS,
        *,
        run: str = "",
        started_at: float = 0.0,
    ) -> None:
        """Begin with the link down.

        Args:
            own_id: the id of this collector.
            clock: monotonic seconds.
            interval: seconds between two presences of this collector.
            run: of this run of the collector, as in its envelopes.
            started_at: as in its presence messages; only decides between two with one id.
        """
        self._own_id = own_id
        self._clock = clock
        self._interval = _believed(interval)
        self._run = run
        self._started_at = started_at
        self._peers: dict[str, _Peer] = {}
        self._twin: _Twin | None = None
        self._is_up = False
        self._has_connected = False
        self._began_at = clock()
        self._up_since = self._began_at
        self._ticked_at = self._began_at
        self._has_echo = False
        """Whether our own presences come back on this connection."""
        self._heard_at = self._began_at
        """When any presence was heard live: proof that the link carries."""
        self._can_collect = True
        self._shares = Shares()
        self._is_settled = False
        self._share = Share(own_id, frozenset((own_id,)), False, self._shares)
        self._leads = False
        self._told: tuple[Share, bool] = (self._share, False)
        self._owes_presence = False

    # What is known

    @property
    def present(self) -> frozenset[str]:
        """Ids of the collectors that share the nodes, this one included."""
        return self._share.present

    @property
    def share(self) -> Share:
        """Which nodes are ours now; immutable, and good on any thread."""
        return self._share

    def owns(self, name: str) -> bool:
        """Tell whether a node is ours; none is before it is known who else is there."""
        return self._share(name)

    @property
    def is_leader(self) -> bool:
        """Whether what is told once for the whole cluster is ours to tell."""
        return self._leads

    @property
    def is_settled(self) -> bool:
        """Whether it is known who else is there, or was waited for long enough."""
        return self._is_settled

    @property
    def is_alone_unheard(self) -> bool:
        """Whether all nodes are read because no broker could be asked who else is there."""
        return self._is_settled and not self._has_connected

    @property
    def owes_presence(self) -> bool:
        """Whether ours has to be sent now: the link came up, or our topic says that we are gone."""
        return self._owes_presence and self._twin is None

    @property
    def standby_reason(self) -> CleanText:
        """Why this collector reads nothing and must not announce itself; empty where it does."""
        twin = self._twin
        if twin is None:
            return CleanText("")
        host = f" on {twin.host}" if twin.host else ""
        return clean(
            f"another collector{host} runs with the id {self._own_id} since earlier: this one"
            " stands by and reads nothing; give it an id of its own (--collector-id)"
        )

    # What happens

    def link_changed(self, is_up: bool) -> None:
        """Note that the link came up, with its subscriptions acknowledged, or went down."""
        if is_up == self._is_up:
            return
        now = self._clock()
        self._is_up = is_up
        self._has_echo = False
        if is_up:
            self._up_since = now
            self._has_connected = True
            self._owes_presence = True
            self._spare(now, GRACE_INTERVALS)
            if self._is_settled:
                LOG.info("broker reached: the share of the nodes follows the collectors again")

    def heard(self, collector: str, letter: Letter | None, *, is_retained: bool) -> None:
        """Take in a presence; None is an empty payload: its topic was cleared."""
        message = letter.message if letter is not None else None
        if message is not None and not isinstance(message, PresenceMessage):
            return
        if not is_retained:
            self._note_live(collector)
        run = letter.envelope.run if letter is not None else ""
        if collector == self._own_id:
            self._hear_own(run, message, is_retained=is_retained)
        elif message is None or message.state is Presence.GONE:
            self._part(collector, run)
        else:
            self._hear_peer(collector, run, message, is_retained=is_retained)
        self._renew()

    def announced(self, message: PresenceMessage) -> None:
        """Note what we say of ourselves: others judge by it whether we can collect."""
        self._owes_presence = False
        self._can_collect = _can_collect(message)
        self._renew()

    def tick(self) -> bool:
        """Let time pass; return whether the share, or who leads, changed since the last tick."""
        now = self._clock()
        if now - self._ticked_at > self._interval:
            # We slept: what was said meanwhile waits to be read.
            self._spare(now, ANEW_INTERVALS)
        self._ticked_at = now
        self._settle(now)
        if self._is_up:
            self._bury(now)
        self._renew()
        told, self._told = self._told, (self._share, self._leads)
        return told != self._told

    # How

    def _settle(self, now: float) -> None:
        if self._is_settled:
            return
        if self._is_up:
            self._is_settled = now - self._up_since >= SETTLE_SECONDS
        elif now - self._began_at >= GRACE_INTERVALS * self._interval:
            self._is_settled = True
            known = len(self._peers)
            LOG.warning(
                "the broker was not reached: reading %s until it is",
                f"our share beside {known} other collectors" if known else "the whole cluster",
            )

    def _note_live(self, collector: str) -> None:
        now = self._clock()
        if self._has_echo and now - self._heard_at > SILENT_INTERVALS * self._interval:
            # The link stood still: what others said waits behind this.
            self._spare(now, ANEW_INTERVALS)
        self._heard_at = now
        self._has_echo = self._has_echo or collector == self._own_id

    def _is_dead(self, peer: _Peer, now: float) -> bool:
        """Whether it is silent while the link carries: something came after it was due."""
        due_at = peer.until - (SILENT_INTERVALS - 1.0) * peer.interval
        return peer.until < now and (not self._has_echo or self._heard_at >= due_at)

    def _bury(self, now: float) -> None:
        for one in [one for one, peer in self._peers.items() if self._is_dead(peer, now)]:
            LOG.info("collector %s fell silent: its nodes are shared among the others", one)
            del self._peers[one]
        if self._twin is not None and self._twin.until < now:
            self._end_standby("fell silent")

    def _spare(self, now: float, intervals: float) -> None:
        """Let nobody be dead for a while whom we could not hear."""
        for peer in self._peers.values():
            peer.until = max(peer.until, now + intervals * max(peer.interval, self._interval))
        if self._twin is not None:
            self._twin.until = max(self._twin.until, now + intervals * self._interval)

    def _hear_peer(
        self, collector: str, run: str, message: PresenceMessage, *, is_retained: bool
    ) -> None:
        now = self._clock()
        interval = _believed(message.interval_seconds)
        peer = self._peers.get(collector)
        if peer is None:
            if len(self._peers) >= MOST_PEERS:
                return
            peer = self._peers[collector] = _Peer(run, interval, now, is_live=False)
            LOG.info("collector %s is present", collector)
        peer.can_collect = _can_collect(message)
        if is_retained:
            if not peer.is_live:
                peer.run = run
                peer.until = max(peer.until, now + ANEW_INTERVALS * interval)
            return
        peer.run, peer.interval, peer.is_live = run, interval, True
        peer.until = max(peer.until, now + SILENT_INTERVALS * interval)

    def _part(self, collector: str, run: str) -> None:
        peer = self._peers.get(collector)
        if peer is None or (run and peer.is_live and run != peer.run):
            # The last will of an earlier run comes late.
            return
        LOG.info("collector %s is gone: its nodes are shared among the others", collector)
        del self._peers[collector]

    def _hear_own(self, run: str, message: PresenceMessage | None, *, is_retained: bool) -> None:
        now = self._clock()
        is_gone = message is None or message.state is Presence.GONE
        if is_gone:
            twin = self._twin
            if twin is not None and run in ("", twin.run):
                self._end_standby("is gone")
            self._owes_presence = True
        elif message is not None and run != self._run and not is_retained:
            self._hear_twin(run, message, now)

    def _hear_twin(self, run: str, message: PresenceMessage, now: float) -> None:
        if (message.started_at, run) > (self._started_at, self._run):
            # It will hear us and stand by; until then its presence covers ours.
            self._owes_presence = True
            return
        is_news = self._twin is None
        interval = max(self._interval, _believed(message.interval_seconds))
        self._twin = _Twin(run, message.host, now + SILENT_INTERVALS * interval)
        if is_news:
            LOG.warning("%s", self.standby_reason)

    def _end_standby(self, why: str) -> None:
        LOG.warning("the other collector with the id %s %s: reading its nodes", self._own_id, why)
        self._twin = None
        self._owes_presence = True

    def _renew(self) -> None:
        others = {one for one, peer in self._peers.items() if peer.can_collect}
        present = frozenset({*others, self._own_id})
        is_open = self._is_settled and self._twin is None
        before = self._share
        if present != before.present or is_open != before.is_open:
            self._share = replace(before, present=present, is_open=is_open)
            self._shares.keep({*self._peers, self._own_id})
        leaders = present if self._can_collect or not others else others
        self._leads = is_open and self._shares.owner(LEADER_KEY, leaders) == self._own_id


def _believed(interval_seconds: float) -> float:
    return min(MOST_INTERVAL_SECONDS, max(LEAST_INTERVAL_SECONDS, interval_seconds))


def _can_collect(message: PresenceMessage) -> bool:
    """Whether a collector reads its nodes, or soon will.

    One that sees no node of the cluster, for want of rights or of the right address, would only
    keep its share from those that can read it.
    """
    if message.source is SourceState.ENDED:
        return False
    return message.nodes_total > 0 or message.source is SourceState.CONNECTING
