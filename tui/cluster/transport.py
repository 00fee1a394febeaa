"""One aiohttp session to the API server: credentials, deadlines and errors for every request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from tui import __version__
from tui.cluster.access import Access, CredentialSource
from tui.cluster.answers import MAX_FAILURE_BYTES, failure
from tui.cluster.failures import CONNECT_SECONDS, connection_error, never_left
from tui.errors import (
    ApiError,
    ClusterError,
    DeadlineError,
    UnauthorizedError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    import aiohttp
    from aiohappyeyeballs import AddrInfoType
    from aiohttp.client_ws import ClientWebSocketResponse
    from yarl import URL

T = TypeVar("T")

CLOSE_SECONDS = 2.0
"""How long a WebSocket's other side may take to agree to its end."""
ABORT_SECONDS = 0.2
"""The same after a failure, a deadline or a cancellation."""
KEEP_ALIVE_SECONDS = 60.0
MAX_CONNECTIONS = 256
"""Watches, log followers and execs together; their callers bound each kind lower."""
MAX_BODY_BYTES = 256 << 20
MAX_MESSAGE_BYTES = 32 << 20
"""Of one WebSocket message; servers cut output into far smaller ones."""


class Transport:
    """Send requests with the current credentials, renewing them once when refused."""

    def __init__(self, credentials: CredentialSource) -> None:
        import aiohttp

        self._credentials = credentials
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                ttl_dns_cache=30,
                socket_factory=_kept_alive_socket,
            ),
            headers={"User-Agent": f"ciltop/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            # Proxies are resolved once; trust_env would also send ~/.netrc passwords.
            trust_env=False,
            read_bufsize=1 << 18,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            raise_for_status=self._check,
        )

    @property
    def access(self) -> Access:
        """The access last used."""
        return self._credentials.latest

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    @asynccontextmanager
    async def get(
        self, target: str, *, silence_seconds: float | None = None, is_compressed: bool = True
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a GET whose answer is a success; `silence_seconds` ends it when nothing comes."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds
        )
        encoding = () if is_compressed else (("Accept-Encoding", "identity"),)

        async def send(access: Access) -> aiohttp.ClientResponse:
            return await self._session.get(
                _url(access, target),
                headers=(*access.headers, ("Accept", "application/json, */*"), *encoding),
                ssl=access.tls,
                server_hostname=access.tls_server_name,
                proxy=access.proxy,
                timeout=timeout,
                allow_redirects=False,
            )

        with self._failures(f"GET {target.partition('?')[0]}"):
            async with await self._authorised(send) as response:
                yield response

    async def review(self, body: bytes) -> bytes:
        """Ask `selfsubjectaccessreviews`: a POST that is a question and changes nothing."""
        target = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

        async def send(access: Access) -> aiohttp.ClientResponse:
            return await self._session.post(
                _url(access, target),
                data=body,
                headers=(
                    *access.headers,
                    ("Accept", "application/json"),
                    ("Content-Type", "application/json"),
                ),
                ssl=access.tls,
                server_hostname=access.tls_server_name,
                proxy=access.proxy,
                allow_redirects=False,
            )

        with self._failures(f"POST {target}"):
            async with await self._authorised(send) as response:
                return await read_body(response, MAX_FAILURE_BYTES)

    async def change(
        self, method: str, target: str, body: bytes, content_type: str, *, deadline_seconds: float
    ) -> bytes:
        """Send a write, once; only the gate calls this.

        Raises:
            ApiError: the server answered with a failure.
            UnknownOutcomeError: it was sent, and no whole answer came.
            ClusterError: anything else; it never left this machine.
        """
        asked = f"{method} {target.partition('?')[0]}"
        is_sent = False

        async def send(access: Access) -> aiohttp.ClientResponse:
            nonlocal is_sent
            is_sent = True
            said = (("Accept", "application/json"), ("Content-Type", content_type))
            try:
                return await self._session.request(
                    method,
                    _url(access, target),
                    data=body,
                    headers=(*access.headers, *said),
                    ssl=access.tls,
                    server_hostname=access.tls_server_name,
                    proxy=access.proxy,
                    allow_redirects=False,
                    middlewares=(self._once(asked),),
                )
            except ApiError:
                is_sent = False  # answered: a 401 changes nothing, whatever comes of the renewal
                raise

        try:
            async with deadline(deadline_seconds, asked):
                with self._failures(asked):
                    async with await self._authorised(send) as response:
                        return await read_body(response, MAX_BODY_BYTES)
        except ApiError:
            raise
        except ClusterError as error:
            if not is_sent or never_left(error.__cause__):
                raise
            raise UnknownOutcomeError(
                f"{error.message}; it may have been done all the same: read it back first"
            ) from error

    def _once(self, asked: str) -> aiohttp.ClientMiddlewareType:
        """Return what hides broken connections from aiohttp, which would send a DELETE again."""

        async def hide(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            with self._failures(asked):
                return await handler(request)

        return hide

    @asynccontextmanager
    async def websocket(
        self, target: str, protocols: tuple[str, ...], heartbeat_seconds: float
    ) -> AsyncIterator[ClientWebSocketResponse[bool]]:
        """Open a WebSocket; a refusal raises the same errors as any other request."""
        import aiohttp

        closing = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)

        async def send(access: Access) -> ClientWebSocketResponse[bool]:
            return await self._session.ws_connect(
                _url(access, target),
                protocols=protocols,
                headers=access.headers,
                ssl=access.tls,
                server_hostname=access.tls_server_name,
                proxy=access.proxy,
                heartbeat=heartbeat_seconds,
                timeout=closing,
                compress=0,
                # Frames are bytes of five channels whatever their type: never to be decoded.
                decode_text=False,
                max_msg_size=MAX_MESSAGE_BYTES,
            )

        with self._failures(f"exec on {target.partition('?')[0]}"):
            channel = await self._authorised(send)
            patience = ABORT_SECONDS
            try:
                yield channel
                patience = CLOSE_SECONDS
            finally:
                # aiohttp's own limit begins anew with every message that still arrives.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await channel.close()
                # A closed channel stands in a cycle that holds asyncio's 256 KiB TLS buffer: with
                # the collector's high thresholds, hundreds of MiB (measured over 5,000 execs).
                vars(channel).clear()

    async def _authorised(self, send: Callable[[Access], Awaitable[T]]) -> T:
        access = await self._credentials.current()
        try:
            return await send(access)
        except UnauthorizedError:
            renewed = await self._credentials.renew(access)
            if renewed.proves_like(access):
                raise
        return await send(renewed)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise for every answer that is no success, while its explanation can still be read."""
        if response.status < 300:
            return
        try:
            body = await read_body(response, MAX_FAILURE_BYTES, is_cut=True)
        finally:
            response.close()
        url = response.request_info.url
        raise failure(
            response.status,
            body,
            method=response.method,
            path=url.raw_path if url.name in _LONG_QUERIES else url.raw_path_qs,
            server=self.access.server,
            retry_after=response.headers.get("Retry-After"),
        )

    @contextmanager
    def _failures(self, asked: str) -> Iterator[None]:
        import aiohttp

        try:
            yield
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise  # an outer deadline's, which names itself
            raise connection_error(error, self.access, asked) from error


_LONG_QUERIES = frozenset({"exec", "log"})
"""An error's message is no place for the script that an exec's query holds."""


async def read_body(
    response: aiohttp.ClientResponse, limit_bytes: int, *, is_cut: bool = False
) -> bytes:
    """Read a whole body up to a limit.

    Raises:
        ApiError: it is longer and was not to be cut.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit_bytes:
            if is_cut:
                break
            raise ApiError(
                f"GET {response.request_info.url.raw_path} brought more than {limit_bytes} bytes"
            )
    return b"".join(chunks)


@asynccontextmanager
async def deadline(seconds: float, asked: str) -> AsyncIterator[None]:
    """Bound a block in time; the error says what was asked."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DeadlineError(f"{asked}: no answer within {seconds:g} s") from error


def _url(access: Access, target: str) -> URL:
    from yarl import URL

    return URL(access.server + target, encoded=True)


def _kept_alive_socket(address: AddrInfoType) -> socket.socket:
    """Make a socket on which the kernel notices a dead peer even while nothing is sent."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made
