"""The simulated API server: HTTP, credentials, faults, and the clock of the model.

Plain HTTP on the loopback interface by default: a cluster that exists to be looked at needs no
secrets, and its benches measure ciltop, not TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from time import time
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from tui.simulator import api
from tui.simulator.admin import ADMIN_PATH, admin_answer
from tui.simulator.answers import failure_answer
from tui.simulator.certificates import ServerCertificate, make_certificate
from tui.simulator.faults import Conditions, Fault, FaultKind, Faults, RequestFaults
from tui.simulator.fleetlike import FleetLike
from tui.simulator.outlet import send_broken
from tui.simulator.parts import Pace, ServerParts, assemble
from tui.simulator.permissions import DEFAULT_USER, Permissions
from tui.simulator.statuses import ApiFailure, plain_failure, unauthorized

DEFAULT_TOKEN = "simulated"  # noqa: S105 - guards nothing but a simulation on this machine
MAX_HEADER_BYTES = 1 << 20
"""Go's http.DefaultMaxHeaderBytes: an exec's command travels in the request line."""
_HTML = (
    "<html><head><title>{code}</title></head><body><center><h1>{code}</h1></center>"
    "<hr><center>nginx</center></body></html>\n"
)


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """How the server is reached and how time goes in it."""

    host: str = "127.0.0.1"
    user: str = DEFAULT_USER
    context: str = "simulated"
    """The name of context, cluster and user in the kubeconfig."""
    pace: Pace = field(default_factory=Pace)
    clock: Callable[[], float] = time


class SimulatorServer:
    """The simulated cluster, served while the `async with` block runs."""

    def __init__(
        self,
        fleet: FleetLike,
        faults: Faults | None = None,
        *,
        port: int = 0,
        token: str = DEFAULT_TOKEN,
        tls: bool = False,
        options: SimulatorOptions | None = None,
    ) -> None:
        self.options = options or SimulatorOptions()
        self.faults = faults or Faults(msgspec.convert(dict(fleet.faults), Conditions))
        self.permissions = Permissions(self.options.user)
        self.port = port
        """Where it listens; 0 takes any free port at the start."""
        self.token = token
        """What clients send; changing it makes the old one answer 401."""
        self._fleet = fleet
        self._has_tls = tls
        self._watches_dropped_at = 0.0
        self._parts: ServerParts | None = None
        self._runner: web.ServerRunner | None = None
        self._certificate: ServerCertificate | None = None
        self._model: asyncio.Task[None] | None = None

    @property
    def parts(self) -> ServerParts:
        """What the server is made of; only while it runs."""
        if self._parts is None:
            raise RuntimeError("the simulated API server is not running")
        return self._parts

    @property
    def url(self) -> str:
        """The server's address."""
        scheme = "https" if self._has_tls else "http"
        return f"{scheme}://{self.options.host}:{self.port}"

    def kubeconfig(self) -> str:
        """Return a kubeconfig for this server."""
        name = self.options.context
        lines = [
            "apiVersion: v1", "kind: Config", f"current-context: {name}",
            "clusters:", f"- name: {name}", "  cluster:", f"    server: {self.url}",
        ]  # fmt: skip
        if self._certificate is not None:
            trusted = b64encode(self._certificate.pem).decode()
            lines.append(f"    certificate-authority-data: {trusted}")
        lines += [
            "users:", f"- name: {name}", "  user:", f"    token: {self.token}",
            "contexts:", f"- name: {name}", "  context:", f"    cluster: {name}",
            f"    user: {name}", "    namespace: default",
        ]  # fmt: skip
        return "\n".join(lines) + "\n"

    async def __aenter__(self) -> Self:
        options = self.options
        self._parts = assemble(
            self._fleet, self.faults, self.permissions, options.pace, options.clock
        )
        if self._has_tls:
            self._certificate = await make_certificate(options.host)
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            access_log=None,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        context = self._certificate.context if self._certificate else None
        site = web.TCPSite(self._runner, options.host, self.port, ssl_context=context, backlog=1024)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        self._model = asyncio.create_task(self._run_model(), name="simulated model")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._model is not None:
                self._model.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._model
        finally:
            if self._runner is not None:
                await self._runner.cleanup()

    async def wait(self) -> None:
        """Return never; raise what the model raised if it broke."""
        if self._model is not None:
            await asyncio.shield(self._model)

    async def _run_model(self) -> None:
        parts = self.parts
        while True:
            parts.step()
            self._drop_watches_when_due(parts)
            due = parts.pods.next_due()
            seconds = parts.pace.advance_seconds
            if due is not None:
                seconds = min(seconds, max(0.0, due - parts.clock()))
            await asyncio.sleep(seconds)

    def _drop_watches_when_due(self, parts: ServerParts) -> None:
        seconds, now = self.faults.conditions.watch_drop_seconds, parts.clock()
        if seconds and now - self._watches_dropped_at >= seconds:
            self._watches_dropped_at = now
            parts.drop_watches()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if request.path == ADMIN_PATH:
                return await admin_answer(request, self.parts)
            target = api.target_of(self.parts, request)
            faults = self.faults.take(api.fault_verb(request, target), request.path_qs)
            if faults.latency_seconds > 0:
                await asyncio.sleep(faults.latency_seconds)
            answer = await self._answer(request, faults)
        except ApiFailure as failure:
            return failure_answer(failure)
        if faults.stream is not None and isinstance(answer, web.Response):
            return await send_broken(request, answer, faults.stream)
        return answer

    async def _answer(self, request: web.BaseRequest, faults: RequestFaults) -> web.StreamResponse:
        if faults.answer is not None:
            return await _faulty_answer(faults.answer)
        self._check_token(request)
        target = api.target_of(self.parts, request)
        return await api.answer(self.parts, request, target, faults)

    def _check_token(self, request: web.BaseRequest) -> None:
        sent = request.headers.get("Authorization", "")
        # Without TLS kubectl sends no credentials at all (clientcmd's IsConfigTransportTLS).
        if not sent and not self._has_tls:
            return
        if not compare_digest(sent.encode(), f"Bearer {self.token}".encode()):
            raise unauthorized()


async def _faulty_answer(fault: Fault) -> web.Response:
    if fault.kind is FaultKind.HALF_OPEN:
        await asyncio.Event().wait()
    if fault.kind is FaultKind.HTML:
        code = fault.status or 502
        return web.Response(text=_HTML.format(code=code), status=code, content_type="text/html")
    raise plain_failure(fault.status or 500, fault.message, fault.retry_after_seconds)


async def run_simulator(
    server: SimulatorServer,
    on_ready: Callable[[SimulatorServer], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM comes, or `stop` is set."""
    stopping = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stopping.set)
    async with server:
        on_ready(server)
        waiters = {
            asyncio.create_task(stopping.wait(), name="wait for the end"),
            asyncio.create_task(server.wait(), name="watch the model"),
        }
        done, pending = await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
