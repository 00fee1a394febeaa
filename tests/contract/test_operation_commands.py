"""The commands that write, as their user starts them, against simulated clusters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tui.demo.cluster import SimulatorProcess

LIMIT_SECONDS = 110.0


class Cluster:
    """A simulated cluster and what is kept of operations on it."""

    def __init__(self, kubeconfig: Path, state: Path) -> None:
        self.kubeconfig = kubeconfig
        self.state = state

    def ciltop(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tui", *arguments, "--kubeconfig", str(self.kubeconfig)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=LIMIT_SECONDS,
            env={**os.environ, "COLUMNS": "120", "XDG_STATE_HOME": str(self.state)},
        )

    def killed_after(self, words: str, *arguments: str) -> None:
        """Start a command and kill it once it says these words."""
        with subprocess.Popen(
            [sys.executable, "-m", "tui", *arguments, "--kubeconfig", str(self.kubeconfig)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(self.state)},
        ) as process:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if words in line:
                    break
            process.kill()
        assert words in said, said

    def audit(self) -> list[dict[str, object]]:
        path = self.state / "ciltop" / "audit.jsonl"
        if not path.exists():
            return []
        assert path.stat().st_mode & 0o777 == 0o600
        return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def simulated(scenario: str, state: Path) -> Iterator[Cluster]:
    with SimulatorProcess(scenario, None, 1) as simulator:
        simulator.wait_ready()
        yield Cluster(simulator.kubeconfig, state)


@pytest.mark.timeout(300)  # it verifies for half a minute, as it does for its users
def test_a_resize_heals_the_node_whose_map_was_shrunk(tmp_path: Path) -> None:
    with simulated("shrunk", tmp_path) as cluster:
        blocked = cluster.ciltop("restart", "--node", "node1", "--yes")
        planned = cluster.ciltop("resize", "--node", "node3")
        assert cluster.audit() == []
        healed = cluster.ciltop("resize", "--node", "node3", "--yes")
        checked = cluster.ciltop("check", "-o", "json")
    assert blocked.returncode == 1
    assert "blocked" in blocked.stderr
    assert "1,024 → 64: 127 wanted" in blocked.stdout
    assert planned.returncode == 0
    assert "+  bpf-lb-map-max: '256'" in planned.stdout
    assert "nothing was written" in planned.stderr
    assert healed.returncode == 0, healed.stderr
    assert "0 frontends missing (before: 16)" in healed.stderr
    assert checked.returncode == 0
    lines = cluster.audit()
    events = [line["event"] for line in lines if not str(line["event"]).endswith("-upkeep")]
    assert events[0] == "confirmed"
    assert events.count("before-write") == events.count("after-write") == 2
    assert events[-2:] == ["verified", "ended"]
    upkeep = {str(line["target"]) for line in lines if line["event"] == "after-upkeep"}
    assert {target.rpartition("/")[0] for target in upkeep} == {
        "create leases kube-system",
        "patch leases kube-system",
        "create events default",
    }
    for when in ("write", "upkeep"):
        before, after = (
            [(line["target"], line["path"]) for line in lines if line["event"] == f"{one}-{when}"]
            for one in ("before", "after")
        )
        assert sorted(map(str, before)) == sorted(map(str, after))
    assert lines[-1]["event"] == "after-upkeep"
    assert (lines[-1]["text"], lines[-1]["result"]) == ("given back", "done")


@pytest.mark.timeout(300)
def test_a_flip_of_one_node_is_undone_by_its_id(tmp_path: Path) -> None:
    with simulated("healthy", tmp_path) as cluster:
        flipped = cluster.ciltop("hostns-only", "on", "--node", "node-2", "--yes")
        assert flipped.returncode == 0, flipped.stdout + flipped.stderr
        undo_id = flipped.stderr.rpartition("ciltop undo ")[2].split()[0]
        undone = cluster.ciltop("undo", undo_id, "--yes")
    assert "+kind:CiliumNodeConfig" in flipped.stdout.replace(" ", "")
    assert "Hostns-only" in flipped.stderr
    assert undone.returncode == 0, undone.stdout + undone.stderr
    ended = [record["result"] for record in cluster.audit() if record["event"] == "ended"]
    assert ended.count("done") == 2


@pytest.mark.timeout(300)
def test_what_a_killed_run_restarted_is_verified_and_not_restarted_again(tmp_path: Path) -> None:
    with simulated("healthy", tmp_path) as cluster:
        cluster.killed_after("waiting for the new agent", "restart", "--node", "node-2", "--yes")
        listed = cluster.ciltop("finish")
        operation_id = listed.stdout.split()[0]
        previewed = cluster.ciltop("finish", operation_id)
        finished = cluster.ciltop("finish", operation_id, "--yes")
        again = cluster.ciltop("finish")
    assert "ciltop ended in the middle" in listed.stdout
    assert f"Finish operation {operation_id}: verify node-2" in previewed.stdout
    assert "blocked" not in previewed.stdout
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "no operation was left unfinished" in again.stdout
    events = [record["event"] for record in cluster.audit()]
    assert events.count("before-write") == 1
    assert events.count("verified") == 1


@pytest.mark.parametrize("role", ["observer", "operator"])
def test_a_role_is_printed_without_a_cluster(role: str, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "none", tmp_path)
    done = cluster.ciltop("rbac", role, "-n", "cilium")
    assert done.returncode == 0
    assert f"name: ciltop-{role}" in done.stdout
    assert ("delete" in done.stdout) is (role == "operator")


def test_wrong_usage_and_an_unreachable_cluster_have_their_exit_codes(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "none", tmp_path)
    assert cluster.ciltop("restart").returncode == 2
    assert cluster.ciltop("restart", "--node", "a").returncode == 3
