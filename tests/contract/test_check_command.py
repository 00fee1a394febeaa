"""`ciltop check` as its user starts it, against simulated clusters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tui.checks.registry import BY_HARM
from tui.demo.cluster import SimulatorProcess

LIMIT_SECONDS = 100.0
HARM = ("ACTIVE", "ARMED")


def ciltop(*arguments: str, kubeconfig: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", "check", "--kubeconfig", str(kubeconfig), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=LIMIT_SECONDS,
        env={**os.environ, "COLUMNS": "120"},
    )


@contextmanager
def simulated(scenario: str) -> Iterator[Path]:
    with SimulatorProcess(scenario, None, 1) as simulator:
        simulator.wait_ready()
        yield simulator.kubeconfig


def judged(kubeconfig: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = ciltop("-o", "json", *arguments, kubeconfig=kubeconfig)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def found(report: Mapping[str, Any], *severities: str) -> dict[str, list[dict[str, Any]]]:
    by_id: dict[str, list[dict[str, Any]]] = {}
    for finding in report["findings"]:
        if finding["severity"] in severities:
            by_id.setdefault(finding["id"], []).append(finding)
    return by_id


def test_every_check_fires_on_the_mixed_cluster_with_evidence() -> None:
    with simulated("mixed") as kubeconfig:
        code, report = judged(kubeconfig)
    assert code == 1
    assert report["schema"] == "ciltop.check/1"
    harm = found(report, *HARM)
    assert set(harm) == set(BY_HARM)
    for findings in harm.values():
        for finding in findings:
            assert finding["evidence"], finding["id"]
            assert all(piece["source"] and piece["text"] for piece in finding["evidence"])
            assert finding["remedy"]["now"], finding["id"]
            assert finding["references"], finding["id"]
    unread = {gap["node"] for gap in report["gaps"] if gap["node"]}
    assert len(unread) == 3
    assert found(report, "UNKNOWN")["map-pressure"][0]["missing"]


def test_the_healthy_cluster_is_clean() -> None:
    with simulated("healthy") as kubeconfig:
        code, report = judged(kubeconfig, "--fail-on", "latent")
    assert code == 0
    assert not found(report, "ACTIVE", "ARMED", "LATENT", "UNKNOWN")
    assert set(found(report, "CLEAR")) == set(BY_HARM)
    assert report["gaps"] == []
    assert report["is_complete"] is True


def test_the_incident_of_a_shrunk_map_is_told_with_its_cause() -> None:
    with simulated("shrunk") as kubeconfig:
        code, report = judged(kubeconfig)
        table = ciltop(kubeconfig=kubeconfig).stdout
        markdown = ciltop("-o", "markdown", kubeconfig=kubeconfig).stdout
        junit = ciltop("-o", "junit", kubeconfig=kubeconfig).stdout
        only = judged(kubeconfig, "--only", "backend-leak", "--node", "node1")
    assert code == 1
    harm = found(report, *HARM)
    assert {"service-map-drift", "map-pressure", "config-drift"} <= set(harm)
    assert "backend-leak" not in harm
    (drift,) = harm["service-map-drift"]
    assert drift["nodes"] == ["node3"]
    assert "16 of 32 frontends" in drift["summary"]
    pressure = {finding["group"]: finding for finding in harm["map-pressure"]}
    backends = pressure["cilium_lb4_backends_v2"]
    assert "needs 95, has 64: too small, not leaked" in backends["summary"]
    assert {one["key"]: one["value"] for one in backends["remedy"]["settings"]} == {
        "bpf-lb-map-max": "256"
    }
    next_starts = [one for one in harm["config-drift"] if one["severity"] == "ARMED"]
    assert sorted(next_starts[0]["nodes"]) == ["node1", "node2"]
    assert "1024 → 64" in next_starts[0]["summary"]
    assert "ACTIVE service-map-drift" in table
    assert "| ACTIVE | map-pressure | node3 |" in markdown
    suite = ElementTree.fromstring(junit).find("testsuite")  # noqa: S314 - our own output
    assert suite is not None
    assert suite.get("tests") == str(len(BY_HARM))
    assert only[0] == 0
    assert {finding["id"] for finding in only[1]["findings"]} == {"backend-leak"}
    assert [node["name"] for node in only[1]["nodes"]] == ["node1"]


@pytest.mark.kubectl
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_evidence_can_be_verified_by_hand() -> None:
    with simulated("shrunk") as kubeconfig:
        _, report = judged(kubeconfig)
        (drift,) = found(report, "ACTIVE")["service-map-drift"]
        pods = subprocess.run(
            [
                *("kubectl", "--kubeconfig", str(kubeconfig), "-n", "kube-system"),
                *("get", "pods", "--field-selector", f"spec.nodeName={drift['nodes'][0]}"),
                *("-o", "name"),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        dumps = [piece["source"] for piece in drift["evidence"] if "bpftool" in piece["source"]]
        command = dumps[0].partition(" -- ")[2] or dumps[0]
        done = subprocess.run(
            [
                *("kubectl", "--kubeconfig", str(kubeconfig), "-n", "kube-system"),
                *("exec", pods[0], "--", *command.split()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 64


def test_what_there_is_not_is_wrong_usage(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    done = ciltop("--only", "backend-leek", kubeconfig=missing)
    assert done.returncode == 2
    assert "did you mean backend-leak?" in done.stderr
    with simulated("healthy") as kubeconfig:
        done = ciltop("--node", "nowhere", kubeconfig=kubeconfig)
    assert done.returncode == 2
    assert "no node nowhere" in done.stderr


def test_a_cluster_that_does_not_answer_is_exit_code_3(tmp_path: Path) -> None:
    with simulated("healthy") as kubeconfig:
        kept = tmp_path / "kubeconfig"
        kept.write_text(kubeconfig.read_text())
    done = ciltop("--timeout", "2", kubeconfig=kept)
    assert done.returncode == 3
    assert done.stdout == ""
    assert "the cluster was not read" in done.stderr
