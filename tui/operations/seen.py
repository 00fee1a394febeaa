"""Whether a person saw, in the preview, what a guard rail says now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui.model.operations import Guard, GuardKind, OperationPlan
from tui.operations.changes import is_node_config

_BY_WORDS = frozenset({"pending-keys", "maps-recreated", "image-changes", "revision-changes"})
"""What a restart brings along: other keys, sizes or images than were shown are something new."""
_OF_SETTINGS = frozenset({"pending-keys", "maps-recreated"})
_COMPARED = 300
"""Characters; the words of several nodes are cut behind that."""


def unseen(plan: OperationPlan, fresh: Iterable[Guard]) -> Iterator[Guard]:
    """Yield the guards of the same plan, made again, that warn of something new."""
    known = {(guard.id, guard.node_uid) for guard in plan.guards}
    said = {(guard.id, guard.text) for guard in plan.guards}
    for guard in fresh:
        if guard.kind is GuardKind.NOTED:
            continue
        is_seen = (guard.id, guard.text) in said
        if not is_seen and (guard.id in _BY_WORDS or (guard.id, guard.node_uid) not in known):
            yield guard


def brought_along(plan: OperationPlan, now: Iterable[Guard]) -> Iterator[Guard]:
    """Yield what the restart of one node would bring along now and the preview did not show.

    Args:
        plan: what was confirmed; its guards may tell of several nodes at once.
        now: the guards of the one node.
    """
    said = {(guard.id, _words(guard)) for guard in plan.guards}
    # Once a CiliumNodeConfig is deleted nothing tells that what follows was asked for.
    is_deleted = any(is_node_config(one) and one.verb == "delete" for one in plan.writes)
    compared = _BY_WORDS - _OF_SETTINGS if is_deleted else _BY_WORDS
    for guard in now:
        is_warning = guard.kind is GuardKind.WARNED and guard.id in compared
        if is_warning and (guard.id, _words(guard)) not in said:
            yield guard


def _words(guard: Guard) -> str:
    """Return what is said, without the nodes' names before it."""
    return str(guard.text).partition(": ")[2][:_COMPARED]
