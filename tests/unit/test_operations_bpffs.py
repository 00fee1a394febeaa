"""The guard rail on bpffs: what its two proofs, mount table and log, forbid or leave open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.checks_facts import entry, known
from tests.unit.operations_facts import a_node, a_snapshot, host_with
from tests.unit.test_operations_guards import spoken
from tui.model.host import HostFacts, MapSurvival
from tui.model.operations import GuardKind
from tui.model.reading import Reading
from tui.safety import clean

BPFFS_SAID = entry("BPF filesystem is not mounted. This will lead to", meaning="M25")


def test_bpffs_that_the_log_says_is_not_on_the_host_forbids_unless_the_mounts_say_otherwise() -> (
    None
):
    unread = known(HostFacts(reasons={"mounts": clean("no answer came")}))
    found = spoken(a_snapshot(a_node(logs=(BPFFS_SAID,), host=unread)))["bpffs-not-mounted"]
    assert (found.kind, found.is_data_loss) == (GuardKind.BLOCKED, True)
    assert "BPF filesystem is not mounted" in found.text
    assert "kubectl logs cilium-node-1 on node-1, 1970-01-12 13:45:40 UTC" in found.text
    before = replace(BPFFS_SAID, is_previous=True)
    found = spoken(a_snapshot(a_node(logs=(before,), host=unread)))["bpffs-unknown"]
    assert "no answer came" in found.text
    since = spoken(a_snapshot(a_node(logs=(BPFFS_SAID,))))
    assert since["bpffs-mounted-since"].kind is GuardKind.WARNED
    assert "bpffs-not-mounted" not in since


def test_mounts_that_die_with_the_container_forbid_whatever_the_log_holds() -> None:
    host = host_with(MapSurvival.NO, "mounted inside the agent's container")
    for logs in ((), (entry("Cilium agent starts"),), (BPFFS_SAID,)):
        found = spoken(a_snapshot(a_node(logs=logs, host=host)))["bpffs-not-mounted"]
        assert (found.kind, found.is_data_loss) == (GuardKind.BLOCKED, True)
        for part in ("inside the agent's container", "/proc/self/mountinfo on node-1", " UTC"):
            assert part in found.text


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (host_with(MapSurvival.UNKNOWN, "can't be told"), "can't be told"),
        (host_with(MapSurvival.NO, container="c0"), "container of before"),
        (host_with(MapSurvival.YES, container="c0"), "container of before"),
        (Reading.denied(clean("pods/exec: denied")), "pods/exec: denied"),
        (Reading(), "not read yet"),
    ],
)
def test_mounts_that_are_not_known_are_warned_of(host: Reading[HostFacts], why: str) -> None:
    found = spoken(a_snapshot(a_node(host=host)))["bpffs-unknown"]
    assert found.kind is GuardKind.WARNED
    assert why in found.text
    blind = replace(a_node(host=host), logs=(), log_error=clean("pods/log: denied"))
    assert "pods/log: denied" in spoken(a_snapshot(blind))["bpffs-unknown"].text
    both = spoken(a_snapshot(a_node(host=host, logs=(BPFFS_SAID,))))
    assert both["bpffs-not-mounted"].kind is GuardKind.BLOCKED


def test_mounts_that_stay_need_no_log() -> None:
    assert spoken(a_snapshot(replace(a_node(), logs=()))) == {}
