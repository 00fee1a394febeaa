"""The collector's own metrics for Prometheus, and whether it lives, over HTTP.

All numbers come from the latest snapshot and from counters: a scrape asks nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tui.errors import ConfigError
from tui.model.findings import FindingSeverity
from tui.model.snapshot import Snapshot

DEFAULT_ADDRESS = "127.0.0.1"
REQUEST_SECONDS = 10.0
"""A client that sends nothing for so long is let go."""


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """What a collector knows of itself at one moment."""

    snapshot: Snapshot
    version: str = ""
    collector_id: str = ""
    cluster: str = ""
    nodes: int = 0
    """Of its share."""
    is_leading: bool = False
    link: str = "connecting"
    """One of `links`."""
    links: tuple[str, ...] = ("connecting", "up", "down", "refused")
    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    rejected: int = 0
    reconnects: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By kind of topic, as far as anything was dropped."""
    facts_messages: int = 0
    facts_bytes: int = 0
    publishing_seconds: float = 0.0
    fault: str = ""
    """Why the source's loop does not live; empty while it does."""


Look = Callable[[], CollectorStatus]


class SnapshotCollector(Collector):
    """Turns what is known now into metrics; may be called from several threads."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: nothing is read at the registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        status = self._look()
        yield from _of_itself(status)
        yield from _of_collecting(status)
        yield from _of_link(status)
        yield from _of_nodes(status.snapshot)
        yield _of_findings(status.snapshot)


def _of_itself(status: CollectorStatus) -> Iterator[Metric]:
    built = {"version": status.version, "collector": status.collector_id, "cluster": status.cluster}
    yield InfoMetricFamily("ciltop_build", "Version and identity of this collector.", built)
    alive = GaugeMetricFamily(
        "ciltop_collector_alive", "1 while the loop that reads the cluster lives."
    )
    alive.add_metric((), 0.0 if status.fault else 1.0)
    yield alive


def _of_collecting(status: CollectorStatus) -> Iterator[Metric]:
    health = status.snapshot.health
    gauges = (
        ("share_nodes", "Nodes that this collector reads.", status.nodes),
        ("cluster_nodes", "Nodes of the cluster.", health.nodes_total),
        (
            "unread_nodes",
            "Nodes of the share whose first reading is not done.",
            health.nodes_unread,
        ),
        ("leader", "1 where this collector tells of the whole cluster.", int(status.is_leading)),
        ("sweep_seconds", "Duration of the last full sweep over the share.", health.sweep_seconds),
        (
            "sweep_interval_seconds",
            "Time between the begins of two sweeps.",
            health.sweep_interval_seconds,
        ),
        (
            "node_exec_p95_seconds",
            "95th percentile of the duration of one node's exec.",
            health.sweep_p95_seconds,
        ),
        (
            "exec_failures",
            "Execs that failed since the current sweep began.",
            health.exec_failures,
        ),
        ("gaps", "Things that this collector can't read.", len(status.snapshot.gaps)),
    )
    for name, text, value in gauges:
        if value is not None:
            yield GaugeMetricFamily(f"ciltop_{name}", text, value)


def _of_link(status: CollectorStatus) -> Iterator[Metric]:
    counters = (
        ("messages_sent", "Messages handed to the broker.", status.sent),
        ("sent_bytes", "Payload handed to the broker.", status.sent_bytes),
        ("messages_received", "Messages that came from the broker.", status.received),
        ("messages_rejected", "Messages thrown away: not what they must be.", status.rejected),
        ("reconnects", "Connections to the broker that were made anew.", status.reconnects),
        ("facts_messages", "Messages about single nodes.", status.facts_messages),
        ("facts_bytes", "Payload of the messages about single nodes.", status.facts_bytes),
        (
            "publishing_cpu_seconds",
            "CPU time spent on making the messages about nodes.",
            status.publishing_seconds,
        ),
    )
    for name, text, value in counters:
        yield CounterMetricFamily(f"ciltop_{name}", text, value)
    dropped = CounterMetricFamily(
        "ciltop_dropped", "What was given up before the broker had it, by kind.", labels=("kind",)
    )
    for kind, count in sorted(status.dropped.items()):
        dropped.add_metric((kind,), count)
    yield dropped
    yield StateSetMetricFamily(
        "ciltop_link_state",
        "How the connection to the broker stands.",
        {state: state == status.link for state in status.links},
    )


def _of_nodes(snapshot: Snapshot) -> Iterator[Metric]:
    entries = GaugeMetricFamily(
        "ciltop_map_entries", "Entries of a BPF map; absent where unknown.", labels=("node", "map")
    )
    most = GaugeMetricFamily(
        "ciltop_map_max_entries", "How many entries a BPF map can hold.", labels=("node", "map")
    )
    missing = GaugeMetricFamily(
        "ciltop_missing_frontends",
        "Frontends of Services that the node's kernel does not have; absent where unknown.",
        labels=("node",),
    )
    swept = GaugeMetricFamily(
        "ciltop_node_swept_timestamp_seconds",
        "When the node's last exec was answered, seconds since the epoch.",
        labels=("node",),
    )
    for facts in snapshot.nodes.values():
        node = str(facts.node.name)
        for usage in facts.maps.value or ():
            labels = (node, str(usage.name))
            if usage.entries is not None:
                entries.add_metric(labels, usage.entries)
            if usage.max_entries > 0:
                most.add_metric(labels, usage.max_entries)
        if facts.services.value is not None:
            missing.add_metric((node,), facts.services.value.missing_frontends)
        if facts.swept_at is not None:
            swept.add_metric((node,), facts.swept_at)
    yield from (entries, most, missing, swept)


def _of_findings(snapshot: Snapshot) -> Metric:
    found = GaugeMetricFamily(
        "ciltop_findings", "Findings of this collector's share by severity.", labels=("severity",)
    )
    counts = dict.fromkeys(FindingSeverity, 0)
    for finding in snapshot.findings:
        counts[finding.severity] += 1
    for severity, count in counts.items():
        found.add_metric((severity.value,), count)
    return found


class MetricsServer:
    """Serves `/metrics`, `/livez` and `/healthz` on threads of its own."""

    def __init__(self, look: Look, port: int, address: str = DEFAULT_ADDRESS) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            ConfigError: nobody can listen there.
        """
        registry = CollectorRegistry(auto_describe=False)
        registry.register(SnapshotCollector(look))
        try:
            self._server = _server_type(address)((address, port), _handler(registry, look))
        except OSError as error:
            raise ConfigError(
                f"--metrics-port {port} on {address}: can't listen: {error.strerror}"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """The address it listens on."""
        return str(self._server.server_address[0])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(REQUEST_SECONDS)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16


class _Server6(_Server):
    address_family = AF_INET6


def _server_type(address: str) -> type[_Server]:
    return _Server6 if ":" in address else _Server


def _handler(registry: CollectorRegistry, look: Look) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS
        server_version = "ciltop"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, content_type, encode(registry))
            elif path in ("/livez", "/healthz"):
                fault = look().fault
                text = f"{fault}\n" if fault else "ok\n"
                kind = "text/plain; charset=utf-8"
                self._answer(503 if fault else 200, kind, text.encode())
            else:
                self._answer(404, "text/plain; charset=utf-8", b"/metrics /livez /healthz\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: scrapes are no news."""

    return Handler
