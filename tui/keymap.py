"""The one registry of keys: footer, help, palette and the README's table are made from it.

A key that does nothing yet is not in it.
"""

# sizes: a table of data

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Where a key works."""

    EVERYWHERE = "everywhere"
    HOME = "home"
    TABLE = "node table and panels"
    LOG = "log"
    FINDINGS = "findings"
    BY_NODE = "findings and time line"
    OPERATION = "operation"
    ACTED = "operation and audit"
    CLUSTERS = "clusters"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One action with its keys and its words."""

    id: str
    """Stable name; the action is `action_<id>` with `-` read as `_`, unless `call` says else."""
    keys: tuple[str, ...]
    """As Textual spells them; the first one is shown."""
    shown: str
    """As a person reads it, all of them."""
    label: str
    """One or two words, for the footer."""
    description: str
    """One sentence, for help, palette and README."""
    scope: Scope
    is_in_footer: bool = False
    footer_priority: int = 1
    """The highest is left out of a narrow footer first."""
    is_in_palette: bool = True
    is_built_in: bool = False
    """Whether a widget handles the key itself, so that no binding is made."""
    moves_focus: bool = False
    """Whether keys typed right behind it belong to another widget, so that none may overtake it."""
    call: str = ""
    """The action with its arguments, where several keys share one."""

    @property
    def action(self) -> str:
        """Return the action's name as Textual calls it."""
        return self.call or self.id.replace("-", "_")

    @property
    def target(self) -> str:
        """Return the action with what it acts on, as `App.run_action` takes it."""
        return f"{'app' if self.scope is Scope.EVERYWHERE else 'screen'}.{self.action}"


