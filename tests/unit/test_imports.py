"""What importing each layer pulls in: a static graph can't see deferred imports."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import tui

TERMINAL = {"textual", "rich", "widgets", "styles"}
FORBIDDEN = {
    "tui.safety": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.model", "tui.cluster"},
    "tui.model": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.cilium", "tui.cluster"},
    "tui.cilium": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.cluster", "tui.collect"},
    "tui.checks": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.cluster", "tui.store"},
    "tui.cluster": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.collect", "tui.store"},
    "tui.store": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.cluster", "tui.collect"},
    "tui.collect": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.store", "tui.simulator"},
    "tui.report": TERMINAL | {"kubernetes", "aiohttp", "aiomqtt", "tui.cluster", "tui.store"},
    "tui.operations": TERMINAL | {"kubernetes", "aiomqtt", "tui.collect", "tui.store"},
    "tui.bus": TERMINAL | {"kubernetes", "aiohttp", "tui.cluster", "tui.collect", "tui.store"},
    "tui.simulator": TERMINAL | {"kubernetes", "aiomqtt", "tui.collect", "tui.store"},
    "tui.screens": {"kubernetes", "aiohttp", "aiomqtt", "tui.cluster", "tui.collect"},
    "tui.app": {"kubernetes", "aiohttp", "aiomqtt", "tui.cluster", "tui.collect"},
    "widgets": {"tui", "kubernetes", "aiohttp", "aiomqtt"},
}


def modules_of(layer: str) -> list[str]:
    package = __import__(layer, fromlist=["_"])
    if not hasattr(package, "__path__"):
        return [layer]
    found = [module.name for module in pkgutil.walk_packages(package.__path__, f"{layer}.")]
    return [layer, *found]


@pytest.mark.parametrize("layer", sorted(FORBIDDEN))
def test_a_layer_imports_nothing_above_it(layer: str) -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {modules_of(layer)!r}:\n"
        "    importlib.import_module(name)\n"
        f"bad = {sorted(FORBIDDEN[layer])!r}\n"
        "print([name for name in bad if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert version("ciltop") == tui.__version__
