"""Refuse numbers and lengths that no cluster has, before a check or a screen trips over them.

Types are checked by msgspec; a negative size, a time in the year 12000 or a text of a megabyte has
the right type.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from tui.model.maps import NO_TREND, MapUsage, Trend
from tui.model.reading import Reading, ReadingState
from tui.model.services import ServiceCoverage
from tui.safety.cleaning import MAX_LINE_CHARACTERS

MOST_INTEGER = 2**64 - 1
"""Counters of the kernel have 64 bits."""

MOST_SECONDS = 253_402_300_799.0
"""9999-12-31T23:59:59Z, the last second that Python's datetime knows; no duration is longer."""

MOST_CHARACTERS = MAX_LINE_CHARACTERS + 64
"""What `clean` leaves of a longer text, with the note of its true length."""

MOST_ITEMS = 20_000
_MOST_OF: Mapping[type, int] = types.MappingProxyType({MapUsage: 2_000})

Check = Callable[[Any], None]


class OutOfBoundsError(ValueError):
    """A number or a length that can't be; says which."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Fields of one simple type."""

    names: tuple[str, ...]
    values_of: Callable[[Any], tuple[Any, ...]]
    most: float
    check: Check
    """Of one of the values; says what is wrong with it."""


def check_reading(reading: Reading[Any]) -> None:
    """Raise `OutOfBoundsError` for a reading that can't be, whatever its value is."""
    origin = reading.origin
    if origin is None:
        if reading.value is not None:
            raise OutOfBoundsError("a value without its origin")
    elif not 0 <= origin.observed_at <= MOST_SECONDS:
        raise OutOfBoundsError(f"observed at {_shown(origin.observed_at)}")
    elif len(origin.source) > MOST_CHARACTERS:
        raise OutOfBoundsError(f"a source of {len(origin.source)} characters")
    if reading.value is None and reading.state is ReadingState.KNOWN:
        raise OutOfBoundsError("known, and no value")
    if len(reading.reason) > MOST_CHARACTERS:
        raise OutOfBoundsError(f"a reason of {len(reading.reason)} characters")


def _check_coverage(coverage: ServiceCoverage) -> None:
    if (
        coverage.held_frontends > coverage.wanted_frontends
        or coverage.held_backends > coverage.wanted_backends
    ):
        raise OutOfBoundsError("more is held than wanted")


_RULES: Mapping[type, Check] = types.MappingProxyType(
    {Reading: check_reading, ServiceCoverage: _check_coverage}
)
"""What must hold between the fields of one object: checks and screens rely on it."""


@cache
def check_of(hint: Any, *, has_texts: bool = True) -> Check | None:
    """Return the check of a type, which raises `OutOfBoundsError`; None where all values pass.

    Args:
        hint: the type.
        has_texts: False for values out of so few bytes that none of their texts can be too long.
    """
    hint = _without_names(hint)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint] if has_texts or hint is not str else None
    if origin in (typing.Union, types.UnionType):
        return _union_check(parts, has_texts)
    if origin is tuple:
        return _tuple_check(parts, has_texts)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_check(parts[0], parts[1], has_texts)
    if is_dataclass(origin or hint):
        return _dataclass_check(origin or hint, parts, has_texts)
    return None


def _without_names(hint: Any) -> Any:
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    return hint


def _number_check(most: float) -> Check:
    def check(number: float) -> None:
        if not 0 <= number <= most:
            raise OutOfBoundsError(f"{_shown(number)} is not between 0 and {most:.15g}")

    return check


def _shown(number: float) -> str:
    return f"{float(number):.15g}" if abs(number) < 2**1000 else "a huge number"


