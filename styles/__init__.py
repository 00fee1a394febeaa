"""Style sheets and the bundled font."""

from __future__ import annotations

from pathlib import Path

FONT_FAMILY = "Ciltop Mono"
"""The family to name in pictures; its licence stands beside the file."""

FONT_FILE = Path(__file__).parent / "fonts" / "CiltopMono.ttf"
"""The one font that pictures are drawn with; it has every symbol of the screens."""
