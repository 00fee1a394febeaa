"""Log lines of agents, whose format changes with the release and within one stream.

1.11 writes logrus without a time, 1.14 with one, 1.17 mixes logrus and slog, 1.18 on slog; with
`--log-opt format=json` any of it is JSON. The etcd client adds JSON of its own, client-go klog
lines, the Go runtime plain text. So each line is looked at by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from tui.model.logs import LogLevel, LogLine
from tui.safety import CleanText, clean, clean_line

_LEVELS: Mapping[str, LogLevel] = {
    "trace": LogLevel.DEBUG,
    "debug": LogLevel.DEBUG,
    "info": LogLevel.INFO,
    "notice": LogLevel.INFO,
    "warn": LogLevel.WARN,
    "warning": LogLevel.WARN,
    "error": LogLevel.ERROR,
    "err": LogLevel.ERROR,
    "critical": LogLevel.FATAL,
    "dpanic": LogLevel.FATAL,
    "panic": LogLevel.FATAL,
    "fatal": LogLevel.FATAL,
}
_KLOG_LEVELS = {
    "I": LogLevel.INFO,
    "W": LogLevel.WARN,
    "E": LogLevel.ERROR,
    "F": LogLevel.FATAL,
}
_SECONDS_APART = 5.0

_VALUE = r'(?:"((?:[^"\\]++|\\.)*+)"?|([^\s"]*+))'
_API_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) ")
_TEXT = re.compile(rf"(?:time={_VALUE} )?level=([\w+-]+)(?: |$)(?:msg={_VALUE})?")
_FIELD = re.compile(rf"\s*+([\w./@-]+)={_VALUE}")
_KLOG = re.compile(
    r"([IWEF])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{1,6})\s+\d+ ([\w./-]{1,100}:\d+)\] ?(.*)"
)
_GO_LOG = re.compile(
    r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) (?:(DEBUG|INFO|WARN|ERROR)(?:[+-]\d+)? )?(.*)"
)
_PANIC = re.compile(
    r"panic: |fatal error: |\[signal |goroutine \d+ |runtime\.\w|SIG[A-Z]+: |unexpected fault"
)
_RAW_ERROR = re.compile(r"(?:Error|ERROR|error|Fatal|FATAL)\b[: ]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))")
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

_Fields = list[tuple[CleanText, CleanText]]


def parse_log_line(text: str | bytes, api_time: float | None = None) -> LogLine:
    """Parse one line in whatever format it has; what fits none is kept as it is.

    A timestamp that the API put before the line is taken off and used where the line has no time
    of its own. With neither the time is 0.
    """
    line = clean_line(text)
    found = _API_TIME.match(line)
    if found:
        api_time = _timestamp(found.group(1))
        line = CleanText(line[found.end() :])
    parsed = _parse_text(line, api_time) if "level=" in line else None
    if parsed is None:
        parsed = _parse_other(line, api_time)
    return parsed or _raw(line, api_time)


def _parse_text(line: CleanText, api_time: float | None) -> LogLine | None:
    """Parse logrus and slog text: `time=... level=... msg=... key=value ...`."""
    found = _TEXT.match(line)
    if found is None:
        return None
    quoted_time, bare_time, word, quoted, bare = found.groups()
    level = _level(word)
    if level is None:
        return None
    fields: _Fields = []
    position = found.end()
    for field in _FIELD.finditer(line, position):
        if field.start() != position:
            break
        position = field.end()
        fields.append((CleanText(field[1]), _value(field[2], field[3])))
    # slog puts the place in the source before the message where it is asked to.
    message = _value(quoted, bare) or _taken(fields, "msg")
    own_time = quoted_time or bare_time or _taken(fields, "time")
    rest = line[position:].strip()
    if rest:
        message = CleanText(f"{message} {rest}".strip())
    return _line(_time(own_time, api_time), level, message, fields)


def _taken(fields: _Fields, name: str) -> CleanText:
    """Take a field out by its name; the empty text where there is none."""
    for number, (key, value) in enumerate(fields):
        if key == name:
            del fields[number]
            return value
    return CleanText("")


def _parse_other(line: CleanText, api_time: float | None) -> LogLine | None:
    if line.startswith("{"):
        return _parse_json(line, api_time)
    klog = _KLOG.match(line)
    if klog:
        letter, month, day, hour, minute, second, micros, place, message = klog.groups()
        year = datetime.fromtimestamp(api_time, UTC).year if api_time else 0
        own = f"{year:04}-{month}-{day}T{hour}:{minute}:{second}.{micros}+00:00"
        source = CleanText(place)
        return LogLine(
            time=_time(own if year else "", api_time),
            level=_KLOG_LEVELS[letter],
            message=CleanText(message),
            subsystem=CleanText("klog"),
            fields=((CleanText("source"), source),),
        )
    go_log = _GO_LOG.match(line)
    if go_log:
        year_text, month, day, hour, minute, second, word, message = go_log.groups()
        own = f"{year_text}-{month}-{day}T{hour}:{minute}:{second}+00:00"
        level = _LEVELS.get((word or "info").lower(), LogLevel.INFO)
        return LogLine(_time(own, api_time), level, CleanText(message))
    return None


def _parse_json(line: CleanText, api_time: float | None) -> LogLine | None:
    """Parse JSON of logrus, slog and etcd's zap; values of any type become text."""
    try:
        items = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    texts = {clean(key): clean(_json_text(raw)) for key, raw in items.items()}
    level = _level(texts.pop(CleanText("level"), ""))
    message = texts.pop(CleanText("msg"), None) or texts.pop(CleanText("message"), None)
    if level is None or message is None:
        return None
    own = texts.pop(CleanText("time"), None) or texts.pop(CleanText("ts"), None) or ""
    return _line(_time(own, api_time), level, message, list(texts.items()))


