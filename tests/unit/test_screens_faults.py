"""What is called wrong on a node, in which order, and the header's one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tui.model.agent import AgentMetrics, AgentStatus, ComponentState, FailingController
from tui.model.maps import Trend
from tui.model.reading import Reading
from tui.model.services import ServiceCoverage
from tui.safety import clean
from tui.screens.decisive import decisive_parts, decisive_text
from tui.screens.faults import node_faults
from tui.screens.fleet import Fleet, NodeStatus, stale_seconds, summarise_node
from tui.screens.map_pressure import map_pressure
from tui.screens.map_words import map_trouble, worst_map
from tui.screens.severity import Rank, Severity

NOW = samples.NOW


def titles(faults: tuple[object, ...]) -> list[str]:
    return [getattr(fault, "title", "") for fault in faults]


def test_healthy_node_has_no_fault() -> None:
    assert node_faults(samples.healthy(2), NOW) == ()


def test_incident_node_lists_missing_services_before_full_maps() -> None:
    faults = node_faults(samples.broken(), NOW)
    assert titles(faults)[:3] == [
        "16 of 32 Service frontends missing",
        "1 frontend with wrong backends",
        "lb4_backends_v2 full: too small, not leaked (64/64, 95 wanted)",
    ]
    assert faults[0].detail == "default/echo, default/load-0, default/load-1 +13"
    assert faults[0].origin == "bpftool map dump pinned cilium_lb4_services_v2"


def test_failing_sync_of_a_map_already_full_is_not_told_twice() -> None:
    faults = node_faults(samples.broken(), NOW)
    assert not [fault for fault in faults if "bpf-map-sync" in fault.title]


def test_failing_sync_of_a_map_that_is_not_shown_is_harm() -> None:
    status = AgentStatus(
        ComponentState(clean("Ok")),
        failing_controllers=(
            FailingController(clean("bpf-map-sync-cilium_lb6_backends_v3"), 3, clean("10 errors")),
            FailingController(clean("sync-endpoints"), 2, clean("timeout")),
        ),
    )
    facts = replace(samples.healthy(2), status=Reading.known(status, samples.origin("status", 2)))
    severities = [(fault.severity, fault.rank) for fault in node_faults(facts, NOW)]
    assert severities == [
        (Severity.HARM, Rank.MAP_SYNC),
        (Severity.WARNING, Rank.CONTROLLER),
    ]


def test_old_burst_is_a_note_and_fresh_burst_a_warning() -> None:
    facts = replace(samples.healthy(3), logs=samples.log_entries(3))
    (old,) = node_faults(facts, NOW)
    (fresh,) = node_faults(facts, samples.CHANGED_AT + 60)
    assert old.severity is Severity.NOTE
    assert fresh.severity is Severity.WARNING
    assert old.title == "11 errors at agent start: Error while inserting service in LB map"


def test_refusals_of_one_reason_are_one_fault() -> None:
    faults = node_faults(samples.denied(), NOW)
    assert titles(faults) == [
        "log unreadable",
        "status, maps, services, features, version, metrics denied",
    ]
    assert {fault.severity for fault in faults} == {Severity.UNKNOWN}
    assert faults[1].detail == "needs create pods/exec in kube-system"


def test_crash_loop_shows_the_restarts_and_the_reason() -> None:
    faults = node_faults(samples.crashing(), NOW)
    assert faults[0].title == "agent crash-loops ×7"
    assert faults[0].detail == "CrashLoopBackOff, exit code 1"


def test_missing_agent_is_a_fault_only_once_the_pods_are_listed() -> None:
    facts = replace(samples.healthy(2), agent=None)
    assert titles(node_faults(facts, NOW)) == ["no agent pod on this node"]
    assert node_faults(facts, NOW, is_agent_expected=False) == ()


@pytest.mark.parametrize(("is_ready", "word"), [(False, "node not ready"), (None, "kubelet")])
def test_node_that_is_not_ready_is_a_warning(is_ready: bool | None, word: str) -> None:
    facts = replace(samples.healthy(2), node=samples.node(2, is_ready=is_ready))
    (fault,) = node_faults(facts, NOW)
    assert word in fault.title


def test_failed_map_writes_and_agent_states_are_warnings() -> None:
    facts = replace(
        samples.healthy(2),
        metrics=Reading.known(
            AgentMetrics(failed_map_operations={"cilium_lb4_backends_v3": 3, "cilium_policy": 0}),
            samples.origin("metrics", 2),
        ),
        status=Reading.known(
            AgentStatus(
                ComponentState(clean("Ok")), kvstore=ComponentState(clean("Failure"), clean("no"))
            ),
            samples.origin("status", 2),
        ),
    )
    assert titles(node_faults(facts, NOW)) == [
        "3 writes to lb4_backends_v3 failed",
        "kvstore says Failure",
    ]


@pytest.mark.parametrize(
    ("entries", "maximum", "soon", "wanted", "expected"),
    [
        (64, 64, None, None, "full (64 of 64)"),
        (60, 64, None, None, "94% full"),
        (40, 64, 300.0, None, "full in ≈ 5 m (63% now)"),
        (30, 64, 300.0, None, None),
        (30, 64, 90_000.0, None, None),
        (30, 64, None, 95, "too small (95 wanted, holds 64)"),
        (None, 64, None, None, None),
        (0, 64, None, None, None),
    ],
)
def test_map_trouble(
    entries: int | None,
    maximum: int,
    soon: float | None,
    wanted: int | None,
    expected: str | None,
) -> None:
    usage = samples.hash_map(
        "cilium_lb4_backends_v2",
        entries,
        maximum,
        wanted_entries=wanted,
        trend=Trend(seconds_to_full=soon),
    )
    trouble = map_trouble(usage)
    assert (None if trouble is None else trouble[2]) == expected


def test_full_lru_map_is_a_warning_and_never_hides_a_filling_hash_map() -> None:
    lru = samples.lru_map("cilium_ct4_global", 100, 100)
    filling = samples.hash_map("cilium_policy", 95, 100)
    assert map_trouble(lru) == (Severity.WARNING, Rank.FILLING_MAP, "full: evicts live entries")
    assert map_trouble(samples.lru_map("cilium_ct4_global", 85, 100)) is None
    assert worst_map((lru, filling)) == filling
    assert worst_map((lru, samples.hash_map("cilium_lxc", 1, 100))) == lru
    assert worst_map((samples.lru_map("cilium_ct4_global", None, 100),)) is None


def test_fleet_is_ordered_worst_first_and_counted() -> None:
    fleet = Fleet()
    summary = fleet.update(samples.incident())
    assert [node.name for node in summary.nodes][:4] == ["node-3", "node-9", "node-1", "node-11"]
    assert summary.statuses[NodeStatus.HARM] == 1
    assert summary.statuses[NodeStatus.WARNING] == 2
    assert summary.statuses[NodeStatus.UNKNOWN] == 1
    assert summary.statuses[NodeStatus.OK] == 8
    assert summary.releases == (("1.17.5", 9), ("1.11.7", 2))


def test_unchanged_nodes_keep_their_summaries() -> None:
    fleet, snapshot = Fleet(), samples.incident()
    first = {node.uid: node for node in fleet.update(snapshot).nodes}
    changed = {**snapshot.nodes, samples.uid(2): samples.broken()}
    changed[samples.uid(2)] = replace(samples.broken(), node=samples.node(2))
    second = {node.uid: node for node in fleet.update(replace(snapshot, nodes=changed)).nodes}
    assert second[samples.uid(3)] is first[samples.uid(3)]
    assert second[samples.uid(2)] is not first[samples.uid(2)]
    assert second[samples.uid(2)].status is NodeStatus.HARM


def test_a_node_that_left_is_gone() -> None:
    fleet, snapshot = Fleet(), samples.incident()
    fleet.update(snapshot)
    left = {uid: facts for uid, facts in snapshot.nodes.items() if uid != samples.uid(3)}
    fleet.update(replace(snapshot, nodes=left))
    assert fleet.get(samples.uid(3)) is None
    assert all(node.name != "node-3" for node in fleet.summary.nodes)


def line(columns: int) -> str:
    """Return the headline of the incident."""
    snapshot = samples.incident()
    return decisive_text(decisive_parts(Fleet().update(snapshot).nodes, snapshot), columns)


def test_headline_names_services_the_maps_verdict_and_what_changed() -> None:
    assert line(200) == (
        "node-3: 16 of 32 Service frontends missing"
        " ▏ lb4_backends_v2 full: too small, not leaked (64/64, 95 wanted)"
        " ▏ cilium-config written by kubectl-patch 33 m ago ▏ agent started 33 m ago"
    )


@pytest.mark.parametrize("columns", range(40, 200, 5))
def test_headline_fits_and_keeps_the_cause_from_80_columns_on(columns: int) -> None:
    text = line(columns)
    assert len(text) <= columns
    if columns >= 75:
        assert "too small" in text
    if columns >= 105:
        assert "by kubectl-patch 33 m" in text


def test_headline_counts_other_broken_nodes_warns_and_is_empty_without_either() -> None:
    broken = summarise_node(samples.broken(), NOW, True)
    healthy = summarise_node(samples.healthy(2), NOW, True)
    filling = summarise_node(samples.filling(), NOW, True)
    snapshot = samples.incident()
    two_more = decisive_text(decisive_parts([broken, broken, broken, healthy], snapshot), 300)
    assert "2 more nodes broken" in two_more
    assert "full in" in decisive_text(decisive_parts([filling, healthy], snapshot), 300)
    assert decisive_parts([healthy], snapshot) == ()


def test_full_backend_map_with_copies_is_called_leaked() -> None:
    leaked = samples.hash_map(
        "cilium_lb4_backends_v2", 512, 512, wanted_entries=95, duplicate_entries=412
    )
    pressure = map_pressure(leaked)
    assert pressure is not None
    assert pressure.title == "lb4_backends_v2 full: leaked (512/512, 95 wanted, 412 copies)"
    assert pressure.short == "backends full 512/512: leaked"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (85, None),
        (93, "ct4_global 93% full: evicts live entries"),
        (99, "ct4_global full: evicts live entries"),
        (100, "ct4_global full: evicts live entries"),
        (None, None),
    ],
)
def test_lru_map_near_its_size_is_a_warning(entries: int | None, expected: str | None) -> None:
    pressure = map_pressure(samples.lru_map("cilium_ct4_global", entries, 100))
    assert (None if pressure is None else pressure.title) == expected
    assert pressure is None or pressure.severity is Severity.WARNING


def test_unswept_node_is_loading_and_unknown_services_are_not_zero() -> None:
    unread: Reading[ServiceCoverage] = Reading()
    facts = replace(samples.healthy(2), swept_at=None, services=unread)
    assert summarise_node(facts, NOW, True).status is NodeStatus.LOADING


def test_what_is_shown_is_stale_after_three_missed_sweeps() -> None:
    snapshot = samples.incident()
    slow = replace(snapshot.health, sweep_interval_seconds=50.0)
    assert stale_seconds(snapshot) == 60.0
    assert stale_seconds(replace(snapshot, health=slow)) == 150.0
