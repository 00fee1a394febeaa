"""The questions about operations: go on, abort, leave while one runs, finish half of one."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.operations import NodeProgress, NodeState, OperationProgress
from tui.screens import wording
from tui.screens.acting.dialog import CANCEL, Choice
from tui.screens.acting.operation_rows import done_of, node_mark
from widgets.detail_lines import DetailLine, empty_line, sentence, value
from widgets.tones import Span, Tone

Question = tuple[str, Sequence[DetailLine], Sequence[Choice]]

RESUME, ABORT, LEAVE = "resume", "abort", "leave"
FINISH, UNDO, DISMISS = "finish", "undo", "dismiss"
_STAY = Choice(CANCEL.key, "Stay")
_MOST_NODES = 12


def node_lines(nodes: Sequence[NodeProgress]) -> list[DetailLine]:
    """Return how far each node is."""
    lines = []
    for node in nodes[:_MOST_NODES]:
        mark = node_mark(node.state)
        text = f"  {wording.cut(node.text, 120)}" if node.text else ""
        words = (Span(f"{mark.text} {node.state.value}", mark.tone), Span(text, Tone.MUTED))
        lines.append(value(wording.cut(node.node_name, 30), words))
    if len(nodes) > _MOST_NODES:
        more = wording.counted(len(nodes) - _MOST_NODES, "more node")
        lines.append(sentence(f"and {more}", Tone.MUTED))
    return lines


def resume_question(progress: OperationProgress) -> Question:
    """Ask whether a paused operation goes on."""
    waiting = [node for node in progress.nodes if node.state is NodeState.WAITING]
    head = sentence(f"{wording.counted(len(waiting), 'node')} not begun; going on writes again.")
    choices = (Choice(CANCEL.key, "Stay paused"), Choice(RESUME, "Go on"))
    return f"Go on with {_title(progress)}?", (head, *node_lines(waiting)), choices


def abort_question(progress: OperationProgress) -> Question:
    """Ask whether an operation ends."""
    lines = (
        sentence("Nothing more is begun. What was written stays as it is: u undoes it after."),
        empty_line(),
        *node_lines(progress.nodes),
    )
    choices = (Choice(CANCEL.key, "Let it go on"), Choice(ABORT, "Abort"))
    return f"Abort {_title(progress)}?", lines, choices


def leave_question(progress: OperationProgress) -> Question:
    """Ask whether ciltop ends while an operation is not over."""
    done, total = done_of(progress)
    text = (
        f"{done} of {total} nodes are done. Leaving begins nothing more, and what was begun is not"
        " verified; the next start of ciltop offers to finish or undo it."
    )
    lines = (sentence(text, Tone.WARNING), empty_line(), *node_lines(progress.nodes))
    return f"{_title(progress)} is not over", lines, (_STAY, Choice(LEAVE, "Leave ciltop"))


def unfinished_question(progress: OperationProgress) -> Question:
    """Ask what to do with an operation that an earlier run left half done."""
    began = wording.utc_stamp(progress.started_at) if progress.started_at else "an unknown time"
    lines = [
        sentence(
            f"An earlier ciltop ended in the middle of it; it began at {began}.", Tone.WARNING
        ),
    ]
    if progress.text:
        lines.append(sentence(wording.cut(progress.text, 600)))
    lines += [empty_line(), *node_lines(progress.nodes)]
    choices = [
        Choice(CANCEL.key, "Later"),
        Choice(DISMISS, "Leave it so"),
        Choice(FINISH, "Finish"),
    ]
    if progress.undo_id:
        choices.append(Choice(UNDO, "Undo"))
    else:
        why = wording.cut(progress.plan.undo, 200) or "nothing to put back is known"
        lines.append(sentence(f"It can't be undone: {why}", Tone.MUTED))
    return f"Unfinished: {_title(progress)}", lines, choices


def _title(progress: OperationProgress) -> str:
    return wording.cut(progress.plan.title, 60) or progress.plan.id
