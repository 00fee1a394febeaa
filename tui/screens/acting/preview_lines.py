"""What a preview says: how it is, what is written, what that interrupts, what forbids it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tui.model.names import NodeUid
from tui.model.operations import (
    ArmingMode,
    ArmingState,
    Guard,
    GuardKind,
    OperationKind,
    OperationPlan,
    Permission,
    PlannedWrite,
    Scope,
)
from tui.screens import wording
from tui.screens.marks import joined
from widgets.detail_lines import DetailLine, raw, value
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

MAX_TEXT = 2_000
"""Characters of one text of a plan that are shown."""
MAX_DIFF_LINES = 400
_SIGN_TONES = {"+": Tone.ADDED, "-": Tone.REMOVED}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a plan may be confirmed, and the word for it."""

    is_ready: bool
    words: Span


def preview_lines(plan: OperationPlan, wave_size: int = 1) -> list[DetailLine]:
    """Return the whole preview; each label stands at the first line of its part.

    Args:
        plan: What is previewed.
        wave_size: How many nodes at once were asked for.
    """
    parts: tuple[tuple[str, Iterable[CellText]], ...] = (
        ("nodes", _wave_cells(plan, wave_size)),
        ("warning", _guard_cells(plan, GuardKind.BLOCKED, GuardKind.WARNED)),
        ("now", [joined(*(_text(each) for each in plan.now))] if plan.now else []),
        ("diff", _diff_cells(plan.writes)),
        ("next", [_text(each) for each in plan.after]),
        ("then", _then_cells(plan)),
        ("check", [*_guard_cells(plan, GuardKind.NOTED), *_write_cells(plan.writes)]),
        ("undo", [_undo_cell(plan)]),
    )
    lines = [line for label, cells in parts for line in _labelled(label, cells)]
    # A here-document is one command of several lines; a line break in a row would leave the dialog.
    typed = (line for command in plan.commands for line in command.splitlines())
    commands = [raw(_text(line), Tone.MUTED) for line in typed]
    head = value("instead", Span("what a person could type; only printed", Tone.MUTED))
    return [*lines, *([head, *commands] if commands else [])]


def _labelled(label: str, cells: Iterable[CellText]) -> list[DetailLine]:
    return [value("" if number else label, cell) for number, cell in enumerate(cells)]


def _text(text: str) -> str:
    return wording.cut(text, MAX_TEXT)


def names_of(plan: OperationPlan) -> dict[NodeUid, str]:
    """Return the names of the plan's nodes."""
    uids = [uid for wave in plan.waves for uid in wave]
    return {uid: wording.cut(name, 60) for uid, name in zip(uids, plan.node_names, strict=False)}


def _wave_cells(plan: OperationPlan, wave_size: int) -> list[CellText]:
    """Return who restarts, wave by wave, each by name."""
    if not plan.waves:
        return (
            [", ".join(wording.cut(name, 60) for name in plan.node_names)]
            if plan.node_names
            else []
        )
    names = names_of(plan)
    listed = [", ".join(names.get(uid, str(uid)) for uid in wave) for wave in plan.waves]
    if len(listed) == 1:
        return [listed[0]]
    last = len(listed)
    cells: list[CellText] = [
        (Span(f"wave {number} of {last}  ", Tone.MUTED), Span(nodes))
        for number, nodes in enumerate(listed, start=1)
    ]
    if len(plan.node_names) > 2:
        words = f"at most {wording.counted(wave_size, 'node')} at once asked for: + - change it"
        cells.append(Span(words, Tone.MUTED))
    return cells


def _then_cells(plan: OperationPlan) -> list[CellText]:
    agents = sum(map(len, plan.waves)) or len(plan.node_names)
    cells: list[CellText] = []
    if agents:
        waves = f", in {wording.counted(len(plan.waves), 'wave')}" if len(plan.waves) > 1 else ""
        cells.append(f"restarts {wording.counted(agents, 'agent')}{waves}")
    return [*cells, *(_text(each) for each in plan.interrupts)]


def _undo_cell(plan: OperationPlan) -> CellText:
    if plan.can_undo:
        return _text(plan.undo) or "one action"
    return Span(_text(plan.undo) or "there is no way back", Tone.WARNING)


def target_words(write: PlannedWrite) -> str:
    """Return what a write is done to, such as `delete pods kube-system/cilium-abcde`."""
    kind = f"{write.resource}.{write.group}" if write.group else write.resource
    where = f"{write.namespace}/" if write.namespace else ""
    return f"{write.verb} {kind} {wording.cut(f'{where}{write.name}', 120)}"


def _diff_cells(writes: Sequence[PlannedWrite]) -> list[CellText]:
    cells: list[CellText] = []
    for write in writes:
        tone = Tone.REMOVED if write.verb == "delete" else Tone.ADDED
        sign = {"delete": "-", "create": "+"}.get(write.verb, "~")
        uid = Span(f"  uid {wording.cut(write.uid, 60)}" if write.uid else "", Tone.MUTED)
        cells.append((Span(f"{sign} {target_words(write)}", tone), uid))
        # A restarted agent's pod is told by its name alone: that line stands already.
        is_told = write.verb == "delete" and "\n" not in write.diff.strip()
        cells += [] if is_told else diff_cells(write.diff)
    return cells


