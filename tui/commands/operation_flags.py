"""The command line of what writes: restart, hostns-only, resize, undo, finish; and of rbac.

Only the standard library is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

Commands = argparse._SubParsersAction  # argparse has no public name for it
AddSettings = Callable[[argparse.ArgumentParser], None]

OPERATIONS = ("restart", "hostns-only", "resize", "undo", "finish")
_EPILOG = """\
Without --yes nothing is written: the plan is printed. exit codes: 0 done and verified, 1 failed,
blocked or rolled back, 2 wrong usage, 3 denied or the cluster could not be read
"""


def add_operations(commands: Commands[argparse.ArgumentParser], add_settings: AddSettings) -> None:
    """Add the commands of all operations."""
    restart = _add(commands, add_settings, "restart", "restart agents, verified, wave by wave")
    _add_nodes(restart, is_needed=False)
    restart.add_argument("--all", action="store_true", help="every agent, in verified waves")
    _add_wave(restart)
    _add_risk(restart)

    flip = _add(
        commands, add_settings, "hostns-only",
        "switch bpf-lb-sock-hostns-only on or off, and restart the agents that must read it",
    )  # fmt: skip
    flip.add_argument("value", choices=("on", "off"), help="what the agents should run with")
    _add_nodes(flip, is_needed=False)
    flip.add_argument(
        "--cluster", action="store_true", help="write the ConfigMap, and restart every agent"
    )
    _add_wave(flip)
    _add_risk(flip)

    resize = _add(
        commands, add_settings, "resize",
        "give the load-balancing maps of nodes another size, and restart their agents",
    )  # fmt: skip
    _add_nodes(resize, is_needed=True)
    resize.add_argument(
        "--size",
        type=_size,
        metavar="N",
        help="max entries; default: at least twice what is wanted",
    )
    _add_wave(resize)
    _add_risk(resize)

    _add_repairs(commands, add_settings)


def _add_repairs(commands: Commands[argparse.ArgumentParser], add_settings: AddSettings) -> None:
    undo = _add(commands, add_settings, "undo", "put back what an operation changed")
    undo.add_argument("id", metavar="ID", help="the operation's id, as it was printed")
    _add_wave(undo)
    _add_risk(undo)

    finish = _add(
        commands, add_settings, "finish",
        "finish what a ciltop that was killed left half done; agents that it restarted are only"
        " verified",
    )  # fmt: skip
    finish.add_argument(
        "id", metavar="ID", nargs="?", default="", help="the operation; without it they are listed"
    )
    _add_risk(finish)


def add_rbac(commands: Commands[argparse.ArgumentParser], add_settings: AddSettings) -> None:
    """Add the command that prints a role's manifest."""
    rbac = commands.add_parser("rbac", help="print the RBAC manifest of a role")
    add_settings(rbac)
    rbac.add_argument(
        "role", choices=("observer", "operator"), help="observer only reads; operator may act"
    )


def _add(
    commands: Commands[argparse.ArgumentParser], add_settings: AddSettings, name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, epilog=_EPILOG)
    add_settings(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan, write nothing")
    parser.add_argument("--yes", action="store_true", help="do it")
    return parser


def _add_nodes(parser: argparse.ArgumentParser, *, is_needed: bool) -> None:
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        required=is_needed,
        metavar="NAME",
        help="whose agent is restarted; repeatable",
    )


def _add_wave(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wave",
        type=_size,
        default=1,
        metavar="K",
        help="nodes at once after the first one, at most the DaemonSet's maxUnavailable;"
        " default: %(default)s",
    )


def _add_risk(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accept-data-loss",
        action="store_true",
        help="go on although the next start would shrink or wipe maps",
    )


def _size(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return number
