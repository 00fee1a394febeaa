"""The probe table and the script's text: what is never sent, on any release."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tui.cilium.probes import (
    PROBES,
    SCRIPT,
    CostClass,
    command_text,
    count_probe,
    deadline_seconds,
    exec_argv,
    is_safe,
    new_nonce,
    parse_argv,
    probe_of,
)
from tui.cilium.script import FRAMING, PROBE_FUNCTIONS

RELEASES = [(1, minor) for minor in range(11, 21)]
# measured.md §1.3, §4: these delete the live map, dump every map, panic, or move megabytes.
HAZARDS = (
    r"\bbpf +metrics\b",
    r"\bmap +(list|get|events)\b",
    r"\bbpf +(lb|ct|nat|ipcache|policy|auth|egress|endpoint|tunnel|sha|recorder|frag)\b",
    r"\bbuild-config\b",
    r"\bdebuginfo\b",
    r"\bstatedb\b",
    r"\bshell\b",
    r"\bmonitor\b",
    r"\bkvstore\b",
    r"\bsysdump\b",
    r"\bcleanup\b",
    r"\bprefilter\b",
    r"\bservice +(list|update|delete)\b",
)
BPFTOOL_READS = {"map show", "map dump", "cgroup tree", "feature probe"}


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_no_dangerous_command_is_in_the_table(release: tuple[int, int]) -> None:
    sent = [name for name in PROBES if is_safe(name if name[-1] != "=" else name + "x", release)]
    assert len(sent) == len(PROBES)
    for name in sent:
        for binary in ("cilium", "cilium-dbg"):
            command = command_text(name if name[-1] != "=" else name + "x", binary)
            found = [hazard for hazard in HAZARDS if re.search(hazard, command)]
            assert not found, command


def test_no_dangerous_command_is_in_the_script() -> None:
    for text in (SCRIPT, PROBE_FUNCTIONS, FRAMING):
        assert [hazard for hazard in HAZARDS if re.search(hazard, text)] == []


def test_bpftool_only_reads() -> None:
    objects = "map|prog|cgroup|feature|net|btf|link|iter|gen|struct_ops|perf|batch"
    pattern = rf"bpftool(?: -[a-z])* ((?:{objects}) \w+)"
    assert set(re.findall(pattern, SCRIPT)) == BPFTOOL_READS
    table = " ".join(probe.command for probe in PROBES.values())
    assert set(re.findall(pattern, table)) <= BPFTOOL_READS


def test_the_script_writes_no_file() -> None:
    redirections = re.findall(r"(?<![&0-9])>+ *([^ >&|;)]+)", SCRIPT)
    assert set(redirections) <= {"/dev/null", "\\'\\'", "&2", "&3", "&4"}
    for word in ("mount", "rm", "mv", "cp", "tee", "mktemp", "chmod", "modprobe", "eval"):
        assert not re.search(rf"(^|[ ;|&(]){word} ", SCRIPT, re.MULTILINE), word


HOST = {"clients", "sockets", "neighbors"}
SWEEP = ["status", "maps", "metrics", "version", "services4", "backends4"]


@pytest.mark.parametrize(
    ("probes", "most"),
    [
        (SWEEP, 7_000),
        ([*SWEEP, "services6", "backends6", "counts", "policies"], 8_192),
        ([name for name in PROBES if not name.endswith("=") and name not in HOST], 15_500),
    ],
)
def test_the_script_fits_a_request_line(probes: list[str], most: int) -> None:
    """Exec's arguments travel in the URL; nginx takes 8 KiB by default, HAProxy 16."""
    url = "&".join(f"command={quote(part, safe='')}" for part in exec_argv(new_nonce(), probes))
    assert len(url) < most


@pytest.mark.parametrize("name", sorted(PROBES))
def test_a_script_holds_what_its_probe_needs_and_no_other(name: str) -> None:
    probe = f"{name}cilium_lxc" if name.endswith("=") else name
    text = exec_argv("0123456789abcdef", [probe])[2]
    defined = set(re.findall(r"^(\w+)\(\) ", text, re.MULTILINE))
    everything = set(re.findall(r"^(\w+)\(\) ", SCRIPT, re.MULTILINE))
    called = set(re.findall(r"\w+", text)) & everything
    assert called == defined
    assert parse_argv(["sh", "-c", SCRIPT, "ciltop", "0123456789abcdef", probe]) is None


def test_argv_round_trips() -> None:
    nonce = new_nonce()
    argv = exec_argv(nonce, ["status", "count=cilium_lxc", "status"])
    assert argv[:2] == ["sh", "-c"]
    assert parse_argv(argv) == (nonce, ["status", "count=cilium_lxc"])


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["sh", "-c", "id", "ciltop", "0123456789abcdef", "status"],
        ["bash", "-c", SCRIPT, "ciltop", "0123456789abcdef", "status"],
        ["sh", "-c", SCRIPT, "ciltop", "$(id)", "status"],
        ["sh", "-c", SCRIPT, "ciltop"],
        ["sh", "-c", SCRIPT + "\nid", "ciltop", "0123456789abcdef", "status"],
    ],
)
def test_any_other_command_is_not_ours(argv: list[str]) -> None:
    assert parse_argv(argv) is None


@pytest.mark.parametrize(
    "name", ["", "count=", "count=a b", "count=$(id)", "count=../x", "rm", "status;id", "maps=x"]
)
def test_an_unknown_probe_is_refused(name: str) -> None:
    assert probe_of(name) is None
    with pytest.raises(ValueError, match="unknown probe"):
        exec_argv(new_nonce(), [name])


def test_a_map_name_is_checked() -> None:
    assert count_probe("cilium_lb4_services_v2") == "count=cilium_lb4_services_v2"
    with pytest.raises(ValueError, match="not a map name"):
        count_probe("x; id")


def test_the_deadline_exceeds_the_limits() -> None:
    names = [name for name in PROBES if not name.endswith("=")]
    limits = sum(PROBES[name].limit_seconds for name in names)
    assert deadline_seconds(names) > limits + 0.2 * len(names)


def test_a_dead_agent_costs_less_than_its_own_wait() -> None:
    """`metrics list` waits 15 s for the shell socket from 1.17 on."""
    assert PROBES["metrics"].limit_seconds < 15
    assert PROBES["metrics"].needs_api
    assert PROBES["metrics"].cost is CostClass.CHEAP


def test_commands_read_as_a_person_types_them() -> None:
    assert command_text("status", "cilium") == "cilium status -o json"
    assert command_text("count=cilium_lxc").startswith(
        "bpftool -j map dump pinned /sys/fs/bpf/tc/globals/cilium_lxc |"
    )
