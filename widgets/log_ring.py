"""The rows of a `LogView`: bounded, in the order they came, filtered as they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from operator import is_

from widgets.filters import Filter
from widgets.log_rows import LogItem, LogRow

MAX_ROWS = 20_000


class LogRing:
    """Holds the newest rows and which of them are shown."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._items: dict[int, LogItem] = {}
        self._verdicts: dict[int, tuple[LogItem, bool]] = {}
        self.shown: list[LogItem] = []
        """The rows that pass level and filter, oldest first; gaps only between such rows."""
        self._gaps = 0
        self.filter = Filter()
        self.min_severity = 0

    @property
    def total_rows(self) -> int:
        """How many rows are held, gaps not counted."""
        return len(self._items) - self._gaps

    @property
    def shown_rows(self) -> int:
        """How many rows are shown, gaps not counted."""
        return len(self.shown) - self._gaps if self.shown else 0

    @property
    def field_names(self) -> tuple[str, ...]:
        """What `/field:value` can name: the rows' own fields too."""
        lines = (item for item in self._items.values() if isinstance(item, LogRow))
        own = {name for row in lines for name in row.fields}
        return (*LOG_FIELDS, *sorted(own - set(LOG_FIELDS)))

    def holds_exactly(self, items: Sequence[LogItem]) -> bool:
        """Return whether these very rows, in this order, are held already."""
        return len(items) == len(self._items) and all(map(is_, items, self._items.values()))

    def replace(self, items: Iterable[LogItem]) -> None:
        """Hold these rows and no others."""
        self._items = {item.sequence: item for item in items}
        self._trim()
        self.choose()

    def extend(self, items: Iterable[LogItem]) -> None:
        """Add rows; one with a known sequence takes the place of the older."""
        # While a filter shows nothing, the gaps are hidden too and may have to come back.
        is_stale = not self.shown and not self.is_whole
        for item in items:
            is_stale = is_stale or item.sequence in self._items
            self._items[item.sequence] = item
            if not is_stale:
                self._gaps += not isinstance(item, LogRow)
                if self._passes(item):
                    self.shown.append(item)
        # A tenth more than the limit is kept, so that not every row pays for the trimming.
        if len(self._items) > self._max_rows * 1.1:
            self._trim()
            is_stale = True
        if is_stale:
            self.choose()

    def set_filter(self, wanted: Filter) -> None:
        """Show only the rows that match; gaps stay."""
        self.filter = wanted
        self._verdicts.clear()
        self.choose()

    def set_min_severity(self, severity: int) -> None:
        """Show only the rows of this severity or more; gaps stay."""
        self.min_severity = severity
        self.choose()

    def choose(self) -> None:
        """Find anew which rows are shown."""
        self._gaps = sum(not isinstance(item, LogRow) for item in self._items.values())
        shown = [item for item in self._items.values() if self._passes(item)]
        self.shown = shown if len(shown) > self._gaps or self.is_whole else []

    @property
    def is_whole(self) -> bool:
        """Whether neither level nor filter hides anything."""
        return self.min_severity <= 0 and self.filter.is_empty

    def _passes(self, item: LogItem) -> bool:
        if not isinstance(item, LogRow):
            return True
        if item.severity < self.min_severity:
            return False
        if self.filter.is_empty:
            return True
        verdict = self._verdicts.get(item.sequence)
        if verdict is None or verdict[0] is not item:
            matches = self.filter.matches(item.text, row_fields(item))
            verdict = self._verdicts[item.sequence] = (item, matches)
        return verdict[1]

    def _trim(self) -> None:
        surplus = len(self._items) - self._max_rows
        if surplus <= 0:
            return
        self._items = dict(islice(self._items.items(), surplus, None))
        self._verdicts = {
            sequence: verdict
            for sequence, verdict in self._verdicts.items()
            if sequence in self._items
        }


LOG_FIELDS = ("time", "node", "level", "message", "details", "tag", "count")
"""What `/field:value` can name in every log, beside the rows' own fields."""


def row_fields(row: LogRow) -> dict[str, str]:
    """Return what `/field:value` looks at."""
    own = {name: getattr(row, name) for name in LOG_FIELDS}
    return own | dict(row.fields)
