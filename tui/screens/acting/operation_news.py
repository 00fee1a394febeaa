"""What to say of operations and of arming that changed since the person looked."""

from __future__ import annotations

from dataclasses import dataclass, field

from tui.model.operations import (
    ArmingMode,
    ArmingState,
    NodeState,
    OperationProgress,
    OperationState,
)
from tui.model.snapshot import Snapshot
from tui.screens import wording
from tui.screens.acting.operation_rows import done_of
from widgets.symbols import symbols


@dataclass(frozen=True, slots=True)
class Told:
    """One message."""

    text: str
    is_bad: bool = False
    is_loud: bool = False
    """Whether the terminal's bell rings and the message stays long."""


@dataclass(slots=True)
class OperationNews:
    """Tell what operations came to, once each."""

    _states: dict[str, OperationState] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)
    _mode: ArmingMode | None = None

    def take(self, snapshot: Snapshot) -> list[Told]:
        """Return what is new."""
        told = self._arming(snapshot.arming)
        for progress in snapshot.operations:
            told += self._operation(progress)
        return told

    def _arming(self, arming: ArmingState) -> list[Told]:
        before, self._mode = self._mode, arming.mode
        if before is None or before is arming.mode:
            return []
        if arming.mode is ArmingMode.ARMED:
            return [Told("armed: actions may write, each after its preview", is_bad=True)]
        why = f": {wording.cut(arming.reason, 80)}" if arming.reason else ""
        return [Told(f"disarmed{why}")]

    def _operation(self, progress: OperationProgress) -> list[Told]:
        key = progress.plan.id
        before, self._states[key] = self._states.get(key), progress.state
        done, total = done_of(progress)
        done_before, self._done[key] = self._done.get(key, done), done
        if before is not progress.state:
            is_news = before is not None or not progress.is_over
            return [_state_told(progress)] if is_news else []
        if done > done_before and not progress.is_over:
            title = wording.cut(progress.plan.title, 60)
            return [Told(f"{symbols().ok} {done} of {total} verified: {title}")]
        return []


def _state_told(progress: OperationProgress) -> Told:
    table = symbols()
    title = wording.cut(progress.plan.title, 60)
    if progress.state is OperationState.FAILED:
        failed = next((node for node in progress.nodes if node.state is NodeState.FAILED), None)
        name = "" if failed is None else f" on {wording.cut(failed.node_name, 40)}"
        why = wording.cut((failed.text if failed else "") or progress.text, 80)
        return Told(f"{table.active} FAILED{name}: {title}: {why} (O)", True, True)
    if progress.state is OperationState.DONE:
        return Told(f"{table.ok} done and verified: {title}")
    if progress.state is OperationState.RUNNING:
        return Told(f"{table.loading} running: {title} (O)")
    return Told(f"{table.armed} {progress.state.value}: {title} (O)", is_bad=True)
