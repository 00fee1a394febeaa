"""Turn one framed answer into a `Reading`: the value, or why there is none.

An answer that fails costs its own section only, and says what a person would have typed.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TypeVar

from tui.cilium.frames import (
    EXIT_NO_AGENT,
    EXIT_NO_MAP,
    EXIT_NOT_FOUND,
    EXIT_TIMED_OUT,
    Frame,
)
from tui.cilium.probes import command_text, probe_of
from tui.errors import ParseError
from tui.model.reading import Origin, Reading
from tui.safety import CleanText, clean

T = TypeVar("T")

LOG = logging.getLogger("tui.collect")

_REASON_CHARACTERS = 300


class Memo:
    """Remember what an answer parsed to, for as long as its bytes stay the same."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, int, object, object]] = {}

    def parse(self, frame: Frame, parse: Callable[[bytes], T], context: object = None) -> T:
        """Return the parsed answer, parsing only what changed.

        Args:
            frame: the answer.
            parse: what reads it.
            context: what else the result depends on.
        """
        stdout = frame.stdout
        kept = self._kept.get(frame.name)
        key = (len(stdout), hash(stdout))
        if kept is not None and kept[:2] == key and kept[2] == context:
            return kept[3]  # type: ignore[return-value]  # put there by the same probe's parser
        value = parse(stdout)
        self._kept[frame.name] = (*key, context, value)
        return value


@functools.lru_cache(maxsize=512)
def source_text(probe: str, binary: str, root: str = "") -> CleanText:
    """Return what a person would type to see what the probe saw, with maps in this bpffs."""
    return clean(command_text(probe, binary, root))


def read_answer(frame: Frame | None, parse: Callable[[Frame], T], origin: Origin) -> Reading[T]:
    """Return the parsed answer as known, or the reason for its failure."""
    if frame is None:
        return Reading.failed(clean(f"{origin.source}: no answer came"), origin)
    problem = problem_of(frame)
    if problem and (not frame.stdout or frame.exit_code in _HOPELESS or frame.is_truncated):
        return _absent(frame, clean(f"{origin.source}: {problem}", _REASON_CHARACTERS), origin)
    try:
        return Reading.known(parse(frame), origin)
    except ParseError as error:
        reason = f"{origin.source}: {problem}" if problem else error.message
        return _absent(frame, clean(reason, _REASON_CHARACTERS), origin)
    except Exception as error:  # noqa: BLE001 - whatever a hostile answer does to a parser
        return mishap(error, origin)


def guarded(work: Callable[[], Reading[T]], origin: Origin) -> Reading[T]:
    """Return what the work returns; a bug in it costs this one section."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the other sections must not suffer
        return mishap(error, origin)


_SEEN_MISHAPS: set[tuple[str, str]] = set()


def mishap(error: Exception, origin: Origin) -> Reading[T]:
    """Return the failure of a section whose reading broke; each kind is logged in full once.

    At thousands of nodes the same traceback would fill the log file within minutes.
    """
    name = type(error).__name__
    kind = (origin.source, name)
    if kind not in _SEEN_MISHAPS:
        _SEEN_MISHAPS.add(kind)
        LOG.error("the answer of %s could not be read", origin.source, exc_info=error)
    return Reading.failed(clean(f"{origin.source}: the answer could not be read ({name})"), origin)


_HOPELESS = frozenset({EXIT_TIMED_OUT, EXIT_NO_AGENT, EXIT_NOT_FOUND, EXIT_NO_MAP})
"""With these exit codes, whatever was printed is not the answer."""


def _absent(frame: Frame, reason: CleanText, origin: Origin) -> Reading[T]:
    if frame.exit_code in (EXIT_NO_MAP, EXIT_NOT_FOUND):
        return Reading.unknown(reason, origin)
    return Reading.failed(reason, origin)


def problem_of(frame: Frame) -> str:
    """Say in words what went wrong with an answer; empty where nothing did."""
    code = frame.exit_code
    if code == EXIT_TIMED_OUT:
        probe = probe_of(frame.name)
        limit = f" within {probe.limit_seconds} s" if probe is not None else ""
        return f"no answer{limit}, so it was killed"
    if code == EXIT_NO_AGENT:
        return "the agent is not running (its API socket is missing)"
    if frame.is_truncated:
        return "the answer was cut off"
    if code in (0, None):
        return ""
    said = _first_line(frame.stderr) or _first_line(frame.stdout)
    return f"exit code {code}: {said}" if said else f"exit code {code}, and nothing was said"


def _first_line(text: bytes) -> str:
    stripped = text.strip()
    return str(clean(stripped.split(b"\n", 1)[0], 200)) if stripped else ""
