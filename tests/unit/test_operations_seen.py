"""What changed between the preview and the write: other keys than were shown are no longer fine."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.operations_fakes import uid_of
from tui.model.names import NodeName, NodeUid
from tui.model.operations import (
    Guard,
    GuardKind,
    Intent,
    OperationKind,
    OperationPlan,
    PlannedWrite,
)
from tui.operations.beginning import new_objections
from tui.operations.guards import grouped
from tui.operations.seen import brought_along
from tui.safety import clean

KEYS = "the restart also activates 1 pending key: debug false → true"
OTHERS = "the restart also activates 2 pending keys: debug false → true, routing-mode"
PLAN = OperationPlan(
    "7f3a",
    Intent(OperationKind.RESTART, (uid_of(1), uid_of(2))),
    clean("restart"),
    1.0,
    ((uid_of(1),), (uid_of(2),)),
    (NodeName("node-1"), NodeName("node-2")),
)


def warned(
    node: str, text: str, guard_id: str = "pending-keys", uid: NodeUid | None = None
) -> Guard:
    return Guard(GuardKind.WARNED, guard_id, clean(f"{node}: {text}"), uid)


def test_other_keys_than_in_the_preview_are_an_objection() -> None:
    uid = uid_of(1)
    seen = replace(PLAN, guards=(warned("node-1", KEYS, uid=uid),))
    assert new_objections(seen, seen) == []
    fresh = replace(PLAN, guards=(warned("node-1", OTHERS, uid=uid),))
    objections = new_objections(seen, fresh)
    assert len(objections) == 1
    assert "routing-mode" in objections[0]


def test_numbers_that_always_move_are_none() -> None:
    uid = uid_of(1)
    seen = replace(PLAN, guards=(warned("node-1", "51% full", "ct-headroom", uid),))
    fresh = replace(PLAN, guards=(warned("node-1", "52% full", "ct-headroom", uid),))
    assert new_objections(seen, fresh) == []


def test_a_node_of_a_running_operation_is_held_to_what_was_shown_of_it() -> None:
    both = [warned(f"node-{number}", KEYS, uid=uid_of(number)) for number in (1, 2)]
    seen = replace(PLAN, guards=grouped(both))
    assert len(seen.guards) == 1
    assert list(brought_along(seen, [both[1]])) == []
    new = warned("node-2", OTHERS, uid=uid_of(2))
    assert list(brought_along(seen, [new])) == [new]
    image = warned("node-2", "another image starts: a → b", "image-changes", uid_of(2))
    assert list(brought_along(seen, [image])) == [image]


def test_what_a_deleted_configuration_brings_back_is_no_surprise() -> None:
    delete = PlannedWrite(
        "undo-0", "delete", "ciliumnodeconfigs", "cilium.io", clean("kube-system"), clean("zz"), "u"
    )
    plan = replace(PLAN, writes=(delete,))
    assert list(brought_along(plan, [warned("node-1", KEYS)])) == []
    assert list(brought_along(plan, [warned("node-1", "another image", "image-changes")]))
