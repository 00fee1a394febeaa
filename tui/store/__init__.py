"""The current state: what is known now, its recent history, and the box it is handed over in."""

from __future__ import annotations

from tui.store.mailbox import Mailbox
from tui.store.state import Store

__all__ = ["Mailbox", "Store"]
