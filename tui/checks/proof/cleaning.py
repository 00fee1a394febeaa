"""What the next pod's init container would remove, in words and as evidence."""

from __future__ import annotations

from collections.abc import Iterator

from tui.checks.proof.drift_evidence import source_path, when
from tui.checks.view import NodeView
from tui.model.findings import Evidence, ProofKind
from tui.model.nextstart import StateWipe
from tui.safety import CleanText, clean


def wipe_text(wipe: StateWipe) -> CleanText:
    """Tell which key does it, where that is set, by whom and since when, and what goes."""
    by = f", written by {wipe.written_by}" if wipe.written_by else ""
    at = f" at {when(wipe.written_at)}" if by and when(wipe.written_at) else ""
    what = "all of Cilium's state, every map with it" if wipe.is_everything else "every map"
    return clean(
        f"{wipe.key}=true ({wipe.source}{by}{at}) has the init container {wipe.container}"
        f" remove {what}",
        400,
    )


def wipe_evidence(view: NodeView) -> Iterator[Evidence]:
    """Yield a piece for each setting that would have the maps removed."""
    for wipe in view.next_start.wipes:
        text = f"a new agent pod: {wipe_text(wipe)}"
        path = source_path(view, wipe.source)
        yield view.fact(text, path, wipe.written_at, ProofKind.CONFIG, wipe.key)
