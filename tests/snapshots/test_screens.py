"""What the screens look like, cell by cell: `pytest --snapshot-update` accepts a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from tests.ui import app_samples as samples
from tests.ui import finding_samples as findings
from tests.ui.app_pilot import HandApp, settled
from tui.model.snapshot import Snapshot


class Compare(Protocol):
    """The fixture of pytest-textual-snapshot."""

    def __call__(
        self,
        app: App[None],
        press: Iterable[str] = (),
        terminal_size: tuple[int, int] = (80, 24),
        run_before: Callable[[Pilot[None]], object] | None = None,
    ) -> bool: ...


SIZES = [(80, 24), (120, 30), (160, 50)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_home(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(HandApp(samples.incident()), terminal_size=size, run_before=settled)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_services(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(
        HandApp(samples.incident()), press=["2"], terminal_size=size, run_before=settled
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_service_on_every_node(snap_compare: Compare, size: tuple[int, int]) -> None:
    keys = ["colon", *"svc", "space", *"echo", "enter"]
    assert snap_compare(
        HandApp(samples.incident()), press=keys, terminal_size=size, run_before=settled
    )


@pytest.mark.parametrize("key", ["3", "4", "5"], ids=["features", "findings", "log"])
@pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=["80x24", "160x50"])
def test_panels(snap_compare: Compare, size: tuple[int, int], key: str) -> None:
    assert snap_compare(
        HandApp(samples.incident()), press=[key], terminal_size=size, run_before=settled
    )


FINDINGS = {
    "list": (["F"], SIZES),
    "opened": (["F", "j", "enter"], SIZES),
    "nodes": (["F", "n"], SIZES[1:2]),
    "timeline": (["T"], [SIZES[0], SIZES[2]]),
    "panel": (["4"], [SIZES[0], SIZES[2]]),
}


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        pytest.param(keys, size, id=f"{name}-{size[0]}x{size[1]}")
        for name, (keys, sizes) in FINDINGS.items()
        for size in sizes
    ],
)
def test_findings(snap_compare: Compare, keys: list[str], size: tuple[int, int]) -> None:
    app = HandApp(findings.judged())
    assert snap_compare(app, press=keys, terminal_size=size, run_before=settled)


def test_findings_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = HandApp(findings.judged())
    assert snap_compare(app, press=["F", "A"], terminal_size=(120, 30), run_before=settled)


def test_findings_in_a_light_theme(snap_compare: Compare) -> None:
    app = HandApp(findings.judged(), theme="textual-light")
    assert snap_compare(app, press=["F", "j"], terminal_size=(120, 30), run_before=settled)


def test_findings_where_nothing_is_wrong(snap_compare: Compare) -> None:
    app = HandApp(findings.calm())
    assert snap_compare(app, press=["F"], terminal_size=(80, 24), run_before=settled)


def test_home_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(HandApp(samples.incident()), terminal_size=(120, 30), run_before=settled)


def test_home_in_a_light_theme(snap_compare: Compare) -> None:
    app = HandApp(samples.incident(), theme="textual-light")
    assert snap_compare(app, terminal_size=(120, 30), run_before=settled)


def test_home_stale_after_the_api_went_away(snap_compare: Compare) -> None:
    assert snap_compare(HandApp(samples.lost()), terminal_size=(120, 30), run_before=settled)


def test_home_on_a_node_that_may_not_be_read(snap_compare: Compare) -> None:
    app = HandApp(samples.incident())
    assert snap_compare(app, press=["j", "j", "j"], terminal_size=(120, 30), run_before=settled)


@pytest.mark.parametrize(
    "shown",
    [
        samples.empty(),
        replace(samples.empty(), is_complete=False),
        replace(samples.incident(), nodes={}, gaps=samples.lost().gaps),
    ],
    ids=["empty", "loading", "denied"],
)
def test_home_without_nodes(snap_compare: Compare, shown: Snapshot) -> None:
    assert snap_compare(HandApp(shown), terminal_size=(80, 24), run_before=settled)


def test_paused_and_filtered(snap_compare: Compare) -> None:
    keys = ["slash", *"node-1", "enter", "p"]
    assert snap_compare(
        HandApp(samples.incident()), press=keys, terminal_size=(120, 30), run_before=settled
    )


def test_map_detail(snap_compare: Compare) -> None:
    app = HandApp(samples.incident())
    assert snap_compare(app, press=["1", "enter"], terminal_size=(80, 24), run_before=settled)


def test_help(snap_compare: Compare) -> None:
    app = HandApp(samples.incident())
    assert snap_compare(app, press=["question_mark"], terminal_size=(120, 60), run_before=settled)


def test_terminal_too_small(snap_compare: Compare) -> None:
    assert snap_compare(HandApp(samples.incident()), terminal_size=(50, 10), run_before=settled)
