"""Nothing but the gate can change a cluster, by the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "tui"
WRITERS = {"post", "put", "patch", "delete", "request"}
METHODS = {"POST", "PUT", "PATCH", "DELETE"}
HTTP_LIBRARIES = {"httpx", "requests", "urllib3", "urllib.request", "http.client", "aiohttp"}
KUBERNETES_CLIENTS = ("kubernetes.client", "kubernetes.dynamic", "kubernetes.aio.dynamic")


def program() -> Iterator[tuple[str, ast.Module]]:
    """Every module but the simulated cluster, which is a server."""
    for file in sorted(PROGRAM.rglob("*.py")):
        name = file.relative_to(PROGRAM).as_posix()
        if not name.startswith("simulator/"):
            yield name, ast.parse(file.read_text(encoding="utf-8"))


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions and methods with those nested in them, and what stands outside of any."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for part in inner:
            yield getattr(part, "name", "(module)"), part


def last_name(node: ast.expr) -> str:
    """The name nearest to the dot: `session` of `self._session.post`, without underscores."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return str(name).strip("_").lower()


def sends(node: ast.AST) -> bool:
    """Tell whether a piece of code asks an HTTP session for anything but GET."""
    if isinstance(node, ast.Attribute):
        return node.attr in WRITERS and last_name(node.value).endswith(
            ("session", "client", "aiohttp", "transport")
        )
    if isinstance(node, ast.Call) and last_name(node.func) in ("getattr", "methodcaller"):
        return any(isinstance(one, ast.Constant) and one.value in WRITERS for one in node.args)
    return False


def names_method(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in METHODS


def where(matches: object) -> set[str]:
    assert callable(matches)
    return {
        f"{name}:{function}"
        for name, tree in program()
        for function, body in functions(tree)
        for node in ast.walk(body)
        if matches(node)
    }


def imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_sessions_are_asked_to_write_in_two_places() -> None:
    assert where(sends) == {"cluster/transport.py:review", "cluster/transport.py:change"}


def test_only_the_gate_uses_the_way_that_writes() -> None:
    """`Transport.change` by any spelling: as a call, as a method handed on, as a text."""

    def is_use(node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute) and node.attr == "change":
            return last_name(node.value).endswith("transport")
        return (
            isinstance(node, ast.Call)
            and last_name(node.func) == "getattr"
            and any(isinstance(one, ast.Constant) and one.value == "change" for one in node.args)
        )

    assert where(is_use) == {"cluster/gate.py:_send"}


def test_methods_that_write_are_named_in_the_gate_only() -> None:
    named = {place.partition(":")[0] for place in where(names_method)}
    # answers.py turns the method of a request that failed into Kubernetes' verb.
    assert named == {"cluster/gate.py", "cluster/answers.py"}


def test_the_transport_is_known_in_the_cluster_layer_only() -> None:
    """Whoever holds no transport can't write around the gate."""
    holders = {name for name, tree in program() if "tui.cluster.transport" in imports(tree)}
    assert {name.partition("/")[0] for name in holders} == {"cluster"}
    reaching = where(lambda node: isinstance(node, ast.Attribute) and node.attr == "_transport")
    assert {place.partition("/")[0] for place in reaching} == {"cluster"}


def test_no_other_http_client_is_used() -> None:
    users = {name for name, tree in program() if imports(tree) & HTTP_LIBRARIES}
    assert {name.partition("/")[0] for name in users} == {"cluster"}
    everything = {one for _, tree in program() for one in imports(tree)}
    assert not everything & (HTTP_LIBRARIES - {"aiohttp"})
    assert not [one for one in everything if one.startswith(KUBERNETES_CLIENTS)]


@pytest.mark.parametrize(
    "planted",
    [
        "async def f(self):\n    await self._session.post('/x')",
        "async def f(session):\n    await session.request(verb, '/x')",
        "async def f(self):\n    send = self._transport._session.delete",
        "async def f(session):\n    await getattr(session, 'patch')('/x')",
        "async def f():\n    async with aiohttp.request('GET', '/x'): ...",
        "async def f():\n    return aiohttp.ClientSession().put('/')",
    ],
)
def test_the_search_finds_what_is_planted(planted: str) -> None:
    assert any(sends(node) for node in ast.walk(ast.parse(planted)))
