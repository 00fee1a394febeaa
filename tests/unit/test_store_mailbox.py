"""The latest snapshot wins, and nobody waits."""

from __future__ import annotations

import threading

from tui.model.snapshot import Snapshot
from tui.store import Mailbox


def test_the_latest_wins_and_is_taken_once() -> None:
    box = Mailbox()
    assert box.take() is None
    box.put(Snapshot(version=1))
    box.put(Snapshot(version=2))
    taken = box.take()
    assert taken is not None
    assert taken.version == 2
    assert box.take() is None
    assert box.latest is taken


def test_a_writer_is_never_held_up_by_a_reader_that_sleeps() -> None:
    box = Mailbox()
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set() or box.latest.version != (seen[-1] if seen else 0):
            taken = box.take()
            if taken is not None:
                seen.append(taken.version)

    reader = threading.Thread(target=read)
    reader.start()
    for version in range(1, 2_001):
        box.put(Snapshot(version=version))
    done.set()
    reader.join(timeout=10)
    assert not reader.is_alive()
    assert seen == sorted(seen)
    assert seen[-1] == 2_000
