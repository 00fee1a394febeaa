from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.cluster.answers import (
    failure,
    looks_like_html,
    parse_status,
    retry_after_seconds,
    undecodable,
    verb_and_resource,
)
from tui.cluster.backoff import Backoff
from tui.errors import ApiError

PROGRAM = Path(__file__).parents[2] / "tui"
POD = "/api/v1/namespaces/kube-system/pods/cilium-x"


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource"),
    [
        ("GET", "/api/v1/nodes", "list", "nodes"),
        ("GET", "/api/v1/nodes?watch=true&limit=5", "watch", "nodes"),
        ("GET", "/api/v1/nodes/n1", "get", "nodes"),
        ("GET", "/api/v1/namespaces", "list", "namespaces"),
        ("GET", "/api/v1/namespaces/kube-system", "get", "namespaces"),
        ("GET", "/api/v1/namespaces/kube-system/pods?limit=5", "list", "pods"),
        ("GET", f"{POD}/log?follow=true", "get", "pods/log"),
        ("GET", f"{POD}/exec?command=x", "get", "pods/exec"),
        ("GET", "/apis/apps/v1/daemonsets", "list", "daemonsets"),
        ("GET", "/apis/cilium.io/v2/ciliumnodes/n1", "get", "ciliumnodes"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "create",
         "selfsubjectaccessreviews"),
        ("PATCH", "/api/v1/namespaces/kube-system/configmaps/c", "patch", "configmaps"),
        ("DELETE", POD, "delete", "pods"),
        ("GET", "/version", "get", "/version"),
        ("GET", "/", "get", "/"),
    ],
)  # fmt: skip
def test_verb_and_resource_of_a_request(method: str, path: str, verb: str, resource: str) -> None:
    assert verb_and_resource(method, path) == (verb, resource)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5.0), ("0", 0.0), (None, None), ("", None), ("soon", None), ("-3", None),
     ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value) == seconds


def test_waits_grow_to_their_limit_and_begin_anew() -> None:
    backoff = Backoff(uniform=lambda low, high: high)
    waits = [backoff.next_seconds() for _ in range(2000)]
    assert waits[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert waits[-1] == 30.0
    backoff.reset()
    assert backoff.next_seconds() == 1.0
    real = [Backoff().next_seconds() for _ in range(200)]
    assert all(0.5 <= wait <= 1.0 for wait in real)
    assert len(set(real)) > 100, "jitter"


def controls(text: str) -> list[str]:
    return [letter for letter in text if ord(letter) < 32 or 127 <= ord(letter) < 160]


@given(
    st.integers(min_value=300, max_value=599),
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=100).map(
            lambda said: json.dumps({"message": said, "reason": said}).encode()
        ),
        st.text(max_size=100).map(lambda title: f"<html><title>{title}".encode()),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=10),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["message", "details", "causes", "code", "kind", "status", "x"]
                    ),
                    inner,
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
@settings(max_examples=200, deadline=None)
def test_any_failure_becomes_a_clean_message(code: int, body: bytes) -> None:
    error = failure(code, body, method="GET", path="/api/v1/nodes", server="http://x")
    assert error.message
    assert not controls(error.message + error.reason)
    assert len(error.message) < 9000
    parse_status(body)
    looks_like_html(body)
    other = undecodable(body, ValueError("x"), path="/api/v1/nodes", server="http://x")
    assert isinstance(other, ApiError)
    assert not controls(other.message)


def outer_functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions and methods, without those nested in others."""
    bodies = [tree.body] + [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    return [
        node
        for body in bodies
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_nothing_but_reviews_and_the_gates_way_sends_anything_but_get() -> None:
    """Writing to a cluster would need one of these calls of aiohttp's session."""
    writers = {"post", "put", "patch", "delete", "request"}
    found = {
        f"{file.name}:{function.name}"
        for file in PROGRAM.rglob("*.py")
        if "simulator" not in file.parts
        for function in outer_functions(ast.parse(file.read_text("utf-8")))
        for call in ast.walk(function)
        if isinstance(call, ast.Attribute)
        and call.attr in writers
        and isinstance(call.value, ast.Attribute)
        and call.value.attr == "_session"
    }
    assert found == {"transport.py:review", "transport.py:change"}


def test_aiohttp_sessions_are_made_in_one_place() -> None:
    makers = [
        file.name
        for file in PROGRAM.rglob("*.py")
        if "simulator" not in file.parts and "ClientSession(" in file.read_text("utf-8")
    ]
    assert makers == ["transport.py"]
