"""Draw every scene, and keep the tables in the documentation true.

`python -m tests.pictures [--only NAME] [--tables]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.pictures.scenes import SCENES, Scene, Shot
from tests.pictures.tables import write_tables
from tui.app import CiltopApp
from tui.cluster.access import ConnectionSettings
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.collect.thread import CollectorThread
from tui.config import load_config
from tui.demo import SimulatorProcess
from tui.launch import operator_opener
from tui.operations.timing import Timing
from tui.screens.pictures import capture, clean_svg, png_of
from tui.screens.settings import AppSettings
from tui.store import Mailbox, Store

FOLDER = Path("screenshots")
LONGEST_WAIT_SECONDS = 240.0
NO_CONFIG = Path("/nonexistent/config.toml")
HASTY = Timing(verify=30.0, quiet=5.0, soak=3.0)
"""A failure must not be waited for as long as on a real cluster."""
ZOOM = 1.0
"""Smaller than what `ctrl+s` saves: these pictures are in the repository."""


async def draw(scene: Scene, only: str | None) -> None:
    """Run the dashboard on a simulated cluster and take the scene's pictures."""
    with SimulatorProcess(scene.scenario, scene.nodes, seed=1) as simulator:
        await asyncio.to_thread(simulator.wait_ready)
        if scene.fault is not None:
            await asyncio.to_thread(set_fault, simulator.kubeconfig, scene.fault)
        source = LiveSource(
            ConnectionSettings(kubeconfig=str(simulator.kubeconfig)),
            CollectSettings(interval_seconds=2.0),
        )
        mailbox = Mailbox()
        opener = operator_opener(load_config(NO_CONFIG, {}), timing=HASTY)
        collector = CollectorThread(lambda: source, Store(), mailbox, open_acting=opener)
        settings = AppSettings(theme=scene.theme, is_ascii=False)
        app = CiltopApp(lambda: (mailbox, collector), settings)
        try:
            async with app.run_test(size=(scene.columns, scene.lines)) as pilot:
                for shot in scene.shots:
                    await wait_for(mailbox, shot)
                    await pilot.press(*shot.keys)
                    await asyncio.sleep(shot.rest_seconds)
                    await pilot.pause()
                    if shot.name and (only is None or only in shot.name):
                        save(app, f"{shot.name}-{scene.columns}x{scene.lines}")
        finally:
            collector.stop()


async def wait_for(mailbox: Mailbox, shot: Shot) -> None:
    """Return when what is known fits the shot."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LONGEST_WAIT_SECONDS
    while not shot.until(mailbox.latest):
        if loop.time() > deadline:
            raise TimeoutError(f"{shot.name}: what it should show did not come")
        await asyncio.sleep(0.2)


def save(app: CiltopApp, name: str) -> None:
    """Write the screen as it stands."""
    svg, _ = capture(app)
    (FOLDER / f"{name}.png").write_bytes(png_of(clean_svg(svg), ZOOM))
    sys.stdout.write(f"{FOLDER / name}.png\n")
    sys.stdout.flush()


def set_fault(kubeconfig: Path, fault: dict[str, object]) -> None:
    """Set a fault of the simulated API server."""
    text = kubeconfig.read_text(encoding="utf-8")
    server = next(line.split()[1] for line in text.splitlines() if "server:" in line)
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{server}/__ciltop/faults", data=json.dumps(fault).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
        pass


async def draw_all(only: str | None) -> None:
    """Draw the scenes one after the other: each runs a simulated cluster."""
    for scene in SCENES:
        if only is None or any(only in shot.name for shot in scene.shots):
            await draw(scene, only)


def main() -> int:
    """Draw the pictures that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures")
    parser.add_argument("--only", metavar="NAME", help="only pictures whose name holds this")
    parser.add_argument("--tables", action="store_true", help="only write the tables")
    arguments = parser.parse_args()
    write_tables()
    if not arguments.tables:
        FOLDER.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            # The audit of simulated clusters is nobody's.
            os.environ["XDG_STATE_HOME"] = folder
            asyncio.run(draw_all(arguments.only))
    return 0


if __name__ == "__main__":
    sys.exit(main())
