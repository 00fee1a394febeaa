"""An operation's plan and progress as text, for a terminal or a file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from tui.model.operations import (
    GuardKind,
    HealthMark,
    NodeProgress,
    NodeState,
    OperationPlan,
    PlannedWrite,
)

_MARKS = {GuardKind.BLOCKED: "✖", GuardKind.WARNED: "▲", GuardKind.NOTED: "·"}
_ASCII_MARKS = {GuardKind.BLOCKED: "X", GuardKind.WARNED: "!", GuardKind.NOTED: "-"}
_LABEL = 11


def plan_text(plan: OperationPlan, width: int, *, is_ascii: bool = False) -> str:
    """Return everything a person must read before they say yes.

    Args:
        plan: what would be done.
        width: columns; at least 40 are used.
        is_ascii: whether only ASCII symbols may be used.
    """
    return "\n".join(_lines(plan, max(40, width), is_ascii=is_ascii)) + "\n"


def _lines(plan: OperationPlan, width: int, *, is_ascii: bool) -> Iterator[str]:
    yield f"{plan.title} (operation {plan.id})"
    yield ""
    yield from _labelled("now", plan.now, width)
    for number, wave in enumerate(_waves(plan), start=1):
        yield from _labelled(f"wave {number}", [", ".join(wave)], width)
    marks = _ASCII_MARKS if is_ascii else _MARKS
    for guard in plan.guards:
        text = f"{marks[guard.kind]} {guard.kind.value}: {guard.text}"
        yield from _labelled("", [text], width)
    yield from _labelled("then", plan.after, width)
    yield from _labelled("interrupts", plan.interrupts, width)
    for write in plan.writes:
        yield from _write(write, width)
    yield from _labelled("undo", [plan.undo] if plan.undo else [], width)
    for command in plan.commands:
        # A command must stay in one piece to be copied.
        yield f"{'by hand':<{_LABEL}}{command}"


def _waves(plan: OperationPlan) -> Iterator[list[str]]:
    names = iter(plan.node_names)
    for wave in plan.waves:
        yield [str(next(names, uid)) for uid in wave]


def _write(write: PlannedWrite, width: int) -> Iterator[str]:
    place = f"{write.namespace}/{write.name}" if write.namespace else write.name
    dry_run = f", dry run {write.dry_run}" if write.dry_run else ""
    text = f"{write.verb} {write.resource} {place}: {write.permission.value}{dry_run}"
    yield from _labelled("write", [text], width)
    for line in write.diff.splitlines():
        yield f"{'':<{_LABEL}}{line}"


def _labelled(label: str, texts: Iterable[str], width: int) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(
            f"{label:<{_LABEL}}{text}",
            width,
            subsequent_indent=" " * _LABEL,
            break_on_hyphens=False,
        )


def progress_lines(before: Iterable[NodeProgress], after: Iterable[NodeProgress]) -> Iterator[str]:
    """Yield one line for each change between two looks at an operation's nodes."""
    known = {node.node_uid: node for node in before}
    for node in after:
        old = known.get(node.node_uid)
        if node == old:
            continue
        old_marks = {mark.id: mark for mark in old.marks} if old is not None else {}
        is_news = old is None or old.state is not node.state
        if is_news and node.state is not NodeState.WAITING:
            words = f": {node.text}" if node.text else ""
            yield f"{node.node_name} {node.state.value}{words}"
        for mark in node.marks:
            if _turned(old_marks.get(mark.id), mark):
                yield f"{node.node_name} {'ok' if mark.is_met else 'not ok'}: {mark.text}"


def _turned(before: HealthMark | None, after: HealthMark) -> bool:
    return after.is_met is not None and (before is None or before.is_met is not after.is_met)
