"""The audit file and the undo records: private, whole, and telling when they can't be written."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tui.model.names import NodeUid
from tui.model.operations import AuditEvent, AuditRecord, Intent, OperationKind, OperationPlan
from tui.operations.journal import Journal, JournalError, Who
from tui.operations.undo import Reversal, UndoError, UndoFolder, UndoRecord
from tui.safety import clean

WHO = Who(clean("lab"), clean("alice"), clean("alice@desk"))
UID = NodeUid("uid-1")


def journal(path: Path) -> Journal:
    return Journal(path, lambda: 7.0, WHO)


def record(text: str = "restart node-1") -> AuditRecord:
    return AuditRecord(0.0, AuditEvent.CONFIRMED, text=clean(text), operation_id="7f3a")


def undo_record(operation_id: str = "7f3a", made_at: float = 1.0) -> UndoRecord:
    plan = OperationPlan(
        operation_id,
        Intent(OperationKind.HOSTNS_ONLY, (UID,), is_on=True),
        clean("flip"),
        made_at,
        can_undo=True,
    )
    key = "bpf-lb-sock-hostns-only"
    reversal = Reversal("w1", "create", "cilium.io", "v2", "ciliumnodeconfigs", "kube-system", "z")
    reversal = replace(reversal, wanted={key: "true"}, is_written=True)
    return UndoRecord(
        plan, clean("lab"), clean("https://a"), made_at, (reversal,), {UID: {key: "false"}}
    )


def test_records_are_appended_stamped_and_private(tmp_path: Path) -> None:
    path = tmp_path / "ciltop" / "audit.jsonl"
    first = journal(path).write(record())
    journal(path).write(record("two"))
    assert (first.at, first.context, first.user, first.host) == (7.0, "lab", "alice", "alice@desk")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.text for one in journal(path).tail(10)] == ["restart node-1", "two"]
    assert [one.text for one in journal(path).tail(1)] == ["two"]


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal(path).write(record())
    path.write_bytes(path.read_bytes() + b'{"at": 3, "ev')
    journal(path).write(record("after"))
    assert [one.text for one in journal(path).tail(10)] == ["restart node-1", "after"]


def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "ciltop").write_text("a file where the folder should be")
    with pytest.raises(JournalError, match="nothing is changed without its record"):
        journal(tmp_path / "ciltop" / "audit.jsonl").write(record())
    link = tmp_path / "audit.jsonl"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError):
        journal(link).write(record())
    assert not (tmp_path / "elsewhere").exists()


def test_no_journal_yet_is_an_empty_one(tmp_path: Path) -> None:
    assert journal(tmp_path / "none.jsonl").tail(5) == ()


def test_an_undo_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = UndoFolder(tmp_path / "undo")
    folder.write(undo_record())
    assert folder.read("7f3a") == undo_record()
    assert folder.read("7f3a").can_undo
    assert stat.S_IMODE((tmp_path / "undo" / "7f3a.json").stat().st_mode) == 0o600
    assert [one.name for one in (tmp_path / "undo").iterdir()] == ["7f3a.json"]


def test_records_come_oldest_first_without_those_that_are_broken(tmp_path: Path) -> None:
    folder = UndoFolder(tmp_path)
    assert folder.records() == ()
    folder.write(undo_record("b", 1.0))
    folder.write(undo_record("a", 2.0))
    (tmp_path / "c.json").write_text("{")
    assert [one.id for one in folder.records()] == ["b", "a"]
    with pytest.raises(UndoError, match="no record"):
        folder.read("c")


@pytest.mark.parametrize("operation_id", ["", "../audit", "A", "x/y", ".hidden"])
def test_an_id_is_never_a_path(tmp_path: Path, operation_id: str) -> None:
    with pytest.raises(UndoError, match="no operation's id"):
        UndoFolder(tmp_path).read(operation_id)


def test_an_operation_that_runs_is_held_until_its_end(tmp_path: Path) -> None:
    folder = UndoFolder(tmp_path)
    folder.write(undo_record())
    assert not folder.is_held("7f3a")
    with folder.hold("7f3a"):
        assert UndoFolder(tmp_path).is_held("7f3a")
    assert not folder.is_held("7f3a")


def test_a_lock_that_a_killed_run_left_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "7f3a.running").touch()
    assert not UndoFolder(tmp_path).is_held("7f3a")


def test_only_a_run_that_ended_is_a_dead_holder(tmp_path: Path) -> None:
    folder = UndoFolder(tmp_path)
    folder.write(replace(undo_record("a"), holder="alice 1"))
    folder.write(replace(undo_record("b"), holder="alice 2"))
    with folder.hold("b"):
        assert folder.dead_holders() == {"alice 1"}
    assert folder.dead_holders() == {"alice 1", "alice 2"}
