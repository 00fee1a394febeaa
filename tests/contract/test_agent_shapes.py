"""The simulated agents against what real ones printed: keys, columns, exit codes, error texts."""

from __future__ import annotations

import json
import re

import pytest

from tests.contract.agent_rig import (
    RELEASES,
    DownCommand,
    Recorded,
    full_map_lines,
    recorded,
    recorded_down,
    recorded_log,
    run,
    shape,
    shared_fleet,
)
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.scenarios import QuirkKind

ANSWERED = re.compile(
    r"^(cilium|cilium-dbg) ("
    r"status|version|metrics list|map (list|get)|bpf lb list|bpf ct list global|service list"
    r"|config( get| -a)?|endpoint list|node list|encrypt status"
    r")( |$)|^bpftool -j (-f )?map show$|^bpftool -j cgroup tree|^bpftool version$"
)
USAGE_ONLY = re.compile(
    r"^(cilium|cilium-dbg) ((bpf|map|metrics|service) )?--help$|^cilium nodeid list$"
)

ENVIRONMENT = re.compile(
    # The laboratory ran 1.17.5 and 1.19.4, and 1.11.7 once, without Kubernetes and Hubble.
    r"^/(kube-proxy-replacement|nodeMonitor|masquerading|hubble|kubernetes/msg|bpf-maps/dynamic)"
    # What a node holds differs: failing controllers, empty caches, drops, other series.
    r"|/status/(consecutive-failure-count|failure-count|last-failure-msg)$"
    r"|/cache(\[\]/(key|value|desired-action|last-error))?$|^/controllers"
    r"|^\[\]/labels|^\[\]/(Key|Value)|^\[\]/value$|^\[\]/name$"
    r"|/flags/(name|namespace)$|etcd\.address$|^/\*$"
    # Pods of that laboratory were made without a CNI, and one had no pods.
    r"|/external-identifiers/|/networking/(addressing\[\]/ipv4|interface-index)"
    r"|/policy/proxy-policy-revision$"
)


def _answered(folder: str) -> list[Recorded]:
    return [found for found in recorded(folder) if ANSWERED.search(found.command)]


FOLDERS = {"1.11.7-k8s": "1.11.7", **{text: text for text in RELEASES}}
ALL = [(found, release) for folder, release in FOLDERS.items() for found in _answered(folder)]
JSON = [(found, release) for found, release in ALL if found.is_json and found.exit_code == 0]
FAILING = [(found, release) for found, release in ALL if found.exit_code]
HELP = [
    (found, text)
    for text in RELEASES
    for found in recorded(text)
    if USAGE_ONLY.search(found.command)
    or ("--help" in found.command and ANSWERED.search(found.command.replace(" --help", "")))
]


def test_enough_was_recorded_to_mean_something() -> None:
    assert len(JSON) > 70
    assert len(FAILING) > 25
    assert len(HELP) > 25


@pytest.mark.parametrize(("found", "release"), JSON, ids=str)
def test_json_has_the_real_keys(found: Recorded, release: str) -> None:
    answer = run(shared_fleet(), release, found.argv)
    ours, real = shape(json.loads(answer.stdout)), shape(json.loads(found.stdout))
    assert answer.exit_code == 0
    assert {path for path in ours - real if not ENVIRONMENT.search(path)} == set()
    assert {path for path in real - ours if not ENVIRONMENT.search(path)} == set()


@pytest.mark.parametrize(("found", "release"), FAILING, ids=str)
def test_refusals_are_the_real_ones(found: Recorded, release: str) -> None:
    answer = run(shared_fleet(), release, found.argv)
    assert answer.exit_code == found.exit_code
    assert answer.stderr.decode() == found.stderr
    assert answer.stdout.decode() == found.stdout


@pytest.mark.parametrize(("found", "release"), HELP, ids=str)
def test_usage_texts_are_the_real_ones(found: Recorded, release: str) -> None:
    answer = run(shared_fleet(), release, found.argv)
    assert answer.exit_code == found.exit_code
    assert answer.stdout.decode() == found.stdout


TEXT = [
    (found, release)
    for found, release in ALL
    if found.file.endswith(".txt") and found.exit_code == 0 and "--help" not in found.command
]
CONTENT = re.compile(r"status|ct list|source_range|affinity_match|map get cilium_lxc|--brief")
"""Whose first line is data, or depends on what the node holds."""


@pytest.mark.parametrize(
    ("found", "release"), [pair for pair in TEXT if not CONTENT.search(pair[0].command)], ids=str
)
def test_columns_have_the_real_titles(found: Recorded, release: str) -> None:
    answer = run(shared_fleet(), release, found.argv)
    ours, real = answer.stdout.decode().splitlines(), found.stdout.splitlines()
    assert answer.exit_code == 0
    assert [line.split() for line in ours[:1]] == [line.split() for line in real[:1]]
    assert answer.stdout.endswith(b"\n\n") == found.stdout.endswith("\n\n")


