"""When a changed node is sent: at the pace of the sweeps, and a new answer at once."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.bus_rig import Rig, facts
from tests.unit.test_bus_publisher import NODE_1, of_topic
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


def sweeping_rig() -> Rig:
    """Return a rig with sweeps of 10 s, which has just sent its node."""
    rig = Rig()
    rig.snapshot = replace(
        rig.snapshot, health=SourceHealth(state=SourceState.LIVE, sweep_interval_seconds=10.0)
    )
    rig.see(facts("uid-1"))
    rig.tick()
    return rig
