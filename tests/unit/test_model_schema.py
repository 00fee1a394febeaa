"""The model's objects as JSON and back, a node's whole log included."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from tests.unit.checks_facts import cluster_facts, entry, node_facts
from tui.model.agent import EffectiveConfig
from tui.model.cluster import ClusterFacts
from tui.model.logs import LogGap
from tui.model.node import Node
from tui.model.schema import SchemaError, decode, encode
from tui.model.snapshot import NodeFacts
from tui.safety import clean


def test_a_node_with_its_log_comes_back() -> None:
    told = entry("full", "no space", count=3)
    gap = LogGap(told.node_uid, 1.0, 2.0, None, clean("rotated"))
    facts = replace(node_facts(config={"a": "b"}), logs=(told, gap, told))
    assert decode(NodeFacts, encode(facts)) == facts


def test_a_cluster_comes_back() -> None:
    facts = cluster_facts({"a": "b"}, labels={"x": "y"})
    assert decode(ClusterFacts, encode(facts)) == facts


def test_a_mapping_that_cannot_be_written_to_is_encoded() -> None:
    config = EffectiveConfig(MappingProxyType({"a": clean("b")}))
    assert decode(EffectiveConfig, encode(config)) == EffectiveConfig({"a": clean("b")})


def test_what_is_not_told_has_its_default() -> None:
    told = json.dumps({"node": {"uid": "u", "name": "n", "is_ready": True}, "later": 1}).encode()
    facts = decode(NodeFacts, told)
    assert facts.node.name == "n"
    assert facts == NodeFacts(facts.node)


@pytest.mark.parametrize(
    ("kind", "told", "why"),
    [
        (Node, b"{}", "missing required field `uid`"),
        (NodeFacts, b"{}", "missing required field `node`"),
        (NodeFacts, b'{"node":{"uid":"u","name":"n","is_ready":1}}', r"\$.node.is_ready"),
        (NodeFacts, b'{"node":{"uid":"u","name":"n","is_ready":null},"logs":[{}]}', "node_uid"),
        (Node, b"nonsense", "malformed"),
        (Node, b"", "truncated"),
        (Node, b'{"uid":"\xff"}', "utf-8"),
        (Node, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    ],
)
def test_what_is_no_such_object_says_where(kind: type, told: bytes, why: str) -> None:
    with pytest.raises(SchemaError, match=why):
        decode(kind, told)


def test_what_has_no_place_in_the_schema_is_not_encoded() -> None:
    with pytest.raises(NotImplementedError, match="object has no place"):
        encode({"a": object()})
