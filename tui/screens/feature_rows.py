"""The rows of the Features panel, those that hurt something first."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.features import Feature, FeatureGroup, FeatureState
from tui.screens.marks import severity_mark
from tui.screens.severity import Severity
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

FEATURE_COLUMNS = (
    GridColumn("state", "", 1, 1),
    GridColumn("feature", "FEATURE", 24, 34),
    GridColumn("group", "OF", 6, 6, priority=3),
    GridColumn("value", "VALUE", 12, 28),
    GridColumn("how", "HOW KNOWN", 6, 14, priority=2),
    GridColumn("needed", "WHAT DEPENDS ON IT", 12, 60, priority=1, is_flexible=True),
    GridColumn("evidence", "EVIDENCE", 24, 60, priority=4, is_flexible=True),
)
"""The Features panel's columns."""


_GROUPS = {FeatureGroup.KERNEL: "kernel", FeatureGroup.KUBE_PROXY_REPLACEMENT: "KPR"}


def feature_rows(features: Sequence[Feature]) -> list[GridRow]:
    """Return the features: those that hurt something first, then as the facts order them."""
    ordered = sorted(enumerate(features), key=lambda item: (not item[1].is_concern, item[0]))
    return [_feature_row(feature, place) for place, (_, feature) in enumerate(ordered)]


def _feature_row(feature: Feature, place: int) -> GridRow:
    mark = _mark(feature)
    tone = mark.tone if feature.is_concern or mark.tone is Tone.UNKNOWN else Tone.NORMAL
    cells: tuple[CellText, ...] = (
        mark,
        Span(feature.label, Tone.STRONG if feature.is_concern else Tone.NORMAL),
        Span(_GROUPS[feature.group], Tone.MUTED),
        Span(feature.value, tone),
        Span(feature.proof.value, Tone.MUTED),
        feature.needed_by,
        Span(feature.evidence, Tone.MUTED),
    )
    return GridRow(
        feature.key,
        cells,
        {"state": place},
        {
            "group": f"{_GROUPS[feature.group]} {feature.group.value}",
            "key": feature.key,
            "state": feature.state.value,
        },
        is_fault=feature.is_concern,
    )


def _mark(feature: Feature) -> Span:
    if feature.state is FeatureState.UNKNOWN:
        tone = Tone.WARNING if feature.is_concern else Tone.UNKNOWN
        return Span(symbols().unknown, tone)
    if feature.is_concern:
        return severity_mark(Severity.WARNING)
    if feature.state is FeatureState.YES:
        return severity_mark(None)
    return Span(symbols().dash, Tone.MUTED)
