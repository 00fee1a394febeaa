"""Actions driven by keys: arming, the menu, the preview, and what it takes to confirm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.widgets import Button

from tests.ui import operation_samples as ops
from tests.ui.acting_pilot import acting, go_to, preview
from tests.ui.app_pilot import screen_text, settled, shows
from tests.ui.app_samples import uid
from tui.model.operations import ArmingState, Intent, OperationKind, Scope
from tui.screens.acting.preview import PreviewDialog

SIZES = [(80, 24), (120, 30), (160, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_badge_says_armed_with_the_minutes_left(size: tuple[int, int]) -> None:
    app = acting()
    async with app.run_test(size=size) as pilot:
        assert "ARMED 14 m" in await settled(pilot)
        app.now += 60
        app.dashboard.tick()
        assert "ARMED 13 m" in await settled(pilot)
        app.show(ops.shown())
        text = await settled(pilot)
    assert "unarmed" in text
    assert "ARMED 1" not in text


async def test_badge_is_not_frozen_with_the_view() -> None:
    app = acting()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("p")
        app.show(ops.shown())
        app.dashboard.tick()
        text = await settled(pilot)
    assert "PAUSED" in text
    assert "ARMED 14 m" not in text


async def test_arm_takes_the_context_name_and_nothing_else() -> None:
    app = acting(ops.shown())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"arm", "enter")
        assert "type prod-eu-1 to arm" in await settled(pilot)
        await pilot.press(*"prod", "enter")
        assert "prod is not the context's name" in await shows(pilot, "✖ prod")
        await pilot.press("minus", *"eu-1", "enter")
        await settled(pilot)
        assert app.acts.asked == [("arm", "prod"), ("arm", "prod-eu-1")]
        app.show(ops.shown(arming=ops.ARMED))
        assert "ARMED 14 m" in await settled(pilot)
        await pilot.press("colon", *"disarm", "enter")
        await settled(pilot)
    assert app.acts.asked[-1] == ("disarm",)


async def test_arm_with_the_name_behind_it_asks_at_once() -> None:
    app = acting(ops.shown())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"arm", "space", *"prod-eu", "enter")
        assert "prod-eu is not the context's name" in await shows(pilot, "✖ prod-eu")
    assert app.acts.asked == [("arm", "prod-eu")]


@pytest.mark.parametrize("arming", [ops.READ_ONLY, ArmingState()])
async def test_read_only_can_not_be_armed_and_every_action_says_so(arming: ArmingState) -> None:
    app = acting(ops.shown(arming=arming))
    is_read_only = arming is ops.READ_ONLY
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("a")
        text = await settled(pilot)
        word = "read-only: --read-only" if is_read_only else "unarmed: enter arms first"
        assert text.count(word) >= 2
        await pilot.press("enter")
        text = await settled(pilot)
        assert ("Arm this session" in text) is not is_read_only
        await pilot.press("escape", "escape", "colon", *"arm", "enter")
        text = await settled(pilot)
        assert ("read-only: --read-only" in text) is is_read_only
    assert app.acts.asked == []


async def test_choosing_while_unarmed_arms_and_comes_back_to_the_menu() -> None:
    app = acting(ops.shown(), ops.flip_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "node-4")
        await pilot.press("a")
        await settled(pilot)
        await pilot.press("j", "enter")
        await settled(pilot)
        await pilot.press(*"prod-eu-1", "enter")
        await settled(pilot)
        app.show(ops.shown(arming=ops.ARMED))
        assert "Actions ▏ node-4" in await settled(pilot)
        await pilot.press("j", "enter")
        assert "( Flip and restart node-4 )" in await settled(pilot)
    assert app.acts.writes == []


async def test_menu_says_why_an_action_is_not_offered() -> None:
    app = acting()
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("a")
        text = await settled(pilot)
        assert "Actions ▏ node-3" in text
        assert "1.11.7 has no CiliumNodeConfig (1.13)" in text
        await pilot.press("escape")
        await go_to(pilot, "node-4")
        await pilot.press("a")
        text = await settled(pilot)
    assert "blocked: node-4: lb4_backends_v2 would hold 64 for 95 wanted" in text
    assert "runs with false already" in text


async def test_blocked_restart_can_be_looked_at_and_not_confirmed() -> None:
    app = acting(plan=ops.blocked_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "node-1")
        await pilot.press("a")
        await settled(pilot)
        await pilot.press("enter")
        text = await settled(pilot)
        assert "BLOCKED" in text
        assert "✖ blocked: cilium_lb4_services_v2 would shrink to 64" in text
        assert app.screen.query_one("#go", Button).disabled
        await pilot.press("tab", "enter", "right", "enter")
        await settled(pilot)
    assert app.acts.writes == []


@pytest.mark.parametrize("size", SIZES)
async def test_preview_shows_the_mock_up(size: tuple[int, int]) -> None:
    app = acting(plan=ops.flip_plan())
    async with app.run_test(size=size) as pilot:
        text = await preview(pilot)
        for _ in range(4):
            await pilot.press("pagedown")
            text += await settled(pilot)
    for piece in (
        "Set bpf-lb-sock-hostns-only=true on node-4",
        "agent: Full coverage ▏ ConfigMap: false",
        "+ create ciliumnodeconfigs.cilium.io kube-system/zz-ciltop-7f3a",
        '+    bpf-lb-sock-hostns-only: "true"',
        "- delete pods kube-system/cilium-00004  uid pod-4",
        "0 other pending keys",
        "restarts 1 agent",
        "known exceptions: 2",
        "▲ node-4: conntrack TCP is 71 % full",
        "delete pods kube-system/cilium-00004: allowed, dry run passed",
        "one action; connections opened meanwhile can break",
        "kubectl -n kube-system delete pod cilium-00004",
        "● dry run passed ▏ ▲ 1 warning",
    ):
        assert piece in text, piece


async def test_intent_names_the_uid_of_the_node_under_the_cursor() -> None:
    app = acting(plan=ops.flip_plan())
    async with app.run_test(size=(80, 24)) as pilot:
        await preview(pilot)
    wanted = Intent(OperationKind.HOSTNS_ONLY, (uid(4),), is_on=True)
    assert app.acts.asked == [("plan", wanted)]


async def test_marked_nodes_are_meant_and_those_hidden_by_a_filter_are_not() -> None:
    app = acting(plan=ops.wide_plan())
    async with app.run_test(size=(120, 30)) as pilot:
        await go_to(pilot, "node-4")
        await pilot.press("space", "j", "space", "j", "space")
        await pilot.press("slash", *"node-5", "enter")
        await settled(pilot)
        await pilot.press("a")
        text = await settled(pilot)
        assert "1 marked node: node-5" in text
        assert "2 marked nodes left out: a filter hides what is marked there" in text
        await pilot.press("j", "enter")
        await settled(pilot)
    (call,) = app.acts.asked
    assert isinstance(call[1], Intent)
    assert call[1].nodes == (uid(5),)


async def test_where_a_filter_hides_all_marked_nodes_nothing_is_offered() -> None:
    app = acting(plan=ops.wide_plan())
    async with app.run_test(size=(120, 30)) as pilot:
        await go_to(pilot, "node-4")
        await pilot.press("space", "slash", *"node-5", "enter")
        await settled(pilot)
        await pilot.press("a")
        text = await settled(pilot)
        assert "no node" in text
        await pilot.press("enter", "j", "enter", "j", "j", "enter")
        await settled(pilot)
    assert app.acts.asked == []


async def test_finding_acts_on_the_nodes_it_is_about() -> None:
    app = acting()
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("F")
        await settled(pilot)
        await pilot.press("a")
        assert "Actions ▏ node-3" in await settled(pilot)


async def test_cluster_wide_flip_is_in_the_palette_only() -> None:
    app = acting(plan=ops.cluster_plan())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("a")
        assert "whole cluster" not in (await settled(pilot)).replace("whole cluster only", "")
        await pilot.press("escape", "ctrl+p")
        await settled(pilot)
        await pilot.press(*"hostns", "space", *"on", "space", *"whole")
        await shows(pilot, "hostns-only on, whole cluster")
        await pilot.press("down", "enter")
        text = await shows(pilot, "to confirm:")
        assert '-  bpf-lb-sock-hostns-only: "false"' in text
    (call,) = app.acts.asked
    assert isinstance(call[1], Intent)
    assert call[1].scope is Scope.CLUSTER
    assert call[1].nodes == ()


async def test_no_key_reaches_the_screen_behind_a_dialog() -> None:
    app = acting(plan=ops.flip_plan())
    async with app.run_test(size=(120, 30)) as pilot:
        await preview(pilot)
        await pilot.press("F", "T", "O", "a", "colon", "slash", "m", "1", "H", "X", "u", "q")
        await settled(pilot)
        assert isinstance(app.screen, PreviewDialog)
    assert [call[0] for call in app.acts.asked] == ["plan"]


async def test_palette_takes_the_letters_of_keys_that_move_the_focus() -> None:
    app = acting()
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+p", "F", "a")
        await settled(pilot)
        assert "Fa" in screen_text(app)
        assert "Actions ▏" not in screen_text(app)


async def test_preview_of_a_delete_shows_what_goes_unless_it_is_a_pod() -> None:
    gone = replace(
        ops.create_write(),
        verb="delete",
        uid="cnc-9",
        diff=ops.diff_text('-spec:\n-  defaults:\n-    bpf-lb-sock-hostns-only: "true"'),
    )
    pod = replace(ops.pod_write(4), diff=ops.diff_text("- pods kube-system/cilium-00004 (UID x)"))
    app = acting(plan=ops.flip_plan(writes=(gone, pod)))
    async with app.run_test(size=(120, 30)) as pilot:
        text = await preview(pilot)
    assert '-    bpf-lb-sock-hostns-only: "true"' in text
    assert "(UID x)" not in text
