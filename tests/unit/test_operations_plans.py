"""Plans: what is written, in which order, and what a person is shown before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import NOW
from tests.unit.operations_facts import (
    CONFIGS,
    HOSTNS_ONLY,
    PATH,
    FakeReader,
    a_config,
    a_node,
    a_service,
    a_snapshot,
    agent_set,
    ids,
    lb_map,
    uid_of,
)
from tui.errors import ConnectError, DeniedError, ForbiddenError, NotArmedError
from tui.model.operations import Intent, OperationKind, OperationPlan, Permission, Scope
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.changes import after_writes, body_of
from tui.operations.guards import recheck_node
from tui.operations.plans import make_plan, operation_id
from tui.operations.reader import request_of


def planned(
    intent: Intent, snapshot: Snapshot, reader: FakeReader | None = None, **parts: Any
) -> OperationPlan:
    reader = reader or FakeReader(snapshot)
    return asyncio.run(make_plan(intent, snapshot, reader, clock=lambda: NOW + 1.8e9, **parts))


def restart(*names: str, **parts: Any) -> Intent:
    return Intent(OperationKind.RESTART, tuple(uid_of(name) for name in names), **parts)


def flip(*names: str, is_on: bool = True, **parts: Any) -> Intent:
    nodes = tuple(uid_of(name) for name in names)
    return Intent(OperationKind.HOSTNS_ONLY, nodes, is_on=is_on, **parts)


def resize(*names: str, size: int | None = None, **parts: Any) -> Intent:
    return Intent(OperationKind.RESIZE, tuple(uid_of(name) for name in names), size=size, **parts)


def three(**parts: Any) -> list[NodeFacts]:
    return [a_node(f"node-{number}", maps=[lb_map()], **parts) for number in (1, 2, 3)]


def shown(plan: OperationPlan, guard_id: str) -> str:
    return next(str(guard.text) for guard in plan.guards if guard.id == guard_id)


def test_an_operations_id_sorts_behind_those_before_it() -> None:
    made = [operation_id(1.77e9 + number / 1000) for number in range(5)]
    assert made == sorted(set(made))
    assert operation_id(3.0e9) > operation_id(1.8e9) > operation_id(0.0)
    assert {len(one) for one in (*made, operation_id(3.0e9))} == {8}


def test_one_agent_is_restarted_by_deleting_its_pod_by_its_uid() -> None:
    snapshot = a_snapshot(*three())
    reader = FakeReader(snapshot)
    plan = planned(restart("node-2"), snapshot, reader)
    (write,) = plan.writes
    assert (write.verb, write.resource, write.uid, write.node_uid) == (
        "delete",
        "pods",
        "pod-node-2",
        "uid-node-2",
    )
    assert (write.permission, write.is_dry_run_passed) == (Permission.ALLOWED, True)
    assert [request.path for request in reader.tries] == [
        "/api/v1/namespaces/kube-system/pods/cilium-node-2"
    ]
    assert plan.waves == (("uid-node-2",),)
    assert plan.node_names == ("node-2",)
    assert plan.title == "Restart the agent of node-2"
    assert plan.confirmation == ""
    assert not plan.can_undo
    assert "no way back" in plan.undo
    assert plan.commands == ("kubectl -n kube-system delete pod cilium-node-2",)
    assert ids(plan) == []
    assert "starts no new pods" in " ".join(plan.interrupts).replace("\n", " ")


def test_all_agents_restart_in_waves_with_the_clusters_name_typed_and_the_rollout_printed() -> None:
    snapshot = a_snapshot(*three())
    reader = FakeReader(snapshot)
    plan = planned(restart(scope=Scope.CLUSTER, wave_size=5), snapshot, reader)
    assert [len(wave) for wave in plan.waves] == [1, 2]
    assert plan.confirmation == "prod"
    assert plan.commands == ("kubectl -n kube-system rollout restart daemonset/cilium",)
    assert len(plan.writes) == 3
    assert len(reader.tries) == 1
    assert len(reader.reviews) == 1


def test_one_nodes_flip_is_a_node_config_that_selects_it_by_its_hostname() -> None:
    snapshot = a_snapshot(*three())
    plan = planned(flip("node-1"), snapshot)
    create, delete = plan.writes
    assert (create.verb, create.resource, create.version) == ("create", "ciliumnodeconfigs", "v2")
    assert create.name == f"zz-ciltop-{plan.id}"
    assert body_of(create)["spec"] == {
        "nodeSelector": {
            "matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}
            ]
        },
        "defaults": {HOSTNS_ONLY: "true"},
    }
    assert delete.resource == "pods"
    assert f"+  name: zz-ciltop-{plan.id}" in create.diff.split("\n")
    assert ids(plan, "blocked") == []
    assert plan.can_undo
    assert f"delete CiliumNodeConfig zz-ciltop-{plan.id}" in plan.undo
    assert "connections that pods opened meanwhile can break" in plan.undo
    assert plan.confirmation == ""
    assert any(
        line.startswith("node-1: bpf-lb-sock-hostns-only false → true") for line in plan.after
    )
    assert any("cilium-node-config; the last one wins" in line for line in plan.now)


@pytest.mark.parametrize("version", ["v2", "v2alpha1"])
def test_the_api_version_is_what_the_server_has(version: str) -> None:
    snapshot = a_snapshot(*three())
    plan = planned(flip("node-1"), snapshot, FakeReader(snapshot, version))
    assert plan.writes[0].version == version
    assert body_of(plan.writes[0])["apiVersion"] == f"cilium.io/{version}"
    request = request_of(plan.writes[0])
    assert request.path == CONFIGS.format(version=version)


def test_below_1_13_a_node_is_never_flipped_and_the_cluster_never_instead() -> None:
    snapshot = a_snapshot(*three(release="1.12.10"))
    for version in ("", "v2"):
        plan = planned(flip("node-1"), snapshot, FakeReader(snapshot, version))
        assert plan.is_blocked
        assert all(write.resource != "configmaps" for write in plan.writes)
        assert {"no-node-configs", "release-too-old"} & set(ids(plan, "blocked"))


def test_1_13_is_the_first_release_that_takes_a_node_config() -> None:
    snapshot = a_snapshot(*three(release="1.13.0"))
    assert not planned(flip("node-1"), snapshot).is_blocked


def test_the_clusters_flip_patches_the_config_map_and_tells_of_helm() -> None:
    snapshot = a_snapshot(*three(), values={"bpf-lb-map-max": "1024", HOSTNS_ONLY: "false"})
    reader = FakeReader(snapshot, labels={"app.kubernetes.io/managed-by": "Helm"})
    plan = planned(flip(scope=Scope.CLUSTER), snapshot, reader)
    patch = plan.writes[0]
    assert (patch.verb, patch.resource, patch.uid, patch.resource_version) == (
        "patch",
        "configmaps",
        "cm-uid",
        "17",
    )
    assert json.loads(patch.body) == {"data": {HOSTNS_ONLY: "true"}}
    assert json.loads(patch.undo_body) == {"data": {HOSTNS_ONLY: "false"}}
    lines = patch.diff.split("\n")
    assert "-  bpf-lb-sock-hostns-only: 'false'" in lines
    assert "+  bpf-lb-sock-hostns-only: 'true'" in lines
    assert "kept by Helm" in shown(plan, "will-be-reverted")
    assert any("--set socketLB.hostNamespaceOnly=true" in line for line in plan.commands)
    assert plan.confirmation == "prod"
    assert len(plan.waves) == 3


def test_a_key_that_was_not_there_is_taken_away_by_the_undo() -> None:
    snapshot = a_snapshot(*three())
    plan = planned(flip(scope=Scope.CLUSTER), snapshot)
    assert json.loads(plan.writes[0].undo_body) == {"data": {HOSTNS_ONLY: None}}


def test_1_11_has_another_helm_value_for_the_flip() -> None:
    plan = planned(flip(scope=Scope.CLUSTER), a_snapshot(*three(release="1.11.7")))
    assert any("hostServices.hostNamespaceOnly=true" in line for line in plan.commands)


def test_what_the_config_map_has_already_is_not_written_again() -> None:
    snapshot = a_snapshot(*three(), values={"bpf-lb-map-max": "1024", HOSTNS_ONLY: "true"})
    plan = planned(flip(scope=Scope.CLUSTER), snapshot)
    assert {write.resource for write in plan.writes} == {"pods"}
    assert "already-configured" in ids(plan, "noted")
    assert "pinned-sockets" in ids(plan, "noted")
    assert "pending-keys" not in ids(plan)


def shrunk(release: str = "1.11.7") -> Snapshot:
    """The walked incident: two agents run with 1024, one with 64, the ConfigMap says 64."""
    large, small = lb_map(95, 1024), lb_map(64, 64)
    nodes = [a_node(name, release, maps=[large]) for name in ("node-1", "node-2")]
    return a_snapshot(
        *nodes,
        a_node("node-3", release, maps=[small]),
        values={"bpf-lb-map-max": "64"},
        daemonset=agent_set(builder=()),
    )


def test_shrunk_a_restart_is_blocked_where_the_next_start_would_shrink() -> None:
    plan = planned(restart("node-1"), shrunk())
    assert plan.is_blocked
    assert shown(plan, "map-too-small") == ("node-1: cilium_lb4_backends_v3 1,024 → 64: 95 wanted")
    every = planned(restart(scope=Scope.CLUSTER), shrunk())
    assert [guard.node_uid for guard in every.blockers] == ["uid-node-1", "uid-node-2"]
    assert planned(restart("node-1", accepts_data_loss=True), shrunk()).is_blocked is False


def test_shrunk_a_restart_of_the_small_one_is_told_not_to_help() -> None:
    plan = planned(restart("node-3"), shrunk())
    assert not plan.is_blocked
    assert "does not help" in shown(plan, "stays-too-small")


def test_shrunk_a_resize_heals_the_small_one_through_the_config_map() -> None:
    plan = planned(resize("node-3"), shrunk(), FakeReader(shrunk(), ""))
    assert not plan.is_blocked
    patch, delete = plan.writes
    assert json.loads(patch.body) == {"data": {"bpf-lb-map-max": "256"}}
    assert delete.node_uid == "uid-node-3"
    assert plan.waves == (("uid-node-3",),)
    assert plan.confirmation == "prod"
    assert "node-1, node-2" in shown(plan, "config-map-for-all")
    assert any("cilium_lb4_backends_v3 64 → 256" in line for line in plan.after)
    assert "filled anew" in plan.undo
    assert plan.title == "Resize the load-balancing maps of node-3 to 256 entries"
    assert any("--set bpf.lbMapMax=256" in line for line in plan.commands)


def test_a_resize_without_nodes_takes_those_with_a_map_too_small() -> None:
    assert planned(resize(), shrunk(), FakeReader(shrunk(), "")).waves == (("uid-node-3",),)
    plan = planned(resize(), a_snapshot(*three()))
    assert ids(plan, "blocked").count("nothing-to-do") == 1


@pytest.mark.parametrize(
    ("size", "guard"),
    [
        (64, "size-too-small"),
        (128, "size-tight"),
        (0, "size-out-of-range"),
        (300, "size-not-a-power"),
    ],
)
def test_a_given_size_is_judged(size: int, guard: str) -> None:
    plan = planned(resize("node-3", size=size), shrunk(), FakeReader(shrunk(), ""))
    assert guard in ids(plan)
    assert plan.is_blocked is (guard in ("size-too-small", "size-out-of-range"))


def test_a_resize_of_one_node_is_a_node_config_where_the_release_reads_it() -> None:
    snapshot = replace(shrunk("1.17.5"))
    cluster = replace(
        snapshot.cluster,
        daemonsets=replace(snapshot.cluster.daemonsets, value=(agent_set(),)),
    )
    snapshot = replace(snapshot, cluster=cluster)
    plan = planned(resize("node-3"), snapshot)
    assert plan.writes[0].resource == "ciliumnodeconfigs"
    assert body_of(plan.writes[0])["spec"]["defaults"] == {"bpf-lb-map-max": "256"}  # type: ignore[index]  # an object
    assert plan.confirmation == ""
    assert not plan.is_blocked


def test_a_resize_goes_to_the_config_map_where_node_configs_are_not_read_and_says_so() -> None:
    plan = planned(resize("node-3"), shrunk("1.19.4"))
    assert plan.writes[0].resource == "configmaps"
    assert "no init container build-config" in shown(plan, "config-map")


@pytest.mark.parametrize(("release", "key"), [("1.11.7", "bpf-lb-map-max"), ("1.17.5", "own")])
def test_a_map_with_a_key_of_its_own_is_sized_by_it(release: str, key: str) -> None:
    own = "bpf-lb-service-backend-map-max"
    node = a_node("node-1", release, maps=[lb_map(64, 64)], running={own: "64"})
    snapshot = a_snapshot(node, values={own: "64", "bpf-lb-map-max": "1024"})
    plan = planned(resize("node-1"), snapshot, FakeReader(snapshot))
    values: Mapping[str, Any] = body_of(plan.writes[0])
    values = values["data"] if "data" in values else values["spec"]["defaults"]
    if key == "own":
        assert values == {own: "256"}


def test_denied_rights_and_refused_dry_runs_forbid() -> None:
    snapshot = a_snapshot(*three())
    reader = FakeReader(snapshot, permissions={"pods": Permission.DENIED})
    plan = planned(restart("node-1"), snapshot, reader)
    assert ids(plan, "blocked") == ["denied"]
    assert reader.tries == []
    reader = FakeReader(
        snapshot, failures={"pods": DeniedError("webhook says no", "delete", "pods")}
    )
    plan = planned(restart("node-1"), snapshot, reader)
    assert "webhook says no" in shown(plan, "dry-run-refused")
    assert plan.writes[0].is_dry_run_passed is False
    reader = FakeReader(snapshot, permissions={"pods": Permission.UNKNOWN})
    assert ids(planned(restart("node-1"), snapshot, reader)) == ["permission-unknown"]


@pytest.mark.parametrize("error", [NotArmedError("read-only"), ConnectError("nothing answers")])
def test_a_dry_run_that_was_not_made_is_no_refusal(error: Any) -> None:
    snapshot = a_snapshot(*three())
    plan = planned(restart("node-1"), snapshot, FakeReader(snapshot, failures={"pods": error}))
    assert not plan.is_blocked
    assert plan.writes[0].is_dry_run_passed is None
    assert plan.writes[0].dry_run.startswith("not made: ")


def test_a_config_map_that_cannot_be_read_is_not_written() -> None:
    snapshot = a_snapshot(*three())
    reader = FakeReader(snapshot, failures={PATH: ForbiddenError("no", "get", "configmaps")})
    plan = planned(flip(scope=Scope.CLUSTER), snapshot, reader)
    assert "unreadable" in ids(plan, "blocked")
    assert "not-fresh" in ids(plan, "warned")
    assert not planned(restart("node-1"), snapshot, reader).is_blocked


def test_the_configuration_is_read_anew_before_anything_is_judged() -> None:
    stale = a_snapshot(*three())
    now = a_snapshot(*three(), values={"bpf-lb-map-max": "64"})
    plan = planned(restart("node-1"), stale, FakeReader(now))
    assert "map-too-small" in ids(plan, "blocked")


def test_a_node_config_that_sorts_later_wins_and_so_forbids() -> None:
    later = a_config("zzz", {HOSTNS_ONLY: "false"})
    plan = planned(flip("node-1"), a_snapshot(*three(), configs=[later]))
    assert "CiliumNodeConfig zzz sets it too, and wins" in shown(plan, "no-effect")
    earlier = a_config("canary", {HOSTNS_ONLY: "false"})
    plan = planned(flip("node-1"), a_snapshot(*three(), configs=[earlier]))
    assert not plan.is_blocked
    assert "canary" in shown(plan, "other-node-config")


def test_nodes_that_the_hostname_label_does_not_tell_apart_forbid() -> None:
    twins = [a_node(name, labels={"kubernetes.io/hostname": "same"}) for name in ("a", "b")]
    assert "selects-others" in ids(planned(flip("a"), a_snapshot(*twins)), "blocked")
    bare = a_node("a", labels={})
    assert "no-hostname-label" in ids(planned(flip("a"), a_snapshot(bare)), "blocked")


def test_a_plan_for_no_node_or_an_unknown_one_is_blocked() -> None:
    snapshot = a_snapshot(*three())
    assert ids(planned(restart(), snapshot), "blocked") == ["no-nodes"]
    assert ids(planned(restart("gone"), snapshot), "blocked") == ["unknown-node"]


def test_sole_endpoints_are_named_and_shared_ones_keep_nodes_apart() -> None:
    services = [a_service("shop/db", "node-1"), a_service("shop/web", "node-2", "node-3")]
    snapshot = a_snapshot(*three(), services=services)
    plan = planned(restart("node-1", "node-2", "node-3", wave_size=2), snapshot)
    assert "shop/db" in shown(plan, "sole-endpoints")
    assert [len(wave) for wave in plan.waves] == [1, 1, 1]


def test_the_writes_of_a_plan_done_twice_are_done_once() -> None:
    snapshot = a_snapshot(*three())
    plan = planned(flip("node-1"), snapshot)
    once = after_writes(plan.writes, snapshot.cluster)
    assert after_writes(plan.writes, once) == once


def test_a_whole_cluster_leaves_out_what_cannot_restart_and_a_named_node_is_blocked() -> None:
    base = a_node("node-4")
    lost = replace(base, node=replace(base.node, is_ready=None))
    snapshot = a_snapshot(*three(), lost)
    plan = planned(restart(scope=Scope.CLUSTER), snapshot)
    assert "node-4" not in plan.node_names
    assert not plan.is_blocked
    assert "kubelet does not answer" in shown(plan, "left-out")
    assert "node-unreachable" in ids(planned(restart("node-4"), snapshot), "blocked")


def test_a_restart_is_judged_again_one_node_at_a_time() -> None:
    plan = planned(restart("node-1", "node-2"), a_snapshot(*three()))
    now = a_snapshot(*three(), values={"bpf-lb-map-max": "64"})
    found = recheck_node(plan, now, uid_of("node-1"))
    assert [guard.id for guard in found if guard.kind == "blocked"] == ["map-too-small"]
    assert recheck_node(plan, a_snapshot(*three()), uid_of("node-1")) == ()
    assert [guard.id for guard in recheck_node(plan, now, uid_of("gone"))] == ["unknown-node"]
