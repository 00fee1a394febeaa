"""Compare what the next start would read with what runs, option by option.

Only what differs for certain counts: an option whose running value is not printed, is printed in
another shape, or is set by the agent itself is no pending one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tui.cilium.nextstart.images import Images
from tui.cilium.nextstart.layers import Planned
from tui.cilium.nextstart.options import (
    DEFAULTED,
    WATCHED,
    default_of,
    folded,
    spellings,
    why_overruled,
)
from tui.cilium.nextstart.options import why_unsteady as why_unsteady_option
from tui.cilium.nextstart.sizes import SIZE_OPTIONS
from tui.model.agent import EffectiveConfig
from tui.model.nextstart import PendingKey
from tui.model.node import Node
from tui.safety import CleanText, clean

_BOOLEANS = {"true": "true", "enabled": "true", "false": "false", "disabled": "false"}
_MODES = {"strict": "true", "true": "true", "false": "false", "disabled": "false"}
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,12})?")


@dataclass(frozen=True, slots=True)
class _Value:
    """A value without its spelling."""

    kind: str
    """`flag`, `number`, `list` or `text`."""
    text: str


@functools.lru_cache(maxsize=4096)
def value_of(option: str, text: str) -> _Value:
    """Read a value whatever its spelling: flags, durations, numbers, lists, mode words."""
    plain = text.strip()
    low = plain.lower()
    if option == "kube-proxy-replacement":
        return _Value("text", _MODES.get(low, low))
    if low in _BOOLEANS:
        return _Value("flag", _BOOLEANS[low])
    if _NUMBER.fullmatch(plain):
        return _Value("number", _number(plain))
    if _DURATION.fullmatch(plain):
        parts = _DURATION_PART.findall(plain)
        return _Value(
            "number", str(round(sum(float(count) * _UNITS[unit] for count, unit in parts)))
        )
    words = re.split(r"[\s,]+", low.strip("[]"))
    if len(words) > 1:
        return _Value("list", ",".join(sorted(word for word in words if word)))
    return _Value("text", low)


def _number(text: str) -> str:
    number = float(text) if "." in text else int(text)
    return str(int(number)) if number == int(number) else repr(number)


def differ(option: str, running: str, planned: str) -> bool | None:
    """Tell whether two values differ; None where they can't be compared.

    An empty running text does not tell what is off from what the release fills in no longer
    (`PrometheusServeAddr` of 1.17 is empty whatever is set).
    """
    left, right = value_of(option, running), value_of(option, planned)
    if left == right:
        return False
    if not left.text:
        return None
    texts = {"text", "list"}
    if left.kind == right.kind or {left.kind, right.kind} <= texts:
        return True
    return None


class Running:
    """The running configuration, found by any spelling."""

    def __init__(self, config: EffectiveConfig) -> None:
        self.values = config.values
        self._folded: Mapping[str, str] | None = None

    def find(self, option: str) -> CleanText | None:
        """Return an option's running value, or None where this release does not print it."""
        for name in spellings(option):
            found = self.values.get(name)
            if found is not None:
                return found
        if self._folded is None:
            self._folded = {folded(name): name for name in self.values if "." not in name}
        known = self._folded.get(folded(option))
        return None if known is None else self.values[known]


def pending_keys(
    planned: Planned, running: Running, node: Node, images: Images
) -> tuple[list[PendingKey], list[CleanText]]:
    """Return the options that would change, sizes of maps left out, and what can't be compared."""
    found: list[PendingKey] = []
    unknown: list[CleanText] = []
    for option, layer in planned.winner.items():
        if option in SIZE_OPTIONS or _is_renamed(option, running, images):
            continue
        wanted, now = layer.values[option], running.find(option)
        if now is None:
            if option in WATCHED:
                unknown.append(clean(f"{option}: this release's config -a does not print it", 200))
            continue
        is_other = differ(option, now, wanted)
        if not is_other or "$(" in wanted:
            continue
        why = why_unsteady_option(option, wanted, images.running_release, node.kernel_release)
        why = why or why_overruled(option, planned.value)
        if why is not None:
            if option in WATCHED:
                unknown.append(clean(f"{option}: runs {now}, to be {wanted}: {why}", 300))
            continue
        write = layer.write
        found.append(
            PendingKey(
                option,
                clean(now, 200),
                clean(wanted, 200),
                layer.source,
                write.manager if write is not None else CleanText(""),
                write.at if write is not None else None,
            )
        )
    found.extend(_taken_away(planned, running))
    return found, unknown


def _is_renamed(option: str, running: Running, images: Images) -> bool:
    """Whether an option means something else, or nothing, in the release that runs.

    `tunnel` gave way to `routing-mode` and `tunnel-protocol` with 1.14.
    """
    return option == "tunnel" and "Tunnel" not in running.values


def _taken_away(planned: Planned, running: Running) -> Iterator[PendingKey]:
    """Tell of options that are on and in no layer any more; only where all layers are known."""
    if not planned.knows_arguments or planned.unknown:
        return
    for option in DEFAULTED:
        now = running.find(option)
        if option in planned.winner or now is None:
            continue
        if differ(option, now, default_of(option) or ""):
            source = CleanText("no layer has it: the default")
            yield PendingKey(option, clean(now, 200), None, source, is_certain=False)
