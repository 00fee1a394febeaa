"""What the `a` menu offers for some nodes, and why it does not offer the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tui.cilium.releases import parse_release
from tui.model.operations import (
    ArmingMode,
    Intent,
    OperationKind,
    OperationProgress,
    OperationState,
)
from tui.model.snapshot import Snapshot
from tui.screens import wording
from tui.screens.acting.targets import Targets
from tui.screens.fleet import NodeSummary

HOSTNS_ONLY = "bpf-lb-sock-hostns-only"
MOST_UNDO = 3
"""Operations whose undoing is offered; `u` in the Audit screen undoes any."""
_COVERAGE = "socket-lb-coverage"
_COVERAGE_WORDS = {True: "hostns-only", False: "full"}


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One action, and why it can't be done now."""

    key: str
    label: str
    title: str
    """What it does, as a sentence."""
    intent: Intent | None = None
    """What is planned and previewed when it is chosen; None shows the operation instead."""
    why_not: str = ""
    """Empty where it can be previewed."""
    is_arming: bool = False
    """Whether being unarmed is all that stands in the way."""
    is_shown_anyway: bool = False
    """Whether the preview opens though it can't be confirmed: it says why in full."""
    note: str = ""


def session_refusal(snapshot: Snapshot) -> str:
    """Return why this session may not write at all; the empty text where it may be armed."""
    arming = snapshot.arming
    if arming.mode is ArmingMode.READ_ONLY:
        reason = wording.cut(arming.reason, 120)
        return f"read-only: {reason}" if reason else "read-only: this session can't be armed"
    if snapshot.room.no_acting:
        return f"nothing can be written from here: {wording.cut(snapshot.room.no_acting, 160)}"
    return ""


def running_operation(snapshot: Snapshot) -> OperationProgress | None:
    """Return the operation that is not over."""
    return next((each for each in reversed(snapshot.operations) if not each.is_over), None)


def menu_items(snapshot: Snapshot, targets: Targets) -> list[MenuItem]:
    """Return every action for these nodes, in the order of the menu."""
    running = running_operation(snapshot)
    refusal = session_refusal(snapshot)
    is_arming = False
    if not refusal and running is not None:
        refusal = f"operation {running.plan.id} is not over: O shows it"
    if not refusal and snapshot.arming.mode is not ArmingMode.ARMED:
        refusal, is_arming = "unarmed: enter arms first", True
    offered = [*_node_items(snapshot, targets), *_undo_items(snapshot)]
    items = [_refused(item, refusal, is_arming=is_arming) for item in offered]
    if snapshot.operations:
        newest = running or snapshot.operations[-1]
        title = f"Show {newest.plan.id}: {wording.cut(newest.plan.title, 60)}"
        items.append(MenuItem("operation", "operation", title, note=newest.state.value))
    return items


def _refused(item: MenuItem, refusal: str, *, is_arming: bool) -> MenuItem:
    """Let what forbids everything stand before what forbids the one action."""
    if not refusal or (is_arming and item.why_not and not item.is_shown_anyway):
        return item
    return replace(item, why_not=refusal, is_arming=is_arming, is_shown_anyway=False)


def _node_items(snapshot: Snapshot, targets: Targets) -> Iterable[MenuItem]:
    nodes = targets.nodes
    missing = "" if nodes else targets.warning or "no node under the cursor: move to one"
    uids, number = targets.uids, len(nodes)
    agents = "the agent" if number <= 1 else f"{number} agents"
    blocked = "" if missing else _start_breaks(snapshot, nodes)
    yield MenuItem(
        "restart",
        "restart",
        f"Restart {agents}",
        Intent(OperationKind.RESTART, uids),
        missing or blocked,
        is_shown_anyway=bool(blocked),
    )
    for is_on in (True, False):
        refusal = missing or _no_node_config(nodes) or _is_so_already(nodes, is_on)
        yield MenuItem(
            f"hostns-only-{str(is_on).lower()}",
            f"hostns-only {'on' if is_on else 'off'}",
            f"Set {HOSTNS_ONLY}={str(is_on).lower()} there, restart {agents}",
            Intent(OperationKind.HOSTNS_ONLY, uids, is_on=is_on),
            refusal or blocked,
            is_shown_anyway=bool(blocked) and not refusal,
            note=_COVERAGE_WORDS[is_on],
        )
    yield MenuItem(
        "resize",
        "resize maps",
        f"Resize the load-balancing maps, restart {agents}",
        Intent(OperationKind.RESIZE, uids),
        missing,
        note="for every node's next start" if _no_node_config(nodes) else "the size is computed",
    )


def _start_breaks(snapshot: Snapshot, nodes: Iterable[NodeSummary]) -> str:
    """Return what a next start would break, as the checks see it; the plan asks anew."""
    for node in nodes:
        start = snapshot.next_starts.get(node.uid)
        if start is None or not start.breaks:
            continue
        name = wording.cut(node.name, 30)
        if start.blockers:
            return f"blocked: {name} would not start: {wording.cut(start.blockers[0], 120)}"
        fit = next(fit for fit in start.maps if fit.is_too_small)
        sizes = f"{wording.count(fit.max_next)} for {wording.count(fit.wanted)} wanted"
        return f"blocked: {name}: {wording.short_map(fit.name)} would hold {sizes}: resize"
    return ""


def _no_node_config(nodes: Iterable[NodeSummary]) -> str:
    """Return which release is too old for one node's own configuration."""
    for node in nodes:
        version = node.facts.version.value
        release = None if version is None else parse_release(version.release)
        if release is not None and not release.at_least(1, 13):
            old = f"{release} has no CiliumNodeConfig (1.13)"
            return f"{old}: whole cluster only, ctrl+p"
    return ""


def _is_so_already(nodes: Iterable[NodeSummary], is_on: bool) -> str:
    """Return that every node runs with this value already."""
    words = {_coverage(node) for node in nodes}
    return f"runs with {str(is_on).lower()} already" if words == {_COVERAGE_WORDS[is_on]} else ""


def _coverage(node: NodeSummary) -> str:
    features = node.facts.features.value or ()
    return next((each.value.lower() for each in features if each.key == _COVERAGE), "")


def _undo_items(snapshot: Snapshot) -> Iterable[MenuItem]:
    """Yield what can be undone, the newest first."""
    undone = {
        each.plan.intent.undo_id
        for each in snapshot.operations
        if each.plan.intent.kind is OperationKind.UNDO and each.state is OperationState.DONE
    }
    done = [each for each in reversed(snapshot.operations) if each.is_over and each.undo_id]
    for each in [each for each in done if each.undo_id not in undone][:MOST_UNDO]:
        yield MenuItem(
            f"undo-{each.undo_id}",
            f"undo {wording.cut(each.undo_id, 12)}",
            f"Put back what {each.undo_id} changed: {wording.cut(each.plan.title, 60)}",
            undo_intent(each),
            note=each.state.value,
        )


def undo_intent(progress: OperationProgress) -> Intent:
    """Return the intent that puts back what an operation changed."""
    nodes = tuple(uid for wave in progress.plan.waves for uid in wave)
    return Intent(
        OperationKind.UNDO,
        nodes or progress.plan.intent.nodes,
        progress.plan.intent.scope,
        undo_id=progress.undo_id,
    )
