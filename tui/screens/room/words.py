"""How clusters, collectors and the broker itself are worded, on every screen the same."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.findings import FindingSeverity
from tui.model.room import ClusterSummary, CollectorSeen, Presence, Room
from tui.model.snapshot import Snapshot, SourceState
from tui.screens import wording
from tui.screens.marks import verdict_mark
from widgets.header import HeaderItem
from widgets.symbols import symbols
from widgets.text import elide_middle
from widgets.tones import Span, Tone, context_tone

STALE_SECONDS = 60.0
"""A cluster that nothing was heard of for so long is old: presence comes each few seconds."""

SKEW_SECONDS = 1.0
"""A smaller difference of two clocks is the network's."""

COUNTED = (FindingSeverity.ACTIVE, FindingSeverity.ARMED, FindingSeverity.UNKNOWN)
"""The severities of which a cluster shows how many there are."""

NO_CLUSTER = "no cluster"
NO_COLLECTOR = "no collector"
"""How the source's reason begins where the broker answers, and nobody publishes."""

START_ONE = "start one where a kubeconfig is: ciltop collect --mqtt URL"
MAY_READ = "or this user may not read here: see the broker's ACL"
NOTHING_ASKED = "collectors read on their own: nothing is asked of them through a broker"

_SHORT_NAME = 16
_LONG_NAME = 32
_ID = 20


def is_brokered(snapshot: Snapshot) -> bool:
    """Return whether what is shown comes from a broker."""
    word = snapshot.health.name.partition(" ")[0]
    return word == "mqtt" or snapshot.room != _NO_ROOM


def presence_mark(presence: Presence) -> Span:
    """Return the coloured symbol of a collector's presence."""
    table = symbols()
    return {
        Presence.PRESENT: Span(table.ok, Tone.OK),
        Presence.LATE: Span(table.armed, Tone.WARNING),
        Presence.GONE: Span(table.active, Tone.ERROR),
    }[presence]


def present_count(collectors: Sequence[CollectorSeen]) -> int:
    """Return how many collectors are there."""
    return sum(1 for one in collectors if one.presence is Presence.PRESENT)


def collectors_cell(collectors: Sequence[CollectorSeen]) -> tuple[Span, ...]:
    """Return how many collectors are there, late and gone, for one cell."""
    if not collectors:
        return (Span(f"{symbols().unknown} none", Tone.UNKNOWN),)
    present = present_count(collectors)
    number = f"{present}/{len(collectors)}"
    if present == len(collectors):
        return (presence_mark(Presence.PRESENT), Span(f" {number}"))
    away = [one for one in (Presence.GONE, Presence.LATE) if _has(collectors, one)]
    words = ", ".join(presence.value for presence in away)
    mark = presence_mark(Presence.LATE if present else Presence.GONE)
    return (mark, Span(f" {number} {words}", mark.tone))


def _has(collectors: Sequence[CollectorSeen], presence: Presence) -> bool:
    return any(one.presence is presence for one in collectors)


def finding_counts(cluster: ClusterSummary) -> tuple[Span, ...]:
    """Return how many findings of each severity a cluster has, the worst first."""
    spans: list[Span] = []
    for severity in COUNTED:
        number = cluster.findings.get(severity, 0)
        if number:
            mark = verdict_mark(severity)
            gap = " " if spans else ""
            spans.append(Span(f"{gap}{mark.text}{wording.count(number)}", mark.tone))
    return tuple(spans)


def worst_titles(cluster: ClusterSummary) -> list[tuple[str, int]]:
    """Return the titles of a cluster's worst findings, each once, and how many have it."""
    counts: dict[str, int] = {}
    for title in cluster.worst:
        counts[title] = counts.get(title, 0) + 1
    times = symbols().times
    return [
        (f"{title} {times}{number}" if number > 1 else title, number)
        for title, number in counts.items()
    ]


