"""What it takes to confirm an action, and what can go wrong on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.widgets import Button

from tests.ui import operation_samples as ops
from tests.ui.acting_pilot import acting, preview
from tests.ui.app_pilot import settled, shows
from tests.ui.app_samples import NOW
from tui.errors import CiltopError
from tui.model.operations import Intent, OperationPlan
from tui.screens.acting.preview import OLD_SECONDS


async def test_cancel_has_the_focus_and_enter_alone_never_writes() -> None:
    app = acting(plan=ops.flip_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        assert app.focused is app.screen.query_one("#cancel", Button)
        await pilot.press("enter")
        assert "( Cancel )" not in await settled(pilot)
    assert app.acts.writes == []


async def test_one_agent_is_confirmed_by_the_focused_button() -> None:
    app = acting(plan=ops.flip_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        await pilot.press("tab", "enter")
        assert "starting" in await settled(pilot)
        await pilot.press("enter", "escape", "enter")
        assert app.acts.writes == [("begin", ops.flip_plan(), "")]
        app.acts.begun[0].set_result(None)
        await shows(pilot, "loading: starting")
        running = replace(ops.running(), plan=ops.flip_plan(), nodes=ops.running().nodes[2:3])
        app.show(ops.shown(arming=ops.ARMED, operations=(running,)))
        assert "restarting" in await settled(pilot)


async def test_keys_typed_ahead_of_the_plan_confirm_nothing() -> None:
    app = acting()
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        await pilot.press("tab", "space", "right")
        assert "reviewing access" in await settled(pilot)
        app.acts.plans[0].set_result(ops.flip_plan())
        await shows(pilot, "( Flip and restart node-4 )")
        assert app.acts.writes == []


async def test_wider_than_one_agent_needs_the_cluster_name_typed_exactly() -> None:
    app = acting(plan=ops.wide_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        text = await preview(pilot)
        assert "type prod-eu-1 to confirm" in text
        assert "wave 2 of 2  node-2, node-4, node-5" in text
        await pilot.press("tab")
        await pilot.press(*"prod-eu-11", "enter")
        await settled(pilot)
        assert app.screen.query_one("#go", Button).disabled
        assert app.acts.writes == []
        await pilot.press("backspace")
        await settled(pilot)
        assert not app.screen.query_one("#go", Button).disabled
        await pilot.press("enter")
        await settled(pilot)
    assert app.acts.writes == [("begin", ops.wide_plan(), "prod-eu-1")]


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (ops.denied_plan(), "denied: delete pods kube-system/cilium-00004"),
        (
            ops.flip_plan(
                writes=(
                    replace(
                        ops.create_write(),
                        is_dry_run_passed=False,
                        dry_run=ops.diff_text("admission webhook denied it"),
                    ),
                )
            ),
            "dry run refused: admission webhook denied it",
        ),
        (ops.flip_plan(writes=()), "there is nothing to write"),
        (ops.flip_plan(made_at=NOW - OLD_SECONDS - 1), "this preview is old"),
    ],
    ids=["denied", "refused", "nothing", "old"],
)
async def test_what_can_not_be_done_says_why(plan: OperationPlan, why: str) -> None:
    app = acting(plan=plan)
    async with app.run_test(size=(120, 30)) as pilot:
        text = await preview(pilot)
        assert why in text
        await pilot.press("tab", "enter", "right", "enter")
        await settled(pilot)
    assert app.acts.writes == []


async def test_being_disarmed_meanwhile_closes_the_way() -> None:
    app = acting(plan=ops.flip_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        await pilot.press("tab")
        app.show(ops.shown())
        text = await settled(pilot)
        assert "not armed any more" in text
        await pilot.press("enter")
        await settled(pilot)
    assert app.acts.writes == []


async def test_a_start_that_is_refused_is_said_in_the_preview() -> None:
    app = acting(plan=ops.flip_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
        app.acts.begun[0].set_exception(CiltopError("cilium-00004 was replaced: uid pod-9"))
        text = await shows(pilot, "not started")
        assert "cilium-00004 was replaced" in text
        await pilot.press("r")
        assert "● dry run passed" in await settled(pilot)
    assert [call[0] for call in app.acts.asked] == ["plan", "begin", "plan"]


async def test_a_plan_that_fails_says_why() -> None:
    app = acting()
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        app.acts.plans[0].set_exception(CiltopError("the API server does not answer"))
        assert "the API server does not answer" in await shows(pilot, "does not answer")
        await pilot.press("enter")
        await settled(pilot)
    assert app.acts.writes == []


async def test_plan_of_an_ended_collector_is_no_riddle() -> None:
    app = acting()
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        app.acts.plans[0].cancel()
        await shows(pilot, "the collector has ended")


async def test_leaving_the_dialog_drops_the_plan_and_keeps_a_start() -> None:
    app = acting()
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert app.acts.plans[0].cancelled()
        app.acts.ready_plan = ops.flip_plan()
        await preview(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
        app.exit()
    assert not app.acts.begun[0].cancelled()


async def test_plus_and_minus_plan_other_waves() -> None:
    app = acting(plan=ops.wide_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        assert "at most 1 node at once asked for: + - change it" in await preview(pilot)
        await pilot.press("minus", "plus")
        assert "at most 2 nodes at once asked for" in await settled(pilot)
        await pilot.press("plus")
        await settled(pilot)
        await pilot.press("minus")
        await settled(pilot)
    intents = [call[1] for call in app.acts.asked]
    assert [intent.wave_size for intent in intents if isinstance(intent, Intent)] == [1, 2, 3, 2]