def _check_text(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise OutOfBoundsError(f"a text of {len(text)} characters")


_SIMPLE: Mapping[Any, Check] = types.MappingProxyType(
    {int: _number_check(MOST_INTEGER), float: _number_check(MOST_SECONDS), str: _check_text}
)


def _union_check(parts: tuple[Any, ...], has_texts: bool) -> Check | None:
    checks = [
        (part, check_of(part, has_texts=has_texts)) for part in parts if part is not type(None)
    ]
    if len(checks) != 1:
        raise TypeError(f"no check for a union of {parts}")
    inner = checks[0][1]
    if inner is None:
        return None

    def check(value: Any) -> None:
        if value is not None:
            inner(value)

    return check


def _tuple_check(parts: tuple[Any, ...], has_texts: bool) -> Check | None:
    if parts[-1] is not Ellipsis:
        return _fixed_check(parts, has_texts)
    inner = check_of(parts[0], has_texts=has_texts)
    most = _MOST_OF.get(parts[0], MOST_ITEMS)
    each = _each(inner)

    def check(values: tuple[Any, ...]) -> None:
        if len(values) > most:
            raise OutOfBoundsError(f"{len(values)} items where {most} are the most")
        each(values)

    return check


def _each(inner: Check | None) -> Callable[[Collection[Any]], None]:
    """Return the check of many values of one type; of texts only the longest is looked at."""
    if inner is None:
        return lambda values: None
    if inner is _check_text:
        return _check_texts

    def check(values: Collection[Any]) -> None:
        for value in values:
            inner(value)

    return check


def _check_texts(texts: Collection[str]) -> None:
    if texts and max(map(len, texts)) > MOST_CHARACTERS:
        _check_text(max(texts, key=len))


def _fixed_check(parts: tuple[Any, ...], has_texts: bool) -> Check | None:
    checks = [check_of(part, has_texts=has_texts) for part in parts]
    if not any(checks):
        return None

    def check(values: tuple[Any, ...]) -> None:
        for inner, value in zip(checks, values, strict=True):
            if inner is not None:
                inner(value)

    return check


def _mapping_check(key: Any, value: Any, has_texts: bool) -> Check:
    each_key, each = (
        _each(check_of(key, has_texts=has_texts)),
        _each(check_of(value, has_texts=has_texts)),
    )

    def check(values: Mapping[Any, Any]) -> None:
        if len(values) > MOST_ITEMS:
            raise OutOfBoundsError(f"{len(values)} items where {MOST_ITEMS} are the most")
        each_key(values)
        each(values.values())

    return check


def _dataclass_check(kind: type, parameters: tuple[Any, ...], has_texts: bool) -> Check | None:
    """Return the check of all fields: those of one simple type at once, the others one by one."""
    hints = typing.get_type_hints(kind)
    variables = dict(zip(getattr(kind, "__parameters__", ()), parameters, strict=True))
    grouped: dict[type, list[str]] = {int: [], float: [], str: []}
    others: list[tuple[str, Check]] = []
    for one in fields(kind):
        hint = _resolved(hints[one.name], variables)
        simple = _simple(hint)
        if simple is not None:
            grouped[simple].append(one.name)
        elif (inner := check_of(hint, has_texts=has_texts)) is not None:
            others.append((one.name, inner))
    numbers = [_group(grouped[simple], simple) for simple in (int, float) if grouped[simple]]
    texts = [_group(grouped[str], str)] if grouped[str] and has_texts else []
    rule = _RULES.get(kind)
    if not numbers and not texts and not others and rule is None:
        return None
    checked = _fields_check(kind.__name__, numbers, texts, others)
    if kind is Trend:
        return lambda trend: None if trend is NO_TREND else checked(trend)
    if rule is None:
        return checked

    def check(whole: Any) -> None:
        rule(whole)
        checked(whole)

    return check


def _fields_check(
    kind: str,
    numbers: list[_Group],
    texts: list[_Group],
    others: list[tuple[str, Check]],
) -> Check:
    """Return the check of a dataclass's fields; it runs for each of thousands of objects."""

    def check(whole: Any) -> None:
        for group in numbers:
            most = group.most
            for number in group.values_of(whole):
                if number is not None and not 0 <= number <= most:
                    _refuse(kind, group, whole)
        for group in texts:
            for text in group.values_of(whole):
                if text is not None and len(text) > MOST_CHARACTERS:
                    _refuse(kind, group, whole)
        name = ""
        try:
            for name, inner in others:
                inner(getattr(whole, name))
        except OutOfBoundsError as error:
            raise OutOfBoundsError(f"{kind}.{name}: {error}") from None

    return check


def _refuse(kind: str, group: _Group, whole: Any) -> None:
    for name in group.names:
        value = getattr(whole, name)
        try:
            if value is not None:
                group.check(value)
        except OutOfBoundsError as error:
            raise OutOfBoundsError(f"{kind}.{name}: {error}") from None


def _group(names: list[str], simple: type) -> _Group:
    most = MOST_INTEGER if simple is int else MOST_SECONDS
    return _Group(tuple(names), _values_of(names), most, _SIMPLE[simple])


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda whole: (get(whole),)
    return attrgetter(*names)


def _resolved(hint: Any, variables: Mapping[Any, Any]) -> Any:
    """Return a hint with the type variables of a generic dataclass filled in."""
    if hint in variables:
        return variables[hint]
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.Union[tuple(variables.get(part, part) for part in parts)]  # noqa: UP007 - made at run time
    return hint


def _simple(hint: Any) -> type | None:
    """Return int, float or str for these and for their optional forms."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [part for part in typing.get_args(hint) if part is not type(None)]
        hint = inner[0] if len(inner) == 1 else None
    hint = _without_names(hint)
    return hint if hint in (int, float, str) else None