def skew_words(skew_seconds: float | None) -> str:
    """Return how far a collector's clock is off; empty where it is not, or nobody knows."""
    if skew_seconds is None or abs(skew_seconds) <= SKEW_SECONDS:
        return ""
    return f"{wording.age(abs(skew_seconds))} {'ahead' if skew_seconds > 0 else 'behind'}"


# The header


def cluster_item(snapshot: Snapshot) -> HeaderItem:
    """Return the chosen cluster, and that it is read through a broker."""
    name = str(snapshot.room.chosen or snapshot.cluster.context)
    if not name:
        return HeaderItem((Span("mqtt "), Span(" no cluster ", Tone.BADGE)))
    tone = context_tone(name)
    whole = Span(f" {elide_middle(name, _LONG_NAME)} ", tone)
    return HeaderItem((Span("mqtt "), whole), (Span(f" {elide_middle(name, _SHORT_NAME)} ", tone),))


def room_items(snapshot: Snapshot) -> list[HeaderItem]:
    """Return the collectors, and what was lost or thrown away, for the header."""
    room, health = snapshot.room, snapshot.health
    items = []
    is_cut_off = health.state is SourceState.LOST and not health.reason.startswith(NO_COLLECTOR)
    # Nobody is heard while the broker is away, and nothing follows from that.
    if room.chosen and not is_cut_off:
        items.append(_collectors_item(room.collectors))
    bad = [
        f"{wording.count(number)} {word}"
        for number, word in ((room.lost, "lost"), (room.rejected, "rejected"))
        if number
    ]
    if bad:
        whole = (Span(", ".join(bad), Tone.WARNING),)
        items.append(HeaderItem(whole, (Span(bad[0], Tone.WARNING),), 5))
    return items


def _collectors_item(collectors: Sequence[CollectorSeen]) -> HeaderItem:
    present, total = present_count(collectors), len(collectors)
    if not present:
        words = "no collector" if not total else f"collectors 0/{total}"
        short = (Span(f"0/{total} there", Tone.WARNING),) if total else ()
        return HeaderItem((Span(words, Tone.WARNING),), short, 3)
    number = f"{present}/{total}"
    if present == total:
        return HeaderItem((Span(f"collectors {number}"),), (Span(f"mqtt {number}"),), 6)
    away = sorted(
        (one for one in collectors if one.presence is not Presence.PRESENT),
        key=lambda one: (one.presence is not Presence.GONE, one.id),
    )
    first = away[0]
    more = f" +{len(away) - 1}" if len(away) > 1 else ""
    state = first.presence.value
    whole = f"collectors {number} {state}: {elide_middle(first.id, _ID)}{more}"
    return HeaderItem((Span(whole, Tone.WARNING),), (Span(f"{number} {state}", Tone.WARNING),), 3)


def freshness_item(snapshot: Snapshot, now: float, tone: Tone) -> HeaderItem:
    """Return how the source stands and how old its latest message is."""
    health = snapshot.health
    ago = "" if health.last_good_at is None else wording.ago(now - health.last_good_at)
    if health.state is SourceState.LIVE and ago:
        return HeaderItem((Span(ago, tone),), priority=4)
    word = health.state.value
    long = f"{word}, {ago}" if ago and health.state is not SourceState.CONNECTING else word
    return HeaderItem((Span(long, tone),), (Span(word, tone),) if long != word else (), 1)


def broker_trouble(snapshot: Snapshot, now: float) -> str:
    """Return why what is shown is not whole or grows old; the empty text while neither is so."""
    health = snapshot.health
    reason = wording.cut(health.reason)
    if health.state is SourceState.CONNECTING:
        return reason if snapshot.nodes else ""
    if health.state not in (SourceState.LOST, SourceState.DEGRADED):
        return ""
    since = ""
    if health.state is SourceState.LOST and health.last_good_at is not None:
        since = f", last message {wording.ago(now - health.last_good_at)}"
    return f"{health.state.value}{since}: {reason}" if reason else f"{health.state.value}{since}"


_NO_ROOM = Room()
