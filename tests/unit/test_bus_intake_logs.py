"""A node's log from several tellers: in order, no line twice, and a gap where lines were lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.bus_intake_rig import NODE, Rig, only
from tests.unit.bus_letters import AT, batch, letter, line
from tui.bus.receiving.nodelog import REMEMBERED_SECONDS
from tui.bus.wire.messages import FactsMessage, Letter, WarningsMessage
from tui.model.logs import LogBatch, LogEntry, LogGap, LogLine
from tui.model.names import ContainerId, NodeUid
from tui.model.snapshot import Fact
from tui.store import Store


def entry(found: LogLine, count: int = 1, last: float = 0.0, container: str = "c1") -> LogEntry:
    return LogEntry(
        NodeUid("uid-1"), ContainerId(container), found, count, last or found.time, meaning="L2"
    )


def with_entries(*entries: LogEntry, seq: int = 1) -> Letter:
    return letter(FactsMessage(NODE, entries), seq)


def warnings(*lines: LogLine, seq: int = 1, sender: str = "c1", run: str = "r1") -> Letter:
    return letter(WarningsMessage((batch(*lines),)), seq, sender=sender, run=run)


def told(facts: list[Fact]) -> list[str]:
    """Return the messages of the lines that facts bring."""
    return [one.message for fact in facts if isinstance(fact, LogBatch) for one in fact.lines]


def gaps(facts: list[Fact]) -> list[LogGap]:
    return [fact.gap for fact in facts if isinstance(fact, LogBatch) and fact.gap is not None]


A, B, C, D = (line(AT + at, text) for at, text in enumerate(("a", "b", "c", "d")))


def test_who_comes_late_gets_the_telling_entries_in_their_order() -> None:
    rig = Rig()
    facts = rig.take(with_entries(entry(C), entry(A)))
    assert told(facts) == ["a", "c"]
    (found,) = only(facts, LogBatch)
    assert isinstance(found, LogBatch)
    assert found.agent_started_at == NODE.agent.started_at if NODE.agent else None


def test_of_a_fold_the_first_and_the_last_line_come() -> None:
    facts = Rig().take(with_entries(entry(A, 50, AT + 9.0), entry(B)))
    (found,) = only(facts, LogBatch)
    assert isinstance(found, LogBatch)
    assert [(one.message, one.time - AT) for one in found.lines] == [("a", 0), ("b", 1), ("a", 9)]


def test_entries_of_another_container_are_a_batch_of_their_own() -> None:
    old = replace(entry(A, container="c0"), is_previous=True)
    facts = Rig().take(with_entries(entry(B), old))
    found = [fact for fact in facts if isinstance(fact, LogBatch)]
    assert [(one.container_id, one.is_previous, one.agent_started_at) for one in found] == [
        ("c0", True, None),
        ("c1", False, NODE.agent.started_at if NODE.agent else None),
    ]


def test_entries_are_taken_once_and_only_while_nothing_else_came() -> None:
    rig = Rig()
    assert told(rig.take(with_entries(entry(A)))) == ["a"]
    assert told(rig.take(with_entries(entry(A), entry(B), seq=2))) == []
    rig = Rig()
    rig.take(with_entries())
    assert told(rig.take(warnings(B))) == ["b"]
    assert told(rig.take(with_entries(entry(A), entry(B), seq=2))) == []


def test_a_line_that_the_entries_told_is_not_told_again() -> None:
    rig = Rig()
    rig.take(with_entries(entry(A), entry(B)))
    assert told(rig.take(warnings(A, B, C))) == ["c"]
    rig.tick(REMEMBERED_SECONDS + 1.0)
    assert told(rig.take(warnings(D, seq=2))) == ["d"]


def test_lines_that_came_first_are_not_doubled_by_the_entries() -> None:
    rig = Rig()
    rig.take(warnings(B, C))
    facts = rig.take(with_entries(entry(A), entry(B)))
    assert told(facts) == ["a", "b", "c"]


def test_the_store_shows_each_line_once_and_in_order() -> None:
    rig, store = Rig(), Store()
    for one in (warnings(B, C), with_entries(entry(A), entry(B)), warnings(D, seq=2)):
        for fact in rig.take(one):
            store.apply(fact)
    rows = store.snapshot(AT).nodes[NodeUid("uid-1")].logs
    shown = [(row.line.message, row.count) for row in rows if isinstance(row, LogEntry)]
    assert shown == [("a", 1), ("b", 1), ("c", 1), ("d", 1)]


def test_lost_messages_are_a_gap_between_the_lines_around_them() -> None:
    rig = Rig()
    rig.take(with_entries())
    rig.take(warnings(A))
    facts = rig.take(warnings(C, seq=4))
    assert gaps(facts) == [
        LogGap(
            NodeUid("uid-1"),
            AT,
            AT + 2.0,
            None,
            gaps(facts)[0].reason,
        )
    ]
    assert gaps(facts)[0].reason == "2 messages of collector c1 never came"
    assert rig.intake.lost == 2


def test_a_loss_adds_to_a_gap_that_the_sender_tells_of() -> None:
    rig = Rig()
    rig.take(with_entries())
    rig.take(warnings(A))
    own = LogGap(NodeUid("uid-1"), AT + 1.0, AT + 1.5, 7, C.message)
    lossy = replace(batch(C), gap=own)
    (gap,) = gaps(rig.take(letter(WarningsMessage((lossy,)), 3)))
    assert (gap.started_at, gap.ended_at, gap.lost_lines) == (AT, AT + 1.5, None)
    assert gap.reason == "c; 1 message of collector c1 never came"


def test_what_the_sender_gave_up_is_told_as_it_says() -> None:
    rig = Rig()
    rig.take(with_entries())
    own = LogGap(NodeUid("uid-1"), AT, AT, 7, C.message)
    given_up = LogBatch(NodeUid("uid-1"), ContainerId("c1"), (), own)
    assert rig.take(letter(WarningsMessage((given_up,)))) == [given_up]


@pytest.mark.parametrize(("sender", "run"), [("c2", "r1"), ("c1", "r2")])
def test_a_collector_that_takes_over_tells_the_log_from_its_start(sender: str, run: str) -> None:
    rig = Rig()
    rig.take(with_entries())
    rig.take(warnings(A, B))
    same_time = line(AT + 1.0, "at the time of b")
    again = warnings(A, B, same_time, C, seq=90, sender=sender, run=run)
    facts = rig.take(again)
    assert told(facts) == ["at the time of b", "c"]
    assert gaps(facts) == []
    assert told(rig.take(warnings(A, D, seq=91, sender=sender, run=run))) == ["a", "d"]


def test_a_log_told_from_its_start_in_several_messages() -> None:
    rig = Rig()
    rig.take(with_entries())
    rig.take(warnings(A, B, C))
    assert told(rig.take(warnings(A, seq=1, sender="c2"))) == []
    assert told(rig.take(warnings(B, seq=2, sender="c2"))) == []
    assert told(rig.take(warnings(C, D, seq=3, sender="c2"))) == ["d"]


def test_another_containers_log_is_not_one_that_was_told() -> None:
    rig = Rig()
    rig.take(with_entries())
    rig.take(warnings(C))
    fresh = LogBatch(NodeUid("uid-1"), ContainerId("c2"), (A,))
    assert told(rig.take(letter(WarningsMessage((fresh,)), 1, sender="c2"))) == ["a"]
