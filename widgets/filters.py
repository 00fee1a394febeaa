"""The filter grammar of every panel: `/text`, `/!text`, `/re:…`, `/field:value`, joined by spaces.

A term without a field looks at the row's text and at each field by itself, so that `re:^` and `$`
mean the ends of a name too. A mistake is a text to show beside the input, never an exception.
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
        if self.field:
            return self.folded in fields.get(self.field, "").casefold()
        return self.folded in text.casefold() or any(
            self.folded in value.casefold() for value in fields.values()
        )


@dataclass(frozen=True, slots=True)
class _Matches:
    """The row, or one field of it, matches a pattern."""

    pattern: Pattern
    field: str = ""

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        if self.field:
            return self.pattern.matches(fields.get(self.field, ""))
        return self.pattern.matches(text) or any(map(self.pattern.matches, fields.values()))


@dataclass(frozen=True, slots=True)
class _Compares:
    """A number in a field is above or below a bound; a field without a number never is."""

    field: str
    is_above: bool
    bound: float
    is_bound_included: bool = False

    def matches(self, text: str, fields: Mapping[str, str]) -> bool:
        number = _NUMBER.search(fields.get(self.field, "").replace(",", ""))
        if number is None:
            return False
        value = float(number[0])
        if value == self.bound:
            return self.is_bound_included
        return (value > self.bound) is self.is_above


MAX_FILTER_CHARACTERS = 500
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?")
_BOUND = re.compile(r"([<>])(=?)(-?\d{1,18}(?:\.\d{0,18})?)%?")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(.*)", re.DOTALL)
_ADDRESS = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4})+")
"""An IPv6 address or the start of one, and a MAC address: text, not a field and its value."""
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
    if not names or value.startswith("/") or _ADDRESS.fullmatch(piece):
        return _value_term(piece, "")
    raise ValueError(_no_field(split[1], names))


def _no_field(name: str, names: Mapping[str, str]) -> str:
    """Return which fields there are, the likely one first."""
    close = get_close_matches(name.casefold(), names, n=1, cutoff=0.75)
    if close:
        return f"no field {name} here: did you mean {names[close[0]]}?"
    return f"no field {name} here: {', '.join(names.values())}"


def _value_term(value: str, field: str) -> Term | None:
    if field and value.startswith("re:"):
        return _pattern_term(value[3:], field)
    if field and value in ("<", ">", "<=", ">="):
        return None
    if field and value[:1] in ("<", ">"):
        bound = _BOUND.fullmatch(value.replace(",", ""))
        if bound is None:
            raise ValueError(f"{field}:{value[0]} needs a number")
        return _Compares(field, bound[1] == ">", float(bound[3]), bool(bound[2]))
    folded = _unquoted(value).casefold()
    return _Contains(folded, field) if folded else None


def _pattern_term(value: str, field: str) -> Term | None:
    pattern = _unquoted(value)
    return _Matches(Pattern(pattern), field) if pattern else None


def _unquoted(value: str) -> str:
    return _QUOTED.sub(lambda quoted: quoted[1].replace('\\"', '"'), value)
