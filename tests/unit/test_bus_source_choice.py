"""Which cluster a dashboard shows, and what waits before it is decoded."""

from __future__ import annotations

from tui.bus.receiving import inbox as inbox_module
from tui.bus.receiving.chooser import SETTLE_SECONDS, Chooser, Standing
from tui.bus.receiving.inbox import Inbox
from tui.bus.wire.post import Incoming

LATER = 100.0 + SETTLE_SECONDS
CALM = Standing(has_collector=True)


def incoming(topic: str, payload: bytes = b"{}") -> Incoming:
    return Incoming(topic, payload, False, 1.0)


def facts(node: str, payload: bytes = b"{}") -> Incoming:
    return incoming(f"ciltop/v1/fleet/node/{node}/facts", payload)


def warnings(node: str) -> Incoming:
    return incoming(f"ciltop/v1/fleet/warnings/{node}")


def settled(standings: dict[str, Standing]) -> str | None:
    chooser = Chooser()
    assert chooser.choice(standings, 100.0) is None
    return chooser.choice(standings, LATER)


def test_a_setting_is_taken_at_once_though_nothing_was_heard_of_it() -> None:
    assert Chooser("fleet").choice({}, 0.0) == "fleet"


def test_nothing_is_chosen_while_nothing_was_heard() -> None:
    chooser = Chooser()
    assert chooser.choice({}, 0.0) is None
    assert chooser.choice({}, 1_000.0) is None


def test_the_only_cluster_is_chosen_after_others_had_time_to_be_heard() -> None:
    assert settled({"fleet": CALM}) == "fleet"


def test_the_worst_cluster_is_chosen_and_names_break_ties() -> None:
    active = Standing(True, active=1)
    assert settled({"a": CALM, "b": Standing(True, armed=9), "c": active, "d": active}) == "c"
    assert settled({"b": CALM, "a": CALM}) == "a"


def test_a_cluster_that_somebody_reads_comes_before_old_findings_of_another() -> None:
    assert settled({"a": Standing(False, active=9), "b": CALM}) == "b"


def test_a_person_decides_at_any_time() -> None:
    chooser = Chooser("fleet")
    chooser.want("other")
    assert chooser.choice({"fleet": Standing(True, active=9)}, 0.0) == "other"


def test_newer_facts_of_a_node_take_the_place_of_those_that_wait() -> None:
    inbox = Inbox()
    for message in (facts("a", b"1"), facts("b", b"2"), facts("a", b"3")):
        inbox.put(message)
    taken = [inbox.take(), inbox.take(), inbox.take()]
    assert [one.payload for one in taken if one is not None] == [b"3", b"2"]
    assert (inbox.lost, inbox.size_bytes, len(inbox)) == (0, 0, 0)


def test_log_lines_and_audit_keep_their_order_and_none_is_replaced() -> None:
    inbox = Inbox()
    for number in range(3):
        inbox.put(incoming("ciltop/v1/fleet/audit", b"%d" % number))
        inbox.put(warnings("a"))
    payloads = [inbox.take() for _ in range(6)]
    assert [one.payload for one in payloads[:3] if one is not None] == [b"0", b"1", b"2"]
    assert all(one is not None and "warnings" in one.topic for one in payloads[3:])


def test_presence_comes_before_facts_and_facts_before_log_lines() -> None:
    inbox = Inbox()
    for message in (warnings("a"), facts("a"), incoming("ciltop/v1/fleet/collector/a")):
        inbox.put(message)
    order = [inbox.take() for _ in range(3)]
    kinds = [one.topic.split("/")[3] for one in order if one is not None]
    assert kinds == ["collector", "node", "warnings"]


def test_what_finds_the_queue_full_is_counted_as_lost() -> None:
    inbox = Inbox()
    for _ in range(inbox_module.MOST_WARNINGS + 5):
        inbox.put(warnings("a"))
    assert (len(inbox), inbox.lost) == (inbox_module.MOST_WARNINGS, 5)


def test_hostile_topics_end_at_a_bound() -> None:
    inbox = Inbox()
    for number in range(inbox_module.MOST_FACTS + 7):
        inbox.put(facts(f"node-{number}"))
    assert (len(inbox), inbox.lost) == (inbox_module.MOST_FACTS, 7)
    inbox.put(facts("node-0", b"newer"))
    assert inbox.lost == 7


def test_large_payloads_end_at_a_bound_of_bytes() -> None:
    inbox = Inbox(most_bytes=1_000)
    for number in range(20):
        inbox.put(facts(f"node-{number}", b"x" * 100))
    assert (len(inbox), inbox.size_bytes, inbox.lost) == (10, 1_000, 10)


def test_another_cluster_forgets_nodes_and_log_lines_that_wait_and_no_audit() -> None:
    inbox = Inbox()
    for message in (warnings("a"), facts("a"), incoming("ciltop/v1/fleet/audit", b"12")):
        inbox.put(message)
    inbox.forget()
    assert (len(inbox), inbox.size_bytes) == (1, 2)
