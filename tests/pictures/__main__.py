"""Draw every scene, and keep the README's key table true.

`python -m tests.pictures [--only NAME] [--keys]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import urllib.request
from pathlib import Path

from tests.pictures.scenes import SCENES, Scene, Shot
from tui.app import CiltopApp
from tui.cluster.access import ConnectionSettings
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.collect.thread import CollectorThread
from tui.demo import SimulatorProcess
from tui.keymap import key_table_markdown
from tui.screens.pictures import capture, clean_svg, png_of
from tui.screens.settings import AppSettings
from tui.store import Mailbox, Store

FOLDER = Path("screenshots")
README = Path("README.md")
KEYS_BEGIN, KEYS_END = "<!-- keys:", "<!-- /keys -->"
LONGEST_WAIT_SECONDS = 240.0


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
        collector = CollectorThread(source, Store(), mailbox)
        settings = AppSettings(theme=scene.theme, is_ascii=False)
        app = CiltopApp(mailbox, collector, settings)
        try:
            async with app.run_test(size=(scene.columns, scene.lines)) as pilot:
                for shot in scene.shots:
                    await wait_for(mailbox, shot)
                    await pilot.press(*shot.keys)
                    await asyncio.sleep(2.0)
                    await pilot.pause()
                    if only is None or only in shot.name:
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
    (FOLDER / f"{name}.png").write_bytes(png_of(clean_svg(svg)))
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


def write_keys() -> None:
    """Put the key table of the registry into the README."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(KEYS_BEGIN)
    marker, _, _ = rest.partition("\n")
    tail = rest.partition(KEYS_END)[2]
    table = key_table_markdown().strip()
    README.write_text(f"{head}{KEYS_BEGIN}{marker}\n{table}\n{KEYS_END}{tail}", encoding="utf-8")


async def draw_all(only: str | None) -> None:
    """Draw the scenes one after the other: each runs a simulated cluster."""
    for scene in SCENES:
        if only is None or any(only in shot.name for shot in scene.shots):
            await draw(scene, only)


def main() -> int:
    """Draw the pictures that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures")
    parser.add_argument("--only", metavar="NAME", help="only pictures whose name holds this")
    parser.add_argument("--keys", action="store_true", help="only write the README's key table")
    arguments = parser.parse_args()
    write_keys()
    if not arguments.keys:
        FOLDER.mkdir(exist_ok=True)
        asyncio.run(draw_all(arguments.only))
    return 0


if __name__ == "__main__":
    sys.exit(main())
