"""End the dashboard when its terminal is gone.

The kernel tells the session's leader alone (SIGHUP); under `make`, which waits for its children,
the dashboard would go on without a terminal for ever, blocked in its writer with a spinning reader.
"""

from __future__ import annotations

import os
import select
import signal
import threading


def end_with_terminal(descriptor: int = 0) -> None:
    """Have this process get SIGHUP once the terminal behind a descriptor is closed."""
    watching = threading.Thread(
        target=_watch, args=(descriptor,), name="wait for the terminal's end", daemon=True
    )
    watching.start()


def _watch(descriptor: int) -> None:
    poll = select.poll()
    # Hang-ups and errors are told without being asked for; the keys are somebody else's.
    poll.register(descriptor, 0)
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)
