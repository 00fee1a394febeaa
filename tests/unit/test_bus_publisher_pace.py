"""When a changed node is sent: at the pace of the sweeps, and a new answer at once."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.bus_rig import Rig, facts
from tests.unit.test_bus_findings import of_nodes
from tests.unit.test_bus_publisher import NODE_1, of_topic
from tui.bus.publishing import findings_publishing
from tui.bus.publishing.findings_parts import part_of
from tui.bus.publishing.node_publishing import RENEWAL_SECONDS
from tui.bus.wire.keeping import KEPT_SECONDS
from tui.bus.wire.messages import FindingsMessage
from tui.bus.wire.topics import TopicKind
from tui.model.snapshot import SourceHealth, SourceState
from tui.safety import clean


def test_a_changed_node_waits_for_the_sweeps_pace() -> None:
    rig = sweeping_rig()
    counts = []
    for second in range(1, 13):
        rig.see(facts("uid-1", log_error=clean(f"{second}")))
        counts.append(len(of_topic(rig.tick(), NODE_1)))
    assert counts == [0] * 9 + [1] + [0] * 2


def test_the_answer_of_a_new_sweep_does_not_wait() -> None:
    rig = sweeping_rig()
    counts = []
    for second in range(1, 13):
        rig.see(facts("uid-1", swept_at=5.0 + second))
        counts.append(len(of_topic(rig.tick(), NODE_1)))
    assert counts == [0, 0, 0, 0, 1] * 2 + [0] * 2, "newer by half a sweep than what was sent"


def test_a_node_that_never_changes_is_renewed_before_the_broker_forgets_it() -> None:
    rig = Rig()
    rig.see(facts("uid-1", None, agent=None))
    assert of_topic(rig.tick(), NODE_1)
    kept = KEPT_SECONDS[TopicKind.FACTS]
    sent = sum(len(of_topic(rig.tick(kept / 60), NODE_1)) for _ in range(60))
    assert sent == kept // RENEWAL_SECONDS


def test_what_is_told_of_a_calm_cluster_is_renewed_before_the_broker_forgets_it() -> None:
    rig = Rig()
    rig.see(facts("uid-1"), findings=(of_nodes(1),))
    told = [rig.tick() for _ in range(10)]
    for kind in (TopicKind.CLUSTER, TopicKind.ROOM):
        assert sum(len(rig.letters(sent, kind)) for sent in told) == 1
    hours = [rig.tick(3_600.0) for _ in range(24)]
    for kind in (TopicKind.CLUSTER, TopicKind.ROOM):
        assert sum(len(rig.letters(sent, kind)) for sent in hours) == 3


def sweeping_rig() -> Rig:
    """Return a rig with sweeps of 10 s, which has just sent its node."""
    rig = Rig()
    rig.snapshot = replace(
        rig.snapshot, health=SourceHealth(state=SourceState.LIVE, sweep_interval_seconds=10.0)
    )
    rig.see(facts("uid-1"))
    rig.tick()
    return rig


def test_parts_that_take_long_to_make_are_made_seldom_but_for_new_findings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each part takes 0.09 s of CPU, and 2 % of a core may go into them.
    ticking = itertools.count(step=0.09)
    monkeypatch.setattr(
        "tui.bus.publishing.findings_publishing.time.thread_time", lambda: next(ticking)
    )
    made: list[object] = []
    plain = part_of

    def counted(*arguments: Any) -> FindingsMessage:
        made.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(findings_publishing, "part_of", counted)
    rig = Rig()
    for number in range(12):
        rig.see(facts("uid-1"), findings=(of_nodes(1, summary=clean(f"{number} of 12")),))
        rig.tick()
    assert len(made) == 3
    rig.see(facts("uid-1"), findings=(of_nodes(1, id="nfs-socket-lb"),))
    rig.tick()
    assert len(made) == 4
