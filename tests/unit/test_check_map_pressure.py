"""`map-pressure`: what refuses, what evicts, what soon will, and the size to set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.check_maps import (
    BACKENDS,
    CONNTRACK,
    SERVICES,
    a_drop,
    a_map,
    an_lru,
    node_of_outputs,
    with_metrics,
)
from tests.unit.checks_facts import NOW, cluster_facts, entry, judged, node_facts, severity, status
from tui.checks.map_pressure import ABOUT, CHECK
from tui.model.agent import AgentMetrics, FailingController
from tui.model.findings import FindingSeverity, ProofKind, Verdict
from tui.model.maps import MapKind, MapUsage, Trend
from tui.model.reading import Reading
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
E2BIG = "update map cilium_lb4_backends_v3: update: key too big for map: argument list too long"


def of(*maps: MapUsage, **parts: Any) -> list[Verdict]:
    return judged(CHECK, node_facts(maps=maps, **parts))


def only(*maps: MapUsage, **parts: Any) -> Verdict:
    (verdict,) = of(*maps, **parts)
    return verdict


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        (a_map(BACKENDS, 64), ACTIVE),
        (a_map(BACKENDS, 10, sync_failure=clean("10 map sync errors")), ACTIVE),
        (a_map(BACKENDS, None, agent_entries=74), ACTIVE),
        (a_map(BACKENDS, None, agent_entries=64), ARMED),
        (a_map(BACKENDS, None, agent_entries=63), UNKNOWN),
        (a_map(BACKENDS, 10, agent_entries=74), CLEAR),
        (a_map(BACKENDS, 58), ARMED),
        (a_map(BACKENDS, 30, wanted_entries=95), ARMED),
        (a_map(BACKENDS, 52), LATENT),
        (a_map(BACKENDS, 51), CLEAR),
        (a_map("cilium_ipcache", 64, kind=MapKind.LPM_TRIE), ACTIVE),
        (a_map("cilium_policy_v2_*", 64, members=9), ACTIVE),
        (an_lru(CONNTRACK, 90), ARMED),
        (an_lru(CONNTRACK, 89), CLEAR),
        (an_lru("cilium_snat_v4_external", 100), ARMED),
        (an_lru("cilium_lb4_reverse_sk", 100), ARMED),
        (an_lru("cilium_lb4_affinity", 100), LATENT),
        (an_lru("cilium_nodeport_neigh4", 100), LATENT),
        (an_lru(CONNTRACK, None), UNKNOWN),
    ],
)
def test_each_severity(usage: MapUsage, wanted: FindingSeverity) -> None:
    assert only(usage).severity is wanted


@pytest.mark.parametrize("version", ["1.11.7-full", "1.11.7-k8s"])
def test_a_real_full_map_of_1_11_is_active_though_nobody_counted_it(version: str) -> None:
    found = {one.group: one for one in judged(CHECK, node_of_outputs(version))}
    backends = found["cilium_lb4_backends_v2"]
    assert backends.severity is ACTIVE
    assert "sync fails" in backends.summary
    assert "for 64" in backends.summary
    assert found["cilium_lb4_services_v2"].severity is ACTIVE


def test_a_real_full_map_of_1_19_is_active_though_its_status_is_green() -> None:
    found = judged(CHECK, node_of_outputs("1.19.4-full"))
    assert found[0].severity is ACTIVE
    assert found[0].summary == "cilium_lb4_services_v2 is full: 64 of 64"


@pytest.mark.parametrize("version", ["1.11.7", "1.17.5", "1.19.4"])
def test_real_maps_at_ease_are_not_in_trouble(version: str) -> None:
    assert severity(CHECK, node_of_outputs(version)) in {CLEAR, UNKNOWN}


@pytest.mark.parametrize(
    ("wanted", "copies", "words"),
    [
        (95, 0, "needs 95, has 64: too small, not leaked"),
        (95, None, "needs 95, has 64: too small"),
        (95, 3, "too small, and 3 entries are copies of others"),
        (20, 40, "40 entries are copies of others (see backend-leak)"),
        (20, 0, "no copies, but more entries than the 20 wanted"),
    ],
)
def test_a_full_map_says_whether_it_is_too_small_or_leaked(
    wanted: int, copies: int | None, words: str
) -> None:
    verdict = only(a_map(BACKENDS, 64, wanted_entries=wanted, duplicate_entries=copies))
    assert words in verdict.summary
    points_away = any("see backend-leak" in step for step in verdict.remedy.now)
    assert points_away is (copies == 40)


@pytest.mark.parametrize(
    ("line", "age", "wanted"),
    [
        (entry("Updating frontend failed", E2BIG, meaning="L6"), 60.0, ACTIVE),
        (entry("Updating frontend failed", E2BIG, meaning="L6"), 90_000.0, ARMED),
        (entry("Updating frontend failed", "other trouble", meaning="L6"), 60.0, UNKNOWN),
        (
            entry("Updating frontend failed", E2BIG.replace("lb4", "lb6"), meaning="L6"),
            6.0,
            UNKNOWN,
        ),
    ],
)
def test_log_lines_speak_for_the_map_they_name_where_nobody_counted_it(
    line: Any, age: float, wanted: FindingSeverity
) -> None:
    line = replace(line, last_time=NOW - age)
    assert only(a_map(BACKENDS, None), logs=(line,)).severity is wanted


@pytest.mark.parametrize(
    ("meaning", "error"),
    [
        (
            "L2",
            "Unable to update element for cilium_lb4_backends_v2 map with file descriptor 15:"
            " the map is full, please consider resizing it. argument list too long",
        ),
        ("L3", E2BIG.replace("v3", "v2")),
    ],
)
def test_every_releases_words_for_a_full_map_are_known(meaning: str, error: str) -> None:
    line = entry("Error while inserting service in LB map", error, meaning=meaning)
    verdict = only(a_map("cilium_lb4_backends_v2", None), logs=(line,), release="1.11.7")
    assert verdict.severity is ACTIVE
    assert verdict.since == NOW - 60.0
    assert [one.proof for one in verdict.evidence] == [ProofKind.MAP, ProofKind.LOG]


def test_the_services_map_is_named_by_its_own_words() -> None:
    error = (
        "Unable to update service entry 10.98.0.24:80/TCP (1) => 42 0[0] (33): Unable to update"
        ' element for LB bpf map: You can resize it with the flag "--bpf-lb-map-max".'
    )
    line = entry("Updating frontend failed", error, meaning="L5")
    found = of(a_map(SERVICES, None), a_map(BACKENDS, 3), logs=(line,))
    assert [(one.group, one.severity) for one in found] == [(SERVICES, ACTIVE)]


def test_a_map_that_copies_fill_points_to_the_leak() -> None:
    verdict = only(a_map(BACKENDS, 60, wanted_entries=20, duplicate_entries=35))
    assert verdict.severity is ARMED
    assert "see backend-leak" in verdict.summary
    assert verdict.remedy.settings == ()


def test_old_lines_do_not_make_a_map_with_room_full() -> None:
    line = entry("Updating frontend failed", E2BIG, meaning="L6", at=NOW - 9_000.0)
    assert only(a_map(BACKENDS, 3), logs=(line,)).severity is CLEAR


def test_a_full_map_stays_active_however_old_its_lines_are() -> None:
    line = replace(entry("x", E2BIG, meaning="L6", at=NOW - 90_000.0), last_time=NOW - 90_000.0)
    verdict = only(a_map(BACKENDS, 64), logs=(line,))
    assert verdict.severity is ACTIVE
    assert verdict.since == NOW - 90_000.0


def test_policy_lines_belong_to_the_policy_row() -> None:
    line = entry("Failed to add PolicyMap key", "argument list too long", meaning="M14")
    found = of(a_map("cilium_policy_v2_*", None), a_map(BACKENDS, 3), logs=(line,))
    assert [(one.group, one.severity) for one in found] == [("cilium_policy_v2_*", ACTIVE)]


@pytest.mark.parametrize(("entries", "wanted"), [(None, ACTIVE), (60, ACTIVE), (30, ARMED)])
def test_failed_updates_count_by_how_full_the_map_is(
    entries: int | None, wanted: FindingSeverity
) -> None:
    metrics = AgentMetrics(failed_map_operations={BACKENDS: 7}, interval_seconds=10.0)
    facts = with_metrics(node_facts(maps=(a_map(BACKENDS, entries),)), metrics)
    (verdict,) = judged(CHECK, facts)
    assert verdict.severity is wanted
    assert any("7 updates" in one.text for one in verdict.evidence)


@pytest.mark.parametrize(
    ("entries", "seconds", "wanted"),
    [(40, 2_100.0, ARMED), (40, 4_000.0, CLEAR), (20, 600.0, CLEAR)],
)
def test_a_real_trend_forecasts(entries: int, seconds: float, wanted: FindingSeverity) -> None:
    trend = Trend(seconds_to_full=seconds, window_seconds=600.0)
    verdict = only(a_map(BACKENDS, entries, trend=trend))
    assert verdict.severity is wanted
    if wanted is ARMED:
        assert "full in about 35 minutes at the pace of the last 10 minutes" in verdict.summary


def with_drops(entries: int | None, rate: float, kernel: str = "6.8.0") -> list[Verdict]:
    drops = (a_drop("CT: Map insertion failed", rate),)
    metrics = AgentMetrics(drops=drops, interval_seconds=10.0)
    facts = node_facts(kernel=kernel, maps=(a_map(BACKENDS, 1), an_lru(CONNTRACK, entries)))
    return judged(CHECK, with_metrics(facts, metrics))


def test_failed_inserts_into_a_full_conntrack_map_are_capacity() -> None:
    (verdict,) = with_drops(95, 12.0)
    assert (verdict.severity, verdict.group) == (ACTIVE, CONNTRACK)
    assert "capacity, not contention" in verdict.summary
    assert any("12.0/s" in one.text for one in verdict.evidence)
    assert verdict.remedy.settings[0].key == "bpf-ct-global-tcp-max"


@pytest.mark.parametrize(
    ("entries", "age", "wanted"),
    [
        (95, 60.0, ACTIVE),
        (95, 90_000.0, ARMED),
        (20, 60.0, CLEAR),
        (None, 60.0, ARMED),
        (None, 90_000.0, UNKNOWN),
    ],
)
def test_evictions_that_the_log_tells_of(
    entries: int | None, age: float, wanted: FindingSeverity
) -> None:
    line = entry("key is missing, likely due to lru eviction - skipping", meaning="M7")
    line = replace(line, last_time=NOW - age)
    assert only(an_lru(CONNTRACK, entries), logs=(line,)).severity is wanted


@pytest.mark.parametrize(("rate", "wanted"), [(5.0, ACTIVE), (0.2, LATENT)])
def test_failed_inserts_into_one_with_room_are_contention(
    rate: float, wanted: FindingSeverity
) -> None:
    (verdict,) = with_drops(20, rate)
    assert verdict.severity is wanted
    assert "contention, not capacity" in verdict.summary
    assert verdict.remedy.settings == ()
    assert "do not resize" in verdict.remedy.now[0]


def test_contention_is_of_kernels_before_6_15() -> None:
    assert "not one whose inserts fail" in with_drops(20, 5.0, "6.15.2")[0].summary


def test_without_a_count_neither_is_claimed() -> None:
    (verdict,) = with_drops(None, 5.0)
    assert "capacity or contention" in verdict.summary
    assert "bpftool" in verdict.missing[0].how


def test_totals_without_a_rate_are_no_harm_now() -> None:
    assert with_drops(95, 0.0)[0].severity is ARMED
    assert with_drops(20, 0.0)[0].severity is CLEAR


def test_maps_that_could_not_be_counted_are_named_with_the_way_to_count_them() -> None:
    verdict = only(a_map(SERVICES, None, note=clean("no bpftool")), a_map(BACKENDS, 3))
    assert (verdict.severity, verdict.group) == (UNKNOWN, "")
    assert verdict.missing[0].what == "the entries of cilium_lb4_services_v2 (no bpftool)"
    assert "bpftool -j map dump pinned" in verdict.missing[0].how


def test_maps_that_were_not_read_are_unknown_with_the_reason() -> None:
    facts = replace(node_facts(), maps=Reading.denied(clean("may not exec into pods")))
    (verdict,) = judged(CHECK, facts)
    assert verdict.severity is UNKNOWN
    assert "may not exec into pods" in verdict.missing[0].what


def test_an_old_reading_does_not_say_that_all_is_well() -> None:
    facts = node_facts(maps=(a_map(BACKENDS, 3),))
    failed: Reading[Any] = Reading.failed(clean("timed out"))
    stale = failed.keeping(facts.maps)
    assert severity(CHECK, replace(facts, maps=stale)) is CLEAR
    assert severity(CHECK, replace(facts, maps=stale), now=NOW + 900.0) is UNKNOWN


def test_clear_names_the_fullest_and_what_was_not_counted() -> None:
    verdict = only(a_map(BACKENDS, 32), a_map(SERVICES, 3), an_lru(CONNTRACK, None))
    assert verdict.severity is CLEAR
    assert "2 maps counted" in verdict.summary
    assert "cilium_lb4_backends_v3 (50 %)" in verdict.summary
    assert len(verdict.missing) == 1


def test_an_active_map_says_all_that_a_person_needs() -> None:
    usage = a_map(
        BACKENDS,
        64,
        wanted_entries=95,
        duplicate_entries=0,
        agent_entries=75,
        sync_failure=clean("10 map sync errors"),
    )
    services = a_map(SERVICES, 60, wanted_entries=127)
    failing = FailingController(clean(f"bpf-map-sync-{BACKENDS}"), 61, clean("10 map sync errors"))
    found = of(usage, services, state=status(failing_controllers=(failing,)))
    verdict = next(one for one in found if one.group == BACKENDS)
    assert verdict.harm == 31
    count, controller = verdict.evidence
    assert "64 of 64 (100 %), 95 wanted, 0 copies, the agent says 75" in count.text
    assert (count.proof, count.key, count.at) == (ProofKind.MAP, BACKENDS, NOW)
    assert "61 times in a row" in controller.text
    remedy = verdict.remedy
    assert (remedy.settings[0].key, remedy.settings[0].value) == ("bpf-lb-map-max", "256")
    assert remedy.settings[0].helm == "bpf.lbMapMax=256"
    assert '{"data":{"bpf-lb-map-max":"256"}}' in remedy.commands[0]
    assert remedy.commands[1] == "kubectl -n kube-system delete pod cilium-node-1"
    assert remedy.needs_restart
    assert "come back empty" in remedy.interrupts
    assert "wc -l" in remedy.test
    assert any("restart no other agent" in step for step in remedy.now)
    assert ABOUT.references


def test_a_size_that_waits_in_the_configmap_only_needs_the_restart() -> None:
    cluster = cluster_facts({"bpf-lb-map-max": "65536"})
    (verdict,) = judged(CHECK, node_facts(maps=(a_map(BACKENDS, 64, wanted_entries=95),)), cluster)
    assert "already says bpf-lb-map-max=65536" in verdict.remedy.now[0]
    assert len(verdict.remedy.commands) == 1


@pytest.mark.parametrize(("release", "outlives"), [("1.14.16", False), ("1.15.0", True)])
def test_a_full_socket_map_costs_what_the_release_does_with_it(
    release: str, outlives: bool
) -> None:
    full = MapUsage(clean("cilium_lb4_reverse_sk"), MapKind.LRU_HASH, 1000, 1000)
    (verdict,) = judged(CHECK, node_facts(release, maps=(full,)))
    assert ("outlive their backend" in verdict.summary) is outlives
    assert "evicts sockets that are open" in verdict.summary
