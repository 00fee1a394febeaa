"""Real BPF maps in a private bpffs: the formula, the counts and the dumps on this kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.probe_shells import TOOLS, Container, make_container
from tui.cilium.accounting import KNOWN_HASH, is_accounted
from tui.cilium.dumps import decode_count, decode_counts, decode_dump
from tui.cilium.maps import KernelMap, parse_maps, parse_pins
from tui.cilium.occupancy import Evidence, NodeOccupancy, occupancy
from tui.cilium.probes import count_probe
from tui.model.maps import CountOrigin, MapUsage

pytestmark = pytest.mark.bpf

KERNEL = os.uname().release
NO_PREALLOC = "1"


class Node:
    """A container with its own bpffs and the machine's bpftool."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.globals = container.root / "sys/fs/bpf/tc/globals"
        self.maps: dict[str, tuple[int, int]] = {}

    def bpftool(self, *words: str) -> None:
        subprocess.run(["bpftool", *words], check=True, capture_output=True, timeout=60)

    def create(self, pin: str, kind: str, sizes: tuple[int, int, int], flags: str = "0") -> None:
        key, value, most = sizes
        words = f"type {kind} key {key} value {value} entries {most} name {pin[:15]} flags {flags}"
        self.bpftool("map", "create", str(self.globals / pin), *words.split())
        self.maps[pin] = (key, value)

    def fill(self, pin: str, numbers: range, prefix: bytes = b"") -> dict[bytes, bytes]:
        """Insert one entry a number; the first `prefix` bytes of every key are the same."""
        key_size, value_size = self.maps[pin]
        entries = {
            prefix + n.to_bytes(key_size - len(prefix), "big"): (n % 251).to_bytes(
                value_size, "big"
            )
            for n in numbers
        }
        lines = [
            f"map update pinned {self.globals / pin} key {_decimal(key)} value {_decimal(value)}"
            for key, value in entries.items()
        ]
        self._batch(lines)
        return entries

    def delete(self, pin: str, keys: list[bytes]) -> None:
        self._batch([f"map delete pinned {self.globals / pin} key {_decimal(key)}" for key in keys])

    def _batch(self, lines: list[str]) -> None:
        file = self.container.path / "batch"
        file.write_text("\n".join(lines) + "\n")
        self.bpftool("batch", "file", str(file))

    def evidence(self, *counted: str) -> Evidence:
        """Run one exec as the collector does: the map list and these counts."""
        frames = self.container.run("maps", *(count_probe(pin) for pin in counted))
        root = str(self.container.root).encode()
        maps = parse_maps(frames["maps"].stdout.replace(root, b""))
        counts = {pin: decode_count(frames[count_probe(pin)].stdout) for pin in counted}
        return Evidence(time.time(), maps, counts, kernel_release=KERNEL)


def _decimal(octets: bytes) -> str:
    return " ".join(map(str, octets))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    bpftool = shutil.which("bpftool")
    if bpftool is None:
        pytest.skip("bpftool is not installed")
    container = make_container("dash", tmp_path, TOOLS)
    (container.path / "bin" / "bpftool").symlink_to(bpftool)
    mount_point = container.root / "sys/fs/bpf"
    mount_point.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "bpf", "bpf", str(mount_point)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a bpffs")
    try:
        made = Node(container)
        made.globals.mkdir(parents=True)
        try:
            made.create("cilium_probe", "hash", (4, 4, 1))
        except subprocess.CalledProcessError:
            pytest.skip("no right to create BPF maps")
        (made.globals / "cilium_probe").unlink()
        yield made
    finally:
        subprocess.run(["umount", str(mount_point)], check=True, capture_output=True)


def by_name(usages: tuple[MapUsage, ...]) -> dict[str, MapUsage]:
    return {usage.name: usage for usage in usages}


def kernel_map(evidence: Evidence, pin: str) -> KernelMap:
    return next(each for each in evidence.maps or () if each.pin == pin)


def needs_accounting(node: Node) -> None:
    node.create("cilium_lxc", "hash", (20, 48, 64), NO_PREALLOC)
    if not is_accounted(kernel_map(node.evidence(), "cilium_lxc"), KERNEL):
        pytest.skip(f"Linux {KERNEL} does not account entries")


def test_the_formula_follows_every_insert_and_delete(node: Node) -> None:
    needs_accounting(node)
    services, backends = "cilium_lb4_services_v2", "cilium_lb4_backends_v2"
    node.create(services, "hash", (12, 12, 65_536), NO_PREALLOC)
    node.create(backends, "hash", (4, 8, 1_000), NO_PREALLOC)
    node.create("cilium_lb4_reverse_nat", "hash", (2, 6, 100), NO_PREALLOC)
    node.fill(services, range(5_000))
    kept = node.fill(backends, range(700))
    node.fill("cilium_lb4_reverse_nat", range(9))

    remembered, usages = occupancy(NodeOccupancy(), node.evidence())
    assert {usage.entries for usage in usages} == {None}
    assert {usage.origin for usage in usages} == {CountOrigin.NONE}

    counted = (services, backends, "cilium_lb4_reverse_nat")
    remembered, usages = occupancy(remembered, node.evidence(*counted))
    assert {name: by_name(usages)[name].entries for name in counted} == dict(
        zip(counted, (5_000, 700, 9), strict=True)
    )
    assert remembered.calibration.hash_bytes is not None
    assert remembered.calibration.misfits == frozenset()

    node.fill(services, range(5_000, 20_000))
    node.delete(backends, list(kept)[:123])
    node.fill("cilium_lxc", range(64))
    _, usages = occupancy(remembered, node.evidence())
    found = by_name(usages)
    assert found[services].entries == 20_000
    assert found[backends].entries == 577
    assert found["cilium_lxc"].entries == 64
    assert found["cilium_lxc"].is_full
    assert {found[name].origin for name in found} == {CountOrigin.ACCOUNTING}