def _json_text(raw: msgspec.Raw) -> str:
    text = bytes(raw)
    if text.startswith(b'"'):
        try:
            return msgspec.json.decode(text, type=str)
        except (msgspec.MsgspecError, ValueError):
            return text.decode("utf-8", "replace")
    return text.decode("utf-8", "replace")


def _line(time: float, level: LogLevel, message: CleanText, fields: _Fields) -> LogLine:
    """Take the subsystem out of the fields: `subsys`, else the last part of `module`."""
    subsystem = CleanText("")
    for name in ("subsys", "module", "logger"):
        value = next((text for key, text in fields if key == name), None)
        if value:
            fields = [field for field in fields if field[0] != name]
            subsystem = CleanText(value.rpartition(".")[2] or value)
            break
    return LogLine(time, level, message, subsystem, tuple(fields))


def _raw(line: CleanText, api_time: float | None) -> LogLine:
    level = LogLevel.INFO
    if _PANIC.match(line):
        level = LogLevel.FATAL
    elif _RAW_ERROR.match(line):
        level = LogLevel.ERROR
    return LogLine(api_time or 0.0, level, line, is_raw=True)


def _level(word: str) -> LogLevel | None:
    """Read a level word; slog adds an offset to levels between its own (`ERROR+4`)."""
    level = _LEVELS.get(word) or _LEVELS.get(word.lower())
    if level is None and ("+" in word or "-" in word):
        level = _LEVELS.get(re.split(r"[+-]", word, maxsplit=1)[0].lower())
    return level


def _time(own: str, api_time: float | None) -> float:
    """Choose the line's own time, unless it is whole seconds and the API's is finer."""
    seconds = _timestamp(own) if own else None
    if seconds is None:
        return api_time or 0.0
    is_coarse = seconds == int(seconds) and "." not in own
    if is_coarse and api_time is not None and 0 <= api_time - seconds < _SECONDS_APART:
        return api_time
    return seconds


def _timestamp(text: str) -> float | None:
    """Read RFC 3339 or seconds since the epoch (etcd's `ts` in old releases)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return float(text) if re.fullmatch(r"\d{9,11}(?:\.\d{1,9})?", text) else None
    if moment.year < 1970:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None


def _value(quoted: str | None, bare: str | None) -> CleanText:
    """Undo Go's quoting; what comes out of an escape is as hostile as the line was."""
    if quoted is None:
        return CleanText(bare or "")
    if "\\" not in quoted:
        return CleanText(quoted)
    return clean(_ESCAPE.sub(_unescape, quoted))


def _unescape(found: re.Match[str]) -> str:
    short, long, byte, octal, simple = found.groups()
    if simple is not None:
        return _SIMPLE_ESCAPES.get(simple, simple)
    code = int(octal, 8) if octal else int(short or long or byte, 16)
    return chr(code) if code < 0x110000 else "\ufffd"


class LogParser:
    """Parse the lines of one container in order, so that a panic's stack stays a panic.

    The Go runtime prints a stack as plain lines; each alone would pass for harmless text.
    """

    __slots__ = ("_is_in_panic",)

    def __init__(self) -> None:
        self._is_in_panic = False

    def parse(self, text: str | bytes, api_time: float | None = None) -> LogLine:
        """Parse the next line."""
        line = parse_log_line(text, api_time)
        if not line.is_raw:
            self._is_in_panic = False
            return line
        if line.level is LogLevel.FATAL:
            self._is_in_panic = True
        elif self._is_in_panic:
            return LogLine(line.time, LogLevel.FATAL, line.message, is_raw=True)
        return line
