from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.cluster_server import (
    LOG_PATH,
    Answer,
    FakeCluster,
    json_answer,
    status_body,
    until,
)
from tui.cluster.backoff import Backoff
from tui.cluster.lines import LineSplitter
from tui.cluster.logs import (
    MAX_LINE_BYTES,
    LogFollower,
    LogPiece,
    LogStart,
    LogTarget,
    split_timestamp,
)
from tui.cluster.session import Session
from tui.errors import ApiError, DeadlineError, ForbiddenError, NotFoundError

TARGET = LogTarget("kube-system", "cilium-abc", "cilium-agent")


def stamped(second: float, text: str) -> bytes:
    moment = datetime.fromtimestamp(1_700_000_000 + second, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}789Z {text}".encode()


class LogServer:
    """Answers each follow with the next script; the last stays open."""

    def __init__(self, cluster: FakeCluster, *scripts: list[bytes] | Answer) -> None:
        self.cluster = cluster
        self.scripts = list(scripts)
        self.open = 0
        cluster.on(LOG_PATH, self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        script = self.scripts.pop(0) if self.scripts else None
        if isinstance(script, Answer):
            return script.response()
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for chunk in script or ():
            await response.write(chunk)
        if script is None:
            self.open += 1
            await self.cluster.stopping.wait()
        return response


class Sleeps:
    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def follower(session: Session, start: LogStart | None = None, **options: object) -> LogFollower:
    return LogFollower(
        session._transport,
        TARGET,
        start or LogStart(),
        backoff=Backoff(uniform=lambda low, high: high),
        sleep=options.pop("sleep", Sleeps()),  # type: ignore[arg-type]  # what the test gives
        **options,  # type: ignore[arg-type]  # what the test gives
    )


async def pieces_of(one: LogFollower, lines: int) -> list[LogPiece]:
    """Follow until so many lines have come."""
    seen: list[LogPiece] = []
    async with asyncio.timeout(10), aclosing(one.pieces()) as pieces:
        async for piece in pieces:
            seen.append(piece)
            if sum(len(some.lines) for some in seen) >= lines:
                break
    return seen


def texts(pieces: list[LogPiece]) -> list[str]:
    return [split_timestamp(line)[1].decode() for piece in pieces for line in piece.lines]


async def test_request_of_a_bounded_read() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(LOG_PATH, Answer(b"one\ntwo\n"))
        start = LogStart(
            since_time=1_700_000_000.9, tail_lines=10, limit_bytes=1000, is_previous=True
        )
        assert await session.read_log(TARGET, start) == b"one\ntwo\n"
    assert dict(cluster.asked[0].query) == {
        "container": "cilium-agent",
        "timestamps": "true",
        "previous": "true",
        "sinceTime": "2023-11-14T22:13:20Z",
        "tailLines": "10",
        "limitBytes": "1000",
    }


async def test_read_is_bounded_even_where_the_server_is_not() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(LOG_PATH, handler)
        read = await session.read_log(TARGET, LogStart(limit_bytes=100_000))
    assert read == b"x" * 100_000


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (404, 'pods "cilium-abc" not found', NotFoundError),
        (403, 'cannot get resource "pods/log"', ForbiddenError),
        (400, "previous terminated container not found", ApiError),
    ],
)
async def test_read_failures(code: int, said: str, kind: type[ApiError]) -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(LOG_PATH, json_answer(status_body(code, "x", said), code))
        with pytest.raises(kind, match=said):
            await session.read_log(TARGET, LogStart())


async def test_read_meets_its_deadline() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        LogServer(cluster)
        with pytest.raises(DeadlineError):
            await session.read_log(TARGET, LogStart(), deadline_seconds=0.2)
        cluster.stopping.set()


async def test_follow_gives_whole_lines_and_keeps_bytes() -> None:
    line = stamped(0, "caf\u00e9 \u2713")
    async with FakeCluster() as cluster, cluster.session() as session:
        LogServer(cluster, [line[:-2], line[-2:] + b"\n" + stamped(1, "b") + b"\n\xff\xfe\n"])
        pieces = await pieces_of(follower(session, LogStart(tail_lines=5)), 3)
        cluster.stopping.set()
    lines = [line for piece in pieces for line in piece.lines]
    assert lines == [line, stamped(1, "b"), b"\xff\xfe"]
    query = cluster.asked[0].query
    assert (query["follow"], query["timestamps"], query["tailLines"]) == ("true", "true", "5")
    assert cluster.asked[0].headers["Accept-Encoding"] == "identity"


async def test_follow_resumes_without_repeats_and_without_a_false_loss() -> None:
    first = [stamped(0, "a"), stamped(5.1, "b"), stamped(5.1, "b"), stamped(5.2, "c")]
    again = [*first[1:], stamped(5.2, "c"), stamped(5.3, "d"), stamped(7, "e")]
    async with FakeCluster() as cluster, cluster.session() as session:
        LogServer(cluster, [b"\n".join(first) + b"\n"], [b"\n".join(again) + b"\n"])
        pieces = await pieces_of(follower(session), 7)
        cluster.stopping.set()
    assert texts(pieces) == ["a", "b", "b", "c", "c", "d", "e"], "the second c is a new line"
    assert all(piece.loss is None for piece in pieces)
    assert cluster.asked[1].query["sinceTime"] == "2023-11-14T22:13:25Z"
    assert "tailLines" not in cluster.asked[1].query


