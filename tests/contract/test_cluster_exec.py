from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import WSMsgType, web

from tests.contract.cluster_server import (
    EXEC_PATH,
    FakeCluster,
    exec_handler,
    exit_frame,
    json_answer,
    silent_server,
    status_body,
)
from tui.cilium.probes import exec_argv
from tui.cluster.exec import PROTOCOLS, ExecResult, command_query
from tui.cluster.session import Session
from tui.errors import (
    ApiError,
    CommandMissingError,
    ConnectError,
    DeadlineError,
    ExecError,
    ForbiddenError,
    NotFoundError,
)


async def run(session: Session, *argv: str, **bounds: object) -> ExecResult:
    options: dict[str, object] = {"deadline_seconds": 5.0, **bounds}
    return await session.exec("kube-system", "cilium-abc", "cilium-agent", argv, **options)  # type: ignore[arg-type]  # the test's own bounds


async def test_request_is_what_kubelet_expects() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(exit_frame(0)))
        await run(session, "sh", "-c", "echo 'a b' && c=\"ü\"", "x")
    asked = cluster.asked[0]
    assert asked.query.getall("command") == ["sh", "-c", "echo 'a b' && c=\"ü\"", "x"]
    assert asked.query["container"] == "cilium-agent"
    assert asked.query["stdout"] == asked.query["stderr"] == "true"
    assert "stdin" not in asked.query
    assert "tty" not in asked.query
    assert asked.headers["Sec-WebSocket-Protocol"].split(",") == list(PROTOCOLS)
    assert "Sec-WebSocket-Extensions" not in asked.headers
    assert asked.headers["Authorization"] == "Bearer old"


async def test_a_script_arrives_as_it_is_and_stays_short_on_the_way() -> None:
    argv = exec_argv("abcdefgh", ["status", "maps", "metrics", "services4", "backends4"])
    odd = "".join(map(chr, range(1, 128))) + "äöü+%20 ;&=#\u20ac"
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(exit_frame(0)))
        await run(session, *argv, odd)
    assert cluster.asked[0].query.getall("command") == [*argv, odd]
    assert ";" not in command_query([odd])
    assert len(command_query(argv)) < 1.5 * sum(map(len, argv))


async def test_exit_code_stderr_and_split_utf8_are_kept() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(
            EXEC_PATH,
            exec_handler(
                b"\x01", b"\x02", b"\x03",  # servers open each stream with an empty message
                b"\x01caf\xc3", b"\x02warn", b"\x01\xa9\x00\xff", b"\x02ing", exit_frame(7),
            ),
        )  # fmt: skip
        result = await run(session, "false")
    assert result.exit_code == 7
    assert result.stdout == b"caf\xc3\xa9\x00\xff"
    assert result.stderr == b"warning"
    assert not result.is_truncated


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_protocol_brings_output_and_success(protocol: str) -> None:
    frames = [b"\x01out"] if protocol == "channel.k8s.io" else [b"\x01out", exit_frame(0)]
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(*frames, protocols=(protocol,)))
        result = await run(session, "true")
    assert (result.exit_code, result.stdout) == (0, b"out")


async def test_base_protocol_says_the_exit_code_in_words() -> None:
    said = b"\x03command terminated with non-zero exit code: exit status 42"
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(said, protocols=("channel.k8s.io",)))
        assert (await run(session, "false")).exit_code == 42


async def test_output_after_the_status_is_not_lost() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(b"\x01a", exit_frame(0), b"\x01b"))
        assert (await run(session, "x")).stdout == b"ab"


async def test_text_frames_are_bytes_too() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await channel.prepare(request)
        await channel.send_str("\x01text")
        await channel.send_str(exit_frame(0).decode())
        await channel.close()
        return channel

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, handler)
        assert (await run(session, "x")).stdout == b"text"


@pytest.mark.parametrize(
    ("protocol", "ending"), [("v5.channel.k8s.io", [b"\xff\x00"]), ("v4.channel.k8s.io", [])]
)
async def test_stdin_is_sent_whole_and_ended_where_the_protocol_can(
    protocol: str, ending: list[bytes]
) -> None:
    stdin = bytes(range(256)) * 512
    got: list[bytes] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=(protocol,))
        await channel.prepare(request)
        while sum(len(part) - 1 for part in got if part[0] == 0) < len(stdin) or (
            ending and got[-1] != ending[0]
        ):
            message = await channel.receive()
            assert message.type is WSMsgType.BINARY
            got.append(message.data)
        await channel.send_bytes(exit_frame(0))
        await channel.close()
        return channel

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, handler)
        await run(session, "cat", stdin=stdin)
    assert cluster.asked[0].query["stdin"] == "true"
    assert b"".join(part[1:] for part in got if part[0] == 0) == stdin
    assert [part for part in got if part[0] == 0xFF] == ending


async def test_large_output_is_kept_whole() -> None:
    chunk = b"\x01" + b"0123456789abcdef" * 2047
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(*[chunk] * 400, exit_frame(0)))
        result = await run(session, "x", deadline_seconds=30.0)
    assert result.stdout == chunk[1:] * 400


async def test_output_beyond_the_limit_is_cut_and_the_exit_code_still_read() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(b"\x01" + b"a" * 60, b"\x01" + b"b" * 60, exit_frame(3)))
        result = await run(session, "x", stdout_limit=100)
    assert result.stdout == b"a" * 60 + b"b" * 40
    assert result.is_truncated
    assert result.exit_code == 3


