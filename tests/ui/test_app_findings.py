"""The Findings panel and screen: the verdict, the proof, the way out, and what was muted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from tests.ui import app_samples as samples
from tests.ui import finding_samples as found
from tests.ui.app_pilot import HandApp, chosen, settled, shows
from tests.ui.finding_samples import ACTIVE, ARMED
from tests.ui.test_app_typing import enter_line
from tui.model.findings import FindingChange
from tui.model.names import NodeName
from tui.safety import clean
from tui.screens.detail_screen import DetailScreen
from tui.screens.findings_screen import FindingsScreen
from tui.screens.service_screen import ServiceScreen

WIDE, NARROW = (160, 50), (80, 24)


async def pressed(pilot: Pilot[None], *keys: str) -> str:
    await pilot.press(*keys)
    return await settled(pilot)


def is_on(app: HandApp, kind: type[Screen[None]]) -> bool:
    """Return whether a screen of a kind stands in front."""
    return isinstance(app.screen, kind)


def finding_key(app: HandApp) -> str | None:
    """Return the key of the finding that is looked at."""
    return app.screen.finding_key if isinstance(app.screen, FindingsScreen) else None


def listed(app: HandApp) -> list[str]:
    """Return the keys of the findings in sight."""
    assert isinstance(app.screen, FindingsScreen)
    return [row.key for row in app.screen.list_panel.grid.shown]


# Home


async def test_header_counts_findings_and_table_has_pending_and_issues() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        text = await settled(pilot)
    assert "✖ 2 active ▲ 1 armed" in text
    rows = {line.split()[2]: line for line in text.splitlines() if line.startswith("│ ▲")}
    assert "▲ 1     ▲1" in rows["node-2"]
    assert "▲ 1     ▲2 ?1" in rows["node-9"], "its crash loop counts beside the verdict"


async def test_panel_shows_verdicts_then_faults_that_none_of_them_tells() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "4")
        assert "1 latent, 3 clear: A shows all" in text
        panel = app.home.findings_panel
        assert [row.key for row in panel.grid.shown] == [
            "verdict|service-map-drift|",
            "verdict|map-pressure|cilium_lb4_backends_v2",
            "verdict|udp-stale-backends|",
            "2|maps|cilium_lb4_services_v2",
        ]
        text = await pressed(pilot, "A")
        assert "A hides them" in text
        assert "◇ LATENT   netns-cookies" in text
        assert "● CLEAR    sctp-service" in text


async def test_all_can_be_shown_from_the_node_table() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "4", "escape", "A")
        assert app.home.panel.key == "nodes"
        assert "A hides them" in text


async def test_panel_of_a_denied_node_folds_what_can_not_be_judged() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "G", "4")
        assert chosen(app) == "node-11"
        assert "7 checks" in text
        assert "denied" in text
        text = await pressed(pilot, "enter")
        assert "grant create pods/exec in kube-system" in text


async def test_next_start_stands_in_the_nodes_detail() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=(120, 60)) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "j", "enter")
        assert "Next start of the agent" in text
        assert "1024 → 64" in text
        assert "too small" in text


async def test_verdict_opens_with_its_proof_and_leads_to_it() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "4", "j", "enter")
        assert "✖ ACTIVE ▏ map-pressure ▏ lb4_backends_v2 ▏ node-3" in text
        assert is_on(app, DetailScreen)
        await pressed(pilot, "j", "j", "j", "enter")
        assert app.screen is app.home
        assert app.home.panel is app.home.maps_panel
        assert app.home.maps_panel.row_key == "cilium_lb4_backends_v2"


# The screen


async def test_screen_ranks_findings_and_shows_the_one_under_the_cursor() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "F")
        assert listed(app) == [
            "service-map-drift//ACTIVE",
            "map-pressure/cilium_lb4_backends_v2/ACTIVE",
            "config-drift//ARMED",
            "unknown|all",
        ]
        assert "✖ ACTIVE ▏ service-map-drift ▏ node-3" in text
        assert "1 latent, 4 clear: A shows all" in text
        text = await pressed(pilot, "j", "j")
        assert "▲ ARMED ▏ config-drift ▏ 10 nodes" in text
        assert "Nodes (10; enter: go there)" in text
        text = await pressed(pilot, "j")
        assert "grant create pods/exec in kube-system" in text
        text = await pressed(pilot, "A")
        assert "◇ LATENT   netns-cookies" in text
        assert "A hides them" in text


async def test_narrow_screen_opens_the_finding_and_comes_back() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "F", "j")
        assert "▲ ARMED" in text
        assert "Proof" not in text
        text = await pressed(pilot, "enter")
        assert "Proof (enter: go there)" in text
        assert "▲ ARMED" not in text
        text = await pressed(pilot, "escape")
        assert "▲ ARMED" in text
        assert app.screen.focused is not None
        await pressed(pilot, "escape")
        assert app.screen is app.home


@pytest.mark.parametrize(
    ("place", "panel", "row"),
    [
        (0, "maps", "cilium_lb4_backends_v2"),
        (2, "log", "1"),
    ],
)
async def test_proof_leads_to_its_row_and_back_to_the_same_finding(
    place: int, panel: str, row: str
) -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "F", "j", "enter", *["j"] * (3 + place), "enter")
        assert app.screen is app.home
        assert chosen(app) == "node-3"
        assert app.home.panel.key == panel
        assert app.home.panel.row_key == row
        await pressed(pilot, "F")
        assert finding_key(app) == "map-pressure/cilium_lb4_backends_v2/ACTIVE"


async def test_proof_in_a_service_leads_to_its_faulty_frontend() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "F", "enter", "j", "j", "j", "enter")
        assert app.home.panel.key == "services"
        assert str(app.home.panel.row_key).startswith("default/echo|")


async def test_proof_is_found_behind_a_filter() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "1")
        await enter_line(pilot, "/policy")
        await pressed(pilot, "F", "j", "enter", "j", "j", "j", "enter")
        assert app.home.maps_panel.row_key == "cilium_lb4_backends_v2"


async def test_config_and_objects_open_over_the_finding() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "F", "j", "enter", *["j"] * 6, "enter")
        assert "ConfigMap cilium-config" in text
        assert "changes at next start" in text
        await pressed(pilot, "escape")
        assert isinstance(app.screen, FindingsScreen)
        await pressed(pilot, "escape", "k", "enter", *["j"] * 4, "enter")
        assert is_on(app, ServiceScreen)


async def test_node_of_a_finding_leads_to_its_findings_panel() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "F", "j", "j", "enter")
        assert isinstance(app.screen, FindingsScreen)
        view = app.screen.panel.widget
        lines = list(getattr(view, "lines"))  # noqa: B009 - the detail's own, not every list's
        place = next(index for index, line in enumerate(lines) if line.key.endswith("|node|uid-4|"))
        view.move_cursor(place)
        await pressed(pilot, "enter")
        assert chosen(app) == "node-4"
        assert app.home.panel is app.home.findings_panel


async def test_proof_of_a_node_that_is_gone_is_said() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "F", "j", "enter")
        nodes = {uid: facts for uid, facts in found.judged().nodes.items() if uid != samples.uid(3)}
        app.show(replace(found.judged(), nodes=nodes, version=2))
        await pressed(pilot, "j", "j", "j", "enter")
        await shows(pilot, "this node is gone")


async def test_by_node_there_is_a_row_a_node_with_all_its_findings() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "F", "n")
        assert listed(app)[:2] == [samples.uid(3), samples.uid(9)]
        assert "Findings by node ▏ 11" in text
        assert "node-3 ▏ 2 findings" in text
        assert chosen_name(app) == "node-3"
        text = await pressed(pilot, "n")
        assert "service-map-drift//ACTIVE" in listed(app)


def chosen_name(app: HandApp) -> str:
    assert isinstance(app.screen, FindingsScreen)
    node = app.screen.chosen
    return "" if node is None else node.name


@pytest.mark.parametrize(
    ("wanted", "count"),
    [("severity:armed", 1), ("check:map", 3), ("node:node-12", 1), ("echo", 1), ("!drift", 1)],
)
async def test_findings_are_filtered(wanted: str, count: int) -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "F")
        await enter_line(pilot, f"/{wanted}")
        assert len(listed(app)) == count


async def test_commands_open_both_screens_with_a_filter() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await enter_line(pilot, ":findings severity:armed")
        assert listed(app) == ["config-drift//ARMED"]
        text = await enter_line(pilot, ":timeline kind:config")
        assert "/kind:config" in text


async def test_finding_is_copied_as_markdown() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "F", "j", "y")
        assert app.clipboard.startswith("### ACTIVE map-pressure")
        assert "**Proof**" in app.clipboard
        await pressed(pilot, "enter", "y")
        assert app.clipboard.startswith("### ACTIVE map-pressure"), "on the first line"
        await pressed(pilot, "j", "j", "j", "y")
        assert app.clipboard == "count of cilium_lb4_backends_v2: 64 of 64 (agent says 75)"
        await pressed(pilot, "escape", "n", "y")
        assert app.clipboard.count("### ACTIVE") == 2
        await pressed(pilot, "escape", "4", "y")
        assert app.clipboard.startswith("### ACTIVE service-map-drift")
        await pressed(pilot, "G", "y")
        assert "lb4_services_v2 full" in app.clipboard, "a plain fault is copied as it stands"


# News and states


async def test_new_finding_is_told_as_it_happens() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        change = FindingChange(
            samples.NOW, "backend-leak", "", clean("Leak"), None, ACTIVE, (NodeName("node-1"),), 1
        )
        before = found.judged().finding_changes
        app.show(replace(found.judged(), finding_changes=(*before, change), version=2))
        await shows(pilot, "✖ ACTIVE: backend-leak on node-1 (F)")


async def test_finding_that_gets_worse_stays_open() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "F", "j", "j", "enter")
        assert "▲ ARMED ▏ config-drift" in text
        snapshot = found.judged()
        worse = tuple(
            replace(one, severity=ACTIVE) if one.severity is ARMED else one
            for one in snapshot.findings
        )
        app.show(replace(snapshot, findings=worse, version=2))
        assert "✖ ACTIVE ▏ config-drift" in await settled(pilot)
        app.show(replace(snapshot, findings=worse[:2], version=3))
        assert "this is gone; shown as it was" in await settled(pilot)


async def test_screen_before_the_checks_have_judged() -> None:
    app = HandApp(replace(samples.incident(), unjudged_nodes=4_120))
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        assert "judging 4,120 nodes" in await pressed(pilot, "F")


async def test_screen_with_nothing_wrong_says_of_how_many_checks() -> None:
    app = HandApp(found.calm())
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "F")
        assert "nothing active or armed in 2 checks: 1 latent, 1 clear" in text
        assert "◇ LATENT   netns-cookies" in text


async def test_screen_says_that_what_it_shows_is_old() -> None:
    lost = samples.lost()
    judged = found.judged()
    app = HandApp(replace(lost, findings=judged.findings, verdicts=judged.verdicts))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert "stale: the API is lost, shown as of 4 m ago" in await pressed(pilot, "F")


async def test_screen_without_nodes_says_why() -> None:
    app = HandApp(replace(samples.empty(), is_complete=False))
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        assert "listing nodes and agents" in await pressed(pilot, "F")
