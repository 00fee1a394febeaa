"""The syntax of filter patterns: Python's, without what can't be matched in linear time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

MAX_PATTERN_CHARACTERS = 200
MAX_REPEAT = 200
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class CharTest:
    """One character that is, or is not, one of some."""

    characters: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()
    classes: tuple[Callable[[str], bool], ...] = ()
    is_negated: bool = False

    def takes(self, character: str) -> bool:
        """Return whether the character fits, in either case."""
        forms = {character, character.lower(), character.upper()}
        found = (
            not self.characters.isdisjoint(forms)
            or any(low <= form <= high for low, high in self.ranges for form in forms)
            or any(belongs(character) for belongs in self.classes)
        )
        return found != self.is_negated


class Anchor(Enum):
    """A place between characters."""

    START = "^"
    END = "$"
    WORD_BOUNDARY = "b"
    NO_WORD_BOUNDARY = "B"


@dataclass(frozen=True, slots=True)
class Chain:
    """One after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same several times; `most` None is without end."""

    item: Node
    least: int
    most: int | None


Node = CharTest | Anchor | Chain | Alternatives | Repeat

_ANY = CharTest(is_negated=True)
_REPEAT_SIGNS = frozenset("*+?{")
_CHAIN_ENDS = frozenset({"|", ")", ""})
_ANCHORS = {
    "b": Anchor.WORD_BOUNDARY,
    "B": Anchor.NO_WORD_BOUNDARY,
    "A": Anchor.START,
    "Z": Anchor.END,
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}


def _is_digit(character: str) -> bool:
    return character.isdecimal()


def _is_space(character: str) -> bool:
    return character.isspace()


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


def _not(belongs: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda character: not belongs(character)


_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": _is_digit,
    "s": _is_space,
    "w": _is_word,
    "D": _not(_is_digit),
    "S": _not(_is_space),
    "W": _not(_is_word),
}


def parse(pattern: str) -> Node:
    """Return the pattern as a tree; a ValueError's message says what is wrong with it."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN_CHARACTERS} characters")
    reader = _Reader(pattern.removeprefix("(?i)"))
    tree = reader.alternatives(0)
    if not reader.is_at_end:
        raise ValueError("a ) without its (")
    return tree


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all of it was read."""
        return self._at >= len(self._pattern)

    def alternatives(self, depth: int) -> Node:
        """Read up to the end or a closing parenthesis."""
        if depth > _MAX_DEPTH:
            raise ValueError("too many ( inside each other")
        items = [self._chain(depth)]
        while self._take("|"):
            items.append(self._chain(depth))
        return items[0] if len(items) == 1 else Alternatives(tuple(items))

    def _chain(self, depth: int) -> Node:
        items: list[Node] = []
        while self._peek() not in _CHAIN_ENDS:
            items.append(self._repeated(self._atom(depth)))
        return Chain(tuple(items))

    def _repeated(self, item: Node) -> Node:
        if self._peek() not in _REPEAT_SIGNS:
            return item
        bounds = self._bounds()
        if bounds is None:
            return item
        if isinstance(item, Anchor):
            raise ValueError("nothing to repeat before the repeat sign")
        self._take("?")
        if self._peek() in _REPEAT_SIGNS - {"{"}:
            raise ValueError(f"a repeat sign before {self._peek()}")
        return Repeat(item, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        """Read a repeat sign; None for a { that is meant as it stands."""
        sign = self._peek()
        if sign != "{":
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        end = self._pattern.find("}", self._at)
        low, comma, high = self._pattern[self._at + 1 : end].partition(",")
        numbers = [number for number in (low, high) if number]
        if end < 0 or not numbers or not all(n.isascii() and n.isdigit() for n in numbers):
            return None
        self._at = end + 1
        least = int(low[:6] or "0")
        most = (int(high[:6]) if high else None) if comma else least
        if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
            raise ValueError(f"a repeat goes up to {MAX_REPEAT}, the smaller number first")
        return least, most

    def _atom(self, depth: int) -> Node:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._set()
        if character == "\\":
            return self._escape()
        if character in "*+?":
            raise ValueError(f"nothing to repeat before {character}")
        special: dict[str, Node] = {".": _ANY, "^": Anchor.START, "$": Anchor.END}
        return special.get(character) or CharTest(frozenset({character}))

    def _group(self, depth: int) -> Node:
        if self._take("?") and not self._take(":"):
            raise ValueError("of the groups with (? only (?:…) can be used")
        inner = self.alternatives(depth + 1)
        if not self._take(")"):
            raise ValueError("a ( without its )")
        return inner

    def _escape(self) -> Node:
        if self.is_at_end:
            raise ValueError("a \\ at the end")
        character = self._next()
        if character in _ANCHORS:
            return _ANCHORS[character]
        if character in _CLASSES:
            return CharTest(classes=(_CLASSES[character],))
        return CharTest(frozenset({_literal(character)}))

    def _set(self) -> CharTest:
        is_negated = self._take("^")
        characters: set[str] = set()
        ranges: list[tuple[str, str]] = []
        classes: list[Callable[[str], bool]] = []
        is_first = True
        while is_first or not self._take("]"):
            member = self._set_member()
            is_first = False
            if callable(member):
                classes.append(member)
            elif self._starts_range():
                self._at += 1
                high = self._set_member()
                if callable(high) or high < member:
                    raise ValueError("a range in […] goes from the smaller to the larger character")
                ranges.append((member, high))
            else:
                characters.add(member)
        return CharTest(frozenset(characters), tuple(ranges), tuple(classes), is_negated)

    def _set_member(self) -> str | Callable[[str], bool]:
        if self.is_at_end:
            raise ValueError("a [ without its ]")
        character = self._next()
        if character != "\\":
            return character
        if self.is_at_end:
            raise ValueError("a [ without its ]")
        escaped = self._next()
        return _CLASSES[escaped] if escaped in _CLASSES else _literal(escaped)

    def _starts_range(self) -> bool:
        following = self._pattern[self._at : self._at + 2]
        return len(following) == 2 and following[0] == "-" and following[1] != "]"

    def _peek(self) -> str:
        """Return the next character, or the empty text at the end."""
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self._at += 1
        return True


def _literal(escaped: str) -> str:
    """Return the character that a backslash and this one stand for."""
    if escaped in _CONTROLS:
        return _CONTROLS[escaped]
    if escaped.isascii() and escaped.isalnum():
        raise ValueError(f"\\{escaped} can't be used here")
    return escaped
