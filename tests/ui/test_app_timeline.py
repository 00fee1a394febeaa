"""The time line: what changed when, of the cluster or one node, and where it leads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from tests.ui import app_samples as samples
from tests.ui import finding_samples as found
from tests.ui import operation_samples as ops
from tests.ui.app_pilot import HandApp, chosen, settled
from tests.ui.app_samples import NOW, uid
from tests.ui.test_app_findings import is_on
from tests.ui.test_app_typing import enter_line
from tui.model.findings import ProofKind
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import Snapshot
from tui.model.timeline import ChangeKind, TimelineEntry
from tui.safety import clean
from tui.screens.detail_screen import DetailScreen
from tui.screens.findings_screen import FindingsScreen
from tui.screens.links import FINDING, NODE, Link
from tui.screens.timeline_rows import entry_link, fold_words, timeline_rows
from tui.screens.timeline_screen import TimelineScreen

ENTRIES = (
    TimelineEntry(NOW - 60, ChangeKind.FINDING, clean("map-pressure: ACTIVE")),
    TimelineEntry(NOW - 90, ChangeKind.LOG, clean("first error"), node_uid=uid(3)),
    TimelineEntry(
        NOW - 120,
        ChangeKind.CONFIG,
        clean("cilium-config written"),
        clean("kubectl-patch"),
        is_decisive=True,
    ),
    TimelineEntry(
        NOW - 86_400,
        ChangeKind.AGENT,
        clean("agents started"),
        node_uid=uid(4),
        node_name=NodeName("node-4"),
        count=11,
        last_at=NOW - 86_000,
    ),
)


def changes(snapshot: Snapshot, node: NodeUid | None = None) -> tuple[TimelineEntry, ...]:
    """Return the changes above, or one node's and the cluster's."""
    return tuple(entry for entry in ENTRIES if node is None or entry.node_uid in (None, node))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> HandApp:
    monkeypatch.setattr("tui.screens.dashboard.timeline", changes)
    return HandApp(found.judged())


async def pressed(pilot: Pilot[None], *keys: str) -> str:
    await pilot.press(*keys)
    return await settled(pilot)


def test_rows_tell_moment_place_who_and_how_often() -> None:
    rows = list(timeline_rows(ENTRIES, NOW).values())
    assert rows[0].text.startswith("14:01:11  1 m  finding  cluster  map-pressure: ACTIVE")
    assert rows[2].text.startswith("✖  14:00:11")
    assert "kubectl-patch" in rows[2].text
    assert "11-21 14:02  1 d  agent  node-4  agents started  ×11 in 6 m" in rows[3].text
    assert fold_words(ENTRIES[0]) == ""


def test_equal_entries_have_rows_of_their_own() -> None:
    assert len(timeline_rows((ENTRIES[0], ENTRIES[0], ENTRIES[0]), NOW)) == 3


@pytest.mark.parametrize(
    ("entry", "link"),
    [
        (ENTRIES[0], Link(FINDING)),
        (ENTRIES[1], Link(ProofKind.LOG.value, uid(3))),
        (ENTRIES[2], Link(ProofKind.CONFIG.value)),
        (ENTRIES[3], Link(NODE, uid(4))),
    ],
)
def test_every_kind_leads_somewhere(entry: TimelineEntry, link: Link) -> None:
    assert entry_link(entry) == link


async def test_time_line_of_the_cluster_and_of_one_node(app: HandApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "T")
        assert is_on(app, TimelineScreen)
        assert "Time line ▏ cluster and all nodes ▏ 4 ▏ newest first" in text
        text = await pressed(pilot, "n")
        assert "Time line ▏ node-3 ▏ 3" in text, "Home's node, as the first row is the cluster's"
        text = await pressed(pilot, "escape", "G", "n")
        assert "Time line ▏ node-4 ▏ 3" in text, "the node of the row"
        text = await pressed(pilot, "escape", "escape")
        assert app.screen is app.home


async def test_enter_goes_to_what_proves_the_change(app: HandApp) -> None:
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pressed(pilot, "T", "enter")
        assert is_on(app, FindingsScreen)
        await pressed(pilot, "T", "j", "enter")
        assert app.screen is app.home
        assert app.home.panel.key == "log"
        assert chosen(app) == "node-3"
        text = await pressed(pilot, "T", "j", "j", "enter")
        assert is_on(app, DetailScreen)
        assert "Writes of ConfigMap cilium-config" in text
        await pressed(pilot, "escape", "j", "enter")
        assert chosen(app) == "node-4"
        assert app.home.panel is app.home.findings_panel


async def test_time_line_is_filtered(app: HandApp) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pressed(pilot, "T")
        text = await enter_line(pilot, "/kind:agent")
        assert "1 of 4 ▏ /kind:agent" in text
        await pressed(pilot, "escape")
        text = await enter_line(pilot, "/who:kubectl")
        assert "cilium-config written" in text


async def test_time_line_without_changes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.dashboard.timeline", lambda snapshot, node: ())
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "nothing is known to have changed" in await pressed(pilot, "T")


async def test_real_time_line_of_the_incident_names_the_write() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "T")
    assert "cilium-config written by kubectl-patch" in text
    assert "node-9" in text


async def test_time_line_follows_new_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tui.screens.dashboard.timeline",
        lambda snapshot, node: ENTRIES if snapshot.version > 1 else ENTRIES[:1],
    )
    app = HandApp(found.judged())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        assert "▏ 1 ▏" in await pressed(pilot, "T")
        app.show(replace(found.judged(), version=2))
        assert "▏ 4 ▏" in await settled(pilot)


async def test_enter_on_an_action_opens_its_operation_in_the_audit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    action = TimelineEntry(NOW, ChangeKind.ACTION, clean("7f3a restart: done"), operation_id="7f3a")
    monkeypatch.setattr("tui.screens.dashboard.timeline", lambda snapshot, node: (action,))
    app = HandApp(ops.shown(audit=ops.audit()))
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        text = await pressed(pilot, "T", "enter")
    assert "Audit ▏ 7 of 9 ▏ /operation:7f3a" in text
    assert "anna@bastion-2" in text
