"""`backend-leak`: copies in the backend map, by what the release makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.check_maps import SERVICES, a_map
from tests.unit.checks_facts import NOW, entry, judged, node_facts
from tui.checks.backend_leak import ABOUT, CHECK
from tui.cilium.lbmaps import HeldBackend, count_duplicates
from tui.model.findings import FindingSeverity, ProofKind, Verdict
from tui.model.maps import MapUsage, Trend
from tui.model.reading import Reading
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
V2 = "cilium_lb4_backends_v2"
V3 = "cilium_lb4_backends_v3"
RISING = Trend(ratios=(0.1, None, 0.2, 0.3))


def of(release: str | None, *maps: MapUsage, **parts: Any) -> list[Verdict]:
    return judged(CHECK, node_facts(release, maps=maps, **parts))


def backends(entries: int | None, copies: int | None, **parts: Any) -> MapUsage:
    return a_map(V2, entries, duplicate_entries=copies, **parts)


@pytest.mark.parametrize(
    ("release", "clean_map", "uncounted"),
    [
        ("1.10.20", CLEAR, CLEAR),
        ("1.11.0", LATENT, UNKNOWN),
        ("1.11.14", LATENT, UNKNOWN),
        ("1.11.15", CLEAR, UNKNOWN),
        ("1.11.16", CLEAR, UNKNOWN),
        ("1.11.17", CLEAR, CLEAR),
        ("1.12.0", CLEAR, UNKNOWN),
        ("1.12.8", CLEAR, UNKNOWN),
        ("1.12.9", CLEAR, UNKNOWN),
        ("1.12.10", CLEAR, CLEAR),
        ("1.13.1", CLEAR, UNKNOWN),
        ("1.13.2", CLEAR, UNKNOWN),
        ("1.13.3", CLEAR, CLEAR),
        ("1.14.0", CLEAR, CLEAR),
        ("1.17.5", CLEAR, CLEAR),
        ("1.18.0", CLEAR, CLEAR),
        (None, CLEAR, UNKNOWN),
    ],
)
def test_each_release(
    release: str | None, clean_map: FindingSeverity, uncounted: FindingSeverity
) -> None:
    assert [one.severity for one in of(release, backends(20, 0))] == [clean_map]
    assert [one.severity for one in of(release, backends(20, None))] == [uncounted]


@pytest.mark.parametrize(
    ("release", "words", "restart_cleans"),
    [
        ("1.11.14", "makes more of them", False),
        ("1.11.15", "makes none and removes none", False),
        ("1.11.16", "removes only those that a Service uses", False),
        ("1.12.8", "makes none and removes none", False),
        ("1.12.9", "removes only those", False),
        ("1.12.10", "removes them at its start", True),
        ("1.13.1", "removes none", False),
        ("1.13.2", "removes only those", False),
        ("1.13.3", "removes them at its start", True),
        ("1.17.5", "removes them at its start", True),
        ("1.18.0", "prunes the map every 30 minutes", True),
    ],
)
def test_the_remedy_by_release(release: str, words: str, restart_cleans: bool) -> None:
    (verdict,) = of(release, backends(20, 3))
    assert verdict.severity is LATENT
    assert words in verdict.summary
    assert (verdict.remedy.settings == ()) is restart_cleans
    assert any("upgrade to" in step for step in verdict.remedy.lasting) is not restart_cleans
    assert any("never delete ids" in step for step in verdict.remedy.now)
    first = verdict.remedy.now[0]
    assert ("a restart alone keeps" in first) is not restart_cleans
    assert ("the copies that no Service uses" in first) is ("removes only" in words)


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        (backends(64, 40), ACTIVE),
        (backends(60, 1, sync_failure=clean("3 map sync errors")), ACTIVE),
        (backends(52, 10), ARMED),
        (backends(51, 5), LATENT),
        (backends(30, 10), ARMED),
        (backends(20, 10, trend=RISING), ARMED),
        (backends(20, 1), LATENT),
        (backends(64, 0), LATENT),
    ],
)
def test_each_severity_on_a_release_that_leaks(usage: MapUsage, wanted: FindingSeverity) -> None:
    assert of("1.11.7", usage)[0].severity is wanted


def test_a_full_map_without_copies_is_no_leak() -> None:
    (verdict,) = of("1.11.7", backends(64, 0, wanted_entries=95))
    assert verdict.severity is LATENT
    assert "no copies" in verdict.summary
    assert verdict.remedy.settings == ()


def test_rising_counts_only_where_copies_are_made() -> None:
    assert of("1.17.5", backends(20, 10, trend=RISING))[0].severity is LATENT


def test_ipv6_leaks_too_and_is_a_finding_of_its_own() -> None:
    found = of("1.11.7", backends(20, 0), a_map("cilium_lb6_backends_v2", 64, duplicate_entries=9))
    assert [(one.severity, one.group) for one in found] == [(ACTIVE, "cilium_lb6_backends_v2")]


def test_the_inherited_leak_is_in_the_map_of_today() -> None:
    (verdict,) = of("1.13.1", a_map(V3, 64, duplicate_entries=40))
    assert (verdict.severity, verdict.group) == (ACTIVE, V3)


def test_entries_that_nobody_wants_are_a_hint() -> None:
    (verdict,) = of("1.11.15", backends(900, 0, wanted_entries=100))
    assert verdict.severity is LATENT
    assert "700 entries more" in verdict.summary
    assert of("1.17.5", backends(900, 0, wanted_entries=100))[0].severity is CLEAR


def test_protocols_and_zones_make_no_copies() -> None:
    one = HeldBackend("10.0.0.1", 53, "TCP", 0, 0, 0)
    others = (one._replace(protocol="UDP"), one._replace(zone=2), one._replace(cluster_id=1))
    assert count_duplicates((one, *others)) == 0
    assert count_duplicates((one, one._replace(state=1))) == 1


def test_maps_that_were_not_read() -> None:
    denied: Reading[Any] = Reading.denied(clean("may not exec into pods"))
    (verdict,) = judged(CHECK, replace(node_facts("1.11.7"), maps=denied))
    assert verdict.severity is UNKNOWN
    assert "may not exec into pods" in verdict.missing[0].what
    assert verdict.missing[0].how.endswith("/cilium_lb4_backends_v2")
    (verdict,) = judged(CHECK, replace(node_facts("1.17.5"), maps=denied))
    assert verdict.severity is CLEAR


def test_no_backend_map_no_leak() -> None:
    assert of("1.11.7", a_map("cilium_ipcache", 3))[0].severity is CLEAR
    assert of("1.11.7", a_map(SERVICES, 3))[0].severity is CLEAR


def test_the_finding_says_all_that_a_person_needs() -> None:
    line = entry("unable to delete leaked backend: 12", meaning="L12")
    usage = backends(64, 40, wanted_entries=24)
    (verdict,) = of("1.11.14", usage, logs=(line,))
    assert verdict.summary.startswith(f"40 of the 64 entries of {V2} repeat another")
    assert verdict.harm == 40
    kinds = [one.proof for one in verdict.evidence]
    assert kinds == [ProofKind.MAP, ProofKind.AGENT, ProofKind.LOG]
    assert "40 copies" in verdict.evidence[0].text
    assert verdict.evidence[0].at == NOW
    assert verdict.evidence[1].text == "the agent runs 1.11.14"
    remedy = verdict.remedy
    assert remedy.settings[0].key == "bpf-lb-map-max"
    assert remedy.settings[0].value == "128"
    assert "comes back empty" in remedy.now[0]
    assert remedy.needs_restart
    assert "new connections through Services fail" in remedy.interrupts
    assert "1.12.10 or 1.13.3" in remedy.lasting[0]
    assert "cilium/cilium#23551" in ABOUT.references
