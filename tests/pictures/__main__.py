"""Draw every scene, and keep the tables in the documentation true.

`python -m tests.pictures [--only NAME] [--tables]`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.pictures.scenes import SCENES, Scene, Shot
from tests.pictures.stages import NoBrokerError, Stage, opened
from tests.pictures.tables import write_tables
from tui.app import CiltopApp
from tui.screens.pictures import capture, clean_svg, png_of
from tui.screens.settings import AppSettings
from tui.store import Mailbox

FOLDER = Path("screenshots")
LONGEST_WAIT_SECONDS = 240.0
ZOOM = 1.0
"""Smaller than what `ctrl+s` saves: these pictures are in the repository."""


async def draw(scene: Scene, only: str | None) -> None:
    """Run the dashboard on a simulated cluster and take the scene's pictures."""
    async with opened(scene) as stage:
        settings = AppSettings(theme=scene.theme, is_ascii=False)
        app = CiltopApp(lambda: (stage.mailbox, stage.collector), settings)
        async with app.run_test(size=(scene.columns, scene.lines)) as pilot:
            for shot in scene.shots:
                await prepare(stage, shot)
                await pilot.press(*shot.keys)
                await asyncio.sleep(shot.rest_seconds)
                await pilot.pause()
                if shot.name and (only is None or only in shot.name):
                    save(app, f"{shot.name}-{scene.columns}x{scene.lines}")


async def prepare(stage: Stage, shot: Shot) -> None:
    """Return when what is to be seen has happened."""
    await stage.happen(shot.event)
    await wait_for(stage.mailbox, shot)


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


async def draw_all(only: str | None) -> None:
    """Draw the scenes one after the other: each runs a simulated cluster."""
    for scene in SCENES:
        if only is None or any(only in shot.name for shot in scene.shots):
            # The audit of simulated clusters is nobody's, and no two scenes share it.
            with tempfile.TemporaryDirectory() as folder:
                os.environ["XDG_STATE_HOME"] = folder
                await draw_or_leave_out(scene, only)


async def draw_or_leave_out(scene: Scene, only: str | None) -> None:
    """Draw a scene, or say what it lacks here."""
    try:
        await draw(scene, only)
    except NoBrokerError as error:
        names = ", ".join(shot.name for shot in scene.shots if shot.name)
        sys.stdout.write(f"{names}: left out, {error}\n")


def main() -> int:
    """Draw the pictures that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures")
    parser.add_argument("--only", metavar="NAME", help="only pictures whose name holds this")
    parser.add_argument("--tables", action="store_true", help="only write the tables")
    arguments = parser.parse_args()
    write_tables()
    if not arguments.tables:
        FOLDER.mkdir(exist_ok=True)
        asyncio.run(draw_all(arguments.only))
    return 0


if __name__ == "__main__":
    sys.exit(main())
