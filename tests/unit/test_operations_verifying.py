"""Verifying a restarted agent: what is asked, when, and what is said where it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_fakes import FakeCluster, Rig
from tui.model.operations import AuditEvent
from tui.model.reading import Origin, Reading
from tui.model.snapshot import NodeFacts
from tui.safety import clean

COMMAND = clean("cilium-dbg metrics list -p 'cilium_(drop_count_total|errors|bpf_map)' -o json")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, FakeCluster(VirtualClock()))
    yield made
    await made.operator.close()


async def test_a_failure_says_why_and_leaves_the_command_to_the_audit_file(rig: Rig) -> None:
    def mute(facts: NodeFacts) -> NodeFacts:
        reason = clean(f"{COMMAND}: no answer within 5 s, so it was killed")
        return replace(facts, metrics=Reading.failed(reason, Origin(COMMAND, rig.clock.time())))

    rig.cluster.on_restart = mute
    plan = await rig.begin(1)
    await rig.run_out()
    text = rig.progress(plan).text
    why = "drops at most 0.0/s, as before: not known: no answer within 5 s, so it was killed"
    assert why in text
    assert "metrics list" not in text
    failed = next(one for one in rig.journal.tail(20) if one.event is AuditEvent.FAILED)
    assert "metrics list" not in failed.text
    assert failed.result == f"{COMMAND}: no answer within 5 s, so it was killed"


async def test_endpoints_are_asked_anew_once_all_else_is_well(rig: Rig) -> None:
    """They are ready for a moment after the start, and not when the log has been quiet."""
    started: list[float] = []

    def regenerates(pod: str) -> str:
        if pod.endswith("-0"):
            return "ready"
        started.append(rig.clock.time())
        return "ready" if rig.clock.time() < started[0] + 2.0 else "regenerating"

    rig.cluster.endpoint_state = regenerates
    plan = await rig.begin(1)
    await rig.run_out()
    assert rig.states(plan) == ["failed"]
    assert "1 endpoints are not ready" in rig.progress(plan).text


async def test_endpoints_that_are_ready_are_not_asked_all_the_time(rig: Rig) -> None:
    plan = await rig.begin(1)
    await rig.run_out()
    assert rig.states(plan) == ["done"]
    ended = rig.progress(plan).nodes[0].ended_at or 0.0
    asked = [at for pod, at in rig.cluster.asked if not pod.endswith("-0")]
    assert len(asked) == 2
    assert asked[-1] == ended


async def test_endpoints_are_asked_anew_after_the_soak(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    await rig.clock.advance(25.0)
    assert rig.states(plan)[0] == "done"
    rig.cluster.endpoint_state = lambda pod: "ready" if pod.endswith("-0") else "not-ready"
    await rig.run_out()
    assert rig.states(plan) == ["failed", "skipped"]
    text = rig.progress(plan).text
    assert "not after the soak: 1 endpoints are not ready" in text