def test_the_known_constants_are_this_kernels(node: Node) -> None:
    """896 and 56 were measured on 6.18 x86-64: one count proves them there."""
    needs_accounting(node)
    if not KERNEL.startswith("6.18.") or os.uname().machine != "x86_64":
        pytest.skip("measured on another kernel")
    node.create("cilium_lb4_backends_v2", "hash", (4, 8, 65_536), NO_PREALLOC)
    node.fill("cilium_lb4_backends_v2", range(64))
    evidence = node.evidence("cilium_lb4_backends_v2")
    memory = kernel_map(evidence, "cilium_lb4_backends_v2").memory_bytes
    assert memory == 896 + 16 * 65_536 + 64 * 72
    remembered, _ = occupancy(NodeOccupancy(), evidence)
    assert remembered.calibration.hash_bytes == KNOWN_HASH


def test_tries_are_calibrated_by_one_count(node: Node) -> None:
    needs_accounting(node)
    prefix = (160).to_bytes(4, "little")
    node.create("cilium_ipcache", "lpm_trie", (24, 12, 512_000), NO_PREALLOC)
    node.create("cilium_lb4_source_range", "lpm_trie", (12, 1, 64), NO_PREALLOC)
    node.create("cilium_policy_v2_00743", "lpm_trie", (12, 24, 16_384), NO_PREALLOC)
    node.fill("cilium_ipcache", range(300), prefix)
    remembered, usages = occupancy(NodeOccupancy(), node.evidence("cilium_ipcache"))
    assert by_name(usages)["cilium_ipcache"].entries == 300
    assert by_name(usages)["cilium_lb4_source_range"].entries == 0
    node.fill("cilium_lb4_source_range", range(7), (64).to_bytes(4, "little"))
    node.fill("cilium_policy_v2_00743", range(31), (64).to_bytes(4, "little"))
    _, usages = occupancy(remembered, node.evidence())
    assert by_name(usages)["cilium_lb4_source_range"].entries == 7
    assert by_name(usages)["cilium_policy_v2_*"].entries == 31


@pytest.mark.parametrize(
    ("pin", "kind", "flags"),
    [("cilium_lb4_services_v2", "hash", "0"), ("cilium_lb4_reverse_sk", "lru_hash", "0")],
)
def test_constant_memory_is_never_taken_for_a_count(
    node: Node, pin: str, kind: str, flags: str
) -> None:
    node.create(pin, kind, (12, 12, 1_024), flags)
    before = node.evidence()
    node.fill(pin, range(100))
    after = node.evidence()
    assert kernel_map(before, pin).memory_bytes == kernel_map(after, pin).memory_bytes
    remembered, usages = occupancy(NodeOccupancy(), after)
    assert by_name(usages)[pin].entries is None
    assert by_name(usages)[pin].note
    _, usages = occupancy(remembered, node.evidence(pin))
    assert by_name(usages)[pin].entries == 100
    assert by_name(usages)[pin].origin is CountOrigin.COUNTED


def test_an_old_kernel_only_counts(node: Node) -> None:
    node.create("cilium_lb4_backends_v2", "hash", (4, 8, 64), NO_PREALLOC)
    node.fill("cilium_lb4_backends_v2", range(64))
    evidence = replace(node.evidence("cilium_lb4_backends_v2"), kernel_release="5.4.0-90-generic")
    remembered, usages = occupancy(NodeOccupancy(), evidence)
    assert remembered.calibration.hash_bytes is None
    assert usages[0].origin is CountOrigin.COUNTED
    assert usages[0].is_full


def test_dumps_and_counts_are_what_was_inserted(node: Node) -> None:
    node.create("cilium_lb4_services_v2", "hash", (12, 12, 65_536))
    node.create("cilium_lb4_backends_v3", "hash", (4, 12, 65_536), NO_PREALLOC)
    node.create("cilium_metrics", "percpu_hash", (8, 16, 64), NO_PREALLOC)
    services = node.fill("cilium_lb4_services_v2", range(3_000))
    backends = node.fill("cilium_lb4_backends_v3", range(1_234))
    frames = node.container.run("services4", "backends4", "counts", "count=cilium_metrics", "pins")
    assert dict(decode_dump(frames["services4"].stdout).entries) == services
    assert dict(decode_dump(frames["backends4"].stdout).entries) == backends
    assert decode_counts(frames["counts"].stdout) == {
        "cilium_lb4_services_v2": 3_000,
        "cilium_lb4_backends_v3": 1_234,
    }
    assert decode_count(frames["count=cilium_metrics"].stdout) == 0
    pins = {each.pin for each in parse_pins(frames["pins"].stdout)}
    assert pins == set(node.maps) - {"cilium_probe"}


def test_a_full_map_refuses_and_is_seen_full(node: Node) -> None:
    pin = "cilium_lb4_backends_v2"
    node.create(pin, "hash", (4, 8, 64), NO_PREALLOC)
    node.fill(pin, range(64))
    with pytest.raises(subprocess.CalledProcessError) as refused:
        node.fill(pin, range(64, 65))
    assert b"Argument list too long" in refused.value.stdout + refused.value.stderr
    _, usages = occupancy(NodeOccupancy(), node.evidence(pin))
    assert usages[0].is_full
