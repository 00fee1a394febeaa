from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import pytest
from aiohttp import web

from tests.contract.cluster_server import (
    Answer,
    FakeCluster,
    fixture,
    json_answer,
    pod,
    pod_list,
    recorded_body,
    status_body,
    until,
)
from tui.cluster import kinds
from tui.cluster.session import Session
from tui.cluster.watch import Pace, WatchEvent

PODS = "/api/v1/pods"
Step = Callable[[web.StreamResponse], "asyncio.Future[None]"]


class Time:
    """Virtual time: sleeping takes none, and is written down."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def pace(self) -> Pace:
        return Pace(
            clock=lambda: self.now,
            uniform=lambda low, high: high,
            sleep=self.sleep,
            silence_seconds=30.0,
        )


class PodServer:
    """Answers lists from one queue and watches from another; the last watch stays open."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.lists: list[Answer] = [pod_list("a", version="100")]
        self.watches: list[list[bytes] | Answer] = []
        self.open_watches = 0
        cluster.on(PODS, self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            return answer.response()
        script = self.watches.pop(0) if self.watches else None
        if isinstance(script, Answer):
            return script.response()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for chunk in script or ():
            await response.write(chunk)
        if script is None:
            self.open_watches += 1
            await self.cluster.stopping.wait()
        return response

    def asked_versions(self) -> list[str | None]:
        """The versions watched from; None for a list."""
        return [asked.query.get("resourceVersion") for asked in self.cluster.asked]


def line(kind: str, content: object) -> bytes:
    return json.dumps({"type": kind, "object": content}).encode() + b"\n"


def bookmark(version: str) -> bytes:
    return line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": version}})


async def collect(
    session: Session, pace: Pace, count: int, server: PodServer | None = None
) -> list[WatchEvent[kinds.Pod]]:
    """The first `count` events; with a server also wait until its last watch is open."""
    seen: list[WatchEvent[kinds.Pod]] = []
    async with asyncio.timeout(10):
        async with aclosing(session.watch(PODS, kinds.Pod, pace=pace)) as events:
            async for event in events:
                seen.append(event)
                if len(seen) == count:
                    break
    if server is not None:
        await until(lambda: server.open_watches > 0)
    return seen


def told(events: list[WatchEvent[kinds.Pod]]) -> list[str]:
    """Each event in short: its kind and the names in it."""
    return [
        " ".join(
            [event.kind.value]
            + [item.metadata.name for item in event.items]
            + ([event.item.metadata.name] if event.item is not None else [])
        )
        for event in events
    ]


async def test_list_then_watch_from_its_version_with_bookmarks() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        server.watches = [
            [
                line("ADDED", pod("b", "101")),
                bookmark("105"),
                line("MODIFIED", pod("b", "106"))[:20],
                line("MODIFIED", pod("b", "106"))[20:] + line("DELETED", pod("a", "107")),
            ],
            [line("ADDED", pod("c", "108"))],
        ]
        events = await collect(session, Time().pace(), 6)
    assert told(events) == [
        "listed a", "added b", "live", "modified b", "deleted a", "added c"
    ]  # fmt: skip
    assert server.asked_versions() == [None, "100", "107"]
    query = cluster.asked[1].query
    assert query["allowWatchBookmarks"] == query["watch"] == "true"
    assert 240 <= int(query["timeoutSeconds"]) <= 300


async def test_recorded_watch_is_decoded() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).watches = [[fixture("watch-pods.jsonl")]]
        events = await collect(session, Time().pace(), 3)
    assert all(event.item is not None for event in events[1:])
    assert {event.item.metadata.namespace for event in events if event.item} == {"kube-system"}


@pytest.mark.parametrize(
    "gone",
    [
        [recorded_body("watch-410.http")],
        json_answer(status_body(410, "Expired", "too old resource version"), 410),
    ],
)
async def test_a_version_too_old_lists_again_at_once(gone: list[bytes] | Answer) -> None:
    time = Time()
    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        server.lists = [pod_list("a", version="100"), pod_list("a", "b", version="200")]
        server.watches = [gone, [line("ADDED", pod("c", "201"))]]
        events = await collect(session, time.pace(), 3)
    assert told(events) == ["listed a", "listed a b", "added c"]
    assert server.asked_versions() == [None, "100", None, "200"]
    assert time.slept == []


async def test_a_server_that_says_410_for_ever_is_backed_off() -> None:
    time = Time()
    gone = json_answer(status_body(410, "Expired", "x"), 410)
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).watches = [gone] * 8
        await collect(session, time.pace(), 6)
    assert time.slept == [2.0, 4.0, 8.0, 16.0]


async def test_failures_back_off_with_full_jitter_and_end_with_live() -> None:
    time = Time()
    broken = json_answer(status_body(500, "InternalError", "etcd timeout"), 500)
    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        server.watches = [broken] * 8
        events = await collect(session, time.pace(), 10)
    assert told(events) == ["listed a"] + ["lost"] * 8 + ["live"]
    assert "etcd timeout" in events[1].reason
    assert time.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert server.asked_versions() == [None] + ["100"] * 9, "the version is still good"


async def test_the_shortest_wait_is_half_a_second() -> None:
    time = Time()
    broken = json_answer(status_body(500, "InternalError", "x"), 500)
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).watches = [broken] * 3
        pace = replace(time.pace(), uniform=lambda low, high: low)
        await collect(session, pace, 5)
    assert time.slept == [0.5, 0.5, 0.5]


async def test_a_failing_list_is_lost_and_then_listed() -> None:
    time = Time()
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).lists = [Answer(b"<html>", 503), Answer(b'{"cut', 200), pod_list("a")]
        events = await collect(session, time.pace(), 3)
    assert told(events) == ["lost", "lost", "listed a"]


