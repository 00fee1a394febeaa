"""Writes whose outcome nobody told: an error of their own, and never sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.contract.cluster_server import FakeCluster, json_answer, silent_server, status_body
from tests.contract.gate_rig import NAMESPACE, POD, GateRig, armed, gate_rig
from tui.cluster import gate as gate_module
from tui.cluster.gate import WriteRequest
from tui.errors import (
    AdmissionError,
    ApiError,
    ClusterError,
    ConnectError,
    ThrottledError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from tui.simulator.faults import Fault, FaultKind

WRITES: list[Callable[[GateRig], WriteRequest]] = [GateRig.flip, GateRig.restart]
NOT_DRY = r"(?<!dryRun=All)$"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
DELETE = WriteRequest("delete", "", "v1", "pods", NAMESPACE, POD, uid="u")


@pytest.mark.parametrize("make", WRITES)
@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.TRUNCATE])
async def test_a_broken_connection_after_sending(
    make: Callable[[GateRig], WriteRequest], kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate_rig(monkeypatch) as rig:
        request = make(rig)
        rig.server.faults.add(Fault(kind, verb=request.verb, path=NOT_DRY, count=1))
        with pytest.raises(UnknownOutcomeError, match="read it back"):
            await rig.gate.write(request)
        assert rig.written == [request.verb], "it was done, once"


@pytest.mark.parametrize("make", WRITES)
async def test_silence_after_sending(
    make: Callable[[GateRig], WriteRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate_rig(monkeypatch) as rig:
        request = make(rig)
        rig.server.faults.add(Fault(FaultKind.HALF_OPEN, verb=request.verb, path=NOT_DRY))
        rig.after_dry_run = lambda: monkeypatch.setattr(gate_module, "WRITE_SECONDS", 0.2)
        with pytest.raises(UnknownOutcomeError, match="no answer within"):
            await rig.gate.write(request)


@pytest.mark.parametrize(
    ("kind", "status"), [(FaultKind.STATUS, 500), (FaultKind.STATUS, 504), (FaultKind.HTML, 502)]
)
async def test_an_error_behind_the_server_leaves_it_unknown(
    kind: FaultKind, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate_rig(monkeypatch) as rig:
        rig.server.faults.add(Fault(kind, verb="patch", path=NOT_DRY, status=status))
        with pytest.raises(UnknownOutcomeError, match="read it back"):
            await rig.gate.write(rig.flip())


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.STATUS, FaultKind.HTML])
async def test_a_dry_run_that_fails_leaves_nothing_unknown(
    kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate_rig(monkeypatch) as rig:
        rig.server.faults.add(Fault(kind, verb="patch", status=500, path="dryRun=All"))
        with pytest.raises(ClusterError):
            await rig.gate.write(rig.flip())
        assert rig.written == []


async def test_a_throttled_write_was_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch) as rig:
        rig.server.faults.add(Fault(FaultKind.STATUS, verb="patch", path=NOT_DRY, status=429))
        with pytest.raises(ThrottledError):
            await rig.gate.write(rig.flip())
        assert rig.written == []


async def test_an_unreachable_webhook_is_a_known_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'Internal error occurred: failed calling webhook "v.example": context deadline exceeded'
    async with gate_rig(monkeypatch) as rig:
        rig.server.faults.add(
            Fault(FaultKind.STATUS, verb="patch", path=NOT_DRY, status=500, message=said)
        )
        with pytest.raises(AdmissionError) as refused:
            await rig.gate.write(rig.flip())
        assert refused.value.by == "v.example"


def passing(cluster: FakeCluster, deletes: list[bool]) -> None:
    """Let the doors before the write open; remember whether each DELETE was a dry run."""
    cluster.reply(REVIEWS, json_answer({"status": {"allowed": True}}, 201), method="POST")
    metadata = {"name": POD, "uid": "u", "resourceVersion": "1"}
    cluster.reply(f"{PODS}/{POD}", json_answer({"metadata": metadata}))

    async def answer(request: web.Request) -> web.StreamResponse:
        deletes.append("dryRun" in request.query)
        return await written(request) if not deletes[-1] else json_answer({}).response()

    async def written(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer old":
            said = status_body(401, "Unauthorized", "Unauthorized")
            return json_answer(said, 401).response()
        return web.Response(body=b"<html>log in</html>")

    cluster.on(f"{PODS}/{POD}", answer, "DELETE")


async def test_a_401_is_an_answer_renewed_and_sent_again() -> None:
    deletes: list[bool] = []
    async with FakeCluster() as cluster:
        passing(cluster, deletes)
        renewed = cluster.access(headers=(("Authorization", "Bearer new"),))
        async with cluster.session(renewed=renewed) as session:
            with pytest.raises(UnknownOutcomeError, match="can't be read"):
                await session.gate(armed()).write(DELETE)
    assert deletes == [True, False, False]


async def test_a_401_without_better_credentials_changed_nothing() -> None:
    deletes: list[bool] = []
    async with FakeCluster() as cluster, cluster.session() as session:
        passing(cluster, deletes)
        with pytest.raises(UnauthorizedError):
            await session.gate(armed()).write(DELETE)
    assert deletes == [True, False]


async def test_a_server_that_is_not_there_got_nothing() -> None:
    async with FakeCluster() as cluster:
        port = cluster.port
    session = FakeCluster().session(cluster.access(server=f"http://127.0.0.1:{port}"))
    async with session:
        with pytest.raises(ConnectError, match="can't connect"):
            await session._transport.change("DELETE", "/x", b"", "", deadline_seconds=5)


async def test_a_server_that_never_speaks_may_have_got_it() -> None:
    async with silent_server() as port:
        access = FakeCluster().access(server=f"http://127.0.0.1:{port}")
        async with FakeCluster().session(access) as session:
            with pytest.raises(UnknownOutcomeError):
                await session._transport.change("DELETE", "/x", b"", "", deadline_seconds=0.2)


async def test_a_cancelled_write_is_cancelled_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with gate_rig(monkeypatch) as rig:
        rig.server.faults.add(Fault(FaultKind.HALF_OPEN, verb="delete", path=NOT_DRY))
        tried = asyncio.Event()
        rig.after_dry_run = tried.set
        task = asyncio.create_task(rig.gate.write(rig.restart()), name="write")
        await tried.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert rig.written == []


async def test_a_redirect_is_not_followed() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply("/x", json_answer({}, 307, {"Location": "/y"}), method="DELETE")
        with pytest.raises(ApiError, match="redirect"):
            await session._transport.change("DELETE", "/x", b"", "", deadline_seconds=5)
        assert cluster.paths() == ["/x"]
