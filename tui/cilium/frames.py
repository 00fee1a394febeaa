r"""Take one exec's two output streams apart into one frame a probe, and put them together.

A marker is a line of its own behind the exec's nonce, on stdout and on stderr alike::

    \nNONCE begin NAME\n
    \nNONCE end NAME EXIT_CODE UPTIME_BEFORE UPTIME_AFTER\n

The newline in front belongs to the marker, so that an answer without a final newline comes back
byte for byte. The nonce is fresh for every exec: nothing a command prints can forge a marker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

STRAY = ""
"""The frame name under which text outside all frames is kept, such as a shell's motd."""

_MARKER = re.compile(rb"(begin|end) ([A-Za-z0-9_=.-]{1,200})(?: ([^\n]{0,200}))?\n")

EXIT_TIMED_OUT = 124
"""The probe was killed at its time limit."""
EXIT_NOT_FOUND = 127
"""A tool that the probe needs is missing; stderr names it."""
EXIT_NO_AGENT = 69
"""The agent's API socket is missing: the agent is not running (sysexits EX_UNAVAILABLE)."""
EXIT_NO_MAP = 66
"""The map is not pinned on this node; stderr names the pin (sysexits EX_NOINPUT)."""
EXIT_UNKNOWN_PROBE = 64
"""The script does not know this probe (sysexits EX_USAGE)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What one probe answered."""

    name: str
    exit_code: int | None
    """None when the end marker never came."""
    seconds: float | None
    stdout: bytes
    stderr: bytes
    is_truncated: bool
    """Whether stdout may be cut: its end marker, or the whole of it, is missing."""


@dataclass(slots=True)
class _Section:
    """One marked stretch of one stream."""

    text: bytes
    exit_code: int | None = None
    seconds: float | None = None
    is_ended: bool = False


def parse_frames(nonce: str, stdout: bytes, stderr: bytes) -> dict[str, Frame]:
    """Return the frames by probe name, in the order they came.

    Works in linear time on anything: a last frame without its end is kept and marked, and text
    outside all frames becomes the frame `STRAY`.
    """
    out, out_stray = _sections(nonce, stdout)
    err, err_stray = _sections(nonce, stderr)
    frames: dict[str, Frame] = {}
    if out_stray or err_stray:
        frames[STRAY] = Frame(STRAY, None, None, out_stray, err_stray, False)
    for name in [*out, *(name for name in err if name not in out)]:
        frames[name] = _frame(name, out.get(name), err.get(name))
    return frames


def _frame(name: str, out: _Section | None, err: _Section | None) -> Frame:
    ended = next((section for section in (out, err) if section and section.is_ended), None)
    return Frame(
        name,
        ended.exit_code if ended else None,
        ended.seconds if ended else None,
        out.text if out else b"",
        err.text if err else b"",
        not (out and out.is_ended),
    )


def _markers(nonce: str, stream: bytes) -> Iterator[re.Match[bytes]]:
    """Find the markers by their nonce: a plain search, so that 120 MB take no time."""
    needle = b"\n" + nonce.encode("ascii", "replace") + b" "
    at = stream.find(needle)
    while at >= 0:
        found = _MARKER.match(stream, at + len(needle))
        if found is not None:
            yield found
        at = stream.find(needle, found.end() - 1 if found else at + len(needle))


def _sections(nonce: str, stream: bytes) -> tuple[dict[str, _Section], bytes]:
    """Cut one stream at its markers; also return the text that no frame holds."""
    lead = len(nonce) + 2
    sections: dict[str, _Section] = {}
    stray: list[bytes] = []
    position, open_name = 0, STRAY

    def close(end: int) -> None:
        text = stream[position:end]
        if open_name == STRAY or open_name in sections:
            stray.append(text)
        else:
            sections[open_name] = _Section(text)

    for found in _markers(nonce, stream):
        name = found[2].decode("ascii")
        is_first = name not in sections
        close(found.start() - lead)
        position = found.end()
        if found[1] == b"begin":
            open_name = name
            continue
        if name == open_name and is_first:
            _end(sections[name], found[3] or b"")
        open_name = STRAY
    close(len(stream))
    return sections, b"".join(stray)


def _end(section: _Section, fields: bytes) -> None:
    section.is_ended = True
    words = fields.decode("ascii", "replace").split()
    if words and re.fullmatch(r"[0-9]{1,3}", words[0]):
        section.exit_code = int(words[0])
    if len(words) == 3:
        try:
            section.seconds = max(0.0, round(float(words[2]) - float(words[1]), 2))
        except ValueError:
            section.seconds = None


def encode_frames(nonce: str, results: Iterable[Frame]) -> tuple[bytes, bytes]:
    """Return stdout and stderr as the script would write them for these results.

    A result without an exit code, or a truncated one, gets no end marker.
    """
    streams: tuple[list[bytes], list[bytes]] = ([], [])
    for result in results:
        end = b""
        if result.exit_code is not None and not result.is_truncated:
            end = (
                f"\n{nonce} end {result.name} {result.exit_code}"
                f" 100.00 {100 + (result.seconds or 0.0):.2f}\n"
            ).encode()
        for parts, text in zip(streams, (result.stdout, result.stderr), strict=True):
            parts += [f"\n{nonce} begin {result.name}\n".encode(), text, end]
    return b"".join(streams[0]), b"".join(streams[1])