KEYS: tuple[KeyEntry, ...] = (
    KeyEntry(
        "move",
        ("up", "down", "j", "k", "g", "G"),
        "↑ ↓ j k g G",
        "move",
        "Move through rows and lines; g goes to the first, G to the last.",
        Scope.TABLE,
        is_in_palette=False,
        is_built_in=True,
    ),
    KeyEntry(
        "filter",
        ("slash",),
        "/",
        "filter",
        "Filter the focused panel: text, !text, re:…, field:value.",
        Scope.TABLE,
        is_in_footer=True,
        moves_focus=True,
    ),
    KeyEntry(
        "command",
        ("colon",),
        ":",
        "command",
        "Type a command, such as :svc NAME, :node NAME, :sort COLUMN or :quit.",
        Scope.EVERYWHERE,
        is_in_footer=True,
        moves_focus=True,
    ),
    KeyEntry(
        "open",
        ("enter",),
        "enter",
        "open",
        "Open the row under the cursor: all its fields, and what proves them.",
        Scope.TABLE,
        is_in_footer=True,
        is_in_palette=False,
        is_built_in=True,
    ),
    KeyEntry(
        "back",
        ("escape",),
        "esc",
        "back",
        "Leave what is open: a view, a filter, a full screen; then home.",
        Scope.EVERYWHERE,
        is_in_footer=True,
        footer_priority=0,
        is_in_palette=False,
    ),
    KeyEntry(
        "next-panel",
        ("tab",),
        "tab",
        "next",
        "Go to the next panel.",
        Scope.HOME,
        is_in_footer=True,
        call="walk(1)",
        moves_focus=True,
    ),
    KeyEntry(
        "previous-panel",
        ("shift+tab",),
        "shift+tab",
        "previous",
        "Go to the panel before.",
        Scope.HOME,
        call="walk(-1)",
        moves_focus=True,
    ),
    KeyEntry(
        "panel-maps",
        ("1",),
        "1",
        "maps",
        "Show the chosen node's BPF maps.",
        Scope.HOME,
        call="panel('maps')",
        moves_focus=True,
    ),
    KeyEntry(
        "panel-services",
        ("2",),
        "2",
        "services",
        "Show the chosen node's Services: want against have, missing first.",
        Scope.HOME,
        call="panel('services')",
        moves_focus=True,
    ),
    KeyEntry(
        "panel-features",
        ("3",),
        "3",
        "features",
        "Show the chosen node's kernel features and kube-proxy-replacement flags.",
        Scope.HOME,
        call="panel('features')",
        moves_focus=True,
    ),
    KeyEntry(
        "panel-findings",
        ("4",),
        "4",
        "findings",
        "Show what is wrong on the chosen node, worst first; enter shows its proof.",
        Scope.HOME,
        call="panel('findings')",
        moves_focus=True,
    ),
    KeyEntry(
        "panel-log",
        ("5",),
        "5",
        "log",
        "Show the agent log of the chosen node, merged with the marked ones.",
        Scope.HOME,
        call="panel('log')",
        moves_focus=True,
    ),
    KeyEntry(
        "findings",
        ("F",),
        "F",
        "findings",
        "Show every finding of the cluster, worst first, with its proof and its way out.",
        Scope.EVERYWHERE,
        is_in_footer=True,
        moves_focus=True,
    ),
    KeyEntry(
        "timeline",
        ("T",),
        "T",
        "time line",
        "Show what changed when: configuration, rollouts, agents, nodes, errors, findings.",
        Scope.EVERYWHERE,
        is_in_footer=True,
        footer_priority=2,
        moves_focus=True,
    ),
    KeyEntry(
        "clusters",
        ("C",),
        "C",
        "clusters",
        "Show all clusters of the broker with their collectors; enter shows another one's nodes.",
        Scope.EVERYWHERE,
        moves_focus=True,
    ),
    KeyEntry(
        "other-table",
        ("tab", "shift+tab"),
        "tab",
        "collectors",
        "Clusters: go to the collectors of the cluster under the cursor, or back.",
        Scope.CLUSTERS,
        is_in_footer=True,
        moves_focus=True,
    ),
    KeyEntry(
        "by-node",
        ("n",),
        "n",
        "by node",
        "Findings: a row a node, or a row a finding. Time line: the chosen node, or the cluster.",
        Scope.BY_NODE,
        is_in_footer=True,
        moves_focus=True,
    ),
    KeyEntry(
        "show-all",
        ("A",),
        "A",
        "all",
        "Show LATENT, CLEAR and muted findings too, or no more.",
        Scope.TABLE,
        is_in_footer=True,
        footer_priority=3,
    ),
    KeyEntry(
        "mute",
        ("m",),
        "m",
        "mute",
        "Mute the finding under the cursor with a reason, or show a muted one again.",
        Scope.FINDINGS,
        is_in_footer=True,
        footer_priority=3,
        moves_focus=True,
    ),
    KeyEntry(
        "actions",
        ("a",),
        "a",
        "actions",
        "Choose an action for the node under the cursor or the marked ones; a preview comes first.",
        Scope.EVERYWHERE,
        is_in_footer=True,
        moves_focus=True,
    ),
    KeyEntry(
        "operation",
        ("O",),
        "O",
        "operation",
        "Show the running operation, or the newest one, node by node.",
        Scope.EVERYWHERE,
        moves_focus=True,
    ),
    KeyEntry(
        "hold",
        ("H",),
        "H",
        "hold",
        "Operation: begin nothing more, or go on after a question.",
        Scope.OPERATION,
        is_in_footer=True,
        footer_priority=0,
        moves_focus=True,
    ),
    KeyEntry(
        "abort",
        ("X",),
        "X",
        "abort",
        "Operation: end it after a question; what was written stays.",
        Scope.OPERATION,
        is_in_footer=True,
        footer_priority=0,
        moves_focus=True,
    ),
    KeyEntry(
        "undo",
        ("u",),
        "u",
        "undo",
        "Preview what puts back what the operation changed.",
        Scope.ACTED,
        is_in_footer=True,
        footer_priority=0,
        moves_focus=True,
    ),
    KeyEntry(
        "faults-only",
        ("exclamation_mark",),
        "!",
        "faults",
        "Show only rows with a fault, or all again.",
        Scope.TABLE,
        is_in_footer=True,
        call="arrange('faults')",
    ),
    KeyEntry(
        "mark",
        ("space",),
        "space",
        "mark",
        "Mark the node or row; the log merges the marked nodes.",
        Scope.TABLE,
        is_in_footer=True,
        is_built_in=True,
    ),
    KeyEntry(
        "maximise",
        ("f",),
        "f",
        "full",
        "Give the focused panel the whole screen, or back.",
        Scope.HOME,
        is_in_footer=True,
    ),
    KeyEntry(
        "sort",
        ("s",),
        "s",
        "sort",
        "Sort by the next column; :sort COLUMN chooses one.",
        Scope.TABLE,
        call="arrange('sort')",
    ),
    KeyEntry(
        "reverse",
        ("S",),
        "S",
        "reverse",
        "Sort the other way round.",
        Scope.TABLE,
        call="arrange('reverse')",
    ),
    KeyEntry(
        "count-map",
        ("c",),
        "c",
        "count",
        "Count the map under the cursor in the kernel now, and say the result.",
        Scope.HOME,
    ),
    KeyEntry(
        "refresh",
        ("r",),
        "r",
        "re-read",
        "Read every node again now, the chosen one first.",
        Scope.EVERYWHERE,
    ),
    KeyEntry(
        "levels",
        ("l",),
        "l",
        "levels",
        "Log: warnings and errors, or all levels.",
        Scope.LOG,
        call="log_view('levels')",
    ),
    KeyEntry(
        "wrap",
        ("w",),
        "w",
        "wrap",
        "Log: wrap long lines, or cut them.",
        Scope.LOG,
        call="log_view('wrap')",
    ),
    KeyEntry(
        "timestamps",
        ("t",),
        "t",
        "times",
        "Log: show or hide the time of day.",
        Scope.LOG,
        call="log_view('timestamps')",
    ),
    KeyEntry(
        "pause",
        ("p",),
        "p",
        "pause",
        "Freeze what is shown, and go on; collecting never stops.",
        Scope.EVERYWHERE,
        is_in_footer=True,
    ),
    KeyEntry(
        "copy",
        ("y",),
        "y",
        "copy",
        "Copy the row under the cursor, a finding as Markdown, over SSH too (OSC 52).",
        Scope.EVERYWHERE,
    ),
    KeyEntry(
        "picture",
        ("ctrl+s",),
        "ctrl+s",
        "screen",
        "Save the screen as SVG, PNG and text.",
        Scope.EVERYWHERE,
        is_in_footer=True,
    ),
    KeyEntry(
        "palette",
        ("ctrl+p",),
        "ctrl+p",
        "palette",
        "Find an action by its name.",
        Scope.EVERYWHERE,
        is_in_palette=False,
        is_built_in=True,
    ),
    KeyEntry("help", ("question_mark",), "?", "help", "Show all keys.", Scope.EVERYWHERE, True, 0),
    KeyEntry("quit", ("q",), "q", "quit", "Leave ciltop.", Scope.EVERYWHERE),
)


