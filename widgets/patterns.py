"""Regular expressions that always match in linear time, for filters typed on an incident.

Python's `re` backtracks: `(a+)+b` against one hostile log line stops the program for hours. This
engine runs all alternatives at once over the text, remembers each step, and knows no construct
that would need backtracking (look-around, back-references).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from widgets.pattern_syntax import Alternatives, Anchor, Chain, CharTest, Node, Repeat, parse

MAX_POSITIONS = 2_000
_MAX_REMEMBERED_STEPS = 50_000


class PatternError(ValueError):
    """The pattern can't be used; the message says why, for the person who typed it."""


@dataclass(slots=True)
class _Step:
    """What can happen at one position of the compiled pattern."""

    test: CharTest | None = None
    """The character this position takes; None takes none."""
    anchor: Anchor | None = None
    targets: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _State:
    """Positions reached after some text, and the character just before."""

    positions: frozenset[int]
    before: str
    """The character before, or the empty text at the start."""
    after: dict[str, _State] = field(default_factory=dict)


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


class Pattern:
    """A compiled pattern; upper and lower case are the same."""

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            tree = parse(source)
        except ValueError as error:
            raise PatternError(str(error)) from None
        self._steps: list[_Step] = [_Step()]
        self._accept = 0
        self._entry = self._compile(tree, self._accept)
        self._accepted = _State(frozenset(), "")
        self._forget()

    def matches(self, text: str) -> bool:
        """Return whether the pattern is found anywhere in the text."""
        state = self._start
        for character in text:
            following = state.after.get(character)
            if following is None:
                following = self._follow(state, character)
            if following is self._accepted:
                return True
            state = following
        return self._accept in self._closure(state, "")

    def _forget(self) -> None:
        self._states: dict[tuple[frozenset[int], bool], _State] = {}
        self._remembered = 0
        self._start = _State(frozenset(), "")

    def _follow(self, state: _State, character: str) -> _State:
        """Return the state after one more character and remember it."""
        if self._remembered >= _MAX_REMEMBERED_STEPS:
            self._forget()
        self._remembered += 1
        closure = self._closure(state, character)
        if self._accept in closure:
            state.after[character] = self._accepted
            return self._accepted
        reached: set[int] = set()
        for position in closure:
            step = self._steps[position]
            if step.test is not None and step.test.takes(character):
                reached.update(step.targets)
        key = (frozenset(reached), _is_word(character))
        following = self._states.get(key)
        if following is None:
            following = self._states[key] = _State(key[0], character)
        state.after[character] = following
        return following

    def _closure(self, state: _State, character: str) -> set[int]:
        """Return all positions reachable before the next character ("" at the end)."""
        pending = [self._entry, *state.positions]
        closure: set[int] = set()
        while pending:
            position = pending.pop()
            if position in closure:
                continue
            closure.add(position)
            step = self._steps[position]
            if step.test is None and _holds(step.anchor, state.before, character):
                pending.extend(step.targets)
        return closure

    def _compile(self, node: Node, target: int) -> int:
        """Add a node in front of a position and return where it begins."""
        if isinstance(node, CharTest):
            return self._add(_Step(test=node, targets=[target]))
        if isinstance(node, Anchor):
            return self._add(_Step(anchor=node, targets=[target]))
        if isinstance(node, Chain):
            for item in reversed(node.items):
                target = self._compile(item, target)
            return target
        if isinstance(node, Alternatives):
            return self._add(_Step(targets=[self._compile(item, target) for item in node.items]))
        return self._compile_repeat(node, target)

    def _compile_repeat(self, node: Repeat, target: int) -> int:
        if node.most is None:
            loop = self._add(_Step(targets=[target]))
            self._steps[loop].targets.append(self._compile(node.item, loop))
            target = loop
        else:
            end = target
            for _ in range(node.most - node.least):
                target = self._add(_Step(targets=[end, self._compile(node.item, target)]))
        for _ in range(node.least):
            target = self._compile(node.item, target)
        return target

    def _add(self, step: _Step) -> int:
        if len(self._steps) >= MAX_POSITIONS:
            raise PatternError("the pattern is too large: fewer or smaller {…} repeats")
        self._steps.append(step)
        return len(self._steps) - 1


def _holds(anchor: Anchor | None, before: str, after: str) -> bool:
    """Return whether an anchor holds between two characters; no anchor always holds."""
    if anchor is None:
        return True
    if anchor is Anchor.START:
        return not before
    if anchor is Anchor.END:
        return not after
    is_boundary = bool(before and _is_word(before)) != bool(after and _is_word(after))
    return is_boundary == (anchor is Anchor.WORD_BOUNDARY)
