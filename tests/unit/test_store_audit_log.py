"""Audit records are told once, whichever way they came, and known to be of this cluster or not."""

from __future__ import annotations

from dataclasses import replace

from tui.model.operations import AuditEvent, AuditRecord
from tui.model.room import Room
from tui.model.snapshot import AuditWritten, RoomChanged, Snapshot, SourceReset
from tui.safety import clean
from tui.store import Store
from tui.store.audit_log import AuditLog


def record(at: float, id_: str = "", context: str = "prod") -> AuditRecord:
    return AuditRecord(at, AuditEvent.ARMED, clean(context), id=id_)


def shown(store: Store) -> Snapshot:
    return store.snapshot(100.0)


def here(store: Store) -> list[str]:
    snapshot = shown(store)
    return [one.id for one in snapshot.audit if snapshot.is_of_cluster(one)]


def broker_store() -> Store:
    store = Store()
    store.apply(RoomChanged(Room(chosen=clean("fleet"))))
    return store


def test_a_record_from_the_broker_and_from_the_file_is_one_by_its_id() -> None:
    store = broker_store()
    store.apply(AuditWritten(record(11.5, "a")))
    store.apply(AuditWritten(record(10.0, "a")))
    store.apply(AuditWritten(record(12.0, "b")))
    assert [(one.at, one.id) for one in shown(store).audit] == [(11.5, "a"), (12.0, "b")]


def test_without_an_id_only_the_very_same_is_one() -> None:
    log = AuditLog(10)
    for at in (1.0, 1.0, 2.0):
        log.add(record(at), is_elsewhere=False)
    assert [one.at for one in log.records] == [1.0, 2.0]


def test_what_the_broker_kept_stands_where_it_happened() -> None:
    log = AuditLog(2)
    for at, id_ in ((20.0, "b"), (30.0, "c"), (10.0, "a")):
        log.add(record(at, id_), is_elsewhere=False)
    assert [one.id for one in log.records] == ["b", "c"], "the latest are kept"


def test_records_of_other_contexts_in_the_file_are_of_other_clusters() -> None:
    store = broker_store()
    store.apply(AuditWritten(record(1.0, "a")))
    store.apply(AuditWritten(record(2.0, "b", "staging"), is_elsewhere=True))
    assert [one.id for one in shown(store).audit] == ["a", "b"]
    assert here(store) == ["a"]


def test_what_the_broker_tells_is_of_its_cluster_whatever_the_context_was_called() -> None:
    renamed = record(2.0, "b", "old-name")
    for told in ((True, False), (False, True)):
        store = broker_store()
        for is_elsewhere in told:
            store.apply(AuditWritten(renamed, is_elsewhere=is_elsewhere))
        assert here(store) == ["b"]


def test_in_another_cluster_only_what_is_told_again_is_of_it() -> None:
    store = broker_store()
    store.apply(AuditWritten(record(1.0, "a")))
    store.apply(AuditWritten(record(2.0, "b")))
    store.apply(SourceReset())
    assert here(store) == []
    assert len(shown(store).audit) == 2
    store.apply(SourceReset())
    store.apply(AuditWritten(replace(record(1.0, "a"), at=1.2)))
    assert here(store) == ["a"]


def test_what_was_pushed_out_is_forgotten_as_a_whole() -> None:
    log = AuditLog(2)
    for at in range(5):
        log.add(record(float(at), f"r-{at}"), is_elsewhere=True)
    log.leave_cluster()
    assert {one.id for one in log.elsewhere} == {one.id for one in log.records} == {"r-3", "r-4"}
