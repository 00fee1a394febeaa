from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contract.cluster_server import (
    EXEC_PATH,
    FakeCluster,
    exec_handler,
    exit_frame,
    make_certificate,
    pod_list,
    server_tls,
)
from tests.contract.test_cluster_kubeconfig import entry, settings, write
from tui.cluster import kinds
from tui.cluster.connection import connect
from tui.errors import ConnectError


class ConnectProxy:
    """A proxy that knows CONNECT, refuses with a status when told to, and leads everywhere."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.refusal = b""
        self.target_port = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.refusal:
                writer.write(b"HTTP/1.1 " + self.refusal + b"\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            there_reader, there_writer = await asyncio.open_connection(
                "127.0.0.1", self.target_port
            )
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
        finally:
            writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def running_proxy() -> AsyncIterator[ConnectProxy]:
    proxy = ConnectProxy()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(proxy.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@pytest.mark.parametrize("origin", ["kubeconfig", "environment"])
async def test_requests_and_exec_go_through_the_proxy(tmp_path: Path, origin: str) -> None:
    """Seen in `kubernetes.aio`: exec goes past proxy-url."""
    certificate = make_certificate(tmp_path, names="DNS:api.example.test")
    async with FakeCluster(server_tls(certificate)) as cluster, running_proxy() as proxy:
        proxy.target_port = cluster.port
        cluster.reply("/api/v1/pods", pod_list("a"))
        cluster.on(EXEC_PATH, exec_handler(b"\x01through", exit_frame(0)))
        keys: dict[str, object] = {"certificate-authority": "server.pem"}
        with_password = proxy.url.replace("http://", "http://jane:pw@")
        environ: dict[str, str] = {}
        if origin == "kubeconfig":
            keys["proxy-url"] = with_password
        else:
            environ["HTTPS_PROXY"] = with_password
        path = write(
            tmp_path / "config", entry("one", "https://api.example.test:6443", cluster=keys)
        )
        async with await connect(settings(path), environ) as session:
            await session.list_pages("/api/v1/pods", kinds.Pod)
            # The first exec takes over the list's tunnel, the second needs one of its own.
            for _ in range(2):
                result = await session.exec(
                    "kube-system", "cilium-abc", "cilium-agent", ["x"], deadline_seconds=5
                )
                assert result.stdout == b"through"
    assert len(proxy.heads) == 2
    for head in proxy.heads:
        assert head.startswith(b"CONNECT api.example.test:6443 HTTP/1.1\r\n")
        assert b"Proxy-Authorization: Basic amFuZTpwdw==" in head
        assert b"Bearer" not in head, "the proxy never sees the cluster's token"


async def test_a_proxy_that_refuses_is_named_without_its_password(tmp_path: Path) -> None:
    async with running_proxy() as proxy:
        proxy.refusal = b"407 Proxy Authentication Required"
        keys = {"proxy-url": proxy.url.replace("http://", "http://jane:s3cret@")}
        path = write(tmp_path / "config", entry("one", "https://api.example.test", cluster=keys))
        async with await connect(settings(path), {}) as session:
            with pytest.raises(ConnectError, match=r"the proxy 127\.0\.0\.1:\d+ refuses") as caught:
                await session.list_pages("/api/v1/pods", kinds.Pod)
    assert "407" in caught.value.message
    assert "s3cret" not in caught.value.message


async def test_a_proxy_that_is_down(tmp_path: Path) -> None:
    keys = {"proxy-url": "http://127.0.0.1:1"}
    path = write(tmp_path / "config", entry("one", "https://api.example.test", cluster=keys))
    async with await connect(settings(path), {}) as session:
        with pytest.raises(ConnectError, match=r"the proxy 127\.0\.0\.1:1 does not answer"):
            await session.list_pages("/api/v1/pods", kinds.Pod)
