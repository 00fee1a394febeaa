"""Maps are found in whatever bpffs the agent pins them: usual, fallback or `bpf-root`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.checks_facts import cluster_facts, known, node_facts
from tests.unit.probe_shells import SHELLS, Container, dump_json, make_container
from tui.checks.proof.bpffs import pinned
from tui.checks.view import ClusterView, NodeView
from tui.cilium.dumps import decode_count, decode_counts, decode_dump
from tui.cilium.frames import EXIT_NO_MAP
from tui.cilium.hostmounts import FALLBACK_ROOT, parse_mounts
from tui.cilium.maps import parse_maps, parse_pins
from tui.cilium.probes import DEFAULT_ROOT, PROBES, command_text
from tui.model.host import BpfFilesystem, HostFacts, MapSurvival
from tui.safety import clean

PINS = ("cilium_lxc", "cilium_lb4_services_v2", "cilium_policy_00001")
ROOTS = [DEFAULT_ROOT, FALLBACK_ROOT, "/mnt/maps/bpf-1.19"]
ENTRY = (b"\x01\x02", b"\x03\x04")
MAP = '{"id":%d,"type":"hash","max_entries":%d}'


@pytest.fixture(params=SHELLS)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    """Return a container whose maps in one root all hold one entry, elsewhere none."""
    return make_container(str(request.param), tmp_path)


def lay_out(container: Container, live: str, *others: str) -> None:
    """Mount and fill every bpffs; the live one was changed last."""
    rows = [f"{n} 1 0:{n} / {root} rw - bpf bpf rw\n" for n, root in enumerate(others, 60)]
    rows.append(f"50 1 0:50 / {live} rw,relatime shared:9 - bpf bpf rw,mode=700\n")
    table = "1 0 0:1 / / rw - overlay overlay rw\n" + "".join(rows)
    container.file("/proc/self/mountinfo", table.encode())
    listed = []
    for number, root in enumerate((*others, live), 1):
        for pin in PINS:
            path = container.file(f"{root}/tc/globals/{pin}")
            shown = json.loads(MAP % (number, 1000 * number))
            listed.append(json.dumps({**shown, "pinned": [str(path)]}, separators=(",", ":")))
        os.utime(container.root / root.lstrip("/") / "tc/globals", (0, 1_000 * number))
    shown = container.path / "shown"
    shown.write_text("[" + ",".join(listed) + "]")
    full, empty = container.path / "full", container.path / "empty"
    full.write_bytes(dump_json([ENTRY]))
    empty.write_bytes(b"[]")
    container.stub(
        "bpftool",
        f"""
case "$*" in
"-j -f map show") cat {shown} ;;
"-j map show pinned {container.root}{live}/"*) echo '{MAP % (9, 9000)}' ;;
"-j map show pinned "*) echo '{MAP % (1, 1000)}' ;;
"-j map dump pinned {container.root}{live}/"*) cat {full} ;;
*) cat {empty} ;;
esac""",
    )


@pytest.mark.parametrize("others", [(), tuple(ROOTS)], ids=["alone", "beside-older"])
@pytest.mark.parametrize("live", ROOTS)
def test_every_probe_reads_the_bpffs_that_the_agent_uses(
    container: Container, live: str, others: tuple[str, ...]
) -> None:
    lay_out(container, live, *(root for root in others if root != live))
    asked = ("maps", "pins", "services4", "counts", "policies", "count=cilium_lxc", "mounts")
    frames = container.run(*asked)
    assert {name: (one.exit_code, one.stderr) for name, one in frames.items()} == dict.fromkeys(
        asked, (0, b"")
    )
    newest = 1000 * (1 + sum(root != live for root in others))
    sizes = {one.pin: one.max_entries for one in parse_maps(frames["maps"].stdout)}
    assert sizes == dict.fromkeys(PINS, newest)
    assert {one.max_entries for one in parse_pins(frames["pins"].stdout)} == {9000}
    assert decode_dump(frames["services4"].stdout).entries == [ENTRY]
    assert decode_counts(frames["counts"].stdout) == dict.fromkeys(PINS[:2], 1)
    assert decode_counts(frames["policies"].stdout) == {PINS[2]: 1}
    assert decode_count(frames["count=cilium_lxc"].stdout) == 1
    assert parse_mounts(frames["mounts"].stdout).root == live


def test_a_folder_that_tc_made_is_not_taken_for_the_agents(container: Container) -> None:
    lay_out(container, FALLBACK_ROOT)
    made = container.root / DEFAULT_ROOT.lstrip("/") / "tc/globals"
    made.mkdir(parents=True)
    os.utime(made, (0, 9_000_000))
    table = container.root / "proc/self/mountinfo"
    table.write_text(table.read_text() + f"70 1 0:70 / {DEFAULT_ROOT} rw - bpf bpf rw\n")
    assert decode_dump(container.run("services4")["services4"].stdout).entries == [ENTRY]


def test_what_is_missing_is_named_where_it_was_looked_for(container: Container) -> None:
    lay_out(container, FALLBACK_ROOT)
    frame = container.run("backends4")["backends4"]
    assert frame.exit_code == EXIT_NO_MAP
    assert f"{FALLBACK_ROOT}/tc/globals/cilium_lb4_backends_v2".encode() in frame.stderr


def test_without_grep_only_the_usual_place_is_known(container: Container) -> None:
    lay_out(container, DEFAULT_ROOT)
    container.remove("grep")
    frame = container.run("services4")["services4"]
    assert (frame.exit_code, frame.stderr) == (0, b"")


def test_a_whole_list_of_several_bpffs_gives_the_newest_maps() -> None:
    rows = [
        {**json.loads(MAP % (number, number)), "pinned": [f"{root}/tc/globals/cilium_{name}"]}
        for number, (root, name) in enumerate(
            [(DEFAULT_ROOT, "lxc"), (DEFAULT_ROOT, "gone"), (FALLBACK_ROOT, "lxc")], 7
        )
    ]
    (only,) = parse_maps(json.dumps(rows).encode())
    assert (only.pin, only.max_entries) == ("cilium_lxc", 9)


def test_commands_name_the_bpffs_that_was_read() -> None:
    for name in PROBES:
        probe = f"{name}cilium_lxc" if name.endswith("=") else name
        usual = command_text(probe)
        moved = command_text(probe, root=FALLBACK_ROOT)
        assert moved == usual.replace("/sys/fs/bpf/tc", "/run/cilium/bpffs/tc")
        for hostile in ("", "/x;id", "/a b", "$(id)", "relative", "/x/", "/x\n/y"):
            assert command_text(probe, root=hostile) == usual


@pytest.mark.parametrize(
    ("root", "path"),
    [(FALLBACK_ROOT, "/run/cilium/bpffs/tc/globals/x"), ("", "/sys/fs/bpf/tc/globals/x")],
)
def test_checks_name_it_too(root: str, path: str) -> None:
    table = BpfFilesystem(MapSurvival.NO, clean("seen"), clean(root))
    for host, wanted in ((HostFacts(mounts=table), path), (HostFacts(), DEFAULT_ROOT)):
        facts = replace(node_facts(), host=known(host))
        view = NodeView(facts, ClusterView(cluster_facts(), 0.0))
        assert pinned(view, "x").startswith(wanted)
