"""The view-model of a `MapsView`: sections of maps, their texts ready to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from widgets.tones import Span, Tone

MAP_FIELDS = ("name", "fill", "origin", "forecast", "remark")
"""What `/field:value` can name, beside the rows' own fields; `fill` is a number of percent."""


@dataclass(frozen=True, slots=True)
class MapRowView:
    """One BPF map. An unchanged row should be the same object."""

    key: str
    """Identity, such as the pin's name."""
    symbol: str
    tone: Tone
    """The tone of symbol, bar and percent."""
    name: str
    """The short name, such as `lb4_backends_v2` or `policy (41)`."""
    ratio: float | None
    """Fill ratio for the bar; None is unknown and is drawn as `?`."""
    percent: str
    """Such as `100 %`, or `?`."""
    count: str
    """Such as `64/64`, `1,049/16,384`, `?/262,144`."""
    origin: str = ""
    """Such as `counted`, `accounting`, `not counted: c counts`."""
    forecast: str = ""
    """Such as `full`, `full in 12 m (10 m trend)`."""
    forecast_tone: Tone = Tone.NORMAL
    history: tuple[float | None, ...] = ()
    """Fill ratios of the last 30 minutes, oldest first, for the sparkline."""
    remark: tuple[Span, ...] = ()
    """A second line, such as `full: too small, not leaked ▏ 95 wanted, agent says 75`."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What `/field:value` looks at, beside `MAP_FIELDS`."""
    is_fault: bool = False
    """Whether the row stays when only faults are shown."""
    short_origin: str = ""
    """Such as `cnt`, for a narrow panel."""
    short_forecast: str = ""
    """Such as `in 12 m`, for a narrow panel; empty where the forecast is short already."""

    @property
    def text(self) -> str:
        """All the row shows, as one text to search and to copy."""
        first = "  ".join(
            filter(
                None,
                (self.symbol, self.name, self.percent, self.count, self.origin, self.forecast),
            )
        )
        remark = "".join(span.text for span in self.remark)
        return f"{first}  {remark}" if remark else first

    @property
    def all_fields(self) -> dict[str, str]:
        """What `/field:value` looks at."""
        own = {
            "name": self.name,
            "fill": "" if self.ratio is None else f"{self.ratio * 100:.4g}",
            "origin": self.origin,
            "forecast": self.forecast,
            "remark": "".join(span.text for span in self.remark),
        }
        return own | dict(self.fields)


@dataclass(frozen=True, slots=True)
class MapSection:
    """Maps that behave alike when they are full."""

    title: str
    """Such as `HASH: a full map refuses entries`."""
    rows: tuple[MapRowView, ...]
    """Worst first."""
