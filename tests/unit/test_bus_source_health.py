"""How a source stands that has its facts from a broker, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tui.bus.receiving.broker_health import Standpoint, health_of
from tui.bus.receiving.node_ages import FORGET_SECONDS, NodeAges
from tui.bus.wire.messages import PresenceMessage
from tui.bus.wire.post import LinkKind, LinkState
from tui.model.names import NodeUid
from tui.model.room import CollectorSeen, Presence
from tui.model.snapshot import Fact, NodeGone, SourceHealth, SourceState
from tui.safety import clean

UP = LinkState(LinkKind.UP, broker=clean("mqtt://broker:1883"))
NOON = 1_760_011_200.0
"""12:00:00 UTC."""


def presence(nodes: int = 2_500, total: int = 5_000, unread: int = 0) -> PresenceMessage:
    return PresenceMessage(
        Presence.PRESENT,
        nodes=nodes,
        nodes_total=total,
        nodes_unread=unread,
        source=SourceState.LIVE,
        sweep_seconds=nodes / 1_000,
        sweep_p95_seconds=0.5,
        sweep_interval_seconds=30.0,
        exec_failures=1,
    )


def seen(id_: str, state: Presence = Presence.PRESENT, reason: str = "") -> CollectorSeen:
    return CollectorSeen(clean(id_), state, reason=clean(reason))


POINT = Standpoint(
    clean("mqtt fleet"),
    UP,
    cluster=clean("fleet"),
    collectors=(seen("a"), seen("b")),
    presences=(presence(), presence(2_500)),
    received_nodes=5_000,
    is_filling=False,
)


def judged(**parts: object) -> tuple[SourceState, str]:
    health = _health(**parts)
    return health.state, str(health.reason)


def _health(**parts: object) -> SourceHealth:
    return health_of(replace(POINT, **parts))  # type: ignore[arg-type]  # the fields' own types


def test_all_received_from_collectors_that_are_there_is_live() -> None:
    assert judged() == (SourceState.LIVE, "")


def test_the_numbers_are_those_of_the_collector_that_fares_worst() -> None:
    health = _health(presences=(presence(1_000), presence(4_000)))
    assert (health.sweep_seconds, health.sweep_p95_seconds) == (4.0, 0.5)
    assert (health.sweep_interval_seconds, health.exec_failures) == (30.0, 2)


def test_it_is_connecting_while_facts_come_in_and_says_how_many() -> None:
    assert judged(is_filling=True, received_nodes=1_204) == (
        SourceState.CONNECTING,
        "1,204 of 5,000 nodes received",
    )
    assert _health(is_filling=True, received_nodes=1_204).nodes_unread == 3_796


def test_before_any_cluster_was_heard_of_it_says_so() -> None:
    state, reason = judged(cluster=clean(""), collectors=(), presences=())
    assert state is SourceState.CONNECTING
    assert "no cluster" in reason


def test_a_gone_collector_degrades_until_others_read_its_nodes() -> None:
    away = (seen("a"), seen("b", Presence.GONE))
    assert judged(collectors=away, presences=(presence(2_500),)) == (
        SourceState.DEGRADED,
        "b is gone; 2,500 nodes not read by others yet",
    )
    taken_over = judged(collectors=away, presences=(presence(5_000),))
    assert taken_over == (SourceState.LIVE, "")


def test_a_late_collector_is_named_as_late() -> None:
    away = (seen("a"), seen("b", Presence.LATE))
    assert "b is late" in judged(collectors=away, presences=(presence(2_500),))[1]


def test_nodes_that_never_came_are_blamed_on_the_broker_s_queue() -> None:
    assert judged(received_nodes=4_020, is_short=True) == (
        SourceState.DEGRADED,
        "4,020 of 5,000 nodes received; the broker drops retained messages: max_queued_messages",
    )


def test_where_no_node_came_the_broker_s_rights_are_asked_for() -> None:
    assert judged(received_nodes=0, is_short=True)[1] == (
        "0 of 5,000 nodes received; does the broker let collectors write node/+/facts, and this "
        "dashboard read it?"
    )


def test_nodes_whose_messages_were_thrown_away_are_not_blamed_on_the_broker() -> None:
    reason = judged(received_nodes=4_020, is_short=True, rejected=980)[1]
    assert "980 messages thrown away" in reason
    assert "max_queued" not in reason


def test_nodes_that_nobody_has_read_yet_are_not_missing() -> None:
    point = replace(
        POINT, received_nodes=4_000, presences=(presence(2_500, unread=1_000), presence(2_500))
    )
    assert (point.missing_nodes, health_of(point).nodes_unread) == (0, 1_000)


def test_recent_losses_degrade() -> None:
    assert judged(is_losing=True, lost=7) == (
        SourceState.DEGRADED,
        "messages are lost on the way, 7 so far",
    )


def test_what_a_collector_complains_of_degrades_and_names_it() -> None:
    troubled = (seen("a", reason="the API server does not answer"), seen("b"))
    assert judged(collectors=troubled) == (
        SourceState.DEGRADED,
        "a: the API server does not answer",
    )


def test_no_collector_is_lost_and_says_since_when() -> None:
    state, reason = judged(no_collector_since=NOON, presences=(), collectors=())
    assert (state, reason) == (
        SourceState.LOST,
        "no collector reads fleet: none was heard since 12:00:00 UTC",
    )


def test_what_the_broker_denies_explains_why_no_collector_is_heard() -> None:
    denied = replace(UP, reason=clean("the broker lets alice not read ciltop/v1/+/collector/+"))
    _, reason = judged(link=denied, no_collector_since=NOON, presences=(), collectors=())
    assert "not read ciltop/v1/+/collector/+" in reason


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (LinkKind.CONNECTING, SourceState.CONNECTING),
        (LinkKind.DOWN, SourceState.LOST),
        (LinkKind.REFUSED, SourceState.LOST),
    ],
)
def test_a_link_that_is_not_up_decides_whatever_was_received(
    kind: LinkKind, state: SourceState
) -> None:
    link = LinkState(kind, reason=clean("mqtt://broker:1883: bad user name or password"))
    found, reason = judged(link=link, link_since=NOON)
    assert found is state
    assert "bad user name or password" in reason


def test_a_broken_link_says_since_when() -> None:
    link = LinkState(LinkKind.DOWN, reason=clean("mqtt://broker:1883: nothing answers"))
    assert judged(link=link, link_since=NOON)[1] == (
        "mqtt://broker:1883: nothing answers (since 12:00:00 UTC)"
    )


def told(ages: NodeAges, since: float, until: float, *, is_steady: bool = True) -> list[Fact]:
    """Have time pass in steps of a minute."""
    found: list[Fact] = []
    while since < until:
        since += 60.0
        found += ages.expired(since, is_steady=is_steady)
    return found


def test_a_node_that_nobody_tells_of_for_an_hour_is_gone() -> None:
    ages = NodeAges()
    for number in range(2):
        ages.hear(NodeUid(f"uid-{number}"), 0.0)
    assert told(ages, 0.0, FORGET_SECONDS) == []
    ages.hear(NodeUid("uid-1"), FORGET_SECONDS)
    assert told(ages, FORGET_SECONDS, FORGET_SECONDS + 180.0) == [NodeGone(NodeUid("uid-0"))]
    assert len(ages) == 1


def test_silence_means_nothing_while_a_collector_or_the_broker_is_away() -> None:
    ages = NodeAges()
    ages.hear(NodeUid("uid"), 0.0)
    assert told(ages, 0.0, 9_000.0, is_steady=False) == []
    assert told(ages, 9_000.0, 9_000.0 + FORGET_SECONDS) == []
    assert len(told(ages, 9_000.0 + FORGET_SECONDS, 9_180.0 + FORGET_SECONDS)) == 1


def test_a_collector_that_is_late_now_and_then_does_not_keep_dead_nodes_for_ever() -> None:
    ages = NodeAges()
    ages.hear(NodeUid("uid"), 0.0)
    found: list[Fact] = []
    for minute in range(3 * 60):
        found += ages.expired(60.0 * minute, is_steady=minute % 10 != 0)
    assert len(found) == 1