async def test_a_rotated_log_is_a_loss() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        LogServer(
            cluster,
            [stamped(0, "a") + b"\n" + stamped(5, "b") + b"\n"],
            [stamped(60, "x") + b"\n" + stamped(61, "y") + b"\n"],
        )
        pieces = await pieces_of(follower(session), 4)
        cluster.stopping.set()
    losses = [piece.loss for piece in pieces if piece.loss is not None]
    assert len(losses) == 1
    assert losses[0].started_at == pytest.approx(1_700_000_005, abs=0.01)
    assert losses[0].ended_at == pytest.approx(1_700_000_060, abs=0.01)
    assert "rotated" in losses[0].reason
    assert next(piece for piece in pieces if piece.loss).lines[0] == stamped(60, "x")


async def test_a_quiet_log_is_resumed_after_silence() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        server = LogServer(cluster)
        task = asyncio.create_task(pieces_of(follower(session, silence_seconds=0.1), 1))
        await until(lambda: server.open >= 2)
        server.scripts = [[stamped(0, "at last") + b"\n"]]
        pieces = await task
        cluster.stopping.set()
    assert texts(pieces) == ["at last"]
    assert not any(piece.trouble for piece in pieces)


async def test_trouble_is_told_backed_off_and_ended_by_lines() -> None:
    sleep = Sleeps()
    waiting = json_answer(
        status_body(400, "BadRequest", "container is waiting to start: PodInitializing"), 400
    )
    denied = json_answer(status_body(403, "Forbidden", 'cannot get resource "pods/log"'), 403)
    async with FakeCluster() as cluster, cluster.session() as session:
        LogServer(cluster, waiting, denied, [stamped(0, "up") + b"\n"], waiting)
        pieces = await pieces_of(follower(session, sleep=sleep), 1)
        cluster.stopping.set()
    assert "PodInitializing" in pieces[0].trouble
    assert pieces[1].is_denied
    assert "get pods/log" in pieces[1].trouble
    assert texts(pieces) == ["up"]
    assert sleep.slept == [1.0, 2.0]


async def test_a_pod_that_is_gone_ends_the_follow() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        LogServer(
            cluster,
            [stamped(0, "last words") + b"\n"],
            json_answer(status_body(404, "NotFound", 'pods "cilium-abc" not found'), 404),
        )
        with pytest.raises(NotFoundError):
            await pieces_of(follower(session), 99)


async def test_a_very_long_line_is_cut_and_says_so() -> None:
    long = stamped(0, "x" * (3 << 20))
    async with FakeCluster() as cluster, cluster.session() as session:
        LogServer(cluster, [long + b"\n" + stamped(1, "next") + b"\n"])
        pieces = await pieces_of(follower(session), 2)
        cluster.stopping.set()
    lines = [line for piece in pieces for line in piece.lines]
    assert len(lines[0]) < MAX_LINE_BYTES + 40
    assert lines[0].endswith(f"[{len(long)} bytes]".encode())
    assert lines[1] == stamped(1, "next")


@given(
    st.lists(st.integers(min_value=0, max_value=60).map(lambda length: b"x\xc3\xa9" * length)),
    st.integers(min_value=1, max_value=90),
    st.integers(min_value=1, max_value=60),
)
@settings(max_examples=150, deadline=None)
def test_lines_do_not_depend_on_the_chunks(parts: list[bytes], size: int, limit: int) -> None:
    whole = b"\n".join(parts)
    splitter = LineSplitter(limit)
    lines: list[bytes] = []
    for start in range(0, len(whole), size):
        lines += splitter.feed(whole[start : start + size])
    lines += splitter.finish()
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert len(lines) == len(expected)
    for line, true in zip(lines, expected, strict=True):
        if len(true) <= limit:
            assert line == true
        else:
            assert line == true[:limit] + "\u2026 [{}]".format(f"{len(true)} bytes").encode()


def test_a_line_without_end_holds_no_more_than_its_limit() -> None:
    splitter = LineSplitter(1000)
    for _ in range(2000):
        assert splitter.feed(b"y" * 65536) == []
    assert sum(len(part) for part in splitter._held) == 1000
    assert splitter.held_bytes == 2000 * 65536


@pytest.mark.parametrize(
    ("line", "at", "text"),
    [
        (b"2023-11-14T22:13:20.123456789Z hello there", 1_700_000_000.123456789, b"hello there"),
        (b"2023-11-14T22:13:20Z x", 1_700_000_000.0, b"x"),
        (b"2023-11-15T00:13:20.5+02:00 x", 1_700_000_000.5, b"x"),
        (b"2023-11-14T22:13:20.123456789Z", 1_700_000_000.123456789, b""),
        (b"2023-11-14T22:13:20.123456789Z ", 1_700_000_000.123456789, b""),
        (b"level=info msg=x", None, b"level=info msg=x"),
        (b"2023-13-99T99:99:99.0Z x", None, b"2023-13-99T99:99:99.0Z x"),
        (b"", None, b""),
        (b"\xff\xfe2023-11-14T22:13:20Z x", None, b"\xff\xfe2023-11-14T22:13:20Z x"),
    ],
)
def test_timestamps_of_the_api(line: bytes, at: float | None, text: bytes) -> None:
    found, rest = split_timestamp(line)
    assert rest == text
    assert found == (at if at is None else pytest.approx(at, abs=1e-6))
