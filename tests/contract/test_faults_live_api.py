"""The API server misbehaves: what is shown grows old, says so, and recovers by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.contract.live_faults import QUICK, broken, hurry, until_live, until_swept_again
from tests.contract.live_rig import LiveRig
from tui.cluster import lists
from tui.cluster.access import ConnectionSettings
from tui.collect.live import LiveSource
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import HealthChanged, SourceHealth, SourceState
from tui.simulator.faults import Conditions, Fault, FaultKind


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def cluster_readings(rig: LiveRig) -> list[Reading[object]]:
    cluster = rig.snapshot.cluster
    return [cluster.services, cluster.config_map, cluster.daemonsets]  # type: ignore[list-item]  # only their states are looked at


def status_of_watches(status: int) -> list[Fault]:
    return [Fault(FaultKind.STATUS, verb=verb, status=status) for verb in ("watch", "list")]


async def test_a_renewed_token_is_taken_without_a_word(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        rig.server.token = "renewed"
        (tmp_path / "kubeconfig").write_text(rig.server.kubeconfig())
        rig.server.faults.drop_watches()
        await until_swept_again(rig, 0, 1, 2)
        assert rig.snapshot.health.state is SourceState.LIVE
        assert rig.snapshot.gaps == {}
        assert all(facts.maps.is_known for facts in rig.nodes)


async def test_a_token_that_is_refused_for_good_is_said_and_nothing_is_emptied(
    tmp_path: Path,
) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        rig.server.token = "another"
        rig.server.faults.drop_watches()
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        assert "401" in rig.snapshot.health.reason
        assert all(facts.maps.value and facts.services.value for facts in rig.nodes)
        await rig.until(
            lambda: all("401" in facts.sweep_error for facts in rig.nodes), "each node says so"
        )


async def test_a_broken_kubeconfig_while_running_ends_nothing(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text("users: [")
        rig.server.token = "renewed"
        rig.server.faults.drop_watches()
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        kubeconfig.write_text(rig.server.kubeconfig())
        await until_live(rig)


async def test_a_list_that_expires_halfway_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.cluster.watch.PAGE_SIZE", 5)
    assert lists.PAGE_SIZE > 5
    gone = [
        Fault(FaultKind.STATUS, path=rf"/{one}\?.*continue=", verb="list", status=410, count=1)
        for one in ("services", "endpointslices")
    ]

    async with broken(tmp_path, prepare=lambda server: server.faults.rules.extend(gone)) as rig:
        await rig.until_read()
        await rig.until(lambda: rig.snapshot.cluster.services.is_known, "the Services")
        assert rig.server.faults.rules == []
        wanted = {one["metadata"]["name"] for one in rig.server.parts.store.list("services")}
        found = {str(one.name) for one in rig.snapshot.cluster.services.value or ()}
        assert len(found) > 25
        assert {name.rpartition("/")[2] for name in found} <= wanted
        await until_live(rig)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_burst_of_refusals_at_the_start_is_waited_out(tmp_path: Path, status: int) -> None:
    wait = 1 if status == 429 else None
    burst = Fault(FaultKind.STATUS, status=status, count=2, retry_after_seconds=wait)
    async with broken(tmp_path, prepare=lambda server: server.faults.rules.append(burst)) as rig:
        await rig.until_read()
        await until_live(rig)


async def test_random_errors_never_empty_a_panel(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        rig.server.faults.conditions = Conditions(error_rate=0.5, watch_drop_seconds=0.2)
        for _ in range(20):
            await asyncio.sleep(0.1)
            assert len(rig.nodes) == 3
            assert all(facts.maps.value and facts.services.value for facts in rig.nodes)
            assert all(one.value for one in cluster_readings(rig)[1:])
        rig.server.faults.clear()
        await until_live(rig)
        await until_swept_again(rig, 0, 1, 2)


@pytest.mark.parametrize("code", [200, 502])
async def test_a_proxy_page_is_called_one(tmp_path: Path, code: int) -> None:
    page = Fault(FaultKind.HTML, status=code)
    async with broken(tmp_path, prepare=lambda server: server.faults.rules.append(page)) as rig:
        await rig.until(lambda: "web page" in rig.snapshot.health.reason, "a web page")
        assert rig.snapshot.health.state is SourceState.LOST
        assert not rig.snapshot.is_complete
        rig.server.faults.clear()
        await rig.until_read()
        rig.server.faults.add(page)
        rig.server.faults.drop_watches()
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        assert all(facts.maps.value for facts in rig.nodes)


async def test_a_watch_that_falls_silent_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, silence_seconds=0.5)
    async with broken(tmp_path) as rig:
        await rig.until_read()
        silent = Fault(FaultKind.STALL, verb="watch", path="/nodes")
        rig.server.faults.add(silent)
        rig.server.faults.drop_watches()
        store = rig.server.parts.store
        name = rig.node(0).node.name
        found = store.get("nodes", None, name)
        assert found is not None
        await asyncio.sleep(0.2)
        store.apply("nodes", {**found, "spec": {**found.get("spec", {}), "unschedulable": True}})
        rig.server.faults.clear()
        await rig.until(lambda: not rig.node(0).node.is_schedulable, "what the silent watch hid")
        assert len(rig.nodes) == 3


async def test_watches_that_end_again_and_again_are_no_trouble(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        await until_live(rig)
        for _ in range(2):
            rig.server.faults.drop_watches()
            await asyncio.sleep(0.3)
            assert rig.snapshot.gaps == {}
            assert rig.snapshot.health.state is SourceState.LIVE


@asynccontextmanager
async def answering(body: bytes, headers: dict[str, str], status: int) -> AsyncIterator[str]:
    """Serve the same answer to every request."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, headers=headers, status=status)

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