LABEL = re.compile(r"^ *(?:- )?([A-Z][A-Za-z0-9/ ]*[A-Za-z]):", re.MULTILINE)
NO_KUBERNETES = {
    "Kubernetes APIs",
    "KubeProxyReplacement",
    "KubeProxyReplacement Details",
    *("Socket LB", "Socket LB Tracing", "Socket LB Coverage", "Devices", "Mode", "Status"),
    *("Backend Selection", "Session Affinity", "Graceful Termination", "XDP Acceleration"),
    *("Services", "ClusterIP", "NodePort", "LoadBalancer", "HostPort", "Annotations"),
    *("NAT46/64 Support", "Socket LB Protocols"),
}
"""What an agent without Kubernetes does not print in 1.11 and 1.17."""


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("form", ["status", "status --verbose"])
def test_the_status_text_has_the_real_labels(folder: str, form: str) -> None:
    release = FOLDERS[folder]
    real = next(found for found in recorded(folder) if found.command.endswith(f" {form}"))
    answer = run(shared_fleet(), release, real.argv)
    ours = set(LABEL.findall(answer.stdout.decode()))
    assert set(LABEL.findall(real.stdout)) - ours == set()
    assert ours - set(LABEL.findall(real.stdout)) - NO_KUBERNETES == set()


def _down() -> list[tuple[str, DownCommand]]:
    return [
        (release, found)
        for release in RELEASES
        for found in recorded_down(release)
        if ANSWERED.search(found.command) and found.command.split()[1] != "bpf"
    ]


@pytest.mark.parametrize(("release", "found"), _down(), ids=str)
def test_a_dead_agent_is_answered_for_as_really(release: str, found: DownCommand) -> None:
    answer = run(shared_fleet(QuirkKind.AGENT_DOWN), release, found.argv)
    assert answer.exit_code == found.exit_code
    assert answer.stdout.decode() == found.stdout
    assert answer.stderr.decode() == found.stderr
    assert (answer.seconds > 15) == (found.milliseconds > 15_000)


def test_maps_are_read_without_an_agent() -> None:
    for release in RELEASES:
        binary = "cilium" if release == "1.11.7" else "cilium-dbg"
        answer = run(shared_fleet(QuirkKind.AGENT_DOWN), release, [binary, "bpf", "lb", "list"])
        assert answer.exit_code == 0
        assert b"10.96.0.1:443" in answer.stdout


@pytest.mark.parametrize("release", RELEASES)
def test_the_binary_of_another_age_is_not_there(release: str) -> None:
    other = "cilium-dbg" if release == "1.11.7" else "cilium"
    answer = run(shared_fleet(), release, [other, "status"])
    assert answer.exit_code == 126
    assert b"executable file not found in $PATH" in answer.stderr


def _pins(text: str) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for entry in json.loads(text):
        for pin in entry.get("pinned") or []:
            name = re.sub(r"_\d{5}$", "_N", pin.rpartition("/")[2])
            found[name] = (
                entry["type"],
                entry["bytes_key"],
                entry["bytes_value"],
                "name" in entry,
            )
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_maps_have_the_real_types_and_sizes(folder: str) -> None:
    release = FOLDERS[folder]
    real = next(found for found in recorded(folder) if found.command.endswith("-f map show"))
    ours = _pins(run(shared_fleet(), release, real.argv).stdout.decode())
    theirs = {
        name: facts
        for name, facts in _pins(real.stdout).items()
        if not re.search(r"cilium_calls_(hostns|netdev|N)|cilium_calls_\d|maglev", name)
    }
    assert {name: ours.get(name) for name in theirs if name in ours} == {
        name: facts for name, facts in theirs.items() if name in ours
    }
    assert set(theirs) - set(ours) == set()
    assert set(ours) - set(theirs) == set()


def _template(line: str) -> str:
    """Return a log line with its numbers, addresses and names replaced."""
    text = re.sub(r"time=\S+ ", "", line)
    text = re.sub(r"\d+\.\d+\.\d+\.\d+", "IP", text)
    text = re.sub(r"k8s(Namespace|SvcName)=\S+", r"k8s\1=NAME", text)
    return re.sub(r"0x[0-9a-f]+|\d+", "N", text.replace("/UDP", "/TCP"))


def test_a_full_map_is_logged_in_the_real_words() -> None:
    real = {
        _template(line)
        for line in recorded_log("1.11.7-k8s")
        if "Error while inserting service" in line
    }
    scenario = SCENARIOS["shrunk"]
    fleet = Fleet(scenario, 0, 1, lambda: 1_800_000_000.0)
    node = fleet.node("node3")
    lines = [line.text.decode() for line in fleet.log(node.pod_name, "cilium-agent", False)]
    ours = {_template(line) for line in lines if "Error while inserting service" in line}
    assert len(ours) == 2
    assert ours <= real


def test_a_full_map_is_logged_in_the_real_words_of_1_19() -> None:
    real = {_template(line) for line in recorded_log("1.19.4-full", "agent-map-full.log")}
    # Measured on another run of that agent, whose log was not kept.
    real.add(
        'level=warn msg="Updating frontend failed"'
        " module=agent.controlplane.loadbalancer-reconciler"
        ' error="upsert backend: update map cilium_lbN_backends_vN: update: key too big for map:'
        ' argument list too long"'
    )
    ours = {_template(line) for line in full_map_lines("1.19.4")}
    assert len(ours) >= 2
    assert ours <= real
