"""Bytes from the cluster, cleaned and drawn by every widget, never command the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from textual._compositor import CompositorUpdate

from tests.hostile.hostile_screen import HostileScreen
from tests.hostile.payloads import MARKER, PAYLOADS, hostile_texts
from tests.hostile.terminal import COLOUR_OR_MOVE, controls, run_on_terminal, shapes, text_only
from tui.safety import CleanText, clean

LITERAL = ("[/x]", "[@click=app.quit]", "map[a:b]", "[red]red[/red]")


def draw_on_terminal(texts: list[str]) -> str:
    """Draw the texts on a real terminal and return what was written to it."""
    root = Path(__file__).parents[2]
    environment = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
    }
    program = [sys.executable, "-m", "tests.hostile.hostile_screen", json.dumps(texts)]
    return run_on_terminal(["env", f"--chdir={root}", *program], environment)


def mixed_payloads() -> list[str]:
    """Return the payloads, and mixtures that are the same in every run."""
    chance = random.Random(2)  # noqa: S311 - not for secrets
    mixed = ["".join(chance.sample(PAYLOADS, 4)) for _ in range(20)]
    return [*PAYLOADS, *mixed]


def test_no_control_byte_reaches_the_pty_but_textual_s_own() -> None:
    benign = draw_on_terminal(["benign", "text 日本"])
    hostile = draw_on_terminal(mixed_payloads())

    assert "benign" in text_only(benign)
    assert len(hostile) > 3 * len(benign)  # it was drawn, not refused
    assert shapes(hostile) <= shapes(benign)
    assert controls(hostile) <= controls(benign)


def test_markup_is_shown_as_it_is_on_the_pty() -> None:
    shown = text_only(draw_on_terminal(["  ".join(LITERAL)]))
    for text in LITERAL:
        assert text in shown


@given(st.lists(hostile_texts(), min_size=1, max_size=6), st.sampled_from([(80, 40), (23, 30)]))
@settings(max_examples=12, deadline=None)
def test_drawn_text_holds_colours_and_cursor_moves_only(
    texts: list[str], size: tuple[int, int]
) -> None:
    for output in asyncio.run(draw_headless([clean(text) for text in texts], size)):
        left = COLOUR_OR_MOVE.sub("", output)
        assert "\x1b" not in left
        assert controls(left) <= {"\n"}


def test_the_check_sees_what_is_not_cleaned() -> None:
    uncleaned = CleanText(f"\x1b]0;{MARKER}\x1b\\")
    output = asyncio.run(draw_headless([uncleaned], (80, 40)))[0]
    assert "\x1b" in COLOUR_OR_MOVE.sub("", output)


async def draw_headless(texts: list[CleanText], size: tuple[int, int]) -> list[str]:
    """Return what the driver would be given for each text."""
    app = HostileScreen()
    outputs: list[str] = []
    async with app.run_test(size=size) as pilot:
        for text in texts:
            app.show(text)
            await pilot.pause()
            update = cast(CompositorUpdate, app.screen._compositor.render_update(full=True))
            outputs.append(update.render_segments(app.console))
    return outputs
