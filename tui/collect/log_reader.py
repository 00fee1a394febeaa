"""Bounded reads of one agent's log: its start, what came since, and the container before."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Protocol

from tui.cluster.logs import LogPiece, LogStart, LogTarget
from tui.collect.log_lines import (
    LogBuffer,
    Stamped,
    bounded_reason,
    is_quiet,
    split_lines,
)
from tui.collect.log_nodes import NodeLogState
from tui.collect.shared import Shared
from tui.errors import ApiError

HISTORY_BYTES = 8 * 1024 * 1024
LARGE_CLUSTER_HISTORY_BYTES = 512 * 1024
LARGE_CLUSTER_NODES = 200
"""From here on only so much of each log's start is read."""

POLL_BYTES = 1024 * 1024
TAIL_LINES = 2_000
LARGE_CLUSTER_TAIL_LINES = 500
TAIL_BYTES = 4 * 1024 * 1024
"""The bound cuts the newest lines of a tail, so that it must not be reached."""

PREVIOUS_LINES = 1_000
QUIET_LINES = 200
"""Lines without a warning that are kept of a log's past: the newest ones."""

DEADLINE_SECONDS = 30.0
LONGEST_SLICE_SECONDS = 0.003


class Reads(Protocol):
    """The part of a session that reads logs."""

    async def read_log(
        self, target: LogTarget, start: LogStart, *, deadline_seconds: float = ...
    ) -> bytes:
        """Return a bounded piece of a log."""
        ...

    def follow_log(self, target: LogTarget, start: LogStart) -> AsyncIterator[LogPiece]:
        """Follow a log across broken connections."""
        ...


class LogReader:
    """Reads logs into the nodes' buffers."""

    def __init__(self, logs: Reads, shared: Shared, node_count: Callable[[], int]) -> None:
        self._logs = logs
        self._shared = shared
        self._node_count = node_count

    async def catch_up(self, state: NodeLogState) -> None:
        """Read what was not read yet.

        Raises:
            ClusterError: it can't be read.
        """
        if state.wants_previous:
            await self._read_previous(state)
            state.wants_previous = False
        if not state.agent.container_id or state.agent.started_at is None:
            return
        if not state.has_history:
            await self._read_history(state)
            state.has_history = True
        else:
            await self._read_since(state)

    async def follow(self, state: NodeLogState) -> AsyncIterator[LogPiece]:
        """Follow the log into the buffer; yield each piece for the books.

        Raises:
            NotFoundError: the pod is gone.
        """
        buffer, cursor = state.buffer, state.cursor
        # Only the node's own clock tells where to go on: ours may be wrong by hours.
        start = LogStart(since_time=cursor.last) if cursor.last else LogStart()
        pieces = self._logs.follow_log(state.target, start)
        async with aclosing(pieces) as following:  # type: ignore[type-var]  # it is an async generator
            async for piece in following:
                if piece.loss is not None:
                    buffer.lose(piece.loss.started_at, piece.loss.ended_at, piece.loss.reason)
                if piece.lines:
                    buffer.add(cursor.fresh(piece.lines))
                yield piece

    async def _read(self, target: LogTarget, start: LogStart) -> bytes:
        return await self._logs.read_log(target, start, deadline_seconds=DEADLINE_SECONDS)

    async def _read_previous(self, state: NodeLogState) -> None:
        start = LogStart(is_previous=True, tail_lines=PREVIOUS_LINES, limit_bytes=POLL_BYTES)
        try:
            piece = await self._read(state.target, start)
        except ApiError as error:
            # The kubelet answers 400 when the container before was collected meanwhile.
            if error.status in {400, 404}:
                return
            raise
        await self._add(state.previous_buffer(), state.cursor.fresh(split_lines(piece)))

    async def _read_history(self, state: NodeLogState) -> None:
        """Read the container's log from its start: problems all, of the rest the newest."""
        large = self._node_count() > LARGE_CLUSTER_NODES
        limit = LARGE_CLUSTER_HISTORY_BYTES if large else HISTORY_BYTES
        buffer = state.buffer
        piece = await self._read(state.target, LogStart(limit_bytes=limit))
        lines = state.cursor.fresh(split_lines(piece))
        if len(piece) < limit - 1:
            await self._add(buffer, lines)
            return
        await self._add(buffer, lines, quiet_lines=0)
        await self._read_end(state, buffer, limit)

    async def _read_end(self, state: NodeLogState, buffer: LogBuffer, limit: int) -> None:
        """Go on with the newest lines, and tell that those between were not read."""
        cut_at = state.cursor.last
        is_large = self._node_count() > LARGE_CLUSTER_NODES
        tail_lines = LARGE_CLUSTER_TAIL_LINES if is_large else TAIL_LINES
        tail = LogStart(tail_lines=tail_lines, limit_bytes=TAIL_BYTES)
        newest = split_lines(await self._read(state.target, tail))
        later = state.cursor.fresh(newest)
        # Where some of the newest lines are known already, none lies between.
        if later and later[0][0] is not None and len(later) == len(newest):
            buffer.lose(cut_at, later[0][0], bounded_reason(limit))
        await self._add(buffer, later)

    async def _read_since(self, state: NodeLogState) -> None:
        since = state.cursor.last or state.agent.started_at
        start = LogStart(since_time=since, limit_bytes=POLL_BYTES)
        piece = await self._read(state.target, start)
        lines = state.cursor.fresh(split_lines(piece))
        await self._add(state.buffer, lines, quiet_lines=len(lines))
        if len(piece) >= POLL_BYTES - 1:
            await self._read_end(state, state.buffer, POLL_BYTES)

    async def _add(
        self, buffer: LogBuffer, lines: Iterable[Stamped], *, quiet_lines: int = QUIET_LINES
    ) -> None:
        """Pass on the problems, and as many of the newest other lines."""
        lines = list(lines)
        quiet: deque[int] = deque(maxlen=quiet_lines)
        loud: list[int] = []
        began_at = time.perf_counter()
        for number, (_, text) in enumerate(lines):
            (quiet if is_quiet(text) else loud).append(number)
            if number % 500 == 499 and time.perf_counter() - began_at > LONGEST_SLICE_SECONDS:
                await asyncio.sleep(0)
                began_at = time.perf_counter()
        buffer.add(lines[number] for number in sorted((*loud, *quiet)))
