"""What libraries tell their logs, such as asyncio of errors that nobody fetched, on a screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import asyncio, gc, logging, sys
from pathlib import Path
from tui.cli import _start_log
from tui.config import load_config

flags = {"log-file": sys.argv[1]} if sys.argv[1:] else {}
_start_log(load_config(Path("/nowhere/config.toml"), flags, {}))

def fails():
    raise OSError(9, "Bad file descriptor")

async def main():
    loop = asyncio.get_running_loop()
    loop.create_future().set_exception(ConnectionError("never retrieved"))
    loop.call_soon(fails)
    gc.collect()
    logging.getLogger("paho").error("of a library")
    await asyncio.sleep(0)

asyncio.run(main())
"""
_TOLD = ("Future exception was never retrieved", "Bad file descriptor", "of a library")


@pytest.mark.parametrize("has_file", [False, True])
def test_no_library_writes_to_the_terminal(tmp_path: Path, has_file: bool) -> None:
    log = tmp_path / "log"
    words = [sys.executable, "-c", _PROGRAM, *([str(log)] if has_file else [])]
    ran = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("", "")
    assert not has_file or all(told in log.read_text(encoding="utf-8") for told in _TOLD)
