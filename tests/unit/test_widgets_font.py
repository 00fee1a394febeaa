"""The bundled font can draw everything the screens draw."""

from __future__ import annotations

import struct

from styles import FONT_FILE
from widgets.symbols import ASCII, UNICODE

CELLS = "abcXYZ0123456789 .,:;-_/\\|()[]{}<>\"'#*+=~^`!?@$%&"
BOXES = "─│┌┐└┘├┤┬┴┼╭╮╰╯━┃═║▔▁▏▕▀▄█▌▐░▒▓"
CONTROL_PICTURES = "".join(map(chr, range(0x2400, 0x2421))) + "\u2421\ufffd"


def covered() -> set[int]:
    """Return the characters of the font's cmap, formats 4 and 12 (OpenType, table cmap)."""
    font = FONT_FILE.read_bytes()
    tables = struct.unpack(">H", font[4:6])[0]
    records = [struct.unpack(">4sLLL", font[12 + 16 * n : 28 + 16 * n]) for n in range(tables)]
    start = next(offset for tag, _, offset, _ in records if tag == b"cmap")
    codes: set[int] = set()
    for number in range(struct.unpack(">H", font[start + 2 : start + 4])[0]):
        at = start + struct.unpack(">HHL", font[start + 4 + 8 * number :][:8])[2]
        kind = struct.unpack(">H", font[at : at + 2])[0]
        if kind == 4:
            count = struct.unpack(">H", font[at + 6 : at + 8])[0] // 2
            ends = struct.unpack(f">{count}H", font[at + 14 :][: 2 * count])
            starts = struct.unpack(f">{count}H", font[at + 16 + 2 * count :][: 2 * count])
            for first, last in zip(starts, ends, strict=True):
                codes.update(range(first, last + 1))
    return codes


def test_the_font_has_every_symbol() -> None:
    wanted = CELLS + BOXES + CONTROL_PICTURES
    for table in (UNICODE, ASCII):
        wanted += "".join(getattr(table, name) for name in table.__slots__)
    missing = {character for character in wanted if ord(character) not in covered()}
    assert not missing


def test_the_font_is_one_small_file_with_its_licence() -> None:
    assert FONT_FILE.stat().st_size < 1_000_000
    licence = FONT_FILE.with_name("LICENSE.txt").read_text(encoding="utf-8")
    assert "Bitstream Vera Fonts Copyright" in licence
    assert [path.suffix for path in FONT_FILE.parent.glob("*.ttf")] == [".ttf"]
