"""`:svc`: which Service is meant, and how each node holds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tui.model.reading import Reading
from tui.model.services import Address, FaultKind, ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.screens.commands import CommandError, Completions, ParsedCommand, parse_command
from tui.screens.fleet import Fleet, summarise_node
from tui.screens.service_nodes import (
    ServiceQuery,
    Verdict,
    judge,
    matching_services,
    parse_query,
    service_node_rows,
    verdict_counts,
    want_lines,
)

ECHO = samples.services()[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo", ServiceQuery("echo")),
        ("default/echo", ServiceQuery("default/echo")),
        ("10.96.0.1", ServiceQuery("10.96.0.1", "10.96.0.1")),
        ("10.96.0.1:80", ServiceQuery("10.96.0.1:80", "10.96.0.1", 80)),
        ("10.96.0.1:80/TCP", ServiceQuery("10.96.0.1:80/TCP", "10.96.0.1", 80)),
        ("fd00::1", ServiceQuery("fd00::1", "fd00::1")),
        ("[fd00::1]:443", ServiceQuery("[fd00::1]:443", "fd00::1", 443)),
        ("[FD00:0::1]", ServiceQuery("[FD00:0::1]", "fd00::1")),
        ("a:b:c", ServiceQuery("a:b:c")),
    ],
)
def test_query(text: str, expected: ServiceQuery) -> None:
    assert parse_query(text) == expected


def test_exact_names_win_over_parts_of_names() -> None:
    services = samples.services()
    assert [s.name for s in matching_services(services, parse_query("load-1"))] == [
        "default/load-1"
    ]
    assert len(matching_services(services, parse_query("load"))) == 30
    assert matching_services(services, parse_query("10.96.255.40:81")) == []
    assert matching_services(services, parse_query("10.96.255.40:80")) == [ECHO]


def test_verdicts() -> None:
    def verdict(facts: NodeFacts) -> tuple[Verdict, str]:
        return judge(ECHO, summarise_node(facts, samples.NOW, True))

    assert verdict(samples.broken())[0] is Verdict.MISSING
    assert verdict(samples.healthy(2)) == (Verdict.OK, "")
    assert verdict(samples.denied()) == (
        Verdict.UNKNOWN,
        "denied: needs create pods/exec in kube-system",
    )
    assert verdict(samples.crashing())[0] is Verdict.UNKNOWN


def test_service_outside_a_cut_list_of_faults_is_unknown_not_held() -> None:
    coverage = ServiceCoverage(9_000, 0, 0, 0, (), 9_000)
    facts = replace(samples.healthy(2), services=Reading.known(coverage, samples.origin("dump", 2)))
    verdict, why = judge(ECHO, summarise_node(facts, samples.NOW, True))
    assert verdict is Verdict.UNKNOWN
    assert why == "9,000 faults of this node are not listed"


def test_wrong_backends_say_which() -> None:
    coverage = samples.broken().services.value
    assert coverage is not None
    wrong = replace(
        coverage.faults[-1],
        service=ECHO.name,
        missing_backends=(Address("10.0.1.8", 8080, "TCP"),),
        surplus_backends=(),
        fault=FaultKind.WRONG_BACKENDS,
    )
    facts = replace(
        samples.healthy(2),
        services=Reading.known(
            ServiceCoverage(32, 32, 95, 94, (wrong,), 1), samples.origin("dump", 2)
        ),
    )
    verdict, why = judge(ECHO, summarise_node(facts, samples.NOW, True))
    assert (verdict, why) == (Verdict.WRONG_BACKENDS, "missing 10.0.1.8:8080/TCP")


def test_rows_put_the_nodes_that_lack_the_service_first() -> None:
    fleet = Fleet()
    rows = service_node_rows(ECHO, fleet.update(samples.incident()).nodes, samples.NOW)
    assert rows[0].key == samples.uid(3)
    assert verdict_counts(rows) == {"missing": 1, "unknown": 2, "held": 9}
    assert [row.is_fault for row in rows[:4]] == [True, True, True, False]


def test_want_lines_name_frontends_and_backends() -> None:
    assert want_lines(ECHO) == (
        "ClusterIP ▏ 10.96.255.40:80/TCP",
        "2 backends: 10.0.1.7:8080/TCP, 10.0.2.9:8080/TCP",
    )
    alone = replace(ECHO, backends=(), has_session_affinity=True)
    assert want_lines(alone)[0].endswith("session affinity")
    assert want_lines(alone)[1] == "no backends: nothing to send to"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("svc echo", ParsedCommand("svc", "echo")),
        (":svc  default/echo ", ParsedCommand("svc", "default/echo")),
        ("q", ParsedCommand("quit")),
        ("so fill", ParsedCommand("sort", "fill")),
        ("sort", ParsedCommand("sort")),
        ("filter a b", ParsedCommand("filter", "a b")),
    ],
)
def test_commands(line: str, expected: ParsedCommand) -> None:
    assert parse_command(line) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "type a command"),
        ("s x", "several commands start with s: sort, svc"),
        ("zap", "unknown command zap"),
        ("svc", ":svc needs NAME|IP[:PORT]"),
        ("quit now", ":quit takes nothing"),
    ],
)
def test_lines_that_are_no_command(line: str, problem: str) -> None:
    parsed = parse_command(line)
    assert isinstance(parsed, CommandError)
    assert problem in parsed.message


def test_completions_continue_what_was_typed() -> None:
    completions = Completions({"svc": lambda: ["default/echo", "shop/web", "default/load"]})
    assert completions.complete("s") == ["svc", "sort"]
    assert completions.complete("svc de") == ["svc default/echo", "svc default/load"]
    assert completions.complete("svc web") == ["svc shop/web"]
    assert completions.complete("zap x") == []
    assert completions.complete("quit x") == []
