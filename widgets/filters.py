"""The filter grammar of every panel: `/text`, `/!text`, `/re:…`, `/field:value`, joined by spaces.

A mistake is a text to show beside the input, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

from widgets.patterns import Pattern


class Term(Protocol):
    """One condition of a filter."""

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        """Return whether a row with this text and these fields meets the condition."""
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled filter; the empty one matches everything."""

    source: str = ""
    """What was typed, without the leading slash."""
    terms: tuple[Term, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is filtered."""
        return not self.terms

    @property
    def title(self) -> str:
        """The filter as a panel's title shows it, or the empty text."""
        return f"/{self.source}" if self.terms else ""

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        """Return whether a row meets every condition."""
        return all(term.matches(text, fields) for term in self.terms)


@dataclass(frozen=True, slots=True)
class FilterError:
    """Why a filter can't be used, as a sentence to show."""

    message: str


@dataclass(frozen=True, slots=True)
class _Not:
    term: Term

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        return not self.term.matches(text, fields)


@dataclass(frozen=True, slots=True)
class _Contains:
    """The row, or one field of it, holds a text, whatever the case."""

    folded: str
    field: str = ""

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        return self.folded in (fields.get(self.field, "") if self.field else text).casefold()


@dataclass(frozen=True, slots=True)
class _Matches:
    """The row, or one field of it, matches a pattern."""

    pattern: Pattern
    field: str = ""

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        return self.pattern.matches(fields.get(self.field, "") if self.field else text)


@dataclass(frozen=True, slots=True)
class _Compares:
    """A number in a field is above or below a bound; a field without a number never is."""

    field: str
    is_above: bool
    bound: float

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        number = _NUMBER.search(fields.get(self.field, "").replace(",", ""))
        if number is None:
            return False
        value = float(number[0])
        return value > self.bound if self.is_above else value < self.bound


MAX_FILTER_CHARACTERS = 500
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(.*)", re.DOTALL)
_PIECE = re.compile(r'(?:"(?:\\"|[^"])*"|[^\s"])+|"')
_QUOTED = re.compile(r'"((?:\\"|[^"])*)"')


def compile_filter(source: str, fields: Collection[str] = ()) -> Filter | FilterError:
    """Return the filter that was typed, or what is wrong with it.

    Args:
        source: What was typed; a leading slash is optional.
        fields: The field names of the panel, for `field:value`.
    """
    source = source.removeprefix("/").strip()
    if len(source) > MAX_FILTER_CHARACTERS:
        return FilterError(f"the filter is longer than {MAX_FILTER_CHARACTERS} characters")
    names = {name.casefold(): name for name in fields}
    terms: list[Term] = []
    for piece in _PIECE.findall(source):
        if piece == '"':
            return FilterError('a " without its other "')
        try:
            term = _term(piece, names)
        except ValueError as error:
            return FilterError(str(error))
        if term is not None:
            terms.append(term)
    return Filter(source if terms else "", tuple(terms))


def _term(piece: str, names: Mapping[str, str]) -> Term | None:
    """Return the condition of one piece, or None for an empty one."""
    if piece.startswith("!"):
        term = _term(piece[1:], names)
        return None if term is None else _Not(term)
    split = _FIELD.fullmatch(piece)
    if split is None:
        return _value_term(piece, "")
    name, value = split[1].casefold(), split[2]
    if name == "re":
        return _pattern_term(value, "")
    if name in names:
        return _value_term(value, names[name])
    close = get_close_matches(name, names, n=1, cutoff=0.75)
    if close and not value.startswith("/"):
        raise ValueError(f"no field {split[1]!r} here: did you mean {names[close[0]]!r}?")
    return _value_term(piece, "")


def _value_term(value: str, field: str) -> Term | None:
    if field and value.startswith("re:"):
        return _pattern_term(value[3:], field)
    if field and value[:1] in ("<", ">"):
        try:
            return _Compares(field, value[0] == ">", float(value[1:].replace(",", "")))
        except ValueError:
            raise ValueError(f"{field}:{value[0]} needs a number") from None
    folded = _unquoted(value).casefold()
    return _Contains(folded, field) if folded else None


def _pattern_term(value: str, field: str) -> Term | None:
    pattern = _unquoted(value)
    return _Matches(Pattern(pattern), field) if pattern else None


def _unquoted(value: str) -> str:
    return _QUOTED.sub(lambda quoted: quoted[1].replace('\\"', '"'), value)
