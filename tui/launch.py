"""Wire the layers together: what each command starts, and the exit code it ends with."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tui.errors import ConfigError

if TYPE_CHECKING:
    from tui.simulator.server import SimulatorServer


def run_simulator(arguments: argparse.Namespace) -> int:
    """Serve the simulated cluster until it is told to stop.

    Raises:
        ConfigError: the port is taken, or the kubeconfig can't be written.
    """
    import asyncio

    from tui.simulator.fleet import SCENARIOS, Fleet
    from tui.simulator.server import SimulatorOptions, SimulatorServer
    from tui.simulator.server import run_simulator as serve
    from tui.simulator.trouble import make_trouble

    scenario = SCENARIOS[arguments.scenario]
    fleet = Fleet(scenario, arguments.nodes or scenario.node_count, arguments.seed)
    options = SimulatorOptions(context=scenario.context)
    server = SimulatorServer(fleet, port=arguments.port, options=options)

    async def served() -> None:
        stop = asyncio.Event()
        trouble = asyncio.create_task(
            make_trouble(fleet, server.faults, arguments.seed), name="make trouble"
        )
        if arguments.exit_with_stdin:
            watch_stdin(stop)
        try:
            await serve(server, lambda ready: _announce(ready, arguments.write_kubeconfig), stop)
        finally:
            trouble.cancel()

    def watch_stdin(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, lambda: None if os.read(0, 4096) else stop.set())

    try:
        asyncio.run(served())
    except OSError as error:
        raise ConfigError(f"--port {arguments.port}: can't listen: {error.strerror}") from error
    return 0


def _announce(server: SimulatorServer, path: str | None) -> None:
    """Write the kubeconfig and say how to use it."""
    if path is None:
        sys.stdout.write(server.kubeconfig())
        sys.stdout.flush()
        return
    write_private(Path(path), server.kubeconfig())
    sys.stdout.write(
        f"simulated cluster at {server.url}\n"
        f"  kubectl --kubeconfig {path} get nodes\n"
        f"  ciltop --kubeconfig {path}\n"
    )
    sys.stdout.flush()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        ConfigError: the folder is missing or can't be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from error
