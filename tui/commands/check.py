"""The commands without a screen: one collection, judged and printed, with an exit code."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING

from tui.config import Config
from tui.errors import ConfigError, ConnectError

if TYPE_CHECKING:
    from tui.checks.check import Check
    from tui.model.snapshot import Snapshot, Source
    from tui.report.report import Report
    from tui.store import Store

TICK_SECONDS = 0.1
SLICE_SECONDS = 0.01
SETTLE_SECONDS = 1.0
"""Nothing may be left to read for so long before the collection counts as done."""

BASE_SECONDS = 60.0
SECONDS_PER_NODE = 0.1
"""What a collection may take where the user does not say."""

EXIT_INTERRUPTED = 130


def run_check(config: Config, arguments: argparse.Namespace) -> int:
    """Read the cluster once, judge it and print the report; return the exit code.

    Raises:
        ConfigError: a check or a node that there is not.
        ClusterError: the cluster could not be read.
    """
    from tui.launch import chosen_context
    from tui.model.findings import FindingSeverity
    from tui.report.report import make_report

    only = _ids(arguments.only, "--only")
    skip = _ids(arguments.skip, "--skip")
    config = config.for_context(chosen_context(config))
    progress = Progress(sys.stderr.isatty())
    try:
        source = _source(config, frozenset(arguments.node))
        snapshot, is_complete = asyncio.run(collect_once(source, arguments.timeout, progress))
    except KeyboardInterrupt:
        progress.end()
        sys.stderr.write("ciltop: interrupted; nothing was judged\n")
        return EXIT_INTERRUPTED
    progress.end()
    _refuse_unread(snapshot, frozenset(arguments.node))
    report = make_report(
        snapshot,
        fail_on=FindingSeverity[arguments.fail_on.upper()],
        only=only,
        skip=skip,
        is_complete=is_complete,
    )
    _warn(report)
    return _print(_rendered(report, arguments), report.exit_code)


def run_explain(arguments: argparse.Namespace) -> int:
    """Print what a check is, or the list of all.

    Raises:
        ConfigError: there is no such check.
    """
    from tui.checks.registry import all_checks, check_of
    from tui.report.explain import explain_text, list_text

    width = _width()
    if arguments.id is None:
        return _print((list_text((check.about for check in all_checks()), width),), 0)
    check = check_of(arguments.id)
    if check is None:
        raise ConfigError(_no_such_check(arguments.id, all_checks()))
    return _print((explain_text(check.about, width),), 0)


def _ids(given: list[str], flag: str) -> frozenset[str]:
    """Return the ids of a flag that may be repeated and may hold commas."""
    from tui.checks.registry import all_checks, check_of

    ids = [part for text in given for part in text.split(",") if part]
    for check_id in ids:
        if check_of(check_id) is None:
            raise ConfigError(f"{flag}: {_no_such_check(check_id, all_checks())}")
    return frozenset(ids)


def _no_such_check(check_id: str, known: tuple[Check, ...]) -> str:
    import difflib

    ids = [check.id for check in known]
    near = difflib.get_close_matches(check_id, ids, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"no check is called {check_id!r}{hint} (ciltop explain lists them)"


def _source(config: Config, nodes: frozenset[str]) -> Source:
    from tui.launch import live_source

    return live_source(config, config.text("kubeconfig"), only_nodes=nodes, is_once=True)


async def collect_once(
    source: Source, limit_seconds: float | None, progress: Progress
) -> tuple[Snapshot, bool]:
    """Return a judged snapshot of all that a source has, and whether it was read in time.

    Args:
        source: read until nothing is left to read, then stopped.
        limit_seconds: how long that may take; None for a minute, and more with more nodes.
        progress: is told how far it is.

    Raises:
        CiltopError: the source could not work at all.
    """
    from tui.collect.garbage import relax
    from tui.store import Store

    relax()
    store = Store()
    reading = asyncio.create_task(_apply(source, store), name="read the cluster")
    try:
        is_complete = await _until_read(store, reading, limit_seconds, progress)
    finally:
        reading.cancel()
        ended = await asyncio.gather(reading, return_exceptions=True)
    if isinstance(ended[0], Exception):
        raise ended[0]
    await _judge(store, progress)
    return store.snapshot(time.time()), is_complete


async def _judge(store: Store, progress: Progress) -> None:
    """Run the checks a little at a time: a large cluster takes a while, and may be interrupted."""
    while store.judge(time.time(), SLICE_SECONDS):
        progress.show_judging(store.pending_nodes)
        await asyncio.sleep(0)
    store.finish(time.time())


async def _apply(source: Source, store: Store) -> None:
    facts = source.facts()
    async with aclosing(facts) as following:  # type: ignore[type-var]  # sources are async generators
        began_at = time.perf_counter()
        async for fact in following:
            store.apply(fact)
            if time.perf_counter() - began_at > SLICE_SECONDS:
                await asyncio.sleep(0)
                began_at = time.perf_counter()


async def _until_read(
    store: Store, reading: asyncio.Task[None], limit_seconds: float | None, progress: Progress
) -> bool:
    """Wait until everything was read once; return False where time ran out first."""
    from tui.report.report import unread_parts

    began_at = time.monotonic()
    settled_at: float | None = None
    while not reading.done():
        await asyncio.sleep(TICK_SECONDS)
        now = time.monotonic()
        snapshot = store.snapshot(time.time())
        progress.show(snapshot)
        if not unread_parts(snapshot):
            settled_at = now if settled_at is None else settled_at
            if now - settled_at >= SETTLE_SECONDS:
                return True
        else:
            settled_at = None
        limit = limit_seconds
        if limit is None:
            limit = BASE_SECONDS + SECONDS_PER_NODE * len(snapshot.nodes)
        if now - began_at > limit:
            return False
    return False


def _refuse_unread(snapshot: Snapshot, nodes: frozenset[str]) -> None:
    """Fail where there is nothing to judge.

    Raises:
        ConfigError: a node was named that the cluster does not have.
        ConnectError: the cluster was not read at all.
    """
    if not snapshot.is_complete:
        reasons = [snapshot.health.reason, *(gap.reason for gap in snapshot.gaps.values())]
        reason = next((reason for reason in reasons if reason), "it did not answer in time")
        raise ConnectError(f"the cluster was not read: {reason}")
    found = {str(facts.node.name) for facts in snapshot.nodes.values()}
    if absent := sorted(nodes - found):
        raise ConfigError(f"--node: the cluster has no node {', '.join(absent)}")
    if not snapshot.nodes:
        raise ConnectError("the cluster was read, but no node of it: nothing can be judged")


def _warn(report: Report) -> None:
    """Say on standard error what the judgement leaves out: output may go to a file."""
    if report.gaps:
        nodes = len({gap.node for gap in report.gaps if gap.node})
        what = f"{len(report.gaps)} parts were not read"
        where = f", on {nodes} of {len(report.snapshot.nodes)} nodes" if nodes else ""
        sys.stderr.write(f"ciltop: {what}{where}: the report names them\n")


def _rendered(report: Report, arguments: argparse.Namespace) -> Iterable[str]:
    if arguments.output == "json":
        from tui.report.as_json import json_pieces

        return json_pieces(report)
    if arguments.output == "junit":
        from tui.report.as_junit import junit_text

        return (junit_text(report),)
    if arguments.output == "markdown":
        from tui.report.as_markdown import markdown_text

        return (markdown_text(report),)
    from tui.report.as_table import table_text

    is_ascii = "utf" not in (sys.stdout.encoding or "").lower()
    return (table_text(report, _width(), is_whole=arguments.all, is_ascii=is_ascii),)


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _print(pieces: Iterable[str], exit_code: int) -> int:
    try:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code


class Progress:
    """One line on standard error that tells how far the collection is; for terminals only."""

    def __init__(
        self, is_shown: bool, write: Callable[[str], object] | None = None, width: int = 30
    ) -> None:
        self._is_shown = is_shown
        self._write = write or self._write_error
        self._width = width
        self._last = ""

    @staticmethod
    def _write_error(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def show(self, snapshot: Snapshot) -> None:
        """Draw the line anew where it changed."""
        if not self._is_shown:
            return
        total = len(snapshot.nodes)
        # Until the lists are complete, nobody knows of which nodes there is something to read.
        unread = snapshot.health.nodes_unread if snapshot.is_complete else total
        done = max(0, total - unread)
        share = done / total if total else 0.0
        filled = round(share * self._width)
        bar = "#" * filled + "." * (self._width - filled)
        words = f"{done:,} of {total:,} nodes read" if snapshot.is_complete else "connecting"
        if total and not snapshot.is_complete:
            words = f"{total:,} nodes found"
        if total and not unread and snapshot.health.logs_unread:
            words = f"{snapshot.health.logs_unread:,} logs left"
        self._draw(f"[{bar}] {words}")

    def show_judging(self, pending: int) -> None:
        """Tell how many nodes are left to be judged."""
        if self._is_shown:
            self._draw(f"[{'#' * self._width}] {pending:,} nodes left to judge")

    def _draw(self, line: str) -> None:
        if line != self._last:
            self._last = line
            self._write(f"\r\x1b[K{line}")

    def end(self) -> None:
        """Take the line away."""
        if self._is_shown and self._last:
            self._write("\r\x1b[K")
            self._last = ""
