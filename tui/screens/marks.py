"""The symbol and the tone of severities and states: state is symbol + word + colour."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.findings import FindingSeverity
from tui.model.node import AgentPhase
from tui.screens.fleet import NodeStatus
from tui.screens.severity import Severity
from tui.screens.verdicts import screen_severity
from widgets.symbols import symbols
from widgets.tones import Span, Tone

SEVERITY_TONES = {
    Severity.HARM: Tone.ERROR,
    Severity.WARNING: Tone.WARNING,
    Severity.UNKNOWN: Tone.UNKNOWN,
    Severity.NOTE: Tone.LATENT,
}
STATUS_TONES = {
    NodeStatus.HARM: Tone.ERROR,
    NodeStatus.WARNING: Tone.WARNING,
    NodeStatus.UNKNOWN: Tone.UNKNOWN,
    NodeStatus.LOADING: Tone.MUTED,
    NodeStatus.OK: Tone.OK,
}
_DOWN = frozenset({AgentPhase.CRASH_LOOP, AgentPhase.MISSING, AgentPhase.UNREACHABLE})


def severity_symbol(severity: Severity) -> str:
    """Return the symbol of a severity."""
    table = symbols()
    return {
        Severity.HARM: table.active,
        Severity.WARNING: table.armed,
        Severity.UNKNOWN: table.unknown,
        Severity.NOTE: table.latent,
    }[severity]


def severity_mark(severity: Severity | None) -> Span:
    """Return the coloured symbol of a severity; None is all right."""
    if severity is None:
        return Span(symbols().ok, Tone.OK)
    return Span(severity_symbol(severity), SEVERITY_TONES[severity])


def verdict_mark(severity: FindingSeverity) -> Span:
    """Return the coloured symbol of a verdict."""
    return severity_mark(screen_severity(severity))


def verdict_tone(severity: FindingSeverity) -> Tone:
    """Return the tone of a verdict's words."""
    mapped = screen_severity(severity)
    return Tone.OK if mapped is None else SEVERITY_TONES[mapped]


def status_symbol(status: NodeStatus) -> str:
    """Return the symbol of a node's status."""
    table = symbols()
    return {
        NodeStatus.HARM: table.active,
        NodeStatus.WARNING: table.armed,
        NodeStatus.UNKNOWN: table.unknown,
        NodeStatus.LOADING: table.loading,
        NodeStatus.OK: table.ok,
    }[status]


def status_mark(status: NodeStatus) -> Span:
    """Return the coloured symbol of a node's status."""
    return Span(status_symbol(status), STATUS_TONES[status])


def phase_mark(phase: AgentPhase) -> Span:
    """Return the coloured symbol of an agent's phase."""
    if phase is AgentPhase.RUNNING:
        return Span(symbols().ok, Tone.OK)
    if phase in _DOWN:
        return Span(symbols().active, Tone.ERROR)
    return Span(symbols().armed, Tone.WARNING)


def joined(*parts: str) -> str:
    """Join the parts that say something with the divider."""
    return f" {symbols().divider} ".join(part for part in parts if part)


def counts_badge(severities: Sequence[Severity]) -> tuple[Span, ...]:
    """Return how many there are of the worse of the two worst severities, as a tab shows it.

    One number a tab: two in each would leave no room for the tabs' names.
    """
    for severity in (Severity.HARM, Severity.WARNING):
        number = sum(1 for each in severities if each is severity)
        if number:
            words = "99+" if number > 99 else str(number)
            return (Span(f"{severity_symbol(severity)}{words}", SEVERITY_TONES[severity]),)
    return ()
