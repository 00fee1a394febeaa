"""Clean text that comes from the cluster before anything else may hold or draw it.

Log lines, names, labels and command output are hostile until cleaned: an escape sequence reaches
the terminal through every Textual widget, and a control byte makes an exported SVG unreadable.
Text is cleaned once, where it enters.
"""

from __future__ import annotations

from tui.safety.cleaning import CleanText, clean, clean_line

__all__ = ["CleanText", "clean", "clean_line"]