async def test_endless_output_is_not_waited_for() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await channel.prepare(request)
        while not channel.closed:
            try:
                await channel.send_bytes(b"\x01" + b"y\n" * 16000)
            except ConnectionError:
                break
        return channel

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, handler)
        result = await run(session, "yes", stdout_limit=100_000)
    assert result.exit_code is None
    assert result.is_truncated
    assert len(result.stdout) == 100_000


async def test_a_command_that_hangs_meets_the_deadline_and_keeps_what_came() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await channel.prepare(request)
        await channel.send_bytes(b"\x01half")
        await channel.send_bytes(b"\x02why")
        await cluster.stopping.wait()
        return channel

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, handler)
        with pytest.raises(DeadlineError, match=r"cilium-abc.*did not end within 0\.3 s") as caught:
            await run(session, "sleep", deadline_seconds=0.3)
        cluster.stopping.set()
    assert (caught.value.stdout, caught.value.stderr) == (b"half", b"why")


async def test_a_server_that_never_answers_meets_the_deadline() -> None:
    async with silent_server() as port, FakeCluster() as cluster:
        access = cluster.access(server=f"http://127.0.0.1:{port}")
        async with cluster.session(access) as session:
            with pytest.raises(DeadlineError):
                await run(session, "x", deadline_seconds=0.2)


async def test_a_half_open_connection_is_found_by_the_missing_pong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.cluster.exec.HEARTBEAT_SECONDS", 0.2)

    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=("v5.channel.k8s.io",), autoping=False)
        await channel.prepare(request)
        await channel.send_bytes(b"\x01first")
        await cluster.stopping.wait()
        return channel

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, handler)
        with pytest.raises(ExecError, match="connection broke") as caught:
            await run(session, "x", deadline_seconds=20.0)
        cluster.stopping.set()
    assert caught.value.stdout == b"first"


async def test_a_stream_that_ends_without_status_is_an_error() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(b"\x01part"))
        with pytest.raises(ExecError, match="before the command's exit code came") as caught:
            await run(session, "x")
    assert caught.value.stdout == b"part"


async def test_a_connection_that_is_cut_is_an_error() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await channel.prepare(request)
        await channel.send_bytes(b"\x01part")
        assert request.transport is not None
        request.transport.abort()
        return channel

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, handler)
        with pytest.raises((ExecError, ConnectError)):
            await run(session, "x")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "Internal error occurred: error executing command in container: failed to exec in "
            'container: OCI runtime exec failed: exec: "sh": executable file not found in $PATH',
            CommandMissingError,
        ),
        ("Internal error occurred: container is not running\x1b[31m", ExecError),
    ],
)
async def test_a_failure_that_is_no_exit_code(message: str, kind: type[ExecError]) -> None:
    frame = b"\x03" + json.dumps(status_body(500, "InternalError", message)).encode()
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, exec_handler(b"\x02oops", frame))
        with pytest.raises(kind) as caught:
            await run(session, "sh")
    assert type(caught.value) is kind
    assert caught.value.stderr == b"oops"
    assert "\x1b" not in caught.value.message


async def test_denied_names_the_right_of_either_kubernetes() -> None:
    said = 'pods "cilium-abc" is forbidden: User "v" cannot create resource "pods/exec"'
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(EXEC_PATH, json_answer(status_body(403, "Forbidden", said), 403))
        with pytest.raises(ForbiddenError) as caught:
            await run(session, "x")
    assert caught.value.verb == "create"
    assert caught.value.resource == "pods/exec"
    for part in ("get pods/exec", "create pods/exec", "1.35"):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (404, 'pods "cilium-abc" not found', NotFoundError),
        (400, "container cilium-agent is not valid for pod cilium-abc", Exception),
    ],
)
async def test_refusal_keeps_the_servers_words(code: int, said: str, kind: type[Exception]) -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(EXEC_PATH, json_answer(status_body(code, "x", said), code))
        with pytest.raises(kind, match=said):
            await run(session, "x")


async def test_an_answer_that_is_no_websocket() -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(EXEC_PATH, json_answer({"hello": 1}))
        with pytest.raises(ConnectError, match="no WebSocket"):
            await run(session, "x")


async def test_expired_token_is_renewed_once_and_the_exec_repeated() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer new":
            return json_answer(status_body(401, "Unauthorized", "Unauthorized"), 401).response()
        return await exec_handler(b"\x01ok", exit_frame(0))(request)

    async with FakeCluster() as cluster:
        renewed = cluster.access(headers=(("Authorization", "Bearer new"),))
        async with cluster.session(renewed=renewed) as session:
            cluster.on(EXEC_PATH, handler)
            assert (await run(session, "x")).stdout == b"ok"
    assert len(cluster.asked) == 2


async def test_cancelling_closes_the_connection() -> None:
    opened, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await channel.prepare(request)
        opened.set()
        await channel.receive()
        ended.set()
        return channel

    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.on(EXEC_PATH, handler)
        task = asyncio.create_task(run(session, "x"))
        await asyncio.wait_for(opened.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_no_refusal_repeats_the_script(status: int) -> None:
    async with FakeCluster() as cluster, cluster.session() as session:
        cluster.reply(EXEC_PATH, json_answer(status_body(status, "Refused", "no"), status))
        with pytest.raises(ApiError) as caught:
            await run(session, "sh", "-c", "SECRETLY LONG")
    assert "SECRETLY" not in caught.value.message
    assert "command=" not in caught.value.message
    assert "/exec" in caught.value.message