KUBECONFIG = """\
current-context: c
clusters: [{name: c, cluster: {server: "%s"}}]
users: [{name: c, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: c}}]
"""
PODS = (
    b'{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[{"metadata":'
    b'{"name":"cilium-1","namespace":"kube-system","uid":"u"},"spec":{"nodeName":"n"}}]}'
)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[" * 200_000, {}, 200),
        (b'{"kind":"Status","x":' + b"[" * 200_000, {}, 500),
        (b'{"items":' + b'{"a":' * 200_000, {}, 200),
        (b"{}", {}, 200),
        (b"null", {}, 200),
        (b"", {}, 200),
        (b"\x00\xff\xfe", {}, 500),
        (b'{"kind":"Status","code":"x","message":7}', {}, 503),
        (b"slow down", {"Retry-After": "\xb2"}, 429),
        (b"slow down", {"Retry-After": "9" * 400}, 429),
        (b"slow down", {"Retry-After": "Fri, 31 Dec 9999 23:59:59 -0000"}, 429),
        (b"moved", {"Location": "http://127.0.0.1:1/"}, 302),
    ],
)
async def test_whatever_a_server_answers_the_source_goes_on_and_says_why(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with answering(body, headers, status) as url:
        (tmp_path / "kubeconfig").write_text(KUBECONFIG % url)
        source = LiveSource(ConnectionSettings(kubeconfig=str(tmp_path / "kubeconfig")), QUICK)

        async def said() -> SourceHealth:
            async for fact in source.facts():
                if isinstance(fact, HealthChanged) and fact.health.reason:
                    return fact.health
            raise AssertionError("the source ended")

        async with asyncio.timeout(10):
            health = await said()
        assert health.state is SourceState.LOST


@pytest.mark.parametrize("status", [200, 410, 500])
async def test_whatever_a_watch_answers_the_source_goes_on(tmp_path: Path, status: int) -> None:
    """Lists are fine, and every watch brings nonsense."""
    lines = [
        b'{"type":"ADDED","object":' + b"[" * 200_000 + b"\n",
        b'{"type":"ADDED","object":{"metadata":{"name":5}}}\n',
        b'{"type":"ERROR","object":' + b'{"a":' * 100_000 + b"\n",
        b"\xff\xfe\n",
        b'{"type":"NEW","object":{}}\n{"type":"BOOKMARK","object":{}}\n',
    ]
    asked: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path_qs)
        if "watch=true" in request.path_qs:
            return web.Response(body=lines[len(asked) % len(lines)], status=status)
        return web.Response(body=PODS)

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (tmp_path / "kubeconfig").write_text(KUBECONFIG % f"http://127.0.0.1:{runner.addresses[0][1]}")
    source = LiveSource(ConnectionSettings(kubeconfig=str(tmp_path / "kubeconfig")), QUICK)

    async def consume() -> None:
        async for _ in source.facts():
            pass

    task = asyncio.create_task(consume())
    try:
        async with asyncio.timeout(10):
            while sum("watch=true" in one for one in asked) < 40:
                assert not task.done(), "the source ended"
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


async def test_what_was_lost_for_a_while_is_known_again(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        await rig.until(lambda: all(one.is_known for one in cluster_readings(rig)), "all known")
        for fault in status_of_watches(503):
            rig.server.faults.add(fault)
        rig.server.faults.drop_watches()
        await rig.until(
            lambda: all(one.state is ReadingState.FAILED for one in cluster_readings(rig)),
            "all failed",
        )
        assert all(one.value for one in cluster_readings(rig))
        assert len(rig.nodes) == 3
        rig.server.faults.clear()
        await until_live(rig)
        await rig.until(
            lambda: all(one.is_known for one in cluster_readings(rig)), "all known again"
        )


async def test_nodes_are_read_at_once_when_the_server_is_back(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        await rig.server.__aexit__(None, None, None)
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        assert len(rig.nodes) == 3
        assert all(facts.maps.value and facts.services.value for facts in rig.nodes)
        # As after many failures in a row, when each node waits up to five minutes.
        for number in range(3):
            rig.source._schedule.postpone(rig.uid(number), 300.0)
        await rig.server.__aenter__()
        await until_live(rig)
        await until_swept_again(rig, 0, 1, 2)


async def test_services_denied_later_keep_their_last_value(tmp_path: Path) -> None:
    async with broken(tmp_path) as rig:
        await rig.until_read()
        for verb in ("list", "watch"):
            rig.server.permissions.deny(verb, "services")
        rig.server.faults.expire()
        rig.server.faults.drop_watches()
        await rig.until(
            lambda: rig.snapshot.cluster.services.state is ReadingState.DENIED, "denied"
        )
        services = rig.snapshot.cluster.services
        assert services.value
        assert "list services" in services.reason or "watch services" in services.reason
        assert rig.snapshot.gaps["services"].is_denied
        await until_swept_again(rig, 0, 1, 2)
        rig.server.permissions.clear()
        await rig.until(lambda: rig.snapshot.cluster.services.is_known, "allowed again")
        await until_live(rig)


async def test_without_the_right_to_list_nodes_a_lost_server_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, denied_seconds=60.0)
    async with broken(
        tmp_path, prepare=lambda server: server.permissions.deny("list", "nodes")
    ) as rig:
        await rig.until(lambda: len(rig.nodes) == 3 and "nodes" in rig.snapshot.gaps, "three nodes")
        await rig.server.__aexit__(None, None, None)
        await rig.until(lambda: rig.snapshot.health.state is SourceState.LOST, "lost")
        await rig.server.__aenter__()
        await rig.until(lambda: rig.snapshot.health.state is SourceState.DEGRADED, "found")
