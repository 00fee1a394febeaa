"""The header's badges: whether this session may write, and the operation that runs or failed."""

from __future__ import annotations

from math import ceil

from tui.model.operations import ArmingMode, OperationProgress, OperationState
from tui.model.snapshot import Snapshot
from tui.screens import wording
from tui.screens.acting.operation_rows import badge
from widgets.header import HeaderItem
from widgets.tones import Span, Tone

MOST_REASON = 48
"""Characters of why nothing can be written from here; `:arm` and the `a` menu say all of it."""

FAILED_SECONDS = 3_600.0
"""How long a failure stays in the header, unless another operation follows it."""

_LOOK_ONLY = Span("look only", Tone.MUTED)


def session_badges(snapshot: Snapshot, now: float, *, is_read_only: bool) -> list[HeaderItem]:
    """Return the badges; ARMED and what runs are never dropped from a narrow line.

    Args:
        snapshot: The newest one, also while the view is paused.
        now: The moment by the clock.
        is_read_only: Whether a flag or setting forbids arming.
    """
    items = [_arming_item(snapshot, now, is_read_only=is_read_only)]
    operation = shown_operation(snapshot, now)
    if operation is not None:
        items.append(HeaderItem((badge(operation),)))
    return items


def shown_operation(snapshot: Snapshot, now: float) -> OperationProgress | None:
    """Return the operation that is not over, or the newest one where it failed."""
    for progress in reversed(snapshot.operations):
        if not progress.is_over:
            return progress
    newest = snapshot.operations[-1] if snapshot.operations else None
    if newest is None or newest.state is not OperationState.FAILED:
        return None
    return newest if now - (newest.ended_at or now) < FAILED_SECONDS else None


def _arming_item(snapshot: Snapshot, now: float, *, is_read_only: bool) -> HeaderItem:
    arming = snapshot.arming
    if arming.mode is ArmingMode.ARMED:
        left = ""
        if arming.disarms_at is not None:
            left = f" {max(0, ceil((arming.disarms_at - now) / 60))} m"
        return HeaderItem((Span(f" ARMED{left} ", Tone.ALERT),))
    if is_read_only or arming.mode is ArmingMode.READ_ONLY:
        return HeaderItem((Span(" READ-ONLY ", Tone.BADGE),), priority=3)
    if snapshot.room.no_acting:
        why = wording.cut(snapshot.room.no_acting, MOST_REASON)
        return HeaderItem((Span(f"look only: {why}", Tone.MUTED),), (_LOOK_ONLY,), 6)
    return HeaderItem((Span("unarmed", Tone.MUTED),), priority=5)
