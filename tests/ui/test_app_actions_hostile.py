"""Hostile text in plans, progress, errors and the audit: shown as it is, never read as markup."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import operation_samples as ops
from tests.ui.acting_pilot import acting, preview
from tests.ui.app_pilot import settled
from tests.ui.test_app_hostile import HOSTILE
from tui.errors import CiltopError
from tui.model.names import NodeName
from tui.model.operations import (
    ArmingMode,
    ArmingState,
    AuditRecord,
    Guard,
    OperationPlan,
    OperationProgress,
    OperationState,
)
from tui.model.snapshot import Snapshot
from tui.safety import CleanText, clean


def poisoned_plan(text: CleanText) -> OperationPlan:
    """Return a plan with the text wherever one can stand."""
    plan = ops.flip_plan()
    return replace(
        plan,
        title=text,
        node_names=(NodeName(text),),
        now=(text, text),
        writes=tuple(
            replace(write, namespace=text, name=text, uid=text, diff=text, dry_run=text)
            for write in plan.writes
        ),
        guards=tuple(Guard(guard.kind, text, text, guard.node_uid) for guard in plan.guards),
        interrupts=(text,),
        after=(text,),
        undo=text,
        commands=(text,),
        confirmation=text,
    )


def poisoned_progress(text: CleanText) -> OperationProgress:
    progress = ops.failed()
    nodes = tuple(
        replace(
            node,
            node_name=NodeName(text),
            text=text,
            marks=tuple(replace(mark, text=text) for mark in node.marks),
        )
        for node in progress.nodes
    )
    plan = replace(poisoned_plan(text), intent=progress.plan.intent, waves=progress.plan.waves)
    return replace(progress, plan=plan, nodes=nodes, text=text, undo_id=text)


def poisoned_record(record: AuditRecord, text: CleanText) -> AuditRecord:
    return replace(
        record,
        context=text,
        user=text,
        host=text,
        operation_id=text,
        kind=text,
        text=text,
        target=text,
        target_uid=text,
        diff=text,
        result=text,
        node_name=NodeName(text),
    )


def poisoned(text: CleanText, state: OperationState) -> Snapshot:
    snapshot = ops.shown(
        arming=replace(ops.ARMED, reason=text),
        operations=(replace(poisoned_progress(text), state=state),),
        audit=tuple(poisoned_record(record, text) for record in ops.audit()),
        upkeep=tuple(poisoned_record(record, text) for record in ops.upkeep()),
    )
    cluster = replace(snapshot.cluster, context=text, server=text, user=text)
    return replace(snapshot, cluster=cluster)


def is_printable(screen: str) -> bool:
    return all(line.isprintable() for line in screen.splitlines())


@pytest.mark.parametrize("number", range(len(HOSTILE)))
async def test_operation_and_audit_show_hostile_text(number: int) -> None:
    text = clean(HOSTILE[number])
    app = acting(poisoned(text, OperationState.RUNNING))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        for keys in (
            ("O",),
            ("X",),
            ("escape", "q"),
            ("escape", "a"),
            ("escape", "colon", *"audit", "enter"),
            ("enter",),
            ("escape", "G", "enter"),
        ):
            await pilot.press(*keys)
            assert is_printable(await settled(pilot)), keys
        app.show(poisoned(text, OperationState.FAILED))
        await settled(pilot)
        app.show(poisoned(text, OperationState.UNFINISHED))
        shown = await settled(pilot)
        assert "( Finish )" in shown
        assert is_printable(shown)
    assert app.return_code in (None, 0)
    assert app.acts.asked == []


@pytest.mark.parametrize("number", range(len(HOSTILE)))
async def test_preview_shows_hostile_text(number: int) -> None:
    text = clean(HOSTILE[number])
    app = acting(plan=poisoned_plan(text))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await preview(pilot)
        for keys in (("pagedown",) * 3, ("y",), ("tab", "x", "enter")):
            await pilot.press(*keys)
            assert is_printable(await settled(pilot)), keys
        app.acts.ready_plan = None
        await pilot.press("escape")
        await preview(pilot)
        app.acts.plans[-1].set_exception(CiltopError(HOSTILE[number]))
        assert is_printable(await settled(pilot))
    assert app.acts.writes == []


@pytest.mark.parametrize("number", range(len(HOSTILE)))
async def test_arming_shows_hostile_text(number: int) -> None:
    text = clean(HOSTILE[number])
    state = ArmingState(ArmingMode.UNARMED, reason=text)
    snapshot = replace(poisoned(text, OperationState.DONE), arming=state)
    app = acting(snapshot)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"arm", "enter")
        assert is_printable(await settled(pilot))
        await pilot.press("x", "enter")
        assert is_printable(await settled(pilot))
        app.show(replace(snapshot, arming=ArmingState(ArmingMode.READ_ONLY, reason=text)))
        await pilot.press("escape", "a")
        assert is_printable(await settled(pilot))