async def test_denied_names_the_right_and_retries_slowly() -> None:
    time = Time()
    said = 'pods is forbidden: User "v" cannot watch resource "pods" in API group ""'
    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        server.watches = [json_answer(status_body(403, "Forbidden", said), 403)]
        events = await collect(session, time.pace(), 3)
    assert told(events) == ["listed a", "lost", "live"]
    assert events[1].is_denied
    assert "watch pods" in events[1].reason
    assert time.slept == [72.0]


async def test_absent_resource_is_told_apart() -> None:
    async with (
        FakeCluster() as cluster,
        cluster.session() as session,
        aclosing(session.watch("/apis/x/v1/things", kinds.Pod, pace=Time().pace())) as events,
    ):
        event = await anext(events)
    assert event.is_absent
    assert not event.is_denied


async def test_throttling_waits_as_long_as_was_asked() -> None:
    time = Time()
    busy = json_answer(status_body(429, "TooManyRequests", "x"), 429, {"Retry-After": "45"})
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).watches = [busy]
        await collect(session, time.pace(), 3)
    assert time.slept == [45.0]


async def test_expired_token_is_renewed_without_a_word() -> None:
    async with FakeCluster() as cluster:
        renewed = cluster.access(headers=(("Authorization", "Bearer new"),))
        async with cluster.session(renewed=renewed) as session:
            server = PodServer(cluster)
            server.watches = [
                Answer(recorded_body("unauthorized-401.http"), 401),
                [line("ADDED", pod("b", "101"))],
            ]
            events = await collect(session, Time().pace(), 2)
    assert told(events) == ["listed a", "added b"]
    assert cluster.asked[-1].headers["Authorization"] == "Bearer new"


async def test_an_error_event_other_than_410_lists_again_after_a_wait() -> None:
    time = Time()
    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        server.watches = [[line("ERROR", status_body(500, "InternalError", "etcd moved"))]]
        events = await collect(session, time.pace(), 3)
    assert told(events) == ["listed a", "lost", "listed a"]
    assert "etcd moved" in events[1].reason
    assert time.slept == [1.0]


async def test_events_above_four_mebibytes_pass() -> None:
    large = {**pod("big", "101"), "metadata": {"name": "big", "resourceVersion": "101"}}
    large["spec"] = {"padding": "x" * (5 << 20)}
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).watches = [[line("ADDED", large), line("ADDED", pod("b", "102"))]]
        events = await collect(session, Time().pace(), 3)
    assert told(events) == ["listed a", "added big", "added b"]


async def test_an_event_that_does_not_fit_is_passed_over() -> None:
    bad = {"metadata": {"name": "x", "resourceVersion": "101"}, "spec": {"nodeName": [1]}}
    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        server.watches = [[line("ADDED", bad), line("SURPRISE", pod("x", "102"))]]
        server.watches.append([line("ADDED", pod("b", "103"))])
        events = await collect(session, Time().pace(), 2)
    assert told(events) == ["listed a", "added b"]
    assert server.asked_versions()[-1] == "102"


async def test_garbage_in_the_stream_lists_again() -> None:
    time = Time()
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).watches = [[b"<html>sorry</html>\n"]]
        events = await collect(session, time.pace(), 3)
    assert told(events) == ["listed a", "lost", "listed a"]


async def test_silence_reconnects_from_the_same_version_without_a_loss() -> None:
    time = Time()

    def clock() -> float:
        time.now += 10.0
        return time.now

    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        pace = replace(time.pace(), silence_seconds=0.1, clock=clock)

        async def first_two() -> list[WatchEvent[kinds.Pod]]:
            return await collect(session, pace, 2)

        task = asyncio.create_task(first_two())
        await until(lambda: server.open_watches >= 2)
        server.watches = [[line("ADDED", pod("b", "101"))]]
        assert told(await task) == ["listed a", "added b"]
    assert set(server.asked_versions()[1:]) == {"100"}


async def test_every_event_pushes_the_silence_forward() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return pod_list("a").response()
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(8):
            await asyncio.sleep(0.1)
            await response.write(bookmark(str(101 + number)))
        await response.write(line("ADDED", pod("b", "200")))
        return response

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(PODS, handler)
        events = await collect(session, Pace(silence_seconds=0.5), 10)
    assert told(events)[-1] == "added b"
    assert len(cluster.asked) == 2, "one list and one watch"


async def test_a_watch_that_always_ends_at_once_is_lost() -> None:
    time = Time()
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).watches = [[] for _ in range(10)]
        events = await collect(session, time.pace(), 2)
    assert told(events) == ["listed a", "lost"]
    assert "again and again" in events[1].reason
    assert time.slept == [1.0, 2.0]


async def test_a_list_without_version_is_a_failure() -> None:
    time = Time()
    async with FakeCluster() as cluster, cluster.session() as session:
        PodServer(cluster).lists = [pod_list("a", version=""), pod_list("a")]
        assert told(await collect(session, time.pace(), 2)) == ["lost", "listed a"]


async def test_nobody_there_never_ends_the_watch() -> None:
    time = Time()
    async with FakeCluster() as cluster:
        nobody = cluster.access(server="http://127.0.0.1:1")
        async with cluster.session(nobody) as session:
            events = await collect(session, time.pace(), 12)
    assert told(events) == ["lost"] * 12


async def test_cancelling_ends_it() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        server = PodServer(cluster)
        task = asyncio.create_task(collect(session, Time().pace(), 99))
        await until(lambda: server.open_watches == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
