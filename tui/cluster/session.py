"""`Session`: everything the program asks of one cluster. Nothing here writes; `gate()` does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import TypeVar

from tui.cluster import lists, logs
from tui.cluster.access import CredentialSource
from tui.cluster.arming import Arming
from tui.cluster.exec import STDOUT_LIMIT_BYTES, ExecCall, ExecResult
from tui.cluster.gate import Gate
from tui.cluster.kinds import KubeObject
from tui.cluster.lists import LIST_SECONDS, PAGE_SIZE, Listing, Params, target_of
from tui.cluster.logs import LogFollower, LogPiece, LogStart, LogTarget
from tui.cluster.reviews import review
from tui.cluster.transport import Transport
from tui.cluster.watch import Pace, Watch, WatchEvent
from tui.safety import CleanText, clean

T = TypeVar("T")
Item = TypeVar("Item", bound=KubeObject)


class Session:
    """An open way to one cluster; close it, or use it as an async context manager.

    It belongs to the event loop it was made in.
    """

    def __init__(self, credentials: CredentialSource) -> None:
        self._transport = Transport(credentials)

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; streams in use end with an error."""
        await self._transport.close()

    @property
    def context(self) -> CleanText:
        """The kubeconfig context's name, or `in-cluster`."""
        return clean(self._transport.access.context)

    @property
    def server(self) -> CleanText:
        """The API server's address."""
        return clean(self._transport.access.server)

    @property
    def user(self) -> CleanText:
        """The kubeconfig user's name."""
        return clean(self._transport.access.user)

    @property
    def namespace(self) -> CleanText:
        """The context's namespace."""
        return clean(self._transport.access.namespace)

    async def get_json(
        self,
        path: str,
        decoder_type: type[T],
        *,
        params: Params | None = None,
        deadline_seconds: float = LIST_SECONDS,
    ) -> T:
        """GET and decode one document."""
        return await lists.get_json(
            self._transport,
            target_of(path, params),
            decoder_type,
            deadline_seconds=deadline_seconds,
        )

    async def list_pages(
        self,
        path: str,
        item_type: type[Item],
        *,
        params: Params | None = None,
        page_size: int = PAGE_SIZE,
        deadline_seconds: float = LIST_SECONDS,
    ) -> Listing[Item]:
        """Return a whole list, read in pages; the deadline is each page's."""
        return await lists.list_pages(
            self._transport,
            path,
            item_type,
            params=params,
            page_size=page_size,
            deadline_seconds=deadline_seconds,
        )

    def pages(
        self, path: str, item_type: type[Item], *, params: Params | None = None
    ) -> AsyncGenerator[Listing[Item], None]:
        """Yield a long list page by page, each small enough to decode at once.

        Raises:
            GoneError: the list changed too much while it was paged (410): begin again.
        """
        return lists.pages(
            self._transport, path, item_type, params=params, first_size=lists.SMALLEST_PAGE
        )

    async def get_page(
        self, path: str, item_type: type[Item], *, params: Params | None = None
    ) -> Listing[Item]:
        """Return the first page of a list, as large as `limit` says."""
        listing, _, _ = await lists.get_page(self._transport, target_of(path, params), item_type)
        return listing

    def watch(
        self,
        path: str,
        item_type: type[Item],
        *,
        params: Params | None = None,
        pace: Pace | None = None,
    ) -> AsyncGenerator[WatchEvent[Item], None]:
        """Follow a resource until cancelled; failures are LOST events."""
        return Watch(self._transport, path, item_type, params=params, pace=pace).events()

    async def exec(  # noqa: PLR0913 - where it runs, what runs, and its bounds
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        deadline_seconds: float,
        stdout_limit: int = STDOUT_LIMIT_BYTES,
    ) -> ExecResult:
        """Run a command in a container to its end."""
        call = ExecCall(self._transport, namespace, pod, container, argv)
        return await call.run(
            stdin=stdin, deadline_seconds=deadline_seconds, stdout_limit=stdout_limit
        )

    async def read_log(
        self, target: LogTarget, start: LogStart, *, deadline_seconds: float = 30.0
    ) -> bytes:
        """Return a bounded piece of a log."""
        return await logs.read_log(
            self._transport, target, start, deadline_seconds=deadline_seconds
        )

    def follow_log(self, target: LogTarget, start: LogStart) -> AsyncGenerator[LogPiece, None]:
        """Follow a log across broken connections, without repeats and with losses marked."""
        return LogFollower(self._transport, target, start).pieces()

    async def review(
        self,
        verb: str,
        resource: str,
        *,
        group: str = "",
        namespace: str = "",
        subresource: str = "",
        name: str = "",
    ) -> bool | None:
        """Tell whether this is allowed; None where that can't be asked."""
        return await review(
            self._transport,
            verb,
            resource,
            group=group,
            namespace=namespace,
            subresource=subresource,
            name=name,
        )

    def gate(self, arming: Arming) -> Gate:
        """Return the one way to write, open as far as the arming says."""
        return Gate(self._transport, arming)