def diff_cells(diff: str) -> list[CellText]:
    """Return a unified diff's lines, each in the tone of its sign; indents stay as they are."""
    lines = [line for line in diff.split("\n") if not line.startswith(("--- ", "+++ "))]
    while lines and not lines[-1]:
        lines.pop()
    cells: list[CellText] = []
    for line in lines[:MAX_DIFF_LINES]:
        tone = _SIGN_TONES.get(line[:1], Tone.MUTED)
        cells.append((Span(line[:1], tone), Span(wording.cut(line[1:], MAX_TEXT), tone)))
    if len(lines) > MAX_DIFF_LINES:
        more = f"{wording.count(len(lines) - MAX_DIFF_LINES)} more lines"
        cells.append(Span(f"{symbols().ellipsis} {more}", Tone.WARNING))
    return cells


def guard_mark(kind: GuardKind) -> Span:
    """Return a guard's symbol."""
    table = symbols()
    return {
        GuardKind.BLOCKED: Span(table.active, Tone.ERROR),
        GuardKind.WARNED: Span(table.armed, Tone.WARNING),
        GuardKind.NOTED: Span(table.latent, Tone.LATENT),
    }[kind]


def _guard_cells(plan: OperationPlan, *kinds: GuardKind) -> list[CellText]:
    """Return the guards of some kinds; what forbids or warns stands above the long diff."""
    names = names_of(plan)
    guards = [guard for kind in kinds for guard in plan.guards if guard.kind is kind]
    return [_guard_cell(guard, names) for guard in guards]


def _guard_cell(guard: Guard, names: dict[NodeUid, str]) -> CellText:
    mark = guard_mark(guard.kind)
    name = "" if guard.node_uid is None else names.get(guard.node_uid, "")
    where = f"{name}: " if name and name not in guard.text else ""
    word = "BLOCKED  " if guard.kind is GuardKind.BLOCKED else ""
    return Span(f"{mark.text} {word}{where}{_text(guard.text)}", mark.tone)


def _write_cells(writes: Sequence[PlannedWrite]) -> list[CellText]:
    return [_write_cell(write) for write in writes]


def _write_cell(write: PlannedWrite) -> Span:
    """Return whether a write is allowed and what its dry run said, in the tone of the worse."""
    table = symbols()
    mark, tone = table.ok, Tone.OK
    permission = "allowed"
    if write.permission is Permission.UNKNOWN:
        mark, tone, permission = table.unknown, Tone.UNKNOWN, "access could not be reviewed"
    dry_run = "dry run passed"
    if write.is_dry_run_passed is None:
        mark, tone, dry_run = table.unknown, Tone.UNKNOWN, "no dry run"
    if write.permission is Permission.DENIED:
        mark, tone, permission = table.active, Tone.ERROR, "DENIED"
    if write.is_dry_run_passed is False:
        mark, tone, dry_run = table.active, Tone.ERROR, "dry run REFUSED"
    why = f": {_text(write.dry_run)}" if write.dry_run and not write.is_dry_run_passed else ""
    return Span(f"{mark} {target_words(write)}: {permission}, {dry_run}{why}", tone)


def readiness(plan: OperationPlan, arming: ArmingState) -> Readiness:
    """Return whether a plan may be confirmed now, and what forbids it."""
    table = symbols()
    blocked = plan.blockers if plan.is_blocked else ()
    denied = [write for write in plan.writes if write.permission is Permission.DENIED]
    refused = [write for write in plan.writes if write.is_dry_run_passed is False]
    why = ""
    if blocked:
        more = f" (+{len(blocked) - 1})" if len(blocked) > 1 else ""
        why = f"blocked{more}: {wording.cut(blocked[0].text, 160)}"
    elif denied:
        why = f"denied: {target_words(denied[0])}"
    elif refused:
        why = f"dry run refused: {wording.cut(refused[0].dry_run, 160)}"
    elif not plan.writes:
        why = "there is nothing to write"
    elif arming.mode is not ArmingMode.ARMED:
        why = "not armed any more: esc, then :arm"
    if why:
        return Readiness(False, Span(f"{table.active} {why}", Tone.ERROR))
    warned = sum(guard.kind is GuardKind.WARNED for guard in plan.guards)
    warnings = f"{table.armed} {wording.counted(warned, 'warning')}" if warned else ""
    if all(write.is_dry_run_passed for write in plan.writes):
        tone = Tone.WARNING if warned else Tone.OK
        return Readiness(True, Span(joined(f"{table.ok} dry run passed", warnings), tone))
    words = joined(f"{table.unknown} not every write had a dry run", warnings)
    return Readiness(True, Span(words, Tone.WARNING))


def confirmation_of(plan: OperationPlan, context: str) -> str:
    """Return what must be typed: nothing for one agent, the cluster's name for more."""
    is_wide = plan.intent.scope is Scope.CLUSTER or len(plan.node_names) > 1
    return plan.confirmation or (context if is_wide else "")


def go_label(plan: OperationPlan) -> str:
    """Return what the button says: what is done, and to whom."""
    names = plan.node_names
    who = wording.cut(names[0], 30) if len(names) == 1 else wording.counted(len(names), "agent")
    kind = plan.intent.kind
    if kind is OperationKind.UNDO:
        return f"Undo {wording.cut(plan.intent.undo_id, 12)}"
    if not names:
        return "Write"
    if kind is OperationKind.RESTART:
        return f"Restart {who}"
    word = "Flip" if kind is OperationKind.HOSTNS_ONLY else "Resize"
    return f"{word} and restart {who}"
