"""Keys that have an init container remove the maps: next start, guard rail and `config-drift`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.checks_facts import NOW, known
from tests.unit.checks_facts import judged as verdicts
from tests.unit.operations_facts import a_config, a_node, a_snapshot, agent_set
from tests.unit.test_operations_guards import spoken
from tui.checks.config_drift import CHECK
from tui.checks.remedies.restarting import restart_step
from tui.checks.view import ClusterView, NodeView
from tui.cilium.nextstart.cleaning import wipes
from tui.model.cluster import CiliumConfigMap, CleaningSwitch, ConfigWrite
from tui.model.findings import FindingSeverity
from tui.model.operations import GuardKind, Intent, OperationKind, OperationPlan
from tui.model.reading import Reading
from tui.model.snapshot import Snapshot
from tui.safety import CleanText, clean

BPF, ALL = "clean-cilium-bpf-state", "clean-cilium-state"
INIT = CleanText("clean-cilium-state")
SIZES = {"bpf-lb-map-max": "1024"}


def switch(variable: str, key: str = "", value: str = "", name: str = "") -> CleaningSwitch:
    place = name or ("cilium-config" if key else "")
    return CleaningSwitch(variable, INIT, clean(place), key, clean(value))


OF_THE_CHART = (switch("CILIUM_ALL_STATE", ALL), switch("CILIUM_BPF_STATE", BPF))


def snapshot(
    values: dict[str, str],
    cleaning: Sequence[CleaningSwitch] | None = OF_THE_CHART,
    configs: dict[str, str] | None = None,
) -> Snapshot:
    daemonset = agent_set(cleaning=None if cleaning is None else tuple(cleaning))
    made = [a_config("wipe", configs)] if configs else []
    found = a_snapshot(a_node(), values={**SIZES, **values}, daemonset=daemonset, configs=made)
    texts = {key: clean(text) for key, text in {**SIZES, **values}.items()}
    held = CiliumConfigMap(texts, writes=(ConfigWrite(clean("kubectl-edit"), NOW - 60.0),))
    return replace(found, cluster=replace(found.cluster, config_map=known(held, "GET cm")))


@pytest.mark.parametrize(
    ("values", "cleaning", "told"),
    [
        ({BPF: "true"}, OF_THE_CHART, [(BPF, "ConfigMap cilium-config", False)]),
        ({ALL: "true"}, OF_THE_CHART, [(ALL, "ConfigMap cilium-config", True)]),
        (
            {BPF: "true", ALL: "true"},
            OF_THE_CHART,
            [(ALL, "ConfigMap cilium-config", True), (BPF, "ConfigMap cilium-config", False)],
        ),
        ({BPF: "true"}, None, [(BPF, "ConfigMap cilium-config", False)]),
        ({BPF: "false", ALL: ""}, OF_THE_CHART, []),
        ({BPF: "True"}, OF_THE_CHART, []),
        ({BPF: "1"}, OF_THE_CHART, []),
        ({}, OF_THE_CHART, []),
        ({BPF: "true"}, (), []),
        ({BPF: "true"}, (switch("CILIUM_BPF_STATE", "wipe"),), []),
        (
            {"wipe": "true"},
            (switch("CLEAN_CILIUM_BPF_STATE", "wipe"),),
            [("wipe", "ConfigMap cilium-config", False)],
        ),
        (
            {},
            (switch("CLEAN_CILIUM_STATE", value="true"),),
            [("CLEAN_CILIUM_STATE", "DaemonSet cilium", True)],
        ),
        ({}, (switch("CILIUM_ALL_STATE", value="false"),), []),
        ({BPF: "true"}, (switch("CILIUM_BPF_STATE", BPF, name="other"),), []),
    ],
)
def test_what_the_shell_of_the_init_container_takes_for_true(
    values: dict[str, str],
    cleaning: Sequence[CleaningSwitch] | None,
    told: list[tuple[str, str, bool]],
) -> None:
    found = snapshot(values, cleaning)
    view = NodeView(next(iter(found.nodes.values())), ClusterView(found.cluster, NOW))
    wiped = view.next_start.wipes
    assert [(one.key, one.source, one.is_everything) for one in wiped] == told
    assert ("state-cleaned" in spoken(found)) is bool(told)


def test_the_guard_rail_blocks_as_a_missing_bpffs_does_and_names_key_and_place() -> None:
    guard = spoken(snapshot({BPF: "true"}))["state-cleaned"]
    assert (guard.kind, guard.is_data_loss) == (GuardKind.BLOCKED, True)
    for part in (f"node-1: {BPF}=true", "ConfigMap cilium-config", "kubectl-edit", "UTC", INIT):
        assert part in guard.text
    intent = Intent(OperationKind.RESTART)
    plan = OperationPlan("7f3a", intent, clean("restart"), NOW, guards=(guard,))
    assert plan.is_blocked
    assert not replace(plan, intent=replace(intent, accepts_data_loss=True)).is_blocked


def test_a_node_config_and_an_argument_reach_no_init_container() -> None:
    assert "state-cleaned" not in spoken(snapshot({}, configs={BPF: "true"}))
    found = spoken(snapshot({BPF: "true"}, configs={BPF: "false"}))
    assert "ConfigMap cilium-config" in found["state-cleaned"].text
    by_argument = agent_set(f"--{BPF}=true", cleaning=OF_THE_CHART)
    assert "state-cleaned" not in spoken(a_snapshot(a_node(), daemonset=by_argument))


def test_config_drift_is_armed_and_says_how_to_take_it_back() -> None:
    found = snapshot({BPF: "true"})
    facts = next(iter(found.nodes.values()))
    (verdict,) = verdicts(CHECK, facts, found.cluster)
    assert verdict.severity is FindingSeverity.ARMED
    assert verdict.since == NOW - 60.0
    assert f"{BPF}=true (ConfigMap cilium-config, written by kubectl-edit" in verdict.summary
    (proof,) = [one for one in verdict.evidence if one.key == BPF]
    assert (proof.source, proof.at) == ("GET cm", NOW - 60.0)
    remedy = verdict.remedy
    assert remedy is not None
    assert "do NOT delete the agent pods" in remedy.now[0]
    assert remedy.needs_restart is False
    assert [(one.key, one.value, one.helm) for one in remedy.settings] == [
        (BPF, "false", "cleanBpfState=false")
    ]
    assert f'{{"data": {{"{BPF}": "false"}}}}' in remedy.commands[0]
    literal = snapshot({}, (switch("CILIUM_ALL_STATE", value="true"),))
    (verdict,) = verdicts(CHECK, facts, literal.cluster)
    assert verdict.remedy is not None
    assert verdict.remedy.commands == ("kubectl -n kube-system edit daemonset cilium",)
    assert verdicts(CHECK, facts, snapshot({}).cluster)[0].severity is FindingSeverity.CLEAR


def test_a_config_map_that_is_not_read_is_unknown_and_not_clear() -> None:
    found = snapshot({}, (switch("CILIUM_BPF_STATE", "wipe", name="elsewhere"),))
    facts = next(iter(found.nodes.values()))
    (verdict,) = verdicts(CHECK, facts, found.cluster)
    assert verdict.severity is FindingSeverity.UNKNOWN
    assert "wipe of ConfigMap elsewhere" in verdict.summary
    unread = replace(found.cluster, config_map=Reading.denied(clean("configmaps: denied")))
    assert wipes(agent_set(cleaning=OF_THE_CHART), unread) == ()
    literal = agent_set(cleaning=(switch("CILIUM_BPF_STATE", value="true"),))
    bare = replace(unread, daemonsets=known((literal,)))
    assert NodeView(facts, ClusterView(bare, NOW)).next_start.wipes


def test_no_other_check_tells_to_restart_such_an_agent() -> None:
    found = snapshot({BPF: "true"})
    view = NodeView(next(iter(found.nodes.values())), ClusterView(found.cluster, NOW))
    step, commands = restart_step(view)
    assert "do NOT restart" in step
    assert BPF in step
    assert commands == ()
