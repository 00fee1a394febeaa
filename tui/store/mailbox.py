"""Hand snapshots from the collector's thread to the screens: the latest wins.

A frozen terminal must not stop collection, so the writer never waits for a reader.
"""

from __future__ import annotations

import threading

from tui.model.snapshot import Snapshot


class Mailbox:
    """Hold the newest snapshot for readers on other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest = Snapshot()
        self._is_taken = True

    def put(self, snapshot: Snapshot) -> None:
        """Replace what is in the box; what nobody took is forgotten."""
        with self._lock:
            self._latest = snapshot
            self._is_taken = False

    def take(self) -> Snapshot | None:
        """Return the newest snapshot once, or None when it was taken already."""
        with self._lock:
            if self._is_taken:
                return None
            self._is_taken = True
            return self._latest

    @property
    def latest(self) -> Snapshot:
        """The newest snapshot, taken or not; an empty one before the first."""
        with self._lock:
            return self._latest
