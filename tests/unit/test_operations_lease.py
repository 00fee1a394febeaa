"""The Lease: taken, renewed, given back; another's is respected, an old one is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_fakes import NAMESPACE, FakeCluster
from tui.cluster.gate import WriteRequest
from tui.errors import ConnectError, DeniedError, ForbiddenError
from tui.operations.lease import OperationLease
from tui.operations.timing import Timing
from tui.operations.tools import Controls, LeaseHeldError, LeaseLostError

PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/ciltop"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(VirtualClock(), 1)


def lease_of(cluster: FakeCluster, holder: str = "alice") -> OperationLease:
    return OperationLease(cluster, cluster, NAMESPACE, holder, clock=cluster.clock, timing=Timing())


def spec(cluster: FakeCluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.objects[PATH]["spec"]
    return found


async def test_it_is_made_and_given_back(cluster: FakeCluster) -> None:
    lease = lease_of(cluster)
    await lease.acquire()
    assert spec(cluster)["holderIdentity"] == "alice"
    assert spec(cluster)["renewTime"].endswith("Z")
    assert not await lease.holder()
    assert "alice" in await lease_of(cluster, "bob").holder()
    await lease.release()
    assert spec(cluster)["holderIdentity"] == ""
    assert not await lease_of(cluster, "bob").holder()


async def test_anothers_is_respected_until_it_runs_out(cluster: FakeCluster) -> None:
    await lease_of(cluster).acquire()
    bob = lease_of(cluster, "bob")
    with pytest.raises(LeaseHeldError, match="another operator is at work on this cluster: alice"):
        await bob.acquire()
    await cluster.clock.advance(61.0)
    await bob.acquire()
    assert spec(cluster)["holderIdentity"] == "bob"
    assert spec(cluster)["leaseTransitions"] == 1


async def test_what_a_dead_run_left_is_free(cluster: FakeCluster) -> None:
    await lease_of(cluster).acquire()
    bob = OperationLease(
        cluster,
        cluster,
        NAMESPACE,
        "bob",
        clock=cluster.clock,
        timing=Timing(),
        dead=frozenset({"alice"}),
    )
    assert not await bob.holder()
    await bob.acquire()
    assert spec(cluster)["holderIdentity"] == "bob"


@pytest.fixture
async def kept(cluster: FakeCluster) -> AsyncIterator[tuple[OperationLease, Controls]]:
    lease, controls = lease_of(cluster), Controls()
    await lease.acquire()
    task = asyncio.create_task(lease.keep(controls))
    yield lease, controls
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_is_renewed_in_time(
    cluster: FakeCluster, kept: tuple[OperationLease, Controls]
) -> None:
    acquired = spec(cluster)["acquireTime"]
    first = spec(cluster)["renewTime"]
    await cluster.clock.advance(300.0)
    assert spec(cluster)["renewTime"] > first
    assert spec(cluster)["acquireTime"] == acquired
    assert "alice" in await lease_of(cluster, "bob").holder()


async def test_whoever_takes_it_stops_the_operation(
    cluster: FakeCluster, kept: tuple[OperationLease, Controls]
) -> None:
    cluster.objects[PATH]["spec"]["holderIdentity"] = "bob"
    await cluster.clock.advance(20.0)
    with pytest.raises(LeaseLostError, match="bob"):
        kept[1].check()
    await kept[0].release()
    assert spec(cluster)["holderIdentity"] == "bob"


async def test_a_lost_api_is_no_reason_to_stop(
    cluster: FakeCluster, kept: tuple[OperationLease, Controls]
) -> None:
    def down(path: str) -> None:
        raise ConnectError("refused")

    cluster.before_read = [down] * 3
    await cluster.clock.advance(100.0)
    kept[1].check()
    assert "alice" in await lease_of(cluster, "bob").holder()


async def test_no_right_is_a_warning(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def denied(request: WriteRequest) -> dict[str, Any]:
        raise DeniedError("no right to create leases", "create", "leases")

    monkeypatch.setattr(cluster, "write", denied)
    lease = lease_of(cluster)
    await lease.acquire()
    assert "nothing keeps a second operator away (no right to create leases)" in lease.warning
    await lease.release()

    def forbidden(path: str) -> None:
        raise ForbiddenError("no right to get leases", "get", "leases")

    cluster.before_read = [forbidden]
    unreadable = lease_of(cluster)
    await unreadable.acquire()
    assert "no right to get leases" in unreadable.warning
