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
