from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.simulator.managedfields import Writer, leaves, paths_of, tree, with_writer
from tui.simulator.objects import KubeObject
from tui.simulator.patching import json_patch, merge_patch, strategic_merge
from tui.simulator.statuses import ApiFailure

PODS: KubeObject = {
    "containers": [
        {"name": "agent", "image": "a:1", "env": [{"name": "A", "value": "1"}]},
        {"name": "other", "image": "o:1"},
    ],
    "tolerations": [{"operator": "Exists"}],
}


@pytest.mark.parametrize(
    ("patch", "wanted"),
    [
        ({"a": {"b": None, "d": 2}}, {"a": {"c": 1, "d": 2}}),
        ({"a": [1]}, {"a": [1]}),
        ({"a": None}, {}),
        ({}, {"a": {"b": 1, "c": 1}}),
    ],
)
def test_merge_patch(patch: KubeObject, wanted: KubeObject) -> None:
    assert merge_patch({"a": {"b": 1, "c": 1}}, patch) == wanted


def test_strategic_merge_knows_elements_by_their_key() -> None:
    env = [{"name": "B", "value": "2"}, {"name": "A", "$patch": "delete"}]
    patch = {"containers": [{"name": "agent", "env": env}], "tolerations": [{"key": "x"}]}
    merged = strategic_merge(PODS, patch)
    assert merged["containers"][0] == {
        "name": "agent", "image": "a:1", "env": [{"name": "B", "value": "2"}],
    }  # fmt: skip
    assert merged["containers"][1] == PODS["containers"][1]
    assert merged["tolerations"] == [{"key": "x"}]


def test_strategic_merge_directives() -> None:
    order = {
        "$setElementOrder/containers": [{"name": "other"}, {"name": "agent"}],
        "containers": [{"name": "agent", "image": "a:2"}],
    }
    assert [item["name"] for item in strategic_merge(PODS, order)["containers"]] == [
        "other", "agent",
    ]  # fmt: skip
    replaced = strategic_merge(PODS, {"containers": [{"$patch": "replace"}, {"name": "x"}]})
    assert replaced["containers"] == [{"name": "x"}]
    assert strategic_merge({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}) == {"a": {"c": 2}}
    assert strategic_merge({"a": 1, "b": 2}, {"$retainKeys": ["b"]}) == {"b": 2}
    kept = strategic_merge(
        {"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}
    )
    assert kept == {"finalizers": ["b"]}
    with pytest.raises(ApiFailure, match="Unknown patch type"):
        strategic_merge({}, {"$patch": "burn"})


@pytest.mark.parametrize(
    ("operations", "wanted"),
    [
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "x/y": 1}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2], "x/y": 1}),
        ([{"op": "remove", "path": "/a/1"}], {"a": [1], "x/y": 1}),
        ([{"op": "replace", "path": "/x~1y", "value": 2}], {"a": [1, 2], "x/y": 2}),
        ([{"op": "move", "from": "/x~1y", "path": "/b"}], {"a": [1, 2], "b": 1}),
        ([{"op": "copy", "from": "/a/0", "path": "/b"}], {"a": [1, 2], "b": 1, "x/y": 1}),
        ([{"op": "test", "path": "/a/0", "value": 1}], {"a": [1, 2], "x/y": 1}),
    ],
)
def test_json_patch(operations: list[KubeObject], wanted: KubeObject) -> None:
    target = {"a": [1, 2], "x/y": 1}
    assert json_patch(target, operations) == wanted
    assert target == {"a": [1, 2], "x/y": 1}


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "add"},
        [{"op": "test", "path": "/a/0", "value": 9}],
        [{"op": "remove", "path": "/missing"}],
        [{"op": "replace", "path": "/missing", "value": 1}],
        [{"op": "add", "path": "/a/9", "value": 1}],
        [{"op": "add", "path": "/a/b/c", "value": 1}],
        [{"op": "add", "path": "", "value": 1}],
        [{"op": "burn", "path": "/a"}],
    ],
)
def test_json_patch_refuses(operations: object) -> None:
    with pytest.raises(ApiFailure):
        json_patch({"a": [1, 2]}, operations)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab$", max_size=2), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("abc", max_size=2), JSON, max_size=4)


@settings(max_examples=60, deadline=None)
@given(OBJECTS, OBJECTS)
def test_merging_changes_neither_side(target: KubeObject, patch: KubeObject) -> None:
    before = copy.deepcopy((target, patch))
    merge_patch(target, patch)
    strategic_merge(target, patch)
    assert (target, patch) == before


def config(**values: str) -> KubeObject:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": values}


def fields(obj: KubeObject) -> dict[str, KubeObject]:
    entries = obj["metadata"]["managedFields"]
    return {entry["manager"]: entry["fieldsV1"] for entry in entries}


def test_a_writer_takes_over_what_it_changes() -> None:
    first = with_writer(None, config(a="1", b="1"), "v1", Writer("helm", "T1"))
    changed = {**config(a="1", b="2", c="3"), "metadata": first["metadata"]}
    second = with_writer(first, changed, "v1", Writer("kubectl-edit", "T2"))
    assert fields(second) == {
        "helm": {"f:data": {".": {}, "f:a": {}}},
        "kubectl-edit": {"f:data": {"f:b": {}, "f:c": {}}},
    }
    again = with_writer(second, second, "v1", Writer("other", "T3"))
    assert again == second
    without = {**config(a="1"), "metadata": second["metadata"]}
    third = with_writer(second, without, "v1", Writer("kubectl-edit", "T4"))
    assert [entry["time"] for entry in third["metadata"]["managedFields"]] == ["T1", "T4"]
    assert "f:data" not in fields(third)["kubectl-edit"]


def test_list_elements_are_named_by_their_key() -> None:
    paths = leaves({"spec": PODS})
    key = 'k:{"name":"agent"}'
    env = 'k:{"name":"A"}'
    assert ("f:spec", "f:containers", key, "f:env", env, "f:value") in paths
    assert ("f:spec", "f:tolerations") in paths
    assert paths_of(tree(set(paths))) == set(paths)
