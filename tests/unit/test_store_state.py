"""What the store keeps when readings fail, agents restart and nodes go."""

from __future__ import annotations

from tests.unit.store_facts import (
    FIRST,
    NODE,
    SECOND,
    agent,
    batch,
    line,
    maps_report,
    node,
    origin,
    seen,
    usage,
    version_report,
)
from tui.model.host import HostFacts
from tui.model.names import NodeUid
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import (
    Fact,
    Gap,
    GapChanged,
    HealthChanged,
    LogTrouble,
    NodeGone,
    NodeReport,
    NodeSeen,
    SourceHealth,
    SourceState,
)
from tui.safety import clean
from tui.store import Store

OTHER = NodeUid("uid-2")


def store_with(*given: Fact) -> Store:
    store = Store()
    store.apply(seen())
    store.apply(seen(OTHER))
    for fact in given:
        store.apply(fact)
    return store


def test_a_failure_keeps_the_last_good_value_and_its_age() -> None:
    store = store_with(version_report(100.0, "1.17.5"))
    failure = NodeReport(NODE, FIRST, 200.0, version=Reading.failed(clean("exit code 1")))
    store.apply(failure)
    version = store.snapshot(210.0).nodes[NODE].version
    assert version.state is ReadingState.FAILED
    assert version.value is not None
    assert version.value.release == "1.17.5"
    assert version.reason == "exit code 1"
    assert version.age_seconds(210.0) == 110.0


def test_what_was_not_asked_stays_as_it_was() -> None:
    store = store_with(version_report(100.0, "1.17.5"))
    before = store.snapshot(110.0).nodes[NODE].version
    store.apply(maps_report(120.0, usage(5, 120.0)))
    assert store.snapshot(120.0).nodes[NODE].version is before


def test_a_failed_exec_keeps_the_time_of_the_last_answer() -> None:
    store = store_with(version_report(100.0, "1.17.5"))
    store.apply(NodeReport(NODE, FIRST, None, error=clean("deadline of 30 s passed")))
    found = store.snapshot(0.0).nodes[NODE]
    assert (found.swept_at, found.sweep_error) == (100.0, "deadline of 30 s passed")
    store.apply(version_report(150.0, "1.17.5"))
    assert store.snapshot(0.0).nodes[NODE].sweep_error == ""


def test_unchanged_nodes_are_the_same_objects() -> None:
    store = store_with()
    before = store.snapshot(1.0)
    store.apply(version_report(100.0, "1.17.5"))
    after = store.snapshot(2.0)
    assert after.nodes[OTHER] is before.nodes[OTHER]
    assert after.nodes[NODE] is not before.nodes[NODE]
    assert before.nodes[NODE].version.value is None
    assert after.version == before.version + 1


def test_no_change_gives_the_same_snapshot() -> None:
    store = store_with()
    first = store.snapshot(1.0)
    assert not store.has_changed()
    assert store.snapshot(2.0) is first
    store.apply(HealthChanged(SourceHealth(state=SourceState.LIVE)))
    assert store.has_changed()
    assert store.snapshot(3.0).nodes is first.nodes


def test_a_restarted_agent_is_read_again_but_keeps_its_log_and_maps() -> None:
    store = store_with(
        version_report(100.0, "1.11.7"),
        maps_report(100.0, usage(64, 100.0, 64)),
        batch(line(90.0, "before")),
    )
    store.apply(NodeSeen(node(), None))
    store.apply(seen(container=SECOND))
    found = store.snapshot(0.0).nodes[NODE]
    assert found.version.state is ReadingState.UNKNOWN
    assert "restarted" in found.version.reason
    assert found.version.value is not None
    assert found.metrics.value is None
    assert found.maps.is_known
    assert len(found.logs) == 1


def test_an_answer_of_the_container_before_comes_too_late() -> None:
    store = store_with()
    store.apply(seen(container=SECOND))
    store.apply(version_report(100.0, "1.11.7", FIRST))
    assert store.snapshot(0.0).nodes[NODE].version.value is None
    store.apply(version_report(101.0, "1.17.5", SECOND))
    assert store.snapshot(0.0).nodes[NODE].version.is_known


def test_a_reboot_makes_features_and_clients_unknown_until_read_again() -> None:
    host = Reading.known(HostFacts(), origin(5.0))
    store = store_with(
        NodeReport(NODE, FIRST, 5.0, features=Reading.known((), origin(5.0)), host=host)
    )
    assert store.snapshot(0.0).nodes[NODE].host.is_known
    store.apply(seen(boot_id="boot-2"))
    facts = store.snapshot(0.0).nodes[NODE]
    assert facts.features.state is ReadingState.UNKNOWN
    assert facts.host.state is ReadingState.UNKNOWN


def test_a_node_that_left_is_gone_with_its_log() -> None:
    store = store_with(batch(line(1.0, "x")))
    assert NODE in store.snapshot(0.0).nodes
    store.apply(NodeGone(NODE))
    assert list(store.snapshot(0.0).nodes) == [OTHER]
    store.apply(seen())
    assert store.snapshot(0.0).nodes[NODE].logs == ()


def test_lines_that_come_before_their_node_are_kept() -> None:
    store = Store()
    store.apply(batch(line(1.0, "x")))
    store.apply(seen())
    assert len(store.snapshot(0.0).nodes[NODE].logs) == 1


def test_reports_of_unknown_nodes_are_dropped() -> None:
    store = Store()
    store.apply(version_report(1.0, "1.11.7"))
    assert store.snapshot(0.0).nodes == {}


def test_gaps_open_and_close() -> None:
    store = Store()
    gap = Gap(clean("list services"), clean("forbidden"), 5.0, is_denied=True)
    store.apply(GapChanged("services", gap))
    assert store.snapshot(0.0).gaps == {"services": gap}
    store.apply(GapChanged("services", None))
    assert store.snapshot(0.0).gaps == {}


def test_complete_once_the_source_was_live() -> None:
    store = Store()
    store.apply(HealthChanged(SourceHealth(state=SourceState.CONNECTING)))
    assert not store.snapshot(0.0).is_complete
    store.apply(HealthChanged(SourceHealth(state=SourceState.DEGRADED)))
    assert store.snapshot(0.0).is_complete
    store.apply(HealthChanged(SourceHealth(state=SourceState.LOST)))
    assert store.snapshot(0.0).is_complete


def test_log_trouble_is_told_and_ends() -> None:
    store = store_with(LogTrouble(NODE, clean("forbidden: get pods/log")))
    assert store.snapshot(0.0).nodes[NODE].log_error == "forbidden: get pods/log"
    store.apply(LogTrouble(NODE, clean("")))
    assert store.snapshot(0.0).nodes[NODE].log_error == ""


def test_an_agent_that_changes_nothing_makes_no_new_object() -> None:
    store = store_with()
    before = store.snapshot(0.0).nodes[NODE]
    store.apply(NodeSeen(node(), agent()))
    assert store.snapshot(0.0).nodes[NODE] is before