@dataclass(frozen=True, slots=True)
class PaletteEntry:
    """An action that has no key: it is found in the palette only."""

    label: str
    description: str
    target: str
    """As `App.run_action` takes it."""


PALETTE_ONLY: tuple[PaletteEntry, ...] = (
    PaletteEntry("arm", "Let this session write, once the context's name is typed.", "app.arm"),
    PaletteEntry("disarm", "Let this session write no more.", "app.disarm"),
    PaletteEntry("audit", "Show what was armed, written and verified.", "app.audit"),
    PaletteEntry(
        "hostns-only on, whole cluster",
        "Preview bpf-lb-sock-hostns-only=true in the ConfigMap and the restart of every agent.",
        "app.flip_cluster(True)",
    ),
    PaletteEntry(
        "hostns-only off, whole cluster",
        "Preview bpf-lb-sock-hostns-only=false in the ConfigMap and the restart of every agent.",
        "app.flip_cluster(False)",
    ),
)
"""A flip of the whole cluster is never one key away."""

FOCUS_MOVERS = frozenset(entry.action.partition("(")[0] for entry in KEYS if entry.moves_focus)
"""Actions that are done before the next key is looked at."""


def bound(*scopes: Scope) -> Iterator[KeyEntry]:
    """Yield the entries of some scopes that need a binding."""
    return (entry for entry in KEYS if entry.scope in scopes and not entry.is_built_in)


def key_table_markdown() -> str:
    """Return the README's key table."""
    rows = ["| key | what it does | where |", "|---|---|---|"]
    rows += [
        f"| `{entry.shown.replace('|', chr(92) + '|')}` | {entry.description} | {entry.scope} |"
        for entry in KEYS
    ]
    return "\n".join(rows) + "\n"
