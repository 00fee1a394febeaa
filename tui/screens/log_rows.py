"""The log's rows: the agents' lines, folded, with the gaps between them."""

from __future__ import annotations

from collections.abc import Iterable

from tui.model.logs import LogEntry, LogGap, LogLevel
from tui.screens import wording
from tui.screens.fleet import NodeSummary
from tui.screens.log_meaning import belongs_to, hint_words, meaning_fields
from tui.store.folding import constant_part
from widgets.log_rows import LogGapRow, LogItem, LogRow
from widgets.symbols import symbols
from widgets.text import elide_middle
from widgets.tones import Tone

WARNINGS_AND_ERRORS = LogLevel.WARN
ALL_LEVELS = LogLevel.DEBUG
MAX_MESSAGE = 1_000
"""Cells of a message in the log, from both its ends; the detail view has all of it."""

_LEVEL_TONES = {
    LogLevel.DEBUG: Tone.MUTED,
    LogLevel.INFO: Tone.NORMAL,
    LogLevel.WARN: Tone.WARNING,
    LogLevel.ERROR: Tone.ERROR,
    LogLevel.FATAL: Tone.ERROR,
}


class LogRows:
    """Keep the rows of entries that did not change, and merge the nodes by time."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[LogEntry | LogGap, LogItem]] = {}
        self._day = ""
        self.field_names: set[str] = set()
        """Keys seen in the lines, for `/key:value`."""

    def items(self, nodes: Iterable[NodeSummary], now: float) -> list[LogItem]:
        """Return the lines and gaps of some nodes by when they came last."""
        day = wording.utc_day(now)
        if day != self._day:
            self._day, self._kept = day, {}
        kept, fresh = self._kept, {}
        ordered: list[tuple[float, int, LogItem]] = []
        for node in nodes:
            for entry in node.facts.logs:
                old = kept.get(entry.sequence)
                if old is None or old[0] is not entry:
                    old = (entry, log_item(entry, node.name, day))
                    if isinstance(entry, LogEntry):
                        self.field_names.update(key for key, _ in entry.line.fields)
                fresh[entry.sequence] = old
                at = last_time(entry) if isinstance(entry, LogEntry) else entry.started_at
                ordered.append((at, entry.sequence, old[1]))
        self._kept = fresh
        ordered.sort(key=lambda item: item[:2])
        return [item for _, _, item in ordered]

    def entry(self, sequence: int) -> LogEntry | LogGap | None:
        """Return the entry behind a row, or None when the store forgot it."""
        kept = self._kept.get(sequence)
        return None if kept is None else kept[0]


def last_time(entry: LogEntry) -> float:
    """Return when a line came last: a fold stands where its newest repeat belongs."""
    return max(entry.last_time, entry.line.time)


def log_item(entry: LogEntry | LogGap, node: str, day: str) -> LogItem:
    """Return an entry's row; a line of another day than this shows its date too."""
    return _gap_row(entry, node) if isinstance(entry, LogGap) else _line_row(entry, node, day)


def _gap_row(gap: LogGap, node: str) -> LogGapRow:
    lost = "lines lost" if gap.lost_lines is None else f"{wording.count(gap.lost_lines)} lines lost"
    span = f"{wording.utc_clock(gap.started_at)}–{wording.utc_clock(gap.ended_at)}"
    reason = f" ({gap.reason})" if gap.reason else ""
    return LogGapRow(gap.sequence, f"gap: {lost} on {node} {span}{reason}")


def _line_row(entry: LogEntry, node: str, day: str) -> LogRow:
    line, at = entry.line, last_time(entry)
    message = f"{line.message}: {line.error}" if line.error else str(line.message)
    if entry.is_varied and not entry.meaning:
        message = constant_part(message, symbols().ellipsis)
    tags = ("previous container" if entry.is_previous else "", belongs_to(entry))
    others = [(key, value) for key, value in line.fields if key != "error"]
    return LogRow(
        entry.sequence,
        wording.utc_clock(at) if wording.utc_day(at) == day else wording.utc_minute(at),
        node,
        line.level.name,
        int(line.level),
        elide_middle(message, MAX_MESSAGE),
        fold_words(entry),
        wording.cut(" ".join(f"{key}={value}" for key, value in others), MAX_MESSAGE),
        " ".join(filter(None, tags)),
        _LEVEL_TONES[line.level],
        {
            "subsystem": line.subsystem,
            "error": line.error,
            **meaning_fields(entry),
            **{str(key): str(value) for key, value in others},
        },
        hint_words(entry),
    )


def fold_words(entry: LogEntry) -> str:
    """Return how often a line came and in what span, such as `×11 in 1 s at agent start`."""
    if entry.count <= 1:
        return ""
    span = max(0.0, entry.last_time - entry.line.time)
    times = f"{symbols().times}{wording.count(entry.count)}"
    words = f"{times} in {wording.age(max(1.0, span))}"
    return f"{words} at agent start" if entry.is_start_burst else words
