from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.contract.api_client import (
    CONFIG,
    MERGE,
    PODS,
    TABLE,
    Client,
    recorded_answer,
    running_client,
)
from tests.contract.kubectl_runner import FAST, wait_until
from tui.simulator.objects import KubeObject
from tui.simulator.parts import Pace
from tui.simulator.watching import WatchTiming

CONFIGS = "/api/v1/namespaces/kube-system/configmaps"


class Events:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            line = await self._answer.content.readline()
        event: dict[str, Any] = json.loads(line)
        return event

    async def is_over(self) -> bool:
        async with asyncio.timeout(10):
            return await self._answer.content.readline() == b""


@asynccontextmanager
async def watching(
    client: Client, path: str, *, accept: str = "application/json", **query: str
) -> AsyncIterator[Events]:
    params, headers = {"watch": "1", **query}, {"Accept": accept}
    async with client.session.get(path, params=params, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        yield Events(answer)


async def version_of(client: Client, path: str) -> str:
    return str((await client.json(path))["metadata"]["resourceVersion"])


async def patch(client: Client, **values: str) -> KubeObject:
    return await client.json(CONFIG, "PATCH", json={"data": values}, headers=MERGE)


async def test_a_watch_goes_on_where_the_list_ended() -> None:
    async with running_client() as client:
        version = await version_of(client, CONFIGS)
        await patch(client, a="1")
        async with watching(client, CONFIGS, resourceVersion=version) as events:
            event = await events.next()
            assert (event["type"], event["object"]["data"]["a"]) == ("MODIFIED", "1")
            assert event["object"]["kind"] == "ConfigMap"
            client.store.delete("configmaps", "kube-system", "cilium-config")
            event = await events.next()
            assert event["type"] == "DELETED"
            assert int(event["object"]["metadata"]["resourceVersion"]) > int(version)
            await wait_until(lambda: bool(client.server.parts.watches))
        await wait_until(lambda: not client.server.parts.watches)


async def test_a_watch_without_version_starts_with_what_is_there() -> None:
    async with running_client() as client:
        async with watching(client, PODS, resourceVersion="0", timeoutSeconds="1") as events:
            kinds = [(await events.next())["type"] for _ in range(3)]
            assert kinds == ["ADDED"] * 3
            assert await events.is_over()
        async with watching(
            client, PODS, sendInitialEvents="true", allowWatchBookmarks="true"
        ) as events:
            found = [await events.next() for _ in range(4)]
            annotations = found[3]["object"]["metadata"]["annotations"]
            assert annotations == {"k8s.io/initial-events-end": "true"}


async def test_an_old_version_ends_with_the_recorded_error() -> None:
    async with running_client() as client, watching(client, PODS, resourceVersion="1") as events:
        found, wanted = await events.next(), recorded_answer("watch-410.http")[0]
        found["object"]["message"] = wanted["object"]["message"] = ""
        assert found == wanted
        assert await events.is_over()


async def test_expired_history_is_gone_for_new_watches() -> None:
    async with running_client() as client:
        version = await version_of(client, CONFIGS)
        await patch(client, a="1")
        await client.fault(expire=True)
        async with watching(client, CONFIGS, resourceVersion=version) as events:
            assert (await events.next())["object"]["code"] == 410


async def test_bookmarks_carry_a_newer_version() -> None:
    pace = Pace(watches=WatchTiming(bookmark_seconds=0.05))
    async with running_client(pace=pace) as client:
        version = await version_of(client, PODS)
        await patch(client, a="1")
        async with watching(
            client, PODS, resourceVersion=version, allowWatchBookmarks="true"
        ) as events:
            event = await events.next()
            assert event["type"] == "BOOKMARK"
            assert int(event["object"]["metadata"]["resourceVersion"]) > int(version)
            assert event["object"]["kind"] == "Pod"


async def test_leaving_a_selector_is_a_deletion() -> None:
    async with running_client() as client:
        version = await version_of(client, CONFIGS)
        async with watching(
            client, CONFIGS, resourceVersion=version, labelSelector="stage=one"
        ) as events:
            for stage in ("one", "one", "two"):
                body = {"metadata": {"labels": {"stage": stage, "time": str(id(stage))}}}
                await client.json(CONFIG, "PATCH", json=body, headers=MERGE)
            await patch(client, a="1")
            body = {"metadata": {"labels": {"stage": "one"}}}
            await client.json(CONFIG, "PATCH", json=body, headers=MERGE)
            kinds = [(await events.next())["type"] for _ in range(3)]
            assert kinds == ["ADDED", "DELETED", "ADDED"]


async def test_tables_name_their_columns_once() -> None:
    async with (
        running_client() as client,
        watching(client, PODS, accept=TABLE["Accept"], resourceVersion="0") as events,
    ):
        first, second = await events.next(), await events.next()
        assert first["object"]["columnDefinitions"][0]["name"] == "Name"
        assert second["object"]["columnDefinitions"] is None
        assert second["object"]["rows"][0]["cells"][0] == "cilium-nfsrt"


async def test_dropped_watches_end_cleanly_and_broken_ones_do_not() -> None:
    async with running_client(pace=FAST) as client:
        async with watching(client, PODS, resourceVersion="0") as events:
            for _ in range(3):
                await events.next()
            await client.fault(drop_watches=True)
            assert await events.is_over()
        await client.fault(kind="stall", verb="watch", after_bytes=100, count=1)
        async with client.session.get(PODS, params={"watch": "1"}) as answer:
            assert len(await answer.content.readexactly(100)) == 100
            reading = asyncio.ensure_future(answer.content.read(1))
            await patch(client, a="2")
            assert not reading.done()
            reading.cancel()
