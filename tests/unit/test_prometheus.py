"""The collector's own metrics, scraped over HTTP and read with Prometheus' own parser."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.bus_rig import facts
from tests.unit.report_facts import finding
from tests.unit.store_facts import origin, usage
from tui.errors import ConfigError
from tui.model.findings import FindingSeverity
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.services import ServiceCoverage
from tui.model.snapshot import Snapshot, SourceHealth, SourceState
from tui.report.prometheus import CollectorStatus, MetricsServer
from tui.safety import clean

READ = replace(
    facts("uid-1"),
    maps=Reading.known(
        (usage(10, 5.0), replace(usage(None, 5.0), name=clean("other"))), origin(5.0)
    ),
    services=Reading.known(ServiceCoverage(20, 16, 40, 40), origin(5.0)),
)
UNREAD = facts("uid-2", swept_at=None, maps=Reading())
STATUS = CollectorStatus(
    Snapshot(
        nodes={one.node.uid: one for one in (READ, UNREAD)},
        findings=(finding(), finding(group="b"), finding(severity=FindingSeverity.CLEAR)),
        health=SourceHealth(
            state=SourceState.LIVE,
            sweep_seconds=1.5,
            sweep_p95_seconds=0.25,
            sweep_interval_seconds=10.0,
            exec_failures=3,
            nodes_total=7,
        ),
    ),
    "0.1.0",
    "alpha",
    "prod",
    nodes=2,
    is_leading=True,
    link="up",
    sent=12,
    sent_bytes=3456,
    rejected=2,
    reconnects=1,
    dropped={"warnings": 4},
)


class Server:
    """A server with a status that the test may change."""

    def __init__(self) -> None:
        self.status = STATUS
        self.server = MetricsServer(lambda: self.status, 0)

    def get(self, path: str, accept: str = "") -> tuple[int, str, str]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.port}{path}", headers={"Accept": accept}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()

    def samples(self) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
        _, _, text = self.get("/metrics")
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@contextmanager
def served() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.server.close()


def test_every_promised_metric_is_there_with_its_value() -> None:
    with served() as server:
        samples = server.samples()
    expected = {
        "ciltop_sweep_seconds": 1.5,
        "ciltop_sweep_interval_seconds": 10.0,
        "ciltop_node_exec_p95_seconds": 0.25,
        "ciltop_exec_failures": 3.0,
        "ciltop_share_nodes": 2.0,
        "ciltop_cluster_nodes": 7.0,
        "ciltop_leader": 1.0,
        "ciltop_messages_sent_total": 12.0,
        "ciltop_sent_bytes_total": 3456.0,
        "ciltop_messages_rejected_total": 2.0,
        "ciltop_reconnects_total": 1.0,
        "ciltop_collector_alive": 1.0,
    }
    assert {name: samples[name, ()] for name in expected} == expected
    assert samples["ciltop_dropped_total", (("kind", "warnings"),)] == 4.0
    assert samples["ciltop_findings", (("severity", "ACTIVE"),)] == 2.0
    assert samples["ciltop_findings", (("severity", "ARMED"),)] == 0.0
    build = (("cluster", "prod"), ("collector", "alpha"), ("version", "0.1.0"))
    assert samples["ciltop_build_info", build] == 1.0


def test_the_link_has_exactly_one_state() -> None:
    with served() as server:
        states = {
            labels[0][1]: value
            for (name, labels), value in server.samples().items()
            if name == "ciltop_link_state"
        }
    assert states == {"connecting": 0.0, "up": 1.0, "down": 0.0, "refused": 0.0}


def test_unknown_is_absent_and_not_zero() -> None:
    with served() as server:
        samples = server.samples()
    backends = (("map", "cilium_lb4_backends_v2"), ("node", "node-uid-1"))
    other = (("map", "other"), ("node", "node-uid-1"))
    assert samples["ciltop_map_entries", backends] == 10.0
    assert samples["ciltop_map_max_entries", backends] == 1_000.0
    assert ("ciltop_map_entries", other) not in samples
    assert samples["ciltop_map_max_entries", other] == 1_000.0
    assert samples["ciltop_missing_frontends", (("node", "node-uid-1"),)] == 4.0
    nodes = {dict(labels).get("node") for _, labels in samples}
    assert "node-uid-2" not in nodes


def test_a_fresh_collector_tells_no_times_that_it_does_not_know() -> None:
    with served() as server:
        server.status = CollectorStatus(Snapshot())
        names = {name for name, _ in server.samples()}
    assert "ciltop_sweep_seconds" not in names
    assert "ciltop_node_exec_p95_seconds" not in names
    assert "ciltop_exec_failures" in names


def test_names_from_the_cluster_are_escaped() -> None:
    hostile = NodeName('a"b\\c\nciltop_leader 5')
    evil = replace(READ, node=replace(READ.node, name=hostile))
    with served() as server:
        server.status = replace(STATUS, snapshot=Snapshot(nodes={evil.node.uid: evil}))
        samples = server.samples()
    assert samples["ciltop_missing_frontends", (("node", str(hostile)),)] == 4.0
    assert samples["ciltop_leader", ()] == 1.0


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    with served() as server:
        status, kind, text = server.get("/metrics", "application/openmetrics-text; version=1.0.0")
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    names = {family.name for family in openmetrics_families(text)}  # type: ignore[no-untyped-call]  # the library has no types here
    assert {"ciltop_messages_sent", "ciltop_build", "ciltop_link_state"} <= names


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
def test_probes_tell_whether_the_loop_lives_and_why_not(path: str) -> None:
    with served() as server:
        assert server.get(path)[0] == 200
        server.status = replace(STATUS, fault="the loop that reads hangs since 31 s")
        status, _, text = server.get(path)
        assert (status, text) == (503, "the loop that reads hangs since 31 s\n")
        assert server.samples()["ciltop_collector_alive", ()] == 0.0


def test_other_paths_and_methods_are_refused() -> None:
    with served() as server:
        assert server.get("/")[0] == 404
        assert server.get("/metrics/../etc/passwd")[0] == 404
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(
                urllib.request.Request(
                    f"http://127.0.0.1:{server.server.port}/metrics", data=b"x", method="POST"
                ),
                timeout=10,
            )
        refused.value.close()
        assert refused.value.code == 501


def test_many_scrapes_at_once_all_get_the_whole() -> None:
    with served() as server, ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _: server.get("/metrics")[2], range(32)))
    assert len(texts) == 1


def test_a_taken_port_is_told() -> None:
    with served() as server, pytest.raises(ConfigError, match=r"--metrics-port \d+ on 127.0.0.1"):
        MetricsServer(lambda: STATUS, server.server.port)


def test_it_listens_on_loopback_only_unless_told() -> None:
    with served() as server:
        address = server.server.address
    assert address == "127.0.0.1"
