"""The command line: what the program can be asked, and the exit code that says how it went.

Only the standard library is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tui import __version__
from tui.commands.collect_flags import add_collect
from tui.commands.manifest import add_manifest, run_manifest
from tui.commands.operation_flags import OPERATIONS, add_operations, add_rbac
from tui.config import SETTINGS, Config, Setting, Value, default_path, describe, load_config
from tui.errors import CiltopError, ConfigError

SCENARIOS = ("healthy", "leak", "shrunk", "mixed", "storm", "degraded")
OUTPUTS = ("table", "json", "markdown", "junit")
_SETTING = "setting:"
"""Before a setting's name in the parsed arguments: commands have words of their own there."""
EPILOG = """\
exit codes: 0 done, 1 failed or check found something, 2 wrong usage,
            3 the cluster could not be read
settings:   ciltop config prints every value with its origin
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the flags of the settings come from the settings' table."""
    parser = argparse.ArgumentParser(
        prog="ciltop",
        description="Dashboard for incidents on clusters that run Cilium's kube-proxy replacement. "
        "Needs a kubeconfig and nothing else.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ciltop {__version__}")
    _add_settings(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_demo(commands)
    _add_simulate(commands)
    config = commands.add_parser("config", help="print every setting with its value and origin")
    _add_settings(config)
    _add_check(commands)
    add_collect(commands, _add_settings)
    explain = commands.add_parser("explain", help="what a check is, how it is proved, its remedy")
    explain.add_argument("id", nargs="?", metavar="ID", help="without it, the list of all checks")
    add_operations(commands, _add_cluster_settings)
    add_rbac(commands, _add_cluster_settings)
    add_manifest(commands)
    completion = commands.add_parser("completion", help="print a shell completion script")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return parser


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_check(commands: Commands[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check", help="read the cluster once and print every known issue that hurts it"
    )
    _add_cluster_settings(check)
    check.add_argument(
        "-o", "--output", choices=OUTPUTS, default="table", help="default: %(default)s"
    )
    check.add_argument(
        "--only", action="append", default=[], metavar="ID", help="only these checks; repeatable"
    )
    check.add_argument(
        "--skip", action="append", default=[], metavar="ID", help="not these checks; repeatable"
    )
    check.add_argument(
        "--node", action="append", default=[], metavar="NAME", help="only this node; repeatable"
    )
    check.add_argument(
        "--fail-on",
        choices=("active", "armed", "latent"),
        default="armed",
        help="findings from this level on give exit code 1; default: %(default)s",
    )
    check.add_argument("--all", action="store_true", help="table: LATENT and CLEAR findings too")
    check.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="report what was read after so long; default: 60, and 0.1 for each node",
    )


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return number


def _add_demo(commands: Commands[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser("demo", help="the dashboard on a simulated cluster")
    _add_cluster_settings(demo)
    demo.add_argument(
        "--mqtt",
        action="store_true",
        help="with two collectors and a broker on this machine: Mosquitto, else amqtt",
    )
    _add_simulation(demo)


def _add_simulate(commands: Commands[argparse.ArgumentParser]) -> None:
    simulate = commands.add_parser(
        "simulate", help="the simulated cluster alone, for kubectl and for ciltop --kubeconfig"
    )
    simulate.add_argument("--port", type=int, default=0, metavar="P", help="0 takes a free one")
    simulate.add_argument(
        "--write-kubeconfig", metavar="F", help="write a kubeconfig for the simulated cluster"
    )
    simulate.add_argument(
        "--exit-with-stdin", action="store_true", help="stop when standard input is closed"
    )
    _add_simulation(simulate)


def _add_simulation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=_positive, metavar="N", help="default: the scenario's")
    parser.add_argument(
        "--scenario", choices=SCENARIOS, default="mixed", help="default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="same seed, same cluster")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return number


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the settings' flags; unset ones leave no trace, so that a subcommand can't undo them."""
    group = parser.add_argument_group("settings")
    for setting in SETTINGS:
        if setting.flags:
            _add_setting(group, setting)


def _add_cluster_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags of commands that speak to Kubernetes only, never to a broker."""
    group = parser.add_argument_group("settings")
    for setting in SETTINGS:
        if setting.flags and not setting.is_of_broker:
            _add_setting(group, setting)


def _add_setting(group: argparse._ArgumentGroup, setting: Setting) -> None:
    unset = setting.unset if setting.default is None else str(setting.default)
    text = setting.description.replace("%", "%%")
    if setting.kind is bool:
        group.add_argument(
            *setting.flags,
            dest=_SETTING + setting.key,
            action="store_true",
            default=argparse.SUPPRESS,
            help=text,
        )
        return
    group.add_argument(
        *setting.flags,
        dest=_SETTING + setting.key,
        type=setting.kind,
        choices=setting.choices or None,
        metavar=setting.metavar or None,
        default=argparse.SUPPRESS,
        help=f"{text} Default: {unset}." if unset != "unset" else text,
    )


def _flags(arguments: argparse.Namespace) -> dict[str, Value]:
    given: Mapping[str, Value] = vars(arguments)
    return {
        setting.key: given[_SETTING + setting.key]
        for setting in SETTINGS
        if _SETTING + setting.key in given
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        return _run(arguments)
    except CiltopError as error:
        sys.stderr.write(f"ciltop: {error.message}\n")
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away, as `ciltop config | head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command in _WITHOUT_SETTINGS:
        return _WITHOUT_SETTINGS[arguments.command](arguments)
    config = load_config(default_path(), _flags(arguments))
    if arguments.command == "config":
        sys.stdout.write(describe(config) + "\n")
        return 0
    if arguments.command in _HEADLESS:
        _start_log(config)
        return _HEADLESS[arguments.command](config, arguments)
    _require_terminal()
    _start_log(config)
    if arguments.command == "demo":
        from tui.demo.dashboard import run_demo

        return run_demo(config, arguments)
    if config.text("mqtt") is not None:
        from tui.responding.launch import run_broker

        return run_broker(config)
    from tui.launch import run_live

    return run_live(config)


def _complete(arguments: argparse.Namespace) -> int:
    import shtab

    sys.stdout.write(shtab.complete(build_parser(), shell=arguments.shell) + "\n")
    return 0


def _simulate(arguments: argparse.Namespace) -> int:
    from tui.launch import run_simulator

    return run_simulator(arguments)


def _explain(arguments: argparse.Namespace) -> int:
    from tui.commands.check import run_explain

    return run_explain(arguments)


def _check(config: Config, arguments: argparse.Namespace) -> int:
    from tui.commands.check import run_check

    return run_check(config, arguments)


def _collect(config: Config, arguments: argparse.Namespace) -> int:
    from tui.commands.collect import run_collect

    return run_collect(config, arguments)


def _operate(config: Config, arguments: argparse.Namespace) -> int:
    from tui.commands.operations import run_operation

    return run_operation(config, arguments)


def _print_rbac(config: Config, arguments: argparse.Namespace) -> int:
    from tui.commands.operations import print_rbac

    return print_rbac(config, arguments)


_HEADLESS = {
    "check": _check,
    "collect": _collect,
    "rbac": _print_rbac,
    **dict.fromkeys(OPERATIONS, _operate),
}
_WITHOUT_SETTINGS = {
    "completion": _complete,
    "simulate": _simulate,
    "explain": _explain,
    "manifest": run_manifest,
}


def _require_terminal() -> None:
    """Refuse a terminal that can't show a screen, before anything is drawn on it.

    Raises:
        ConfigError: no terminal, or one that says it can't move its cursor.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("the dashboard needs a terminal on standard input and output")
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise ConfigError(
            f"TERM={os.environ.get('TERM', '')!s} can't draw a screen; "
            "if yours can, say so: TERM=xterm-256color ciltop"
        )


def _start_log(config: Config) -> None:
    """Send ciltop's own log to the chosen file, and nowhere else: the terminal is the screen's."""
    import logging

    root = logging.getLogger()
    path = config.text("log-file")
    if path is None:
        root.addHandler(logging.NullHandler())
        return
    target = Path(path).expanduser()
    try:
        descriptor = os.open(target, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    except OSError as error:
        raise ConfigError(f"--log-file {target}: can't be written: {error.strerror}") from error
    handler = logging.StreamHandler(os.fdopen(descriptor, "a", encoding="utf-8"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
