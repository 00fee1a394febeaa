"""Operations, audit records and arming in the state."""

from __future__ import annotations

from dataclasses import replace

from tui.model.operations import (
    ArmingMode,
    ArmingState,
    AuditEvent,
    AuditRecord,
    Intent,
    OperationKind,
    OperationPlan,
    OperationProgress,
    OperationState,
)
from tui.model.snapshot import ArmingChanged, AuditWritten, OperationChanged
from tui.safety import clean
from tui.store import Store
from tui.store.state import MOST_AUDIT_RECORDS


def progress(operation_id: str) -> OperationProgress:
    plan = OperationPlan(operation_id, Intent(OperationKind.RESTART), clean("restart"), 1.0)
    return OperationProgress(plan, OperationState.RUNNING)


def test_an_operation_is_replaced_by_its_later_progress_and_keeps_its_place() -> None:
    store = Store()
    store.apply(OperationChanged(progress("a")))
    store.apply(OperationChanged(progress("b")))
    done = replace(progress("a"), state=OperationState.DONE)
    store.apply(OperationChanged(done))
    assert store.has_changed()
    assert store.snapshot(1.0).operations == (done, progress("b"))


def test_the_audit_keeps_its_end() -> None:
    store = Store()
    for number in range(MOST_AUDIT_RECORDS + 1):
        store.apply(AuditWritten(AuditRecord(float(number), AuditEvent.ARMED)))
    audit = store.snapshot(1.0).audit
    assert (len(audit), audit[0].at, audit[-1].at) == (1_000, 1.0, 1_000.0)


def test_arming_is_the_latest_told() -> None:
    store = Store()
    assert store.snapshot(1.0).arming.mode is ArmingMode.UNARMED
    armed = ArmingState(ArmingMode.ARMED, 9.0)
    store.apply(ArmingChanged(armed))
    assert store.snapshot(2.0).arming == armed


def test_upkeep_pushes_nothing_out_of_the_audit() -> None:
    store = Store()
    store.apply(AuditWritten(AuditRecord(0.0, AuditEvent.CONFIRMED)))
    for number in range(MOST_AUDIT_RECORDS + 1):
        store.apply(AuditWritten(AuditRecord(float(number), AuditEvent.AFTER_UPKEEP)))
    snapshot = store.snapshot(1.0)
    assert [one.event for one in snapshot.audit] == [AuditEvent.CONFIRMED]
    assert (len(snapshot.upkeep), snapshot.upkeep[0].at) == (1_000, 1.0)
