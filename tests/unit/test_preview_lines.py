"""The rows of a preview: what the dialog draws, one terminal line each."""

from __future__ import annotations

from tests.ui import operation_samples as ops
from tui.safety import CleanText
from tui.screens.acting.preview_lines import preview_lines

HERE_DOCUMENT = CleanText("kubectl apply -f - <<'EOF'\nkind: CiliumNodeConfig\nEOF")


def test_each_line_of_a_here_document_is_a_row() -> None:
    lines = preview_lines(ops.flip_plan(commands=(HERE_DOCUMENT,)))
    assert [line.value for line in lines[-3:]] == HERE_DOCUMENT.splitlines()
