"""What an agent's log lines mean, what to do about them, and the checks and maps they belong to.

The entries are data (`log_catalogue.toml`). Most lines match none of them, so a line is first
looked at for one rare word of each text, and the text itself is compared only where that stands.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files

import msgspec

from tui.model.logs import LogLine
from tui.safety import CleanText, clean

_MAP_NAME = re.compile(r"\bcilium_[a-z0-9_]{2,60}")
_DEVICES = frozenset(
    {"cilium_host", "cilium_net", "cilium_vxlan", "cilium_geneve", "cilium_wg0", "cilium_dummy"}
)
_MAP_NAMED = "named"
_FRONTEND = re.compile(r"service entry ([\[\d])")
"""The key of a services map in the agent's errors: an IPv6 address stands in brackets."""

_CAUSES = frozenset({"error", "err", "reason", "lastError"})
"""Fields that say why: logrus and slog write `error`, klog `err`."""

_WORD = re.compile(r"[A-Za-z0-9]+")
_UNCOUNTED = str.maketrans("", "", '"\\')
"""Quotes and backslashes: each format and each nesting escapes them in its own way."""


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the catalogue: what a line says, in a person's words."""

    id: str
    """Such as `L2`; checks ask for lines by it."""
    short: str
    """A few words for a row of the log; `short_form` fills in the map."""
    meaning: str
    """What it means for the cluster, in one sentence."""
    action: str
    texts: tuple[str, ...]
    """Fixed parts of the line, any of which is enough; `*` stands for a part that varies."""
    releases: str = ""
    """Where the line is in the source, such as `1.11-1.17`; a missing end is open.

    Empty for what was read in 1.19 and not looked up in the other releases.
    """
    levels: tuple[str, ...] = ()
    subsystems: Mapping[str, tuple[str, ...]] = {}
    """By releases: `subsys` up to 1.17, the last part of `module` from 1.18."""
    checks: tuple[str, ...] = ()
    """Ids of the checks it belongs to, the likeliest first."""
    map: str = ""
    """The map it is about, with `*` for what varies, or `named` when the line names it."""
    rank: int = 0
    """Of several meanings of one line the highest explains it."""
    with_field: str = ""
    """A field the line must have, because the text alone is too common."""
    apart: str = ""
    """A field that tells lines with the same words apart, such as the name of a probe."""


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entry: tuple[Meaning, ...]


@dataclass(frozen=True, slots=True)
class _Fixed:
    """One text of one entry, ready to be looked for."""

    meaning: Meaning
    parts: tuple[str, ...]
    """What must follow one another, with anything between them."""
    length: int

    def is_in(self, text: str) -> bool:
        """Return whether all parts stand in the text in their order."""
        position = 0
        for part in self.parts:
            found = text.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        return True


def catalogue() -> tuple[Meaning, ...]:
    """Return every entry, in the order of the file."""
    return tuple(_by_id().values())


def meaning_of(identity: str) -> Meaning | None:
    """Return the entry with this id."""
    return _by_id().get(identity)


def explain(line: LogLine) -> Meaning | None:
    """Return what a line means, or None where no entry knows it.

    Of several entries the one with the highest rank wins: a full map in `error` tells more than
    the Service that could not be written. Then the cause wins over the message, and the longer
    text over the shorter.
    """
    index = _index()
    best: tuple[int, bool, int] | None = None
    chosen: Meaning | None = None
    for is_cause, text in _texts(line):
        for fixed in _candidates(text, index):
            weight = (fixed.meaning.rank, is_cause, fixed.length)
            if (best is None or weight > best) and _has_field(line, fixed.meaning.with_field):
                best, chosen = weight, fixed.meaning
    return chosen


def map_in(line: LogLine, meaning: Meaning) -> CleanText:
    """Return the map a line is about: its name where the line says it, else the entry's pattern."""
    if not meaning.map:
        return CleanText("")
    for text in (line.error, line.message, *(value for _, value in line.fields)):
        for name in _MAP_NAME.findall(text):
            if name in _DEVICES:
                continue
            if meaning.map == _MAP_NAMED or fnmatchcase(name, meaning.map):
                return CleanText(name)
    if meaning.map == _MAP_NAMED:
        return CleanText("")
    frontend = _FRONTEND.search(line.error) or _FRONTEND.search(line.message)
    if frontend is None:
        return CleanText(meaning.map)
    return CleanText(meaning.map.replace("lb*", "lb6" if frontend[1] == "[" else "lb4", 1))


def told_apart_by(line: LogLine, meaning: Meaning) -> str:
    """Return what makes a line another event than one with the same words.

    The map, the configuration key or the probe that only a field of the line names.
    """
    if meaning.map == _MAP_NAMED:
        return map_in(line, meaning)
    names = {meaning.with_field, meaning.apart} - {""}
    return " ".join(value for key, value in line.fields if key in names)


def short_form(line: LogLine, meaning: Meaning) -> CleanText:
    """Return the meaning in a few words, with the map the line names."""
    if "{map}" not in meaning.short:
        return clean(meaning.short)
    name = map_in(line, meaning).removeprefix("cilium_")
    return clean(meaning.short.replace("{map}", name or "a map"))


def _texts(line: LogLine) -> Iterator[tuple[bool, str]]:
    yield False, line.message
    for key, value in line.fields:
        if key in _CAUSES:
            yield True, value


def _has_field(line: LogLine, name: str) -> bool:
    return not name or any(key == name for key, _ in line.fields)


def _candidates(text: str, index: Mapping[str, tuple[_Fixed, ...]]) -> Iterator[_Fixed]:
    """Find the texts that stand in this one."""
    found = index.keys() & _WORD.findall(text)
    if not found:
        return
    plain = text.translate(_UNCOUNTED)
    for word in found:
        for fixed in index[word]:
            if fixed.is_in(plain):
                yield fixed


@functools.cache
def _by_id() -> Mapping[str, Meaning]:
    source = files("tui.cilium").joinpath("log_catalogue.toml").read_text(encoding="utf-8")
    held = msgspec.convert(tomllib.loads(source), _Catalogue)
    return {entry.id: entry for entry in held.entry}


@functools.cache
def _index() -> Mapping[str, tuple[_Fixed, ...]]:
    """Key every text by its rarest whole word."""
    texts = [(entry, text) for entry in _by_id().values() for text in entry.texts]
    uses = Counter(word for _, text in texts for word in _whole_words(text))
    index: dict[str, tuple[_Fixed, ...]] = {}
    for entry, text in texts:
        word = min(
            _whole_words(text),
            key=lambda word: (not word.isalpha() or len(word) < 4, uses[word], -len(word), word),
        )
        parts = tuple(part for part in text.translate(_UNCOUNTED).split("*") if part)
        index[word] = (*index.get(word, ()), _Fixed(entry, parts, len(text)))
    return index


def _whole_words(text: str) -> Iterable[str]:
    """Return the words that no `*` can lengthen."""
    return {
        found[0]
        for found in _WORD.finditer(text)
        if text[found.start() - 1 : found.start()] != "*"
        and text[found.end() : found.end() + 1] != "*"
    }
