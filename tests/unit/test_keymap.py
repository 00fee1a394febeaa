"""The registry of keys: complete, without clashes, and the source of every list of keys."""

from __future__ import annotations

from collections import Counter

from tui.app import CiltopApp
from tui.keymap import KEYS, PALETTE_ONLY, Scope, bound, key_table_markdown
from tui.screens.acting.audit_screen import AuditScreen
from tui.screens.acting.operation_screen import OperationScreen
from tui.screens.detail_screen import DetailScreen
from tui.screens.findings_screen import FindingsScreen
from tui.screens.help_lines import help_detail
from tui.screens.home import HomeScreen
from tui.screens.live_screen import footer_items
from tui.screens.room.clusters_screen import ClustersScreen
from tui.screens.service_screen import ServiceScreen
from tui.screens.timeline_screen import TimelineScreen

_OWNERS: dict[Scope, tuple[type[object], ...]] = {
    Scope.EVERYWHERE: (CiltopApp,),
    Scope.BY_NODE: (FindingsScreen, TimelineScreen),
    Scope.OPERATION: (OperationScreen,),
    Scope.ACTED: (OperationScreen, AuditScreen),
    Scope.CLUSTERS: (ClustersScreen,),
}
_SCREENS = (
    HomeScreen,
    FindingsScreen,
    TimelineScreen,
    ServiceScreen,
    OperationScreen,
    AuditScreen,
    ClustersScreen,
    DetailScreen,
)


def test_ids_and_keys_are_unique_where_they_work_together() -> None:
    assert max(Counter(entry.id for entry in KEYS).values()) == 1
    for screen in _SCREENS:
        keys = (key for entry in KEYS if entry.scope in screen.SCOPES for key in entry.keys)
        assert max(Counter(keys).values()) == 1, screen


def test_every_key_has_an_action_where_it_works() -> None:
    for entry in bound(*Scope):
        name = f"action_{entry.action.partition('(')[0]}"
        owners = _OWNERS.get(entry.scope, (HomeScreen,))
        assert all(hasattr(owner, name) for owner in owners), entry.id


def test_keys_of_tables_work_on_every_screen() -> None:
    for entry in bound(Scope.TABLE):
        for screen in (HomeScreen, ServiceScreen, DetailScreen):
            name = entry.action.partition("(")[0]
            assert hasattr(screen, f"action_{name}"), (entry.id, screen)


def test_what_the_palette_alone_has_can_be_run() -> None:
    for entry in PALETTE_ONLY:
        name = entry.target.partition(".")[2].partition("(")[0]
        assert hasattr(CiltopApp, f"action_{name}"), entry.label
        assert entry.description.endswith(".")


def test_every_entry_has_words() -> None:
    for entry in KEYS:
        assert entry.label
        assert entry.shown
        assert entry.description.endswith(".")


def test_readme_table_and_help_list_every_key() -> None:
    table = key_table_markdown().splitlines()
    help_text = [line.label for line in help_detail().lines]
    assert len(table) == len(KEYS) + 2
    for entry in KEYS:
        assert entry.shown in help_text
        assert any(entry.description in row for row in table)


def test_footer_shows_back_away_from_home_only() -> None:
    home = [item.label for item in footer_items(HomeScreen.SCOPES)]
    other = [item.label for item in footer_items(ServiceScreen.SCOPES)]
    assert "back" not in home
    assert "back" in other
    assert {"filter", "command", "help"} <= set(home)
