"""One collection without a screen: judged a little at a time, with a line that tells how far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import node_facts
from tui.commands.check import Progress, collect_once
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeName, NodeUid
from tui.model.reading import Reading
from tui.model.snapshot import (
    ClusterSeen,
    Fact,
    HealthChanged,
    NodeSeen,
    Snapshot,
    SourceHealth,
    SourceState,
)
from tui.safety import clean

NODES = 40
REFUSED: Reading[Any] = Reading.failed(clean("refused"))


class ListedSource:
    """A cluster whose nodes answer nothing, and of which nothing else can be read."""

    name = "listed"

    async def facts(self) -> AsyncIterator[Fact]:
        node = node_facts().node
        for number in range(NODES):
            name = NodeName(f"node-{number}")
            yield NodeSeen(replace(node, uid=NodeUid(f"uid-{number}"), name=name), None)
        yield ClusterSeen(
            ClusterFacts(
                kubernetes_version=REFUSED,
                daemonsets=REFUSED,
                config_map=REFUSED,
                services=REFUSED,
                node_configs=REFUSED,
                revisions=REFUSED,
                workloads=REFUSED,
                mount_failures=REFUSED,
                unmirrored=REFUSED,
            )
        )
        yield HealthChanged(SourceHealth(state=SourceState.LIVE))
        await asyncio.Event().wait()

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Nobody looks."""

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Nobody asks."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.commands.check.TICK_SECONDS", 0.001)
    monkeypatch.setattr("tui.commands.check.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("tui.commands.check.SLICE_SECONDS", 0.0)


@pytest.mark.usefixtures("quick")
async def test_all_is_judged_in_the_end_and_how_far_is_told() -> None:
    lines: list[str] = []
    progress = Progress(is_shown=True, write=lines.append)
    snapshot, is_complete = await collect_once(ListedSource(), 20.0, progress)
    assert is_complete
    assert snapshot.unjudged_nodes == 0
    assert len(snapshot.verdicts) == NODES
    severities = {finding.severity for finding in snapshot.findings}
    assert severities
    judging = [line for line in lines if "left to judge" in line]
    assert "39 nodes left to judge" in "".join(judging)
    assert len(judging) >= NODES - 1


@pytest.mark.usefixtures("quick")
async def test_judging_can_be_interrupted() -> None:
    written = asyncio.Event()

    def write(line: str) -> None:
        if "left to judge" in line:
            written.set()

    work = collect_once(ListedSource(), 20.0, Progress(is_shown=True, write=write))
    task: asyncio.Task[tuple[Snapshot, bool]] = asyncio.create_task(work, name="collect once")
    await asyncio.wait_for(written.wait(), 20.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_nodes_count_as_read_once_it_is_known_what_there_is_to_read() -> None:
    lines: list[str] = []
    progress = Progress(is_shown=True, write=lines.append, width=4)
    facts = node_facts()
    nodes = {NodeUid(f"uid-{number}"): facts for number in range(4)}
    progress.show(Snapshot())
    progress.show(Snapshot(nodes=nodes))
    progress.show(Snapshot(nodes=nodes, is_complete=True, health=SourceHealth(nodes_unread=3)))
    logs = SourceHealth(logs_unread=2)
    progress.show(Snapshot(nodes=nodes, is_complete=True, health=logs))
    progress.end()
    assert [line.removeprefix("\r\x1b[K") for line in lines] == [
        "[....] connecting",
        "[....] 4 nodes found",
        "[#...] 1 of 4 nodes read",
        "[####] 2 logs left",
        "",
    ]


def test_the_progress_line_is_for_terminals_only() -> None:
    lines: list[str] = []
    progress = Progress(is_shown=False, write=lines.append)
    progress.show(Snapshot())
    progress.show_judging(3)
    progress.end()
    assert lines == []
