"""A simulated cluster for measuring: its execs take no simulated time.

`python -m tests.bench.server --nodes N --write-kubeconfig FILE [--tls]`, until standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from tui.launch import write_private
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.parts import Pace
from tui.simulator.server import SimulatorOptions, SimulatorServer, run_simulator


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until standard input is closed."""
    fleet = Fleet(SCENARIOS["healthy"], arguments.nodes, 1)
    options = SimulatorOptions(pace=Pace(exec_scale=0))
    server = SimulatorServer(fleet, tls=arguments.tls, options=options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: None if os.read(0, 4096) else stop.set())
    kubeconfig = Path(arguments.write_kubeconfig)
    await run_simulator(server, lambda ready: write_private(kubeconfig, ready.kubeconfig()), stop)


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--write-kubeconfig", required=True)
    parser.add_argument("--tls", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
