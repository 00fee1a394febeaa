"""A running operation on screen: progress, failure, pause, abort, undo, quitting, the audit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import operation_samples as ops
from tests.ui.acting_pilot import acting
from tests.ui.app_pilot import HandApp, screen_text, settled, shows
from tests.ui.app_samples import NOW, uid
from tui.model.operations import (
    Intent,
    OperationKind,
    OperationProgress,
    OperationState,
    Scope,
)

SIZES = [(80, 24), (120, 30), (160, 50)]


def operating(progress: OperationProgress, **rest: object) -> HandApp:
    """Return a dashboard with one operation."""
    shown = {"arming": ops.ARMED, "operations": (progress,), "audit": ops.audit(), **rest}
    return acting(ops.shown(**shown))


@pytest.mark.parametrize("size", SIZES)
async def test_progress_shows_every_node_and_what_it_waits_for(size: tuple[int, int]) -> None:
    app = operating(ops.running())
    async with app.run_test(size=size) as pilot:
        assert "◌ restart 1/4" in await settled(pilot)
        await pilot.press("O")
        text = await settled(pilot)
        assert "▌◌    2 node-2" in text
        for piece in ("✓✓✓✓✓✓✓✓ 8/8", "✓✓✓◌◌◌◌◌ 3/8", "waiting", "wave 2 of 2", "1 of 4 done"):
            assert piece in text, piece
        assert "✓ pod Ready  40 s ago" in text
        assert "◌ missing frontends 0, baseline 16" in text
        await pilot.press("g")
        assert "node-1: healthy again when" in await settled(pilot)


async def test_progress_goes_on_while_the_view_is_paused() -> None:
    app = operating(ops.running())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("p", "O")
        await settled(pilot)
        app.show(ops.shown(arming=ops.ARMED, operations=(ops.failed(),)))
        app.dashboard.tick()
        text = await settled(pilot)
    assert "PAUSED" in text
    assert "✖ FAILED  2 of 4 done" in text


async def test_a_mark_not_met_yet_is_no_failure_until_the_node_failed() -> None:
    waiting = replace(ops.running().nodes[1], marks=ops.marks(1, 1))
    app = operating(ops.running(nodes=(waiting,)))
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("O")
        assert "◌ agent says Ok" in await settled(pilot)
        app.show(ops.shown(operations=(ops.failed(),)))
        assert "✖ agent says Ok" in await settled(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_failure_is_said_loudly_wherever_one_is(size: tuple[int, int]) -> None:
    app = operating(ops.running())
    rung = 0

    def ring() -> None:
        nonlocal rung
        rung += 1

    app.bell = ring  # type: ignore[method-assign]  # what the terminal would hear
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        app.show(ops.shown(arming=ops.ARMED, operations=(ops.failed(),)))
        text = await shows(pilot, "FAILED on node-2: Restart 4 agents")
        assert "✖ restart FAILED" in text
        assert rung == 1
        app.show(ops.shown(arming=ops.ARMED, operations=(ops.failed(),)))
        await settled(pilot)
        assert rung == 1
        await pilot.press("O")
        text = await settled(pilot)
        assert "▌✖    2 node-2" in text
        assert "FAILED: not healthy after 300 s" in text
        assert "skipped" in text


async def test_hold_pauses_at_once_and_goes_on_after_a_question() -> None:
    app = operating(ops.running())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("O")
        await settled(pilot)
        await pilot.press("H")
        await settled(pilot)
        assert app.acts.asked == [("pause",)]
        paused = ops.running(state=OperationState.PAUSED)
        app.show(ops.shown(arming=ops.ARMED, operations=(paused,)))
        assert "restart paused" in await settled(pilot)
        await pilot.press("H")
        assert "Go on with Restart 4 agents?" in await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert app.acts.writes == []
        await pilot.press("H")
        await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
    assert app.acts.asked == [("pause",), ("resume",)]


async def test_abort_asks_first() -> None:
    app = operating(ops.running())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("O")
        await settled(pilot)
        await pilot.press("X", "enter")
        await settled(pilot)
        assert app.acts.asked == []
        await pilot.press("X")
        assert "node-2 ◌ verifying" in await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
    assert app.acts.asked == [("abort",)]


@pytest.mark.parametrize("keys", [("q",), ("ctrl+q",), ("colon", "q", "enter")])
async def test_quitting_asks_while_an_operation_runs(keys: tuple[str, ...]) -> None:
    app = operating(ops.running())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press(*keys)
        text = await settled(pilot)
        assert "Restart 4 agents is not over" in text
        assert "1 of 4 nodes are done" in text
        await pilot.press("enter")
        assert "is not over" not in await settled(pilot)
        assert app.is_running
        assert app.return_code is None
        await pilot.press(*keys)
        await settled(pilot)
        await pilot.press("tab", "enter")
        await pilot.pause()
    assert app.return_code == 0


async def test_quitting_does_not_ask_where_nothing_runs() -> None:
    app = operating(ops.failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0


async def test_no_second_operation_beside_a_running_one() -> None:
    app = operating(ops.running())
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("a")
        text = await settled(pilot)
        assert "operation 90c1 is not over: O shows it" in text
        await pilot.press("enter", "escape", "ctrl+p")
        await settled(pilot)
        await pilot.press(*"hostns-only", "space", *"off")
        await shows(pilot, "hostns-only off, whole cluster")
        await pilot.press("down", "enter")
        await shows(pilot, "operation 90c1 is not over")
    assert app.acts.asked == []


async def test_undo_has_the_same_preview() -> None:
    done = ops.running(state=OperationState.DONE, plan=ops.flip_plan(), undo_id="7f3a")
    app = operating(done)
    app.acts.ready_plan = ops.flip_plan(title=ops.diff_text("Undo 7f3a on node-4"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("O")
        await settled(pilot)
        await pilot.press("u")
        assert "Undo 7f3a on node-4" in await settled(pilot)
    (call,) = app.acts.asked
    assert call == ("plan", Intent(OperationKind.UNDO, (uid(4),), Scope.NODES, undo_id="7f3a"))


async def test_what_can_not_be_undone_says_so() -> None:
    app = operating(ops.failed())
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("O")
        await settled(pilot)
        await pilot.press("u")
        await shows(pilot, "nothing to undo: a restart has no way back")
    assert app.acts.asked == []


@pytest.mark.parametrize(
    ("tabs", "asked"),
    [
        (0, []),
        (1, [("dismiss", "7f3a")]),
        (2, [("plan_finish", "7f3a")]),
        (
            3,
            [("plan", Intent(OperationKind.UNDO, (uid(4),), undo_id="7f3a"))],
        ),
    ],
    ids=["later", "leave", "finish", "undo"],
)
async def test_what_an_earlier_run_left_half_done_is_offered(
    tabs: int, asked: list[tuple[object, ...]]
) -> None:
    app = operating(ops.unfinished())
    async with app.run_test(size=(80, 24)) as pilot:
        text = await settled(pilot)
        assert "An earlier ciltop ended in the middle of it" in text
        for label in ("( Later )", "( Leave it so )", "( Finish )", "( Undo )"):
            assert label in text
        await pilot.press(*["tab"] * tabs, "enter")
        await settled(pilot)
        assert app.acts.asked == asked
        if not tabs:
            app.show(ops.shown(operations=(ops.unfinished(),)))
            assert "An earlier ciltop" not in await settled(pilot)
            await pilot.press("O")
            await settled(pilot)
            await pilot.press("H")
            assert "An earlier ciltop" in await settled(pilot)


async def test_unfinished_operation_is_finished_after_arming_only() -> None:
    app = operating(ops.unfinished(), arming=ops.shown().arming)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("tab", "tab", "enter")
        assert "type prod-eu-1 to arm" in await settled(pilot)
        await pilot.press(*"prod-eu-1", "enter")
        await settled(pilot)
        assert app.acts.asked == [("arm", "prod-eu-1")]
        app.show(ops.shown(arming=ops.ARMED, operations=(ops.unfinished(),)))
        await settled(pilot)
    assert app.acts.asked[1:] == [("plan_finish", "7f3a")]


@pytest.mark.parametrize("size", SIZES)
async def test_audit_lists_what_was_done_newest_first(size: tuple[int, int]) -> None:
    app = operating(ops.failed())
    app.acts.ready_plan = ops.flip_plan()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"audit", "enter")
        text = await settled(pilot)
        events = ("failed", "ended", "verified", "before-", "confirm", "armed")
        places = [text.index(event, text.index("EVENT")) for event in events]
        assert places == sorted(places)
        await pilot.press("j", "j", "j", "j", "j", "enter")
        text = await settled(pilot)
        assert "created, uid cnc-9" in text
        assert '+    bpf-lb-sock-hostns-only: "true"' in text
        await pilot.press("escape")
        await settled(pilot)
        await pilot.press("u")
        await settled(pilot)
    assert app.acts.asked == [("plan", Intent(OperationKind.UNDO, undo_id="7f3a"))]


async def test_audit_can_be_filtered_from_the_command() -> None:
    app = operating(ops.failed())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"audit", "space", *"event:failed", "enter")
        text = await settled(pilot)
    assert "1 of 9" in text
    assert "before-write" not in text


async def test_audit_folds_the_upkeep_of_an_operation_into_one_row() -> None:
    app = operating(ops.failed(), upkeep=ops.upkeep())
    app.acts.ready_plan = ops.flip_plan()
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"audit", "enter")
        text = await settled(pilot)
        assert text.count("upkeep") == 1
        assert "3 writes of the Lease, 1 Kubernetes Event" in text
        assert "1 not done or unknown" in text
        order = [text.index(event, text.index("EVENT")) for event in ("confirmed", "upkeep", "arm")]
        assert order == sorted(order)
        await pilot.press("slash", *"event:upkeep", "enter")
        assert "before-write" not in await settled(pilot)
        await pilot.press("enter")
        text = await settled(pilot)
        lines = (
            "given back", "no outcome recorded", "held by desk 7", "CiltopRestart on Node node-4",
            "not done: no right to create events",
        )  # fmt: skip
        places = [text.index(line) for line in lines]
        assert places == sorted(places)
        await pilot.press("escape")
        await settled(pilot)
        await pilot.press("u")
        await settled(pilot)
    assert app.acts.asked == [("plan", Intent(OperationKind.UNDO, undo_id="7f3a"))]


async def test_operation_command_names_one() -> None:
    other = ops.running(plan=ops.flip_plan(), state=OperationState.DONE)
    app = operating(other, operations=(other, ops.failed()))
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"op", "space", *"7f3a", "enter")
        assert "Set bpf-lb-sock-hostns-only=true on node-4" in await settled(pilot)
        await pilot.press("colon", *"op", "space", *"zzz", "enter")
        assert "no operation zzz: 7f3a, 90c1" in await settled(pilot)


async def test_operation_screen_without_an_operation_says_so() -> None:
    app = acting()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("O")
        assert "no operation in this session" in await settled(pilot)
        await pilot.press("H", "X", "u", "enter")
        await settled(pilot)
    assert app.acts.asked == []


async def test_failure_leaves_the_header_after_an_hour() -> None:
    app = operating(ops.failed())
    async with app.run_test(size=(120, 30)) as pilot:
        assert "restart FAILED" in await settled(pilot)
        app.now = NOW + 3_700
        app.dashboard.tick()
        await settled(pilot)
        assert "restart FAILED" not in screen_text(app).splitlines()[0]
