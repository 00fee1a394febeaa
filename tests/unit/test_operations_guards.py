"""Guard rails: each one, where it speaks up and where it stays silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.checks_facts import NOW, known, kpr, status
from tests.unit.operations_facts import (
    HOSTNS_ONLY,
    a_config,
    a_node,
    a_service,
    a_snapshot,
    agent_set,
    ct_map,
    lb_map,
    uid_of,
)
from tui.model.cluster import DaemonSetRevision
from tui.model.host import HostFacts, UdpPeer, UdpSockets
from tui.model.maps import MapKind
from tui.model.node import AgentPhase
from tui.model.operations import Guard, GuardKind, Intent, OperationKind, PlannedWrite, Scope
from tui.model.reading import Reading
from tui.model.services import Address
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.changes import node_config_body
from tui.operations.diffs import yaml_of
from tui.operations.fresh import Fresh
from tui.operations.guards import grouped, judged, ordered
from tui.operations.situation import Situation, blocked, noted, warned
from tui.operations.writing import config_map_write, node_config_write
from tui.safety import clean

RESTART = Intent(OperationKind.RESTART)
FLIP = Intent(OperationKind.HOSTNS_ONLY, is_on=True)


def spoken(
    snapshot: Snapshot,
    *names: str,
    intent: Intent = RESTART,
    writes: tuple[PlannedWrite, ...] = (),
) -> dict[str, Guard]:
    """Return the guards of an operation on these nodes, the first of each id."""
    found: dict[str, Guard] = {}
    nodes = [uid_of(name) for name in names or ("node-1",)]
    for guard in judged(Situation(intent, nodes, snapshot, writes)):
        found.setdefault(guard.id, guard)
    return found


def flipped(snapshot: Snapshot, *names: str, value: str = "true") -> dict[str, Guard]:
    """Return the guards of a flip by CiliumNodeConfig."""
    nodes = [snapshot.nodes[uid_of(name)] for name in names or ("node-1",)]
    write = node_config_write("7f3a", nodes, {HOSTNS_ONLY: value}, Fresh(snapshot, version="v2"))
    intent = replace(FLIP, is_on=value == "true")
    return spoken(snapshot, *names, intent=intent, writes=(write,))


def cluster_write(snapshot: Snapshot, values: Mapping[str, str | None]) -> PlannedWrite:
    held = snapshot.cluster.config_map.value
    assert held is not None
    meta = {"name": "cilium-config", "uid": "cm", "resourceVersion": "1"}
    return config_map_write(
        "config", values, Fresh(snapshot, {"metadata": meta, "data": dict(held.values)})
    )


def test_a_healthy_node_has_no_guard_against_its_restart() -> None:
    assert spoken(a_snapshot(a_node(maps=[lb_map()]))) == {}


@pytest.mark.parametrize(
    ("usage", "guard", "kind"),
    [
        (lb_map(10, 1024, wanted=65), "map-too-small", GuardKind.BLOCKED),
        (lb_map(10, 1024, wanted=64), "maps-recreated", GuardKind.WARNED),
        (lb_map(65, 1024, wanted=None), "map-too-small", GuardKind.BLOCKED),
        (lb_map(64, 1024, wanted=None), "maps-recreated", GuardKind.WARNED),
        (lb_map(None, 1024, wanted=None), "map-size-unknown", GuardKind.BLOCKED),
        (
            lb_map(None, 1024, wanted=None, kind=MapKind.LPM_TRIE),
            "maps-recreated",
            GuardKind.WARNED,
        ),
        (lb_map(900, 1024, wanted=None, kind=MapKind.LRU_HASH), "maps-recreated", GuardKind.WARNED),
        (lb_map(64, 64, wanted=95), "stays-too-small", GuardKind.WARNED),
        (lb_map(32, 32, wanted=95), "stays-too-small", GuardKind.WARNED),
    ],
)
def test_what_becomes_of_a_maps_size_at_the_next_start(
    usage: Any, guard: str, kind: GuardKind
) -> None:
    snapshot = a_snapshot(a_node(maps=[usage]), values={"bpf-lb-map-max": "64"})
    found = spoken(snapshot)
    assert found[guard].kind is kind
    assert found[guard].is_data_loss is (kind is GuardKind.BLOCKED)
    sizes = {"map-too-small", "map-size-unknown", "maps-recreated", "stays-too-small"}
    assert sizes & set(found) == {guard}


def test_a_resize_notes_the_maps_it_is_about_and_warns_of_lost_connections() -> None:
    values = {"bpf-lb-map-max": "1024"}
    snapshot = a_snapshot(a_node(maps=[lb_map(10, 64)]), values=values)
    resize = Intent(OperationKind.RESIZE)
    assert spoken(snapshot, intent=resize)["maps-recreated"].kind is GuardKind.NOTED
    values = {"bpf-lb-map-max": "64", "bpf-ct-global-tcp-max": "131072"}
    snapshot = a_snapshot(a_node(maps=[lb_map(10, 64), ct_map()]), values=values)
    found = spoken(snapshot, intent=resize)["maps-recreated"]
    assert found.kind is GuardKind.WARNED
    assert "connection state is lost" in found.text


def test_an_agent_that_would_not_start_is_never_restarted_whatever_is_accepted() -> None:
    values = {"bpf-lb-map-max": "0"}
    found = spoken(a_snapshot(a_node(), values=values))["would-not-start"]
    assert (found.kind, found.is_data_loss) == (GuardKind.BLOCKED, False)
    assert "must be greater than 0" in found.text


def test_the_start_that_counts_is_the_one_after_the_operations_own_write() -> None:
    snapshot = a_snapshot(a_node(maps=[lb_map(95, 1024)]), values={"bpf-lb-map-max": "64"})
    assert "map-too-small" in spoken(snapshot)
    write = cluster_write(snapshot, {"bpf-lb-map-max": "256"})
    resize = Intent(OperationKind.RESIZE)
    assert "map-too-small" not in spoken(snapshot, intent=resize, writes=(write,))
    worse = cluster_write(snapshot, {"bpf-lb-map-max": "32"})
    assert "map-too-small" in spoken(snapshot, intent=resize, writes=(worse,))


def test_every_other_key_that_becomes_active_is_listed_and_the_own_one_is_not() -> None:
    snapshot = a_snapshot(
        a_node(running={"Debug": "false"}), values={"bpf-lb-map-max": "1024", "debug": "true"}
    )
    assert "debug false → true" in spoken(snapshot)["pending-keys"].text
    found = flipped(snapshot)["pending-keys"]
    assert "1 other key: debug" in found.text
    assert HOSTNS_ONLY not in found.text


def test_a_next_start_that_cannot_be_told_is_warned_of() -> None:
    unread = replace(a_node(), config=Reading())
    assert "effective configuration" in spoken(a_snapshot(unread))["next-start-unknown"].text
    denied = a_snapshot(a_node(), config_map=Reading.denied(clean("no right")))
    assert "no right" in spoken(denied)["next-start-unknown"].text


def test_another_image_and_another_revision_are_told() -> None:
    newer = agent_set(image=clean("quay.io/cilium/cilium:v1.18.0"))
    assert "v1.18.0" in spoken(a_snapshot(a_node(), daemonset=newer))["image-changes"].text
    revisions = known((DaemonSetRevision(clean("cilium"), 4, clean("new")),))
    node = a_node()
    assert node.agent is not None
    for mark, is_told in (("old", True), ("new", False), ("", False)):
        held = replace(node, agent=replace(node.agent, revision=clean(mark)))
        found = spoken(a_snapshot(held, revisions=revisions))
        assert ("revision-changes" in found) is is_told


@pytest.mark.parametrize(
    ("phase", "is_ready", "guard"),
    [
        (AgentPhase.RUNNING, True, ""),
        (AgentPhase.CRASH_LOOP, True, ""),
        (AgentPhase.MISSING, True, "no-agent"),
        (AgentPhase.TERMINATING, True, "agent-terminating"),
        (AgentPhase.UNREACHABLE, True, "node-unreachable"),
        (AgentPhase.UNREACHABLE, None, "node-unreachable"),
        (AgentPhase.UNREACHABLE, False, "node-not-ready"),
        (AgentPhase.NOT_READY, False, "node-not-ready"),
    ],
)
def test_where_no_restart_is_possible(phase: AgentPhase, is_ready: bool | None, guard: str) -> None:
    base = a_node(phase=phase)
    node = replace(base, node=replace(base.node, is_ready=is_ready))
    found = spoken(a_snapshot(node))
    assert set(found) - {"next-start-unknown"} == ({guard} if guard else set())
    if guard:
        assert (found[guard].kind is GuardKind.BLOCKED) is (guard != "node-not-ready")


def test_agents_already_down_and_nodes_not_ready_elsewhere_are_listed() -> None:
    bad = a_node("node-2", phase=AgentPhase.CRASH_LOOP)
    worse = a_node("node-3")
    worse = replace(worse, node=replace(worse.node, is_ready=False))
    found = spoken(a_snapshot(a_node(), bad, worse))
    assert found["agents-down"].text == "agents already down elsewhere: node-2 (crash-loop)"
    assert found["nodes-not-ready"].text == "other nodes are NotReady: node-3"
    one = agent_set(unavailable="1")
    found = spoken(a_snapshot(a_node(), bad, daemonset=one))
    assert "the maxUnavailable of cilium (1)" in found["agents-down"].text


def test_a_prestop_hook_a_sole_endpoint_and_old_readings_are_told() -> None:
    hooked = agent_set(pre_stop=clean("/cni-uninstall.sh"))
    services = [a_service("shop/db", "node-1"), a_service("shop/web", "node-1", "node-2")]
    snapshot = a_snapshot(a_node(), a_node("node-2"), daemonset=hooked, services=services)
    found = spoken(snapshot)
    assert "/cni-uninstall.sh" in found["prestop-hook"].text
    assert "shop/db are on this node" in found["sole-endpoints"].text
    assert "shop/web" not in found["sole-endpoints"].text
    assert "sole-endpoints" not in spoken(snapshot, "node-2")
    for age, is_told in ((299.0, False), (301.0, True)):
        node = replace(a_node(), swept_at=NOW - age)
        assert ("stale" in spoken(a_snapshot(node))) is is_told


def test_services_that_cannot_be_listed_are_not_none() -> None:
    snapshot = a_snapshot(a_node())
    cluster = replace(snapshot.cluster, services=Reading.denied(clean("list services")))
    assert "list services" in spoken(replace(snapshot, cluster=cluster))["services-unknown"].text


@pytest.mark.parametrize(
    ("release", "guard"),
    [("1.11.7", "release-too-old"), ("1.12.19", "release-too-old"), ("1.13.0", ""), ("1.20.0", "")],
)
def test_node_configs_are_read_from_1_13(release: str, guard: str) -> None:
    found = flipped(a_snapshot(a_node(release=release)))
    blocked_by = {name for name, one in found.items() if one.kind is GuardKind.BLOCKED}
    assert blocked_by == ({guard} if guard else set())


@pytest.mark.parametrize(
    ("daemonset", "reason"),
    [
        (agent_set(builder=()), "single ConfigMap"),
        (
            agent_set(builder=("cilium", "build-config", "--source=config-map:cilium-config")),
            "reads",
        ),
        (
            agent_set(builder=("cilium", "build-config", "--allow-config-keys=debug")),
            "not among --allow-config-keys",
        ),
        (
            agent_set(builder=("cilium", "build-config", f"--deny-config-keys={HOSTNS_ONLY}")),
            "in --deny-config-keys",
        ),
        (agent_set(f"--{HOSTNS_ONLY}=false"), "arguments sets it too, and wins"),
    ],
)
def test_a_value_that_nobody_would_read_is_not_written(daemonset: Any, reason: str) -> None:
    found = flipped(a_snapshot(a_node(), daemonset=daemonset))["no-effect"]
    assert found.kind is GuardKind.BLOCKED
    assert reason in found.text


def test_sources_that_are_not_known_are_told() -> None:
    odd = agent_set(
        builder=("cilium", "build-config", "--source=config-map:other,cilium-node-config")
    )
    assert "can't be told" in flipped(a_snapshot(a_node(), daemonset=odd))["effect-unknown"].text


def test_the_clusters_write_that_some_nodes_ignore_is_told_and_one_all_ignore_forbidden() -> None:
    own = a_config("canary", {HOSTNS_ONLY: "false"}, "node-1")
    snapshot = a_snapshot(a_node(), a_node("node-2"), configs=[own])
    write = cluster_write(snapshot, {HOSTNS_ONLY: "true"})
    flip = replace(FLIP, scope=Scope.CLUSTER)
    found = spoken(snapshot, "node-1", "node-2", intent=flip, writes=(write,))
    assert found["no-effect"].kind is GuardKind.WARNED
    found = spoken(snapshot, "node-1", intent=flip, writes=(write,))
    assert found["no-effect"].kind is GuardKind.BLOCKED


def test_a_write_for_all_that_others_would_suffer_from_is_forbidden() -> None:
    nodes = [
        a_node("node-1", maps=[lb_map(5, 16, 10)]),
        a_node("node-2", maps=[lb_map(95, 1024, 95)]),
    ]
    snapshot = a_snapshot(*nodes)
    write = cluster_write(snapshot, {"bpf-lb-map-max": "64"})
    resize = Intent(OperationKind.RESIZE, size=64)
    found = spoken(snapshot, intent=resize, writes=(write,))
    assert found["others-too-small"].kind is GuardKind.BLOCKED
    assert "1,024 → 64, 95 wanted" in found["others-too-small"].text
    write = cluster_write(snapshot, {"bpf-lb-map-max": "-1"})
    assert "others-would-not-start" in spoken(snapshot, intent=resize, writes=(write,))


@pytest.mark.parametrize(
    ("release", "kernel", "guard"),
    [
        ("1.17.5", "5.4.0-90-generic", "no-netns-cookies"),
        ("1.17.5", "5.7.0", ""),
        ("1.18.0", "5.4.0-90-generic", ""),
        ("1.17.5", "", "netns-cookies-unknown"),
    ],
)
def test_netns_cookies_are_needed_up_to_1_17(release: str, kernel: str, guard: str) -> None:
    found = flipped(a_snapshot(a_node(release=release, kernel=kernel)))
    cookies = {"no-netns-cookies", "netns-cookies-unknown"} & set(found)
    assert cookies == ({guard} if guard else set())


def test_the_flip_needs_socket_load_balancing() -> None:
    for is_on, guard in ((False, "socket-lb-off"), (None, "socket-lb-unknown"), (True, "")):
        state = status(kube_proxy_replacement=kpr(socket_lb=is_on))
        found = flipped(a_snapshot(replace(a_node(), status=known(state))))
        told = {"socket-lb-off", "socket-lb-unknown"} & set(found)
        assert told == ({guard} if guard else set())


@pytest.mark.parametrize(("ratio", "is_told"), [(0.5, False), (0.51, True), (None, True)])
def test_conntrack_above_half_is_warned_of(ratio: float | None, is_told: bool) -> None:
    found = flipped(a_snapshot(a_node(maps=[ct_map(ratio)])))
    assert ("ct-headroom" in found) is is_told


def test_pinned_sockets_are_counted_and_rolling_back_can_break() -> None:
    peers = (UdpPeer("10.0.0.9", 53, 3, clean("pod")), UdpPeer("8.8.8.8", 53, 2))
    service = replace(a_service("kube-system/kube-dns"), backends=(Address("10.0.0.9", 53, "UDP"),))
    node = replace(a_node(), host=known(HostFacts(sockets=UdpSockets(peers))))
    found = flipped(a_snapshot(node, services=[service]))
    assert "3 UDP sockets" in found["pinned-sockets"].text
    assert "connections-break" not in found
    node = a_node(running={HOSTNS_ONLY: "true"})
    snapshot = a_snapshot(node, configs=[a_config("canary", {HOSTNS_ONLY: "true"})])
    assert "connections-break" in flipped(snapshot, value="false")
    assert "already-so" in flipped(snapshot)
    assert "already-so" not in flipped(snapshot, value="false")


def test_guards_that_forbid_come_first_and_the_same_of_many_nodes_is_one() -> None:
    many = [warned("a", f"node-{number}: is odd", uid_of(f"node-{number}")) for number in range(7)]
    found = grouped(
        ordered([noted("n", "x"), *many, *many, blocked("b", "node-1: no", uid_of("n"))])
    )
    assert [guard.id for guard in found] == ["b", "a", "n"]
    assert found[1].text == "node-0, node-1, node-2, node-3 and 3 more: is odd"
    assert found[1].node_uid is None


_SIZES = st.none() | st.integers(0, 4096)


@given(
    st.integers(1, 4096),
    _SIZES,
    _SIZES,
    st.integers(1, 4096),
    st.sampled_from(["1.11.7", "1.17.5", "1.19.4"]),
)
def test_no_restart_is_let_through_that_shrinks_a_map_below_what_is_wanted(
    size: int, entries: int | None, wanted: int | None, following: int, release: str
) -> None:
    usage = lb_map(entries, size, wanted)
    snapshot = a_snapshot(
        a_node(release=release, maps=[usage]), values={"bpf-lb-map-max": str(following)}
    )
    is_blocked = any(guard.kind is GuardKind.BLOCKED for guard in spoken(snapshot).values())
    needed = wanted if wanted is not None else entries
    shrinks = following < size
    assert is_blocked is (shrinks and (needed is None or needed > following))


@given(st.sets(st.sampled_from([f"node-{number}" for number in range(6)]), min_size=1))
def test_a_node_config_selects_the_nodes_that_are_meant_and_no_others(names: set[str]) -> None:
    nodes: list[NodeFacts] = [a_node(f"node-{number}") for number in range(6)]
    snapshot = a_snapshot(*nodes)
    chosen = sorted(names)
    write = node_config_write(
        "7f3a",
        [snapshot.nodes[uid_of(name)] for name in chosen],
        {HOSTNS_ONLY: "true"},
        Fresh(snapshot, version="v2"),
    )
    found = judged(Situation(FLIP, [uid_of(name) for name in chosen], snapshot, (write,)))
    assert not [guard for guard in found if guard.kind is GuardKind.BLOCKED]
    body = node_config_body("7f3a", "kube-system", "v2", chosen, {HOSTNS_ONLY: "true"})
    assert [line.strip("- ") for line in yaml_of(body).split("\n") if "node-" in line] == chosen
