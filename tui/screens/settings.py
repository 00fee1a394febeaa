"""What the command line and the settings file decide about the screens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class AppSettings:
    """How the screens look and where pictures go."""

    is_read_only: bool = False
    """Whether the READ-ONLY badge stands in the header."""
    screenshots: Path = Path("screenshots")
    """Folder of the pictures that `ctrl+s` saves; made when it is missing."""
    theme: str = "textual-dark"
    """A theme of Textual."""
    is_ascii: bool | None = None
    """Whether to draw ASCII only; None asks the terminal."""
    notice: str = ""
    """Said once Home stands, long enough to be copied."""
    state: Path | None = None
    """Folder of what outlives a run, such as muted findings; None keeps it in memory."""
    is_cluster_named: bool = False
    """Whether a flag or setting names one of the broker's clusters; else all are shown first."""
