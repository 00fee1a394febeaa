"""Layers of the next start: sources, selectors, override lists, arguments, image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.checks_facts import NOW, cluster_facts, known, node_facts
from tui.cilium.nextstart import next_start
from tui.cilium.nextstart.arguments import flags_of, list_of
from tui.cilium.nextstart.selectors import selects
from tui.model.agent import EffectiveConfig
from tui.model.cluster import (
    CiliumConfigMap,
    CiliumDaemonSet,
    CiliumNodeConfig,
    ClusterFacts,
    ConfigWrite,
    DaemonSetRevision,
    SelectorTerm,
)
from tui.model.nextstart import NextStart
from tui.model.node import AgentPod, Node
from tui.model.reading import Reading
from tui.safety import CleanText, clean

BUILDER = ("cilium-dbg", "build-config")


def agent_set(
    *arguments: str, builder: tuple[str, ...] = BUILDER, image: str = "", **parts: object
) -> CiliumDaemonSet:
    made = CiliumDaemonSet(
        clean("cilium"),
        clean("kube-system"),
        image=clean(image),
        args=tuple(map(clean, ("cilium-agent", "--config-dir=/tmp/cilium/config-map", *arguments))),
        has_config_builder=bool(builder),
        config_builder_args=tuple(map(clean, builder)),
    )
    return replace(made, **parts)  # type: ignore[arg-type]  # fields of CiliumDaemonSet


def node_config(
    name: str, values: dict[str, str], namespace: str = "kube-system", **parts: object
) -> CiliumNodeConfig:
    texts = {key: clean(value) for key, value in values.items()}
    made = CiliumNodeConfig(clean(name), clean(namespace), values=texts)
    return replace(made, **parts)  # type: ignore[arg-type]  # fields of CiliumNodeConfig


def facts_of(
    values: dict[str, str],
    *configs: CiliumNodeConfig,
    daemonset: CiliumDaemonSet | None = None,
    **parts: object,
) -> ClusterFacts:
    texts = {key: clean(value) for key, value in values.items()}
    writes = (ConfigWrite(clean("helm"), NOW - 60.0),)
    facts = replace(
        cluster_facts(),
        config_map=known(CiliumConfigMap(texts, writes=writes)),
        node_configs=known(configs),
        daemonsets=known((daemonset or agent_set(),)),
    )
    return replace(facts, **parts)  # type: ignore[arg-type]  # fields of ClusterFacts


def start(
    cluster: ClusterFacts,
    running: dict[str, str] | None = None,
    release: str = "1.17.5",
    labels: dict[str, str] | None = None,
    overrides: dict[str, str] | None = None,
    revision: str = "",
) -> NextStart:
    facts = node_facts(release, labels=labels)
    node: Node = replace(
        facts.node,
        config_overrides={key: clean(value) for key, value in (overrides or {}).items()},
    )
    agent = facts.agent
    assert agent is not None
    agent = replace(agent, revision=clean(revision))
    values = {key: clean(value) for key, value in (running or {"Debug": "false"}).items()}
    return next_start(node, agent, EffectiveConfig(values), (), cluster)


def told(found: NextStart) -> list[tuple[str, str | None, str]]:
    return [(one.key, one.next, str(one.source)) for one in found.pending]


def test_a_pending_key_names_its_source_and_the_objects_newest_writer() -> None:
    found = start(facts_of({"debug": "true"}))
    assert told(found) == [("debug", "true", "ConfigMap cilium-config")]
    pending = found.pending[0]
    assert (pending.running, pending.written_by, pending.written_at) == ("false", "helm", NOW - 60)
    assert found.is_known
    assert found.pending_count == 1


def test_node_configs_win_over_the_config_map_and_the_last_name_wins() -> None:
    early, late = node_config("a", {"debug": "true"}), node_config("b", {"debug": "false"})
    found = start(facts_of({"debug": "false"}, late, early))
    assert told(found) == []
    assert [(one.source, one.key, one.reason) for one in found.ignored] == [
        ("CiliumNodeConfig a", "debug", "CiliumNodeConfig b sets it too, and wins")
    ]
    found = start(facts_of({"debug": "false"}, early))
    assert told(found) == [("debug", "true", "CiliumNodeConfig a")]


@pytest.mark.parametrize(
    ("release", "reads"), [("1.12.10", False), ("1.13.0", True), ("1.19.4", True)]
)
def test_node_configs_came_with_1_13(release: str, reads: bool) -> None:
    found = start(facts_of({}, node_config("canary", {"debug": "true"})), release=release)
    assert bool(found.pending) is reads
    assert bool(found.ignored) is not reads
    if not reads:
        assert "came with 1.13" in found.ignored[0].reason


def test_without_the_init_container_node_configs_take_no_effect() -> None:
    cluster = facts_of(
        {}, node_config("canary", {"debug": "true"}), daemonset=agent_set(builder=())
    )
    found = start(cluster, release="1.19.4")
    assert told(found) == []
    assert "no init container build-config" in found.ignored[0].reason


def test_a_node_config_of_another_namespace_takes_no_effect() -> None:
    found = start(facts_of({}, node_config("canary", {"debug": "true"}, namespace="default")))
    assert told(found) == []
    assert "in namespace default, not in kube-system" in found.ignored[0].reason


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--allow-config-keys=debug", ["debug"]),
        ("--deny-config-keys=debug", ["enable-l7-proxy"]),
        ("--allow-config-keys=debug --deny-config-keys=debug", ["debug"]),
        ("", ["debug", "enable-l7-proxy"]),
    ],
)
def test_override_lists_hold_for_all_sources_but_the_first(
    options: str, expected: list[str]
) -> None:
    config = node_config("canary", {"debug": "true", "enable-l7-proxy": "true"})
    daemonset = agent_set(builder=(*BUILDER, *options.split()))
    running = {"Debug": "false", "EnableL7Proxy": "false", "EnablePolicy": "default"}
    cluster = facts_of({"enable-policy": "always"}, config, daemonset=daemonset)
    found = start(cluster, running)
    assert [one.key for one in found.pending] == sorted([*expected, "enable-policy"])
    assert len(found.ignored) == 2 - len(expected)


def test_the_order_of_sources_is_the_containers() -> None:
    config = node_config("canary", {"debug": "true"})
    turned = agent_set(builder=(*BUILDER, "--source=cilium-node-config:,config-map:cilium-config"))
    found = start(facts_of({"debug": "false"}, config, daemonset=turned))
    assert told(found) == []
    assert "ConfigMap cilium-config sets it too" in found.ignored[0].reason


def test_the_node_is_a_source_only_where_it_is_named() -> None:
    plain = start(facts_of({}), overrides={"debug": "true"})
    assert told(plain) == []
    daemonset = agent_set(builder=(*BUILDER, "--source=config-map:cilium-config,node"))
    found = start(facts_of({}, daemonset=daemonset), overrides={"debug": "true"})
    assert told(found) == [("debug", "true", "Node node-1")]


def test_a_source_that_is_not_read_is_said() -> None:
    daemonset = agent_set(builder=(*BUILDER, "--source=config-map:cilium-config,config-map:a/b"))
    found = start(facts_of({}, daemonset=daemonset))
    assert any("config-map:a/b is not read" in reason for reason in found.unknown)


def test_arguments_win_over_everything() -> None:
    daemonset = agent_set("--debug", "--bpf-lb-map-max=64", "--kube-proxy-replacement", "strict")
    found = start(
        facts_of({"debug": "false"}, node_config("canary", {"debug": "false"}), daemonset=daemonset)
    )
    assert told(found) == [("debug", "true", "DaemonSet cilium, arguments")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("cilium-agent", "--a=b", "--c", "d", "--e"), {"a": "b", "c": "d", "e": "true"}),
        (("cilium-agent", "--a=b", "--a=c", "-v", "--"), {"a": "c"}),
        (("sh", "-c", "exec cilium-agent --a='x y' --b"), {"a": "x y", "b": "true"}),
        (("sh", "-c", "cilium-agent --a='"), {"a": "'"}),
        ((), {}),
    ],
)
def test_flags_are_read_as_pflag_reads_them(
    words: tuple[str, ...], expected: dict[str, str]
) -> None:
    assert flags_of(words) == expected


def test_lists_of_arguments_are_joined() -> None:
    assert list_of(("--source=a,b", "--source", "c"), "source") == ("a", "b", "c")
    assert list_of(("--other=a",), "source") is None


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (SelectorTerm("pool", "In", ("a", "b")), True),
        (SelectorTerm("pool", "NotIn", ("a",)), False),
        (SelectorTerm("none", "NotIn", ("a",)), True),
        (SelectorTerm("pool", "Exists"), True),
        (SelectorTerm("none", "Exists"), False),
        (SelectorTerm("none", "DoesNotExist"), True),
        (SelectorTerm("pool", "Gt", ("1",)), False),
    ],
)
def test_selectors_are_those_of_kubernetes(term: SelectorTerm, expected: bool) -> None:
    labels = {"pool": "a", "zone": "1"}
    assert selects({}, (term,), labels) is expected
    assert selects({"zone": "2"}, (term,), labels) is False


def test_unreadable_node_configs_and_arguments_are_said_and_nothing_is_made_up() -> None:
    denied = Reading[tuple[CiliumNodeConfig, ...]].denied(clean("list ciliumnodeconfigs"))
    found = start(facts_of({"debug": "false"}, node_configs=denied))
    assert any("list ciliumnodeconfigs" in reason for reason in found.unknown)
    nameless = start(facts_of({"enable-ipsec": "true"}, daemonsets=Reading()))
    assert any("arguments" in reason for reason in nameless.unknown)
    assert nameless.blockers == ()


def test_a_key_that_is_gone_falls_to_its_default_only_where_all_layers_are_known() -> None:
    running = {"BPFSocketLBHostnsOnly": "true"}
    assert [(one.key, one.next) for one in start(facts_of({}), running).pending] == [
        ("bpf-lb-sock-hostns-only", None)
    ]
    assert start(facts_of({}, daemonsets=Reading()), running).pending == ()


@pytest.mark.parametrize(
    ("kernel", "release", "is_pending"),
    [
        ("6.8.0-45-generic", "1.17.5", True),
        ("5.4.0-90-generic", "1.17.5", False),
        ("5.4.0-90-generic", "1.18.0", True),
    ],
)
def test_hostns_only_is_compared_where_the_agent_does_not_switch_it_off(
    kernel: str, release: str, is_pending: bool
) -> None:
    facts = node_facts(release, kernel)
    config = EffectiveConfig({"BPFSocketLBHostnsOnly": CleanText("false")})
    cluster = facts_of({"bpf-lb-sock-hostns-only": "true"})
    found = next_start(facts.node, facts.agent, config, (), cluster)
    assert bool(found.pending) is is_pending
    if not is_pending:
        assert "netns cookies" in found.unknown[0]


OLD, NEW = "quay.io/cilium/cilium:v1.17.5", "quay.io/cilium/cilium:v1.18.0"


@pytest.mark.parametrize(
    ("image", "revisions", "expected"),
    [
        (OLD, (), ""),
        ("quay.io/cilium/cilium:v1.17.5@sha256:abc", (), ""),
        (NEW, (), NEW),
        (NEW, (("b", 2, NEW), ("a", 1, OLD)), NEW),
        ("mirror/cilium:v1.17.5", (("a", 2, "mirror/cilium:v1.17.5"), ("b", 1, OLD)), ""),
        ("", (("b", 2, NEW), ("a", 1, OLD)), NEW),
        ("", (), ""),
    ],
)
def test_the_image_of_the_current_revision_is_what_starts(
    image: str, revisions: tuple[tuple[str, int, str], ...], expected: str
) -> None:
    made = tuple(
        DaemonSetRevision(clean("cilium"), number, clean(mark), clean(reference))
        for mark, number, reference in revisions
    )
    cluster = facts_of({}, daemonset=agent_set(image=image), revisions=known(made))
    found = start(cluster, revision="a")
    assert found.image_next == expected
    assert found.changes_image is bool(expected)


def test_no_config_map_and_no_agent_make_it_unknown() -> None:
    denied = Reading[CiliumConfigMap].denied(clean("get configmaps"))
    facts = node_facts()
    nothing = next_start(
        facts.node, facts.agent, None, (), replace(facts_of({}), config_map=denied)
    )
    assert not nothing.is_known
    assert "get configmaps" in nothing.unknown[0]
    no_agent: AgentPod | None = None
    assert not next_start(facts.node, no_agent, None, (), facts_of({})).is_known
