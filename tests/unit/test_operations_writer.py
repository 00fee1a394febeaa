"""Reading back a write whose outcome is unknown: what an object proves."""

from __future__ import annotations

from typing import Any

import pytest

from tui.cluster.gate import Verb, WriteRequest
from tui.operations.writer import Outcome, outcome_of


def request(verb: Verb, body: dict[str, Any] | None = None, version: str = "7") -> WriteRequest:
    is_create = verb == "create"
    return WriteRequest(
        verb,
        "",
        "v1",
        "configmaps",
        "kube-system",
        "cilium-config",
        body,
        "merge" if verb == "patch" else "",
        "" if is_create else "uid-1",
        "" if is_create else version,
    )


def found(uid: str = "uid-1", version: str = "7", **parts: Any) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": version}, **parts}


DELETING = {"metadata": {"uid": "uid-1", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
PATCH = {"data": {"a": "1", "gone": None}}


@pytest.mark.parametrize(
    ("asked", "now", "outcome"),
    [
        (request("delete"), None, Outcome.DONE),
        (request("delete"), found(), Outcome.NOT_DONE),
        (request("delete"), found("uid-2"), Outcome.DONE),
        (request("delete"), DELETING, Outcome.DONE),
        (request("create", {"spec": {"x": 1}}), None, Outcome.NOT_DONE),
        (request("create", {"spec": {"x": 1}}), found(spec={"x": 1, "y": 2}), Outcome.DONE),
        (request("create", {"spec": {"x": 1}}), found(spec={"x": 2}), Outcome.REPLACED),
        (request("patch", PATCH), found(data={"a": "1", "b": "2"}), Outcome.DONE),
        (request("patch", PATCH), found(data={"a": "0"}), Outcome.NOT_DONE),
        (request("patch", PATCH), found(data={"a": "1", "gone": "x"}), Outcome.NOT_DONE),
        (request("patch", PATCH), found(version="8", data={"a": "0"}), Outcome.REPLACED),
        (request("patch", PATCH, ""), found(version="8", data={"a": "0"}), Outcome.NOT_DONE),
        (request("patch", PATCH), found("uid-2", data={"a": "1"}), Outcome.REPLACED),
        (request("patch", PATCH), None, Outcome.REPLACED),
    ],
)
def test_what_an_object_proves(
    asked: WriteRequest, now: dict[str, Any] | None, outcome: Outcome
) -> None:
    assert outcome_of(asked, now) is outcome
