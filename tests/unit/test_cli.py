from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tui.cli import main


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


def test_help_imports_neither_textual_nor_kubernetes() -> None:
    code = (
        "import sys\n"
        "from tui.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0\n"
        "heavy = {'textual', 'rich', 'kubernetes', 'aiohttp', 'msgspec', 'humanize'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "simulate" in done.stdout


def test_flags_are_spelled_as_kubectl_spells_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "-n", "cni", "-l", "app=cilium", "--context", "prod"]) == 0
    printed = capsys.readouterr().out
    assert "cni" in printed
    assert "app=cilium" in printed
    assert "flag --context" in printed


def test_a_flag_before_the_command_counts_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--interval", "7", "config"]) == 0
    assert "flag --interval" in capsys.readouterr().out


def test_a_value_out_of_range_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--max-execs", "99"]) == 2
    assert "--max-execs: max-execs must be from 1 to 20" in capsys.readouterr().err


def test_a_bad_config_file_is_wrong_usage(tmp_path: Path) -> None:
    folder = tmp_path / "ciltop"
    folder.mkdir()
    (folder / "config.toml").write_text("nope = 1\n", encoding="utf-8")
    done = run("config", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "config.toml:1: unknown key 'nope'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_dashboard_needs_a_terminal() -> None:
    done = run()
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert "simulate" in printed
    assert "kubeconfig" in printed


def test_a_wrong_scenario_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--scenario", "sunny"])
    assert stopped.value.code == 2
    assert "mixed" in capsys.readouterr().err
