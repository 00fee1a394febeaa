"""A small API server for tests: each path answers what the test says, and remembers who asked."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from aiohttp import WSCloseCode, web
from multidict import CIMultiDict

from tui.cluster.access import Access, CredentialSource
from tui.cluster.session import Session

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FIXTURES = Path(__file__).parents[1] / "fixtures" / "kubernetes-objects"
EXEC_PATH = "/api/v1/namespaces/kube-system/pods/cilium-abc/exec"
LOG_PATH = "/api/v1/namespaces/kube-system/pods/cilium-abc/log"


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def recorded_body(name: str) -> bytes:
    """The body of a recorded HTTP answer."""
    return fixture(name).replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def status_body(code: int, reason: str, message: str, **details: object) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }


class Asked:
    """One request as the server saw it."""

    def __init__(self, request: web.Request) -> None:
        self.method = request.method
        self.path = request.path
        self.query = request.query
        self.headers = CIMultiDict(request.headers)


class FakeCluster:
    """An aiohttp server on a free loopback port."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.stopping = asyncio.Event()
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._tls = tls
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, max_line_size=1 << 20
        )
        self.port = 0

    async def __aenter__(self) -> FakeCluster:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def on(self, path: str, handler: Handler, method: str = "GET") -> None:
        self._handlers[method, path] = handler

    def reply(self, path: str, *answers: Answer, method: str = "GET") -> None:
        """Answer one after the other; the last one stays."""
        left = list(answers)

        async def handler(_: web.Request) -> web.StreamResponse:
            answer = left.pop(0) if len(left) > 1 else left[0]
            return answer.response()

        self.on(path, handler, method)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request))
        handler = self._handlers.get((request.method, request.path))
        if handler is None:
            return json_answer(status_body(404, "NotFound", "not here"), 404).response()
        return await handler(request)

    def access(self, **changes: object) -> Access:
        made = Access(
            server=self.url,
            context="test",
            user="tester",
            namespace="default",
            headers=(("Authorization", "Bearer old"),),
        )
        return replace(made, **changes)  # type: ignore[arg-type]  # the test names real fields

    def session(self, access: Access | None = None, renewed: Access | None = None) -> Session:
        """A session; `renewed` is what loading the credentials again brings."""
        first = access or self.access()

        async def load() -> Access:
            return renewed or first

        return Session(CredentialSource(first, load))

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


class Answer:
    """One HTTP answer."""

    def __init__(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self._body = body
        self._status = status
        self._headers = {"Content-Type": "application/json", **(headers or {})}

    def response(self) -> web.Response:
        return web.Response(body=self._body, status=self._status, headers=self._headers)


def json_answer(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    return Answer(json.dumps(content).encode(), status, headers)


def pod_list(*names: str, version: str = "100", token: str = "") -> Answer:
    return json_answer(
        {
            "kind": "PodList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": version, "continue": token},
            "items": [pod(name) for name in names],
        }
    )


def pod(name: str, version: str = "1") -> dict[str, object]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}}


def exec_handler(*frames: bytes, protocols: tuple[str, ...] = ("v5.channel.k8s.io",)) -> Handler:
    """Send frames as they are and close."""

    async def handler(request: web.Request) -> web.StreamResponse:
        channel = web.WebSocketResponse(protocols=protocols, compress=False)
        await channel.prepare(request)
        for frame in frames:
            await channel.send_bytes(frame)
        await channel.close(code=WSCloseCode.OK)
        return channel

    return handler


def exit_frame(code: int) -> bytes:
    """The status frame of a command that ended with this code, as kubelet writes it."""
    if code == 0:
        return b'\x03{"metadata":{},"status":"Success"}'
    body = status_body(
        500,
        "NonZeroExitCode",
        f"command terminated with non-zero exit code: exit status {code}",
        causes=[{"reason": "ExitCode", "message": str(code)}],
    )
    return b"\x03" + json.dumps(body).encode()


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition with a deadline."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a test can't put an event everywhere
            await asyncio.sleep(0.005)


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A server that accepts and never says a word."""
    held: list[asyncio.StreamWriter] = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()


def make_certificate(directory: Path, name: str = "server", *, names: str = "") -> Path:
    """Make a self-signed certificate; `<name>.pem` and `<name>.key`."""
    certificate = directory / f"{name}.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", str(directory / f"{name}.key"), "-out", str(certificate),
            "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={names or 'IP:127.0.0.1,DNS:localhost'}",
        ],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return certificate


def server_tls(certificate: Path, client_authority: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    if client_authority is not None:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
