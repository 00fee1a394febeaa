"""Which sizes the load-balancing maps get, by which keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tui.checks.remedies.mapsizes import is_balancing, resize_of, size_key
from tui.checks.view import NodeView
from tui.model.maps import MapUsage
from tui.model.operations import Guard, OperationKind
from tui.model.snapshot import NodeFacts
from tui.operations.situation import Situation, blocked, noted, warned

LB_ALL = "bpf-lb-map-max"
LARGEST = 1 << 30


def balancing_maps(view: NodeView) -> Iterator[MapUsage]:
    """Yield the maps that a resize is about: hashes that refuse when they are full."""
    for usage in view.maps.values():
        if is_balancing(usage) and not usage.is_evicting:
            yield usage


def short_maps(view: NodeView) -> tuple[MapUsage, ...]:
    """Return the load-balancing maps that have no room for what is wanted, or are full."""
    return tuple(one for one in balancing_maps(view) if _is_short(one))


def _is_short(usage: MapUsage) -> bool:
    if usage.wanted_entries is not None:
        return usage.wanted_entries > usage.max_entries
    return usage.is_full


def sizes_of(
    targets: Iterable[NodeView], size: int | None, others: Iterable[NodeView] = ()
) -> dict[str, str]:
    """Return option -> size for every key that holds a map too small on one of the nodes.

    `bpf-lb-map-max` sizes all of them, unless a key of its own (1.12) sizes a map.

    Args:
        targets: the nodes that get the new sizes.
        size: the size to give; None for twice what is wanted, as a power of two.
        others: nodes that will read the same values, for which they must do as well.
    """
    targets = tuple(targets)
    keys = {key for view in targets for usage in short_maps(view) if (key := _key(view, usage))}
    keys = keys or {LB_ALL}
    if size is not None:
        return dict.fromkeys(sorted(keys), str(size))
    found: dict[str, int] = {}
    for view in (*targets, *others):
        for usage in balancing_maps(view):
            key = _key(view, usage)
            wanted = enough(view, usage)
            if key in keys and wanted is not None:
                found[key] = max(found.get(key, 0), wanted)
    return {key: str(number) for key, number in sorted(found.items())}


def _key(view: NodeView, usage: MapUsage) -> str:
    found = size_key(view, usage)
    return "" if found is None else found.key


def enough(view: NodeView, usage: MapUsage) -> int | None:
    """Return the size that a map should have, whatever it has now; None where no key sets it."""
    found = resize_of(view, replace(usage, max_entries=0))
    return None if found is None else found.size


def size_guards(situation: Situation) -> Iterator[Guard]:
    """Yield what speaks against the sizes that an operation sets."""
    if situation.intent.kind is not OperationKind.RESIZE:
        return
    size = situation.intent.size
    if size is not None and not 0 < size <= LARGEST:
        yield blocked("size-out-of-range", f"{size} is no size: 1 to {LARGEST:,}")
        return
    if size is not None and size & (size - 1):
        yield noted("size-not-a-power", f"{size:,} is no power of two")
    given = [pair for facts in situation.targets for pair in _given(situation, facts)]
    needed = max((wanted for size, wanted in given if size < wanted), default=0)
    tight = max((wanted for size, wanted in given if size < 2 * wanted), default=0)
    if needed:
        yield blocked("size-too-small", f"{needed:,} entries are wanted: the size is below that")
    elif tight:
        yield warned("size-tight", f"{tight:,} entries are wanted: twice that is advised")


def _given(situation: Situation, facts: NodeFacts) -> Iterator[tuple[int, int]]:
    """Yield the size that each map gets, with what is wanted of it."""
    view = situation.now(facts)
    for usage in balancing_maps(view):
        text = situation.values.get(_key(view, usage))
        if text is not None and text.isdecimal() and usage.wanted_entries is not None:
            yield int(text), usage.wanted_entries


def roomy(situation: Situation) -> Guard | None:
    """Return what forbids a resize that nobody needs and nobody gave a size for."""
    if situation.intent.size is not None or not situation.targets:
        return None
    for facts in situation.targets:
        view = situation.now(facts)
        usages = tuple(balancing_maps(view))
        if not usages:
            return blocked(
                "maps-unknown", f"{view.name}: its load-balancing maps are not known; give a size"
            )
        for usage in usages:
            wanted = enough(view, usage)
            if wanted is not None and wanted > usage.max_entries:
                return None
    return blocked(
        "nothing-to-do", "every load-balancing map has twice what is wanted; give a size to change"
    )
