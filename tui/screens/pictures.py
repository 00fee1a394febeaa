"""Save what is on screen as SVG, PNG and plain text.

Rich's SVG names a font on the web and keeps control bytes: a picture in a ticket must open
anywhere, offline, and be well-formed XML.
"""

from __future__ import annotations

import os
import re
import tempfile
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

FONT_FAMILY = "Ciltop Mono"
"""The family name inside the bundled font file."""
PNG_ZOOM = 1.5
MAX_NAME_PART = 60

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*", re.DOTALL)
_GENERATOR_NOTE = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_FAMILY = re.compile(r"font-family:\s*[^;]+;")
# What XML 1.0 forbids (w3.org/TR/xml/#charsets), and the C1 controls it only discourages.
_NOT_XML = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CHARACTER_REFERENCE = re.compile(r"&#(x[0-9a-fA-F]+|[0-9]+);")
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9.-]+")


def capture(app: App[None]) -> tuple[str, str]:
    """Return the screen as it stands, as SVG and as plain text."""
    svg = app.export_screenshot(simplify=True)
    strips = app.screen._compositor.render_strips()
    return svg, "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def picture_stem(context: str, node: str, at: float) -> str:
    """Return the file name without its ending, such as `ciltop_prod_node-3_20261122T140211Z`."""
    stamp = datetime.fromtimestamp(at, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = [_name_part(part) for part in (context, node)]
    return "_".join(["ciltop", *(part for part in parts if part), stamp])


def _name_part(text: str) -> str:
    return _UNSAFE_IN_NAME.sub("-", text).strip("-.")[:MAX_NAME_PART]


def clean_svg(svg: str) -> str:
    """Return the SVG well-formed, with the bundled font's name and no address on the web."""
    svg = _GENERATOR_NOTE.sub("", _FONT_FACE.sub("", svg))
    svg = _FAMILY.sub(f"font-family: '{FONT_FAMILY}', monospace;", svg)
    svg = svg.replace("\r", "")
    svg = _CHARACTER_REFERENCE.sub(_allowed_reference, svg)
    return _NOT_XML.sub("\ufffd", svg)


def _allowed_reference(match: re.Match[str]) -> str:
    digits = match[1]
    code = int(digits[1:], 16) if digits.startswith("x") else int(digits)
    is_allowed = code <= 0x10FFFF and not _NOT_XML.match(chr(code))
    return match[0] if is_allowed else "\ufffd"


def clean_text(text: str) -> str:
    """Return the plain text without control characters but its line ends."""
    return _NOT_XML.sub("\ufffd", text.replace("\r", ""))


def png_of(svg: str, zoom: float = PNG_ZOOM) -> bytes:
    """Draw a cleaned SVG with the bundled font only, so that it looks alike on every machine."""
    import resvg_py

    with resources.as_file(resources.files("styles") / "fonts") as folder:
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg,
                zoom=zoom,
                skip_system_fonts=True,
                font_dirs=[str(folder)],
                font_family=FONT_FAMILY,
                monospace_family=FONT_FAMILY,
            )
        )


def save_pictures(svg: str, text: str, folder: Path, stem: str) -> tuple[Path, Path, Path]:
    """Write the SVG, the PNG and the text, each whole or not at all, and return their paths.

    Raises:
        OSError: The folder can't be made or written.
    """
    cleaned = clean_svg(svg)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = _free_stem(folder, stem)
    contents = (
        (".svg", cleaned.encode("utf-8")),
        (".png", png_of(cleaned)),
        (".txt", clean_text(text).encode("utf-8")),
    )
    first, second, third = (
        _write_atomically(folder / f"{stem}{ending}", content) for ending, content in contents
    )
    return first, second, third


def _free_stem(folder: Path, stem: str) -> str:
    """Return the stem, or the stem with a number where that second has a picture already."""
    candidate, number = stem, 1
    while (folder / f"{candidate}.svg").exists():
        number += 1
        candidate = f"{stem}-{number}"
    return candidate


def _write_atomically(path: Path, content: bytes) -> Path:
    """Write through a temporary file: mkstemp makes it 0600, and a rename shows it whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".ciltop-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
