"""Decoding of command output that may be anything: JSON, usage text, a fatal line, HTML, nothing.

A command that prints its usage with exit code 0, or an empty page, must be named as what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from tui.errors import ParseError
from tui.safety import clean

T = TypeVar("T")

_START_CHARACTERS = 80
_USAGE = re.compile(rb"^[ \t]{0,8}Usage:", re.MULTILINE)
_FATAL = re.compile(rb"level=(?:fatal|panic)|^panic: |^(?:Error|Fatal|Cannot)\b", re.MULTILINE)
_HTML = re.compile(rb"^\s*<(?:!doctype|html|\?xml|head|body)", re.IGNORECASE)
_MSG = re.compile(rb'msg="((?:[^"\\]|\\.)*)"')
_ERROR_OBJECT = re.compile(rb'[\[{\s]*"error"\s*:\s*"((?:[^"\\]|\\.)*)')
_LOG_LINE = re.compile(
    rb"(?:time=\S+ )?level=[a-zA-Z]+ [a-zA-Z_.]+=[^\n]*(?:\n|\Z)"
    rb'|\{"(?:time|ts|level)":"[^\n]*"msg":[^\n]*\}\n'
)
_HEAD_BYTES = 65_536


def describe_garbage(stdout: bytes, what: str, expected: str = "JSON") -> str:
    """Say what came instead of the output of `what`, as a sentence for the panel."""
    stripped = stdout.strip(b"\0 \t\r\n")
    return f"{what}: {_garbage(stripped[:_HEAD_BYTES], len(stripped), expected)}"


def _garbage(head: bytes, length: int, expected: str) -> str:
    if not head:
        return "printed nothing"
    error = _ERROR_OBJECT.match(head)
    if error:
        return f"failed: {_start(error.group(1))}"
    if head[:1] in (b"{", b"["):
        return f"the JSON is cut off or broken after {length} bytes: {_start(head)}"
    return _plain_garbage(head, expected)


def _plain_garbage(head: bytes, expected: str) -> str:
    if _HTML.search(head):
        return f"an HTML page came instead: {_start(head)}"
    fatal = _FATAL.search(head)
    if fatal:
        line = head[head.rfind(b"\n", 0, fatal.start()) + 1 :].split(b"\n", 1)[0]
        message = _MSG.search(line)
        return f"failed: {_start(message.group(1) if message else line)}"
    if _USAGE.search(head):
        return "this release does not know the command; it printed its usage"
    return f"expected {expected}, got: {_start(head)}"


def _start(text: bytes) -> str:
    first_line = text.decode("utf-8", "replace").strip().split("\n", 1)[0]
    return str(clean(first_line, _START_CHARACTERS))


def decode_json(stdout: bytes, kind: type[T], what: str) -> T:
    """Decode JSON into a type.

    Raises:
        ParseError: it is not JSON, or not of that shape; the message names what came.
    """
    stdout = without_log_lines(stdout)
    try:
        return msgspec.json.decode(stdout, type=kind, strict=False)
    except msgspec.ValidationError as error:
        if _ERROR_OBJECT.match(stdout):
            raise ParseError(describe_garbage(stdout, what)) from None
        raise ParseError(f"{what}: unexpected shape: {error}") from None
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise ParseError(describe_garbage(stdout, what)) from None


def without_log_lines(stdout: bytes) -> bytes:
    """Drop the log lines in front of an answer: slog's default, from 1.18 on, is stdout.

    Without anything else in it the text stays as it is, to be named.
    """
    position = 0
    while found := _LOG_LINE.match(stdout, position):
        position = found.end()
    rest = stdout[position:]
    return rest if rest.strip() else stdout


def decode_sections(stdout: bytes, what: str) -> Mapping[str, msgspec.Raw]:
    """Decode a JSON object into its undecoded sections, so that a bad one costs itself only."""
    return decode_json(stdout, dict[str, msgspec.Raw], what)


def section(sections: Mapping[str, msgspec.Raw], key: str, kind: type[T]) -> T | None:
    """Decode one section, or return None where it is absent, null or of another shape."""
    raw = sections.get(key)
    if raw is None:
        return None
    return convert(raw, kind)


def convert(raw: msgspec.Raw, kind: type[T]) -> T | None:
    """Decode undecoded JSON, or return None where it is of another shape."""
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
