"""What each operation wrote for itself, its Lease and Kubernetes Events, folded into one entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tui.model.operations import AuditEvent, AuditRecord
from tui.screens import wording
from tui.screens.details import Detail
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.tones import Span, Tone

MOST_LISTED = 200
"""So many writes are listed at most, the newest."""
_DONE = "done"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One operation's writes for itself."""

    first: AuditRecord
    """The oldest line that is kept."""
    writes: tuple[AuditRecord, ...]
    """The line after each write, oldest first; the one before it where there is none yet."""

    @property
    def words(self) -> str:
        """How many writes there were of what."""
        resources = [one.target.split()[1:2] for one in self.writes]
        leases, events = resources.count(["leases"]), resources.count(["events"])
        parts = [f"{wording.counted(leases, 'write')} of the Lease"] if leases else []
        if events:
            parts.append(wording.counted(events, "Kubernetes Event"))
        return ", ".join(parts)

    @property
    def failures(self) -> int:
        """How many were not done, or have an unknown outcome."""
        after = (one for one in self.writes if one.event is AuditEvent.AFTER_UPKEEP)
        return sum(one.result != _DONE for one in after)

    @property
    def result(self) -> str:
        """What became of them."""
        failures = self.failures
        return f"{wording.count(failures)} not done or unknown" if failures else _DONE


def folded(records: Iterable[AuditRecord]) -> tuple[Upkeep, ...]:
    """Return the lines of upkeep, oldest first, as one entry an operation."""
    by_operation: dict[str, list[AuditRecord]] = {}
    for record in records:
        by_operation.setdefault(record.operation_id, []).append(record)
    return tuple(Upkeep(own[0], _writes(own)) for own in by_operation.values())


def _writes(records: Iterable[AuditRecord]) -> tuple[AuditRecord, ...]:
    found: list[AuditRecord] = []
    begun: dict[tuple[str, str], AuditRecord] = {}
    for record in records:
        key = (record.target, record.text)
        if record.event is AuditEvent.BEFORE_UPKEEP:
            begun[key] = record
        else:
            begun.pop(key, None)
            found.append(record)
    return tuple(sorted((*found, *begun.values()), key=lambda one: one.at))


def upkeep_detail(upkeep: Upkeep, now: float) -> Detail:
    """Return an operation's writes for itself, the newest first."""
    first = upkeep.first
    since = f"{wording.utc_stamp(first.at)}, {wording.ago(now - first.at)}"
    fields = (
        ("operation", f"{first.operation_id} {first.kind}".strip()),
        ("what", upkeep.words),
        ("result", upkeep.result),
        ("user", first.user),
        ("from", first.host),
        ("context", first.context),
    )
    lines = [value("since", since), *(value(label, text) for label, text in fields if text)]
    lines += [empty_line(), heading("Writes, the newest first"), *_lines(upkeep.writes)]
    return Detail("Audit: upkeep", tuple(lines))


def _lines(writes: tuple[AuditRecord, ...]) -> Iterator[DetailLine]:
    for one in reversed(writes[-MOST_LISTED:]):
        has_outcome = one.event is AuditEvent.AFTER_UPKEEP
        result = one.result if has_outcome else "no outcome recorded"
        tone = Tone.NORMAL if result == _DONE else Tone.WARNING
        text = f"{one.target}: {one.text}" if one.text else one.target
        yield value(wording.utc_clock(one.at), Span(text, tone), result)
    if len(writes) > MOST_LISTED:
        left = wording.counted(len(writes) - MOST_LISTED, "earlier write")
        yield sentence(f"{left}: in the audit file", Tone.MUTED)
