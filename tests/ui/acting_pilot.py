"""An armed dashboard, and the keys that lead to a preview."""

from __future__ import annotations

from textual.pilot import Pilot

from tests.ui import operation_samples as ops
from tests.ui.app_pilot import HandApp, settled
from tui.model.operations import OperationPlan
from tui.model.snapshot import Snapshot


def acting(snapshot: Snapshot | None = None, plan: OperationPlan | None = None) -> HandApp:
    """Return an armed dashboard whose plans are answered at once."""
    app = HandApp(snapshot or ops.shown(arming=ops.ARMED), is_read_only=False)
    app.acts.ready_plan = plan
    return app


async def go_to(pilot: Pilot[None], name: str) -> None:
    await settled(pilot)
    await pilot.press("colon", *"node", "space", *name, "enter")
    await settled(pilot)


async def preview(pilot: Pilot[None], name: str = "node-4") -> str:
    """Open the preview of the flip of one node."""
    await go_to(pilot, name)
    await pilot.press("a")
    await settled(pilot)
    await pilot.press("j", "enter")
    return await settled(pilot)
