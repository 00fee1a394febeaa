"""Agents' logs: start lines made on demand, and what was written since."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import overload

from tui.simulator.agents.releases import AgentRelease, LogFormat
from tui.simulator.config import RunningConfig, logged_flags

_PLAIN = re.compile(r"[a-zA-Z0-9\-._/@^+]*")
_LOGRUS_LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "error": "error"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a container's log, without its line ending."""

    time: float
    text: bytes


@dataclass(frozen=True, slots=True)
class StartLine:
    """One line of an agent's start, at an offset from it."""

    offset: float
    format: str
    """`L` for logrus with a time, `S` for slog, `-` without a time."""
    text: str


@lru_cache(maxsize=256)
def start_lines(release: AgentRelease, config: RunningConfig) -> tuple[StartLine, ...]:
    """Return what an agent of this release and configuration logs at its start."""
    path = files("tui.simulator.agents") / "data" / f"start-{release.text}.txt"
    kind = {LogFormat.LOGRUS: "-", LogFormat.LOGRUS_TIME: "L", LogFormat.SLOG: "S"}
    found: list[StartLine] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line == "FLAGS":
            offset = found[-1].offset
            for flag in logged_flags(release.text, config):
                text = f'level=info msg="  {_escaped(flag)}"'
                if release.log_format is not LogFormat.SLOG:
                    text += " subsys=daemon"
                found.append(StartLine(offset, kind[release.log_format], text))
            continue
        offset_text, kind_text, text = line.split("\t", 2)
        found.append(StartLine(float(offset_text), kind_text, text))
    return tuple(found)


@lru_cache(maxsize=256)
def without_bpffs(release: AgentRelease, lines: tuple[StartLine, ...]) -> tuple[StartLine, ...]:
    """Return a start on a host that has no bpffs mounted: the banner stands where that was told.

    Source: mountFS in pkg/bpf/bpffs_linux.go, the same text from 1.11 to 1.19.
    """
    found: list[StartLine] = []
    for line in lines:
        if "Detected mounted BPF filesystem" not in line.text:
            found.append(line)
            continue
        for text in _BANNER:
            said = line_body(release, Message("warn", text, "bpf"))
            found.append(StartLine(line.offset, line.format, said))
        mounting = line.text.replace("Detected mounted BPF filesystem", "Mounting BPF filesystem")
        found.append(StartLine(line.offset, line.format, mounting))
    return tuple(found)


_RULE = "=" * 34
_BANNER = (
    f"{_RULE[1:]} WARNING {_RULE}{'=' * 8}",
    "BPF filesystem is not mounted. This will lead to network disruption when Cilium pods",
    "are restarted. Ensure that the BPF filesystem is mounted in the host.",
    "https://docs.cilium.io/en/stable/operations/system_requirements/#mounted-ebpf-filesystem",
    "=" * 84,
)


def lines_before_checks(lines: Sequence[StartLine]) -> int:
    """Return how many lines an agent logs before it checks its configuration: down to its name."""
    for number, line in enumerate(lines):
        if 'msg="Cilium 1.' in line.text:
            return number + 1
    return len(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def stamp(seconds: float, digits: int = 9) -> str:
    """Return a moment in RFC 3339, as Go prints it."""
    whole = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if digits == 0:
        return whole + "Z"
    fraction = f"{seconds % 1:.9f}"[2 : 2 + digits].rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else whole + "Z"


def timed(kind: str, seconds: float, text: str) -> str:
    """Put the time in front of a line, as its format does."""
    if kind == "L":
        return f'time="{stamp(seconds)}" {text}'
    if kind == "S":
        return f"time={stamp(seconds)} {text}"
    if kind == "s":
        return f"time={stamp(seconds, 0)} {text}"
    return text


@dataclass(frozen=True, slots=True)
class Message:
    """What an agent has to say, before its release gives it a form."""

    level: str
    """debug, info, warn, error or fatal."""
    text: str
    subsystem: str
    """The value of `subsys` up to 1.17."""
    module: str = ""
    """The value of `module` from 1.18; `subsys` is printed where it is empty."""
    fields: tuple[tuple[str, str], ...] = ()


def render(release: AgentRelease, seconds: float, message: Message) -> str:
    """Write a message as this release's logger does."""
    if release.log_format is LogFormat.SLOG:
        return timed("S", seconds, _slog(message))
    kind = "L" if release.log_format is LogFormat.LOGRUS_TIME else "-"
    return timed(kind, seconds, _logrus(message))


def line_body(release: AgentRelease, message: Message) -> str:
    """Write a message as this release's logger does, without the time."""
    return _slog(message) if release.log_format is LogFormat.SLOG else _logrus(message)


def _logrus(message: Message) -> str:
    level = _LOGRUS_LEVELS.get(message.level, message.level)
    fields = sorted([*message.fields, ("subsys", message.subsystem)])
    words = [f"{key}={_quoted(value)}" for key, value in fields]
    return " ".join([f"level={level}", f"msg={_quoted(message.text)}", *words])


def _slog(message: Message) -> str:
    origin = ("module", message.module) if message.module else ("subsys", message.subsystem)
    fields = [origin, *message.fields]
    words = [f"{key}={_slog_quoted(value)}" for key, value in fields]
    return " ".join([f"level={message.level}", f"msg={_slog_quoted(message.text)}", *words])


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else f'"{_escaped(value)}"'


def _slog_quoted(value: str) -> str:
    if value and not any(char in ' "=\\' or ord(char) < 32 for char in value):
        return value
    return f'"{_escaped(value)}"'


class AgentLog(Sequence[LogLine]):
    """The log of one container: start lines on demand, then what was appended."""

    def __init__(
        self, started_at: float, start: Sequence[StartLine], words: Mapping[str, str]
    ) -> None:
        self._started_at = started_at
        self._start = start
        self._words = words
        self._tail: list[LogLine] = []

    def append(self, line: LogLine) -> None:
        """Write one more line."""
        self._tail.append(line)

    def extend(self, lines: Iterable[LogLine]) -> None:
        """Write lines in the order of their times, which is not before that of the last one."""
        self._tail.extend(lines)

    def cut(self, lines: int) -> float:
        """Keep only the first start lines, and return when the last of them was written."""
        self._start = self._start[:lines]
        return self._started_at + (self._start[-1].offset if self._start else 0.0)

    def __len__(self) -> int:
        return len(self._start) + len(self._tail)

    @overload
    def __getitem__(self, index: int) -> LogLine: ...
    @overload
    def __getitem__(self, index: slice) -> list[LogLine]: ...
    def __getitem__(self, index: int | slice) -> LogLine | list[LogLine]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if index >= len(self._start):
            return self._tail[index - len(self._start)]
        if index < 0:
            raise IndexError(index)
        return self._start_line(self._start[index])

    def _start_line(self, line: StartLine) -> LogLine:
        moment = self._started_at + line.offset
        text = line.text
        if "{" in text:
            for word, value in self._words.items():
                text = text.replace(word, value)
        kind = line.format
        return LogLine(moment, timed(kind, moment, text).encode())
