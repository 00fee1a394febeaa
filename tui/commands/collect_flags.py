"""The command line of the collector that publishes to a broker.

Only the standard library is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

Commands = argparse._SubParsersAction  # argparse has no public name for it
AddSettings = Callable[[argparse.ArgumentParser], None]

_EPILOG = """\
Runs until SIGTERM or SIGINT, which leave nothing of this collector at the broker.
exit codes: 0 told to stop, 1 failed, 2 wrong usage, 3 no access to the cluster, or the broker
            refused the first connection
"""


def add_collect(commands: Commands[argparse.ArgumentParser], add_settings: AddSettings) -> None:
    """Add the command `collect`."""
    collect = commands.add_parser(
        "collect",
        help="read the cluster without a screen and publish what is known to a broker",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_settings(collect)
    collect.add_argument(
        "--metrics-address",
        default="127.0.0.1",
        metavar="IP",
        help="where --metrics-port listens; default: %(default)s",
    )
    collect.add_argument(
        "--quiet", action="store_true", help="say nothing on standard error but why it failed"
    )
