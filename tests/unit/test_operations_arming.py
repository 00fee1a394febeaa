"""Arming as the operator tells and records it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_fakes import FakeCluster, Rig
from tui.errors import ArmingError
from tui.model.operations import ArmingMode
from tui.model.snapshot import ArmingChanged, AuditWritten


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, FakeCluster(VirtualClock()))


def events(rig: Rig) -> list[str]:
    return [one.record.event.value for one in rig.told if isinstance(one, AuditWritten)]


async def test_arming_takes_the_name_and_is_recorded(rig: Rig) -> None:
    await rig.operator.disarm()
    with pytest.raises(ArmingError):
        await rig.operator.arm("lob")
    assert (await rig.operator.arm("lab")).mode is ArmingMode.ARMED
    assert events(rig) == ["disarmed", "armed"]


async def test_idleness_disarms_and_is_recorded(rig: Rig) -> None:
    running = asyncio.create_task(rig.operator.run())
    await rig.clock.advance(10.0)
    told = [one.arming.mode for one in rig.told if isinstance(one, ArmingChanged)]
    assert told == [ArmingMode.ARMED]
    await rig.clock.advance(1_000.0)
    told = [one.arming.mode for one in rig.told if isinstance(one, ArmingChanged)]
    assert told == [ArmingMode.ARMED, ArmingMode.UNARMED]
    assert events(rig) == ["disarmed"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
