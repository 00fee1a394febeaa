"""The Audit screen's rows: each record, and one row for what an operation wrote for itself."""

from __future__ import annotations

from dataclasses import replace

from tui.model.operations import AuditEvent, AuditRecord
from tui.safety import clean
from tui.screens.acting.audit_rows import AUDIT_COLUMNS, audit_entries, audit_rows
from tui.screens.acting.upkeep import MOST_LISTED, folded, upkeep_detail
from widgets.tones import text_of

BEFORE, AFTER = AuditEvent.BEFORE_UPKEEP, AuditEvent.AFTER_UPKEEP


def record(at: float, event: AuditEvent, operation_id: str, result: str = "") -> AuditRecord:
    target = clean("patch leases kube-system/ciltop" if event.is_upkeep else "")
    return AuditRecord(at, event, operation_id=operation_id, target=target, result=clean(result))


def renewals(operation_id: str, begun: float, number: int) -> list[AuditRecord]:
    return [
        record(begun + 15 * one + part, event, operation_id, "" if event is BEFORE else "done")
        for one in range(number)
        for part, event in enumerate((BEFORE, AFTER))
    ]


def test_upkeep_stands_at_the_begin_of_its_operation_however_long_it_runs() -> None:
    audit = [
        record(1.0, AuditEvent.ARMED, ""),
        record(10.0, AuditEvent.CONFIRMED, "a"),
        record(900.0, AuditEvent.ENDED, "a"),
        record(1_000.0, AuditEvent.CONFIRMED, "b"),
    ]
    for forgotten in (0, 30):
        upkeep = [*renewals("a", 9.0, 60)[forgotten:], *renewals("b", 999.0, 2)]
        keys = [key.split("|")[0] for key in audit_entries(audit, folded(upkeep))]
        assert keys == ["1000.000", "upkeep", "900.000", "10.000", "upkeep", "1.000"]


def test_one_that_never_began_stands_where_it_was() -> None:
    audit = [record(1.0, AuditEvent.ARMED, ""), record(50.0, AuditEvent.DISARMED, "")]
    entries = audit_entries(audit, folded(renewals("a", 9.0, 1)))
    assert [key.split("|")[0] for key in entries] == ["50.000", "upkeep", "1.000"]


def test_a_row_tells_how_many_and_what_became_of_them() -> None:
    lines = [*renewals("a", 9.0, 3), record(99.0, AFTER, "a", "outcome unknown: timed out")]
    (row,) = audit_rows(audit_entries((), folded(lines)), 100.0)
    cells = dict(zip((one.key for one in AUDIT_COLUMNS), map(text_of, row.cells), strict=True))
    assert (cells["event"], cells["operation"]) == ("upkeep", "a")
    assert cells["text"] == "4 writes of the Lease"
    assert cells["result"] == "1 not done or unknown"
    assert not row.is_fault


def test_a_record_of_another_cluster_names_its_context_and_can_be_filtered_by_it() -> None:
    here = replace(record(1.0, AuditEvent.ARMED, ""), context=clean("prod"))
    other = replace(record(2.0, AuditEvent.ARMED, "", "done"), context=clean("staging"))
    rows = audit_rows(audit_entries([here, other], ()), 10.0, {other})
    place = [column.key for column in AUDIT_COLUMNS].index("text")
    assert [text_of(row.cells[place]).strip() for row in rows] == ["[staging]", ""]
    assert [row.fields["context"] for row in rows] == ["staging", "prod"]


def test_the_list_of_writes_is_bounded_and_says_so() -> None:
    (upkeep,) = folded(renewals("a", 9.0, MOST_LISTED + 5))
    lines = upkeep_detail(upkeep, 9_000.0).lines
    assert sum("patch leases" in text_of(line.text) for line in lines) == MOST_LISTED
    assert text_of(lines[-1].text) == "5 earlier writes: in the audit file"
