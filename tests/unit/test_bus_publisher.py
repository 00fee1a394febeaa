"""What a collector publishes, when, and what it leaves to others."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from tests.unit.bus_rig import (
    CLUSTER,
    OTHER,
    OWN,
    Rig,
    facts,
    uid_of,
    uid_owned_by,
)
from tests.unit.store_facts import agent, node
from tui.bus.publishing.node_publishing import FIRST_SECONDS, GONE_SECONDS
from tui.bus.sharing.rendezvous import owner
from tui.bus.wire.messages import ClusterMessage, FactsMessage, PresenceMessage
from tui.bus.wire.post import Incoming, LinkKind, LinkState, Outgoing
from tui.bus.wire.topics import Topic, TopicKind, parse_topic
from tui.model.cluster import ClusterFacts
from tui.model.findings import FindingSeverity, Verdict
from tui.model.maps import Trend
from tui.model.node import AgentPhase
from tui.model.reading import Reading
from tui.model.room import Presence
from tui.model.snapshot import Gap, SourceHealth, SourceState
from tui.safety import clean

NODE_1 = str(Topic(TopicKind.FACTS, CLUSTER, "node-uid-1"))


def of_topic(sent: list[Outgoing], topic: str) -> list[Outgoing]:
    return [one for one in sent if one.topic == topic]


def test_a_node_is_sent_whole_retained_and_with_an_expiry() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    [sent] = of_topic(rig.tick(), NODE_1)
    assert (sent.qos, sent.is_retained, sent.expiry_seconds) == (0, True, 3600)
    letter = json.loads(gzip.decompress(sent.payload))
    assert letter["schema"] == "ciltop/1"
    assert letter["kind"] == "facts"
    assert (letter["cluster"], letter["sender"], letter["seq"]) == (CLUSTER, OWN, 1)
    assert rig.facts([sent])["node-uid-1"].facts == facts("uid-1")


def test_a_node_that_did_not_change_is_not_sent_again() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    for _ in range(20):
        assert not of_topic(rig.tick(), NODE_1)


@pytest.mark.parametrize(
    "worse",
    [
        {"sweep_error": clean("exec: timed out")},
        {"agent": replace(agent(), phase=AgentPhase.CRASH_LOOP)},
        {"node": replace(node(), is_ready=False)},
    ],
    ids=["exec fails", "crash loop", "not ready"],
)
def test_new_trouble_is_sent_at_once(worse: dict[str, object]) -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    rig.see(facts("uid-1", swept_at=6.0))
    assert not of_topic(rig.tick(), NODE_1)
    rig.see(facts("uid-1", swept_at=6.0, **worse))
    assert of_topic(rig.tick(0.1), NODE_1)


def test_new_harm_of_a_changed_node_is_sent_at_once() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    verdict = Verdict("map-pressure", FindingSeverity.ACTIVE, clean("full"), uid_of(1))
    rig.see(facts("uid-1", swept_at=6.0), verdicts={uid_of(1): (verdict,)})
    assert of_topic(rig.tick(0.1), NODE_1)


def test_only_the_own_share_is_sent() -> None:
    rig = Rig()
    rig.hear_collector(OTHER)
    own, other = uid_owned_by(OWN), uid_owned_by(OTHER)
    rig.see(facts(own), facts(other))
    assert set(rig.facts(rig.tick())) == {f"node-{own}"}


def test_a_node_that_moves_in_is_first_sent_when_it_has_answered_here() -> None:
    rig = Rig()
    rig.hear_collector(OTHER)
    uid = uid_owned_by(OTHER)
    rig.see(facts(uid, swept_at=rig.clock.time() - 60.0))
    rig.tick()
    rig.hear_collector(OTHER, Presence.GONE)
    # What is known of it here is from before.
    rig.see(facts(uid, swept_at=rig.clock.time() - 60.0))
    assert not rig.facts(rig.tick())
    rig.see(facts(uid, swept_at=rig.clock.time()))
    assert set(rig.facts(rig.tick())) == {f"node-{uid}"}


def test_a_node_that_was_never_read_is_not_sent() -> None:
    rig = Rig()
    rig.see(facts("uid-1", swept_at=None))
    assert not rig.facts(rig.tick())


def test_the_first_message_waits_for_parts_that_take_another_exec() -> None:
    rig = Rig()
    rig.see(facts("uid-1", features=Reading()))
    assert not rig.facts(rig.tick())
    rig.see(facts("uid-1"))
    assert rig.facts(rig.tick())


def test_the_first_message_does_not_wait_for_ever() -> None:
    rig = Rig()
    rig.see(facts("uid-1", features=Reading()))
    sent = [rig.facts(rig.tick()) for _ in range(int(FIRST_SECONDS) + 2)]
    assert len([one for one in sent if one]) == 1
    rig.see(facts("uid-1"))
    assert rig.facts(rig.tick()), "what was missing is sent at once"


def test_nothing_is_sent_before_the_pods_are_known() -> None:
    rig = Rig()
    rig.snapshot = replace(rig.snapshot, is_complete=False)
    rig.see(facts("uid-1", swept_at=None, agent=None))
    assert not rig.facts(rig.tick())
    rig.snapshot = replace(rig.snapshot, is_complete=True)
    assert rig.facts(rig.tick())


def test_a_node_that_cannot_be_asked_is_sent() -> None:
    rig = Rig()
    rig.see(
        facts("uid-1", swept_at=None, agent=None),
        facts("uid-2", swept_at=None, sweep_error=clean("exec: denied")),
    )
    assert set(rig.facts(rig.tick())) == {"node-uid-1", "node-uid-2"}


def test_a_node_that_left_is_told_and_its_topic_cleared() -> None:
    rig = Rig()
    rig.see(facts("uid-1"), facts("uid-2"))
    rig.tick()
    rig.see(facts("uid-2"))
    assert not of_topic(rig.tick(), NODE_1)
    last, cleared = of_topic(rig.tick(GONE_SECONDS), NODE_1)
    assert rig.facts([last])["node-uid-1"] == FactsMessage(None)
    assert not last.is_retained
    assert (cleared.payload, cleared.is_retained) == (b"", True)
    # Both in one lane of the outbox, so that they keep their order.
    assert last.qos == cleared.qos == 1
    assert not last.replaces
    assert not cleared.replaces


def test_a_node_that_moved_away_is_not_told_as_gone() -> None:
    rig = Rig()
    uid = uid_owned_by(OTHER)
    rig.see(facts(uid))
    rig.tick()
    rig.hear_collector(OTHER)
    rig.see()
    for _ in range(2 * int(GONE_SECONDS)):
        assert not [one for one in rig.tick() if parse_topic(one.topic).kind is TopicKind.FACTS]


def test_a_node_that_moves_away_and_back_at_once_is_not_told_as_gone() -> None:
    rig = Rig()
    uid = uid_owned_by(OTHER)
    rig.see(facts(uid))
    rig.tick()
    rig.hear_collector(OTHER)
    rig.tick(0.1)
    rig.hear_collector(OTHER, Presence.GONE)
    rig.see()
    sent = rig.tick(0.1) + rig.tick(GONE_SECONDS - 0.5)
    rig.see(facts(uid, swept_at=rig.clock.time()))
    sent += rig.tick(GONE_SECONDS)
    assert all(message.facts is not None for message in rig.facts(sent).values())


def test_a_new_node_of_the_same_name_takes_the_old_ones_place() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    successor = replace(node(uid_of(9)), name=node(uid_of(1)).name)
    rig.see(facts("uid-9", node=successor, agent=agent()))
    sent = rig.tick() + rig.tick(GONE_SECONDS + 1)
    [message] = rig.facts(sent).values()
    assert message.facts is not None
    assert message.facts.node.uid == "uid-9"
    assert all(one.payload for one in of_topic(sent, NODE_1))


def test_trends_and_logs_stay_here() -> None:
    rig = Rig()
    known = facts("uid-1")
    assert known.maps.value is not None
    trend = Trend((0.5, 0.6), seconds_to_full=60.0)
    usage = replace(known.maps.value[0], trend=trend)
    rig.see(replace(known, maps=replace(known.maps, value=(usage,))))
    [message] = rig.facts(rig.tick()).values()
    assert message.facts == known
    assert rig.snapshot.nodes[uid_of(1)].maps.value == (usage,)


def test_nothing_is_made_while_the_link_is_down_and_all_is_sent_after_it() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    rig.wire.state = LinkState(LinkKind.DOWN)
    for second in range(20):
        rig.see(facts("uid-1", swept_at=10.0 + second))
        assert not rig.tick()
    rig.wire.state = LinkState(LinkKind.UP)
    sent = rig.tick()
    assert rig.facts(sent)["node-uid-1"].facts == facts("uid-1", swept_at=29.0)
    kinds = {parse_topic(one.topic).kind for one in sent}
    assert {TopicKind.PRESENCE, TopicKind.PART} <= kinds


def test_a_broker_that_forgot_everything_gets_unchanged_nodes_too() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    rig.wire.state = LinkState(LinkKind.DOWN)
    rig.tick(5.0)
    rig.wire.state = LinkState(LinkKind.UP)
    assert rig.facts(rig.tick())


def test_presence_is_told_each_interval_with_what_fails() -> None:
    rig = Rig()
    rig.snapshot = replace(
        rig.snapshot,
        gaps={
            f"gap-{n}": Gap(clean("list x"), clean("denied"), float(n), n > 50) for n in range(60)
        },
        health=SourceHealth(state=SourceState.DEGRADED, reason=clean("slow"), exec_failures=3),
    )
    rig.see(facts("uid-1"))
    rig.tick()
    told = [letter for _ in range(20) for letter in rig.letters(rig.tick(), TopicKind.PRESENCE)]
    assert len(told) == 4
    message = told[-1].message
    assert isinstance(message, PresenceMessage)
    assert (message.state, message.nodes, message.exec_failures) == (Presence.PRESENT, 1, 3)
    assert (message.source, message.reason) == (SourceState.DEGRADED, "slow")
    assert len(message.gaps) == 50
    assert {f"gap-{n}" for n in range(51, 60)} <= message.gaps.keys()


def test_presence_is_told_at_once_when_the_source_changes() -> None:
    rig = Rig()
    rig.tick()
    health = SourceHealth(state=SourceState.LOST, reason=clean("nothing answers"))
    rig.snapshot = replace(rig.snapshot, health=health)
    [letter] = rig.letters(rig.tick(0.1), TopicKind.PRESENCE)
    assert isinstance(letter.message, PresenceMessage)
    assert letter.message.source is SourceState.LOST


def test_a_second_collector_with_the_same_id_says_nothing() -> None:
    rig = Rig()
    twin = PresenceMessage(Presence.PRESENT, started_at=0.5, interval_seconds=5.0)
    rig.hear(twin, Topic(TopicKind.PRESENCE, CLUSTER, OWN), OWN)
    rig.membership.tick()
    assert rig.membership.standby_reason
    rig.see(facts("uid-1"))
    assert not rig.tick()
    assert not rig.publisher.farewell()


def test_the_cluster_is_told_by_the_leader_alone_and_seldom() -> None:
    rig = Rig()
    rig.publisher.cluster_uid = "uid-of-kube-system"
    rig.tick()
    told = []
    for number in range(12):
        rig.snapshot = replace(rig.snapshot, cluster=ClusterFacts(context=clean(f"c{number}")))
        told += rig.letters(rig.tick(), TopicKind.CLUSTER)
    assert [isinstance(letter.message, ClusterMessage) for letter in told] == [True] * len(told)
    assert 2 <= len(told) <= 3
    assert isinstance(told[0].message, ClusterMessage)
    assert told[0].message.uid == "uid-of-kube-system"


def test_who_does_not_lead_tells_nothing_of_the_cluster() -> None:
    rig = Rig()
    name = next(f"c{n}" for n in range(100) if not _leads(f"c{n}"))
    rig.hear_collector(name)
    assert not rig.membership.is_leader
    sent = [one for _ in range(10) for one in rig.tick()]
    kinds = {parse_topic(one.topic).kind for one in sent}
    assert not kinds & {TopicKind.CLUSTER, TopicKind.FINDINGS, TopicKind.ROOM}
    assert TopicKind.PART in kinds


def _leads(other: str) -> bool:
    return owner("leader", (OWN, other)) == OWN


def test_the_last_one_clears_all_it_owns() -> None:
    rig = Rig()
    rig.see(facts("uid-1"), facts("uid-2"))
    rig.tick()
    first, *rest = rig.publisher.farewell()
    [letter] = rig.letters([first], TopicKind.PRESENCE)
    assert isinstance(letter.message, PresenceMessage)
    assert letter.message.state is Presence.GONE
    assert all(one.payload == b"" and one.is_retained for one in rest)
    cleared = {(parse_topic(one.topic).kind, parse_topic(one.topic).name) for one in rest}
    assert cleared == {
        (TopicKind.PRESENCE, OWN),
        (TopicKind.PART, OWN),
        (TopicKind.FACTS, "node-uid-1"),
        (TopicKind.FACTS, "node-uid-2"),
        (TopicKind.CLUSTER, ""),
        (TopicKind.FINDINGS, ""),
        (TopicKind.ROOM, ""),
    }


def test_one_of_several_leaves_the_nodes_to_the_others() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    rig.hear_collector(OTHER)
    kinds = [parse_topic(one.topic).kind for one in rig.publisher.farewell()]
    assert sorted(set(kinds)) == sorted({TopicKind.PRESENCE, TopicKind.PART})


def test_hostile_messages_are_counted_and_change_nothing() -> None:
    rig = Rig()
    payloads = [b"\x00", b"{}", b'{"schema":"ciltop/0"}', b"\x1f\x8b garbage", b"[" * 100_000]
    for payload in payloads:
        for topic in ("ciltop/v1/prod/collector/beta", "ciltop/v1/prod/room", "elsewhere"):
            rig.publisher.heard(Incoming(topic, payload, False, 0.0))
    assert rig.publisher.rejected == 3 * len(payloads)
    assert rig.membership.present == {OWN}
    assert not rig.publisher.room.version
    [letter] = rig.letters(rig.tick(), TopicKind.PRESENCE)
    assert isinstance(letter.message, PresenceMessage)
    assert letter.message.rejected == 3 * len(payloads)


def test_work_stops_when_its_time_is_up() -> None:
    rig = Rig()
    rig.see(*(facts(f"uid-{n}") for n in range(50)))
    rig.pass_time(1.0)
    rig.publisher.tick()
    rounds = 1
    while rig.publisher.work(0.0001):
        rounds += 1
    assert rounds > 5
    assert len(rig.facts(rig.wire.take())) == 50


def test_unknown_is_sent_as_unknown() -> None:
    rig = Rig()
    unread = facts("uid-1", maps=Reading.failed(clean("bpftool is missing")))
    rig.see(unread)
    assert rig.facts(rig.tick())["node-uid-1"].facts == unread
