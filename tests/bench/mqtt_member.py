"""One process of the fleet on the broker, with a meter in it.

`python -m tests.bench.mqtt_member FIGURES collect|screens ARGUMENT …` runs ciltop's own command;
`… dashboard URL CLUSTER` a dashboard without screens; `… replay URL CLUSTER NODES RATE` a collector
that reads nothing, and has so many of the nodes that another one told of change each second.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.bench.mqtt_meter import Histogram, Meter, write_regularly
from tui.model.snapshot import Fact, NodeReport
from tui.store import Mailbox, Store

POLL_SECONDS = 0.02
REACHED = 4
"""All that there is to reach: nodes, live, its CPU, judged."""


class TimedStore(Store):
    """The store, with the time that passed from an answer, and from a letter, to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent_at: dict[str, float] = {}
        self.lags = Histogram()
        self.ages = Histogram()
        self.reports = 0
        self.reported: set[str] = set()
        self.last_new_at = 0.0

    def apply(self, fact: Fact) -> None:
        """Take in one fact."""
        super().apply(fact)
        if not isinstance(fact, NodeReport):
            return
        now = time.time()
        self.reports += 1
        if fact.node_uid not in self.reported:
            self.reported.add(fact.node_uid)
            self.last_new_at = now
        sent_at = self.sent_at.pop(fact.node_uid, None)
        if sent_at is not None:
            self.lags.add(now - sent_at)
            if fact.answered_at is not None:
                self.ages.add(now - fact.answered_at)

    def figures(self) -> dict[str, Any]:
        """Return what was measured."""
        return {
            "reports": self.reports,
            "reported": len(self.reported),
            "lag": self.lags.steps(),
            "age": self.ages.steps(),
        }


def main() -> int:
    """Run the part that was asked for."""
    path, part, *arguments = sys.argv[1:]
    meter = Meter()
    meter.install()
    begin = {"collect": _collect, "screens": _screens, "dashboard": _dashboard, "replay": _replay}
    return begin[part](meter, Path(path), arguments)


def _collect(meter: Meter, path: Path, arguments: list[str]) -> int:
    from tui.cli import main as ciltop
    from tui.collector.bus import CollectorBus

    store = TimedStore()
    opened: list[CollectorBus] = []

    def open_bus(*parts: Any) -> CollectorBus:
        opened.append(CollectorBus(*parts))
        return opened[0]

    def figures() -> dict[str, Any]:
        told = _bus_figures(opened[0]) if opened else {}
        return {"loops": meter.figures(), **store.figures(), **told}

    patch("tui.collector.reader.Store", lambda: store).start()
    patch("tui.collector.running.CollectorBus", open_bus).start()
    write_regularly(path, figures)
    return ciltop(["collect", *arguments])


def _bus_figures(bus: Any) -> dict[str, Any]:
    counts, nodes = bus.link.counts, bus.publisher.nodes
    return {
        "share": nodes.node_count,
        "facts": nodes.messages,
        "facts_bytes": nodes.payload_bytes,
        "making": nodes.spent_seconds,
        "sent": counts.sent,
        "sent_bytes": counts.sent_bytes,
        "received": counts.received,
        "dropped": sum(bus.publisher.dropped.values()),
        "rejected": bus.publisher.rejected,
        "waiting": bus.link.waiting,
        "leads": bus.publisher.is_leading,
    }


def _screens(meter: Meter, path: Path, arguments: list[str]) -> int:
    from tui.cli import main as ciltop

    store = TimedStore()
    _note_letters(store)
    patch("tui.store.Store", lambda: store).start()
    write_regularly(path, lambda: {"loops": meter.figures(), **store.figures()})
    return ciltop(arguments)


def _dashboard(meter: Meter, path: Path, arguments: list[str]) -> int:
    from tui.bus.receiving.source import broker_source
    from tui.collect.thread import CollectorThread

    url, cluster, *expected = arguments
    nodes = int(expected[0]) if expected else 0
    store, mailbox = TimedStore(), Mailbox()
    _note_letters(store)
    address = _address(url)
    thread = CollectorThread(lambda: broker_source(address, cluster)[0], store, mailbox)
    reached: dict[str, float] = {}

    def figures() -> dict[str, Any]:
        latest = mailbox.latest
        health, room = latest.health, latest.room
        return {
            **{"loops": meter.figures(), **store.figures(), "reached": reached},
            **{"nodes": len(latest.nodes), "lost": room.lost, "rejected": room.rejected},
            **{"state": health.state.value, "reason": health.reason},
            **{"unjudged": latest.unjudged_nodes, "gaps": [str(gap) for gap in latest.gaps]},
        }

    write_regularly(path, figures)
    thread.start()
    _until_stopped(store, mailbox, reached, nodes)
    thread.stop()
    return 0


def _until_stopped(
    store: TimedStore, mailbox: Mailbox, reached: dict[str, float], nodes: int
) -> None:
    """Note when the snapshots had what a person waits for; return at a signal."""
    from tui.model.snapshot import SourceState

    began_at, began_cpu = time.monotonic(), time.process_time()
    live = SourceState.LIVE
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.wait(POLL_SECONDS if len(reached) < REACHED else 1.0):
        if not nodes or len(store.reported) < nodes:
            continue
        latest, passed = mailbox.latest, time.monotonic() - began_at
        if latest.taken_at < store.last_new_at:
            continue
        reached.setdefault("nodes", passed)
        if latest.health.state is live and "live" not in reached:
            reached |= {"live": passed, "cpu": time.process_time() - began_cpu}
        if len(latest.verdicts) >= nodes and not latest.unjudged_nodes:
            reached.setdefault("judged", passed)


def _note_letters(store: TimedStore) -> None:
    """Have the store know when each letter was sent that came live."""
    from tui.bus.wire.encoding import Decoder
    from tui.bus.wire.messages import FactsMessage, Letter
    from tui.bus.wire.post import Incoming

    plain: Callable[[Decoder, Incoming], Letter] = Decoder.decode

    def decode(decoder: Decoder, incoming: Incoming) -> Letter:
        letter = plain(decoder, incoming)
        if not incoming.is_retained and isinstance(letter.message, FactsMessage):
            facts = letter.message.facts
            if facts is not None:
                store.sent_at[facts.node.uid] = letter.envelope.at
        return letter

    patch.object(Decoder, "decode", decode).start()


def _address(url: str) -> Any:
    from tui.bus.link.address import broker_address
    from tui.config import load_config

    return broker_address(load_config(Path(os.devnull), {"mqtt": url}))


def _replay(meter: Meter, path: Path, arguments: list[str]) -> int:
    from tests.bench.mqtt_replay import replay

    url, cluster, nodes, rate = arguments

    def report(figures: Callable[[], Mapping[str, Any]]) -> None:
        write_regularly(path, lambda: {"loops": meter.figures(), **figures()})

    replay(_address(url), cluster, int(nodes), float(rate), report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
