from __future__ import annotations

import pytest

from tui.simulator.eventlog import EventExpiry, record_event
from tui.simulator.objects import (
    MAX_HISTORY,
    ChangeType,
    KubeObject,
    ObjectStore,
    VersionGoneError,
    seconds_of,
    timestamp,
)


def pod(name: str, namespace: str = "kube-system", **labels: str) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {},
    }


def test_apply_gives_growing_versions_and_keeps_identity() -> None:
    store = ObjectStore(clock=lambda: 1_000_000.0)
    first = store.apply("pods", pod("a"))
    second = store.apply("pods", pod("a", stage="two"))
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert second["metadata"]["creationTimestamp"] == "1970-01-12T13:46:40Z"
    assert store.version("pods") == int(second["metadata"]["resourceVersion"])
    assert store.version("nodes") < store.version("pods")


def test_list_is_ordered_and_by_namespace() -> None:
    store = ObjectStore()
    store.seed([("pods", pod("b")), ("pods", pod("a")), ("pods", pod("z", "default"))])
    store.apply("pods", pod("aa"))
    assert [item["metadata"]["name"] for item in store.list("pods")] == ["z", "a", "aa", "b"]
    assert [item["metadata"]["name"] for item in store.list("pods", "default")] == ["z"]
    assert store.get("pods", "default", "a") is None


def test_history_holds_every_change_after_a_version() -> None:
    store = ObjectStore()
    store.seed([("pods", pod("a"))])
    start = store.current_version
    store.apply("pods", pod("a", stage="two"))
    store.apply("pods", pod("b"))
    store.delete("pods", "kube-system", "a")
    changes = store.shelf("pods").since(start)
    assert [change.type for change in changes] == [
        ChangeType.MODIFIED,
        ChangeType.ADDED,
        ChangeType.DELETED,
    ]
    assert changes[2].current.version == store.current_version
    assert store.shelf("pods").since(store.current_version) == []
    assert store.delete("pods", "kube-system", "a") is None


def test_versions_before_the_history_are_gone() -> None:
    store = ObjectStore()
    store.seed([("pods", pod("a"))])
    with pytest.raises(VersionGoneError, match="too old resource version: 1"):
        store.shelf("pods").since(1)
    start = store.current_version
    store.apply("pods", pod("b"))
    store.forget_history()
    with pytest.raises(VersionGoneError):
        store.shelf("pods").since(start)


def test_an_object_is_encoded_once() -> None:
    store = ObjectStore()
    store.apply("pods", pod("a"))
    stored = store.shelf("pods").ordered()[0]
    calls: list[KubeObject] = []

    def make(obj: KubeObject) -> KubeObject:
        calls.append(obj)
        return {"name": obj["metadata"]["name"]}

    assert stored.encode("short", make) == stored.encode("short", make) == b'{"name":"a"}'
    assert len(calls) == 1


def test_timestamps_go_there_and_back() -> None:
    assert seconds_of(timestamp(1_700_000_000.0)) == 1_700_000_000.0
    assert seconds_of("2026-11-22T07:27:00.894868Z") == pytest.approx(1795332420.894868)
    assert seconds_of("yesterday") is None
    assert seconds_of(None) is None


def test_events_expire_after_an_hour() -> None:
    now = [1_000_000.0]
    store = ObjectStore(clock=lambda: now[0])
    old = {"creationTimestamp": timestamp(now[0] - 90_000)}
    store.seed([("events", {"metadata": {"name": "old", "namespace": "default", **old}})])
    expiry = EventExpiry(store)
    record_event(store, store.apply("pods", pod("a")), "kubelet", "Started", "Started container")
    for seconds in (1_800.0, 3_700.0):
        now[0] = 1_000_000.0 + seconds
        expiry.step(now[0])
        assert len(store.list("events")) == (2 if seconds < 3_600 else 1)
    assert store.get("events", "default", "old") is not None


def test_a_long_history_forgets_its_start() -> None:
    store = ObjectStore()
    start = store.apply("pods", pod("a"))["metadata"]["resourceVersion"]
    for number in range(2 * MAX_HISTORY + 10):
        store.apply("pods", pod("a", number=str(number)))
    with pytest.raises(VersionGoneError):
        store.shelf("pods").since(int(start))
    assert len(store.shelf("pods").since(store.current_version - MAX_HISTORY)) == MAX_HISTORY
