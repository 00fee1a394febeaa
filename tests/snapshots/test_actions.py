"""What dialogs, operations and the audit look like: `pytest --snapshot-update` accepts a change."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.snapshots.test_screens import SIZES, Compare
from tests.ui import operation_samples as ops
from tests.ui.acting_pilot import acting, go_to, preview
from tests.ui.app_pilot import HandApp, settled
from tui.model.operations import OperationPlan, OperationProgress

PLANS = {
    "flip": ops.flip_plan(),
    "blocked": ops.blocked_plan(),
    "denied": ops.denied_plan(),
    "wide": ops.wide_plan(),
    "cluster": ops.cluster_plan(),
}
SHAPES = [
    pytest.param(name, size, id=f"{name}-{size[0]}x{size[1]}")
    for name in PLANS
    for size in (SIZES if name == "flip" else SIZES[:1])
]


def showing(progress: OperationProgress | None = None) -> HandApp:
    operations = () if progress is None else (progress,)
    return acting(ops.shown(arming=ops.ARMED, operations=operations, audit=ops.audit()))


@pytest.mark.parametrize(("name", "size"), SHAPES)
def test_preview(snap_compare: Compare, name: str, size: tuple[int, int]) -> None:
    plan: OperationPlan = PLANS[name]
    assert snap_compare(acting(plan=plan), terminal_size=size, run_before=preview)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_menu(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def opened(pilot: Pilot[None]) -> None:
        await go_to(pilot, "node-4")
        await pilot.press("a")
        await settled(pilot)

    assert snap_compare(acting(), terminal_size=size, run_before=opened)


@pytest.mark.parametrize("state", ["running", "failed"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_operation(snap_compare: Compare, size: tuple[int, int], state: str) -> None:
    app = showing(ops.running() if state == "running" else ops.failed())
    assert snap_compare(app, press=["O"], terminal_size=size, run_before=settled)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_audit(snap_compare: Compare, size: tuple[int, int]) -> None:
    keys = ["colon", *"audit", "enter"]
    assert snap_compare(showing(), press=keys, terminal_size=size, run_before=settled)


def test_arming(snap_compare: Compare) -> None:
    keys = ["colon", *"arm", "enter"]
    app = acting(ops.shown())
    assert snap_compare(app, press=keys, terminal_size=(80, 24), run_before=settled)


def test_unfinished(snap_compare: Compare) -> None:
    assert snap_compare(showing(ops.unfinished()), terminal_size=(80, 24), run_before=settled)


def test_leaving(snap_compare: Compare) -> None:
    app = showing(ops.running())
    assert snap_compare(app, press=["q"], terminal_size=(80, 24), run_before=settled)


def test_preview_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = acting(plan=ops.cluster_plan())
    assert snap_compare(app, terminal_size=(120, 30), run_before=preview)


def test_failure_in_a_light_theme(snap_compare: Compare) -> None:
    app = HandApp(ops.shown(operations=(ops.failed(),)), theme="textual-light")
    assert snap_compare(app, press=["O"], terminal_size=(120, 30), run_before=settled)
