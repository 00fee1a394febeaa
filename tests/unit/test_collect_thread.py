"""The thread starts, publishes, stops, and says what ended it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.unit.store_facts import NODE, seen
from tui.collect.thread import CollectorThread
from tui.errors import KubeconfigError
from tui.model.names import NodeUid
from tui.model.snapshot import Fact, HealthChanged, SourceHealth, SourceState
from tui.safety import clean
from tui.store import Mailbox, Store


class ListSource:
    """Yields given facts, then waits, ends or fails."""

    def __init__(self, *facts: Fact, end: Exception | None = None, waits: bool = True) -> None:
        self._facts = facts
        self._end = end
        self._waits = waits
        self.focused: list[tuple[NodeUid | None, frozenset[NodeUid]]] = []
        self.counts: list[tuple[NodeUid, str]] = []
        self.refreshed = 0
        self.is_closed = False

    @property
    def name(self) -> str:
        return "list"

    async def facts(self) -> AsyncIterator[Fact]:
        try:
            for fact in self._facts:
                yield fact
            if self._end is not None:
                raise self._end
            if self._waits:
                await asyncio.Event().wait()
        finally:
            self.is_closed = True

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        self.focused.append((chosen, marked))

    def request_count(self, node: NodeUid, map_name: str) -> None:
        self.counts.append((node, map_name))

    def refresh(self) -> None:
        self.refreshed += 1


def until(is_true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def live() -> HealthChanged:
    return HealthChanged(SourceHealth(clean("list"), SourceState.LIVE))


def test_facts_become_snapshots_and_stop_ends_the_source() -> None:
    source, box = ListSource(seen(), live()), Mailbox()
    thread = CollectorThread(lambda: source, Store(), box)
    thread.start()
    thread.start()
    until(lambda: NODE in box.latest.nodes)
    assert box.latest.is_complete
    assert thread.stop()
    assert not thread.is_alive
    assert source.is_closed
    assert thread.stop()


def test_requests_before_and_after_the_start_reach_the_source() -> None:
    source = ListSource(seen())
    thread = CollectorThread(lambda: source, Store(), Mailbox())
    thread.focus(NODE, frozenset())
    thread.start()
    until(lambda: bool(source.focused))
    thread.request_count(NODE, "cilium_ipcache")
    thread.refresh()
    until(lambda: source.refreshed == 1)
    assert source.focused == [(NODE, frozenset())]
    assert source.counts == [(NODE, "cilium_ipcache")]
    assert thread.stop()
    thread.focus(None, frozenset())


def test_an_error_for_the_user_ends_with_its_message() -> None:
    failure = KubeconfigError("no kubeconfig at /nowhere")
    thread = CollectorThread(lambda: ListSource(end=failure), Store(), box := Mailbox())
    thread.start()
    until(lambda: not thread.is_alive)
    assert box.latest.health.state is SourceState.ENDED
    assert box.latest.health.reason == "no kubeconfig at /nowhere"
    assert thread.error is failure


def test_a_bug_ends_the_source_with_a_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    thread = CollectorThread(
        lambda: ListSource(seen(), end=KeyError("bug")), Store(), box := Mailbox()
    )
    thread.start()
    until(lambda: not thread.is_alive)
    assert box.latest.health.state is SourceState.ENDED
    assert "KeyError" in box.latest.health.reason
    assert NODE in box.latest.nodes
    assert "Traceback" in caplog.text
    assert thread.error is None


def test_a_source_that_ends_says_so() -> None:
    thread = CollectorThread(lambda: ListSource(seen(), waits=False), Store(), box := Mailbox())
    thread.start()
    until(lambda: not thread.is_alive)
    assert box.latest.health.state is SourceState.ENDED
    assert NODE in box.latest.nodes


def test_stop_before_start_and_stop_at_once() -> None:
    idle = CollectorThread(ListSource, Store(), Mailbox())
    assert idle.stop()
    thread = CollectorThread(lambda: ListSource(seen()), Store(), Mailbox())
    thread.start()
    assert thread.stop()


def test_a_flood_of_facts_is_published_at_most_twice_a_second() -> None:
    facts = [seen(NodeUid(f"n{number}")) for number in range(3_000)]
    box = Mailbox()
    thread = CollectorThread(lambda: ListSource(*facts), Store(), box)
    thread.start()
    until(lambda: len(box.latest.nodes) == 3_000)
    assert box.latest.version <= 5
    assert thread.stop()
