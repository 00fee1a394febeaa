"""The tables of the bench over a broker: from what was looked at to what a person reads."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import mqtt_bare as bare
from tests.bench.measure import ratio, say
from tests.bench.mqtt_fleet import Look, Member
from tests.bench.mqtt_meter import quantile, since

LATE_NODES = 5_000
LATE_SECONDS = 3.0
HOLD_MS = 5.0
HELD_SHORT = frozenset({("collector", "MainThread"), ("dashboard", "collector")})
"""The loops with that budget: where a collector publishes, and where a dashboard receives."""

CAUSES_SHOWN = 6


def tell_processes(members: Sequence[Member]) -> None:
    say(f"  {'':<24} {'CPU':>8}  {'memory MiB, start':>18} {'middle':>8} {'end':>8}")
    for member in members:
        first, middle, last = _three(member)
        share = (last.cpu_seconds - first.cpu_seconds) / (last.at - first.at)
        memory = [look.resident_mib for look in (first, middle, last)]
        say(
            f"  {member.name:<24} {share * 100:6.1f} %  {memory[0]:18.1f} {memory[1]:8.1f} "
            f"{memory[2]:8.1f}"
        )


def _three(member: Member) -> tuple[Look, Look, Look]:
    looks = member.looks
    return looks[0], looks[len(looks) // 2], looks[-1]


def _grown(member: Member, name: str) -> float:
    """Return how far a figure grew between the first look and the last."""
    first, _, last = _three(member)
    return float(last.figures.get(name, 0)) - float(first.figures.get(name, 0))


def _seconds(member: Member) -> float:
    """Return the time between its first and last figures, which are older than the looks."""
    return max(0.1, _grown(member, "at"))


def cpu(members: Sequence[Member], *, is_main: bool | None = None) -> float:
    """Return the CPU seconds of members; of their first threads alone, or of all others."""
    total = 0.0
    for member in members:
        first, _, last = _three(member)
        whole = last.cpu_seconds - first.cpu_seconds
        main = last.main_cpu_seconds - first.main_cpu_seconds
        total += whole if is_main is None else main if is_main else whole - main
    return total


def _line(name: str, value: float, unit: str, form: str = ",.2f") -> None:
    say(f"  {name:<60} {value:>12{form}} {unit}")


def tell_traffic(
    collectors: Sequence[Member], dashboards: Sequence[Member], broker: Member
) -> None:
    seconds = statistics.mean(_seconds(one) for one in collectors)
    facts = sum(_grown(one, "facts") for one in collectors) or 1.0
    sent = sum(_grown(one, "sent") for one in collectors)
    reports = sum(_grown(one, "reports") for one in collectors) or 1.0
    applied = sum(_grown(one, "reports") for one in dashboards) or 1.0
    sent_bytes = sum(_grown(one, "sent_bytes") for one in collectors)
    facts_bytes = sum(_grown(one, "facts_bytes") for one in collectors)
    _line("messages of nodes, of all collectors", facts / seconds, "1/s")
    _line("messages of any kind", sent / seconds, "1/s")
    _line("answers of nodes, of all collectors", reports / seconds, "1/s")
    _line("payload of a node's message", facts_bytes / facts, "bytes", ",.0f")
    _line("payload of all kinds, by node's message", sent_bytes / facts, "bytes", ",.0f")
    _line("collector: CPU of reading a node", cpu(collectors, is_main=False) / reports * 1e3, "ms")
    _line("collector: CPU of publishing", cpu(collectors, is_main=True) / facts * 1e3, "ms")
    making = sum(_grown(one, "making") for one in collectors)
    _line("    of it making the node's message (wall)", making / facts * 1e3, "ms")
    headless = dashboards[:-1]
    heard = sum(_grown(one, "reports") for one in headless) or 1.0
    _line("dashboard: CPU, by node's message", cpu(headless) / heard * 1e3, "ms")
    _line("broker: CPU, by message in", cpu([broker]) / max(1.0, sent) * 1e3, "ms")
    dropped = sum(_grown(one, "dropped") for one in collectors)
    lost = sum(_three(one)[2].figures.get("lost", 0) for one in headless)
    rejected = sum(_three(one)[2].figures.get("rejected", 0) for one in headless)
    say(
        f"  {'dropped by collectors, lost and rejected at dashboards':<60} "
        f"{dropped:.0f}, {lost}, {rejected}; {applied / len(dashboards) / facts:.1%} applied"
    )


def tell_lags(dashboards: Sequence[Member]) -> None:
    names = (
        ("lag", "lag: sent by the collector -> in the dashboard's store"),
        ("age", "age: agent answered -> in the dashboard's store"),
    )
    for name, text in names:
        halves = [
            _quantiles(dashboards, lambda looks: (looks[0], looks[len(looks) // 2]), name),
            _quantiles(dashboards, lambda looks: (looks[len(looks) // 2], looks[-1]), name),
        ]
        told = "; then ".join(f"p50 {p50 * 1e3:,.0f}, p95 {p95 * 1e3:,.0f}" for p50, p95 in halves)
        say(f"  {text:<60} {told} ms")
    for member in dashboards:
        p50, p95 = _quantiles([member], lambda looks: (looks[0], looks[-1]), "lag")
        say(f"      lag at {member.name}: p50 {p50 * 1e3:,.0f}, p95 {p95 * 1e3:,.0f} ms")


def _quantiles(
    members: Sequence[Member], span: Callable[[list[Look]], tuple[Look, Look]], name: str
) -> tuple[float, float]:
    """Return p50 and p95 of a histogram over all members; 0 where nothing came."""
    steps: dict[str, int] = {}
    for member in members:
        first, last = span(member.looks)
        grown = since(last.figures.get(name, {}), first.figures.get(name))
        for step, count in grown.items():
            steps[step] = steps.get(step, 0) + count
    return quantile(steps, 0.5) or 0.0, quantile(steps, 0.95) or 0.0


def tell_holds(parts: dict[str, Sequence[Member]]) -> None:
    """Print how long the loops were held, by their own CPU, and by what for longer than allowed."""
    for part, members in parts.items():
        for loop in ("MainThread", "collector"):
            told = [_holds(member, loop) for member in members]
            found = [one for one in told if one is not None]
            if not found:
                continue
            worst = max(one.longest for one in found)
            p99 = statistics.median(one.p99 for one in found)
            longs = sum(one.longs for one in found)
            name = f"{part}, loop of {'the ' + loop if loop != 'MainThread' else 'the main thread'}"
            say(
                f"  {name:<60} p99 {p99 * 1e3:.2f} ms, longest {worst * 1e3:.1f} ms, "
                f"{longs} longer than {HOLD_MS:g} ms in {sum(one.turns for one in found):,}"
            )
            if (part, loop) in HELD_SHORT:
                ratio("longest hold / 5 ms", worst * 1e3 / HOLD_MS, "<= 1", longs == 0)
            _tell_causes(found)


@dataclass(frozen=True, slots=True)
class _Holds:
    turns: int
    p99: float
    longest: float
    longs: int
    long: Sequence[tuple[float, float, float, str]]


def _holds(member: Member, loop: str) -> _Holds | None:
    first, _, last = _three(member)
    now: dict[str, Any] | None = last.figures.get("loops", {}).get(loop)
    if now is None:
        return None
    steps = since(now["cpu"], first.figures.get("loops", {}).get(loop, {}).get("cpu"))
    long = [one for one in now["long"] if one[0] >= first.at]
    longest = quantile(steps, 1.0) or 0.0
    return _Holds(sum(steps.values()), quantile(steps, 0.99) or 0.0, longest, len(long), long)


def _tell_causes(found: Sequence[_Holds]) -> None:
    worst = sorted(_causes(found).items(), key=lambda item: -item[1][1])
    for cause, (count, most) in worst[:CAUSES_SHOWN]:
        say(f"      {count:4} x {cause}, at most {most * 1e3:.1f} ms")


def _causes(found: Sequence[_Holds]) -> dict[str, tuple[int, float]]:
    causes: dict[str, tuple[int, float]] = {}
    for one in found:
        for _, cpu, _, name in one.long:
            count, most = causes.get(name, (0, 0.0))
            causes[name] = (count + 1, max(most, cpu))
    return causes


def tell_keys(painted: Sequence[float]) -> None:
    if not painted:
        say("  no key was painted")
        return
    ordered = sorted(painted)
    p95 = ordered[int(len(ordered) * 0.95)]
    say(
        f"  {'key -> paint, on a terminal of 160x50, by the wall':<60} "
        f"p50 {statistics.median(ordered) * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms"
    )


def tell_replay(rate: float, publisher: Member, dashboard: Member, broker: Member) -> None:
    facts, applied = _grown(publisher, "facts") or 1.0, _grown(dashboard, "reports") or 1.0
    p50, p95 = _quantiles([dashboard], lambda looks: (looks[0], looks[-1]), "lag")
    say(
        f"  replay, {rate:,.0f} nodes/s wanted: {facts / _seconds(publisher):,.0f} sent/s, "
        f"{applied / _seconds(dashboard):,.0f} applied/s, lag p50 {p50 * 1e3:,.0f}, "
        f"p95 {p95 * 1e3:,.0f} ms"
    )
    _line("    publisher: CPU of a node's message", cpu([publisher]) / facts * 1e3, "ms")
    _line("    dashboard: CPU of a node's message", cpu([dashboard]) / applied * 1e3, "ms")
    _line("    broker: CPU of a node's message", cpu([broker]) / facts * 1e3, "ms")


def tell_late(taken: Sequence[dict[str, float]], limit: bare.Bare) -> None:
    nodes = statistics.median(one["nodes"] for one in taken)
    live = statistics.median(one["live"] for one in taken)
    _line(f"late dashboard: all {LATE_NODES:,} nodes are in the snapshot", nodes, "s")
    _line("    it says that it is complete", live, "s")
    _line("    CPU until then", statistics.median(one["cpu"] for one in taken), "s")
    if "judged" in taken[-1]:
        _line("    all nodes are judged", taken[-1]["judged"], "s")
    _line(f"    mosquitto_sub: {limit.messages:,} messages", limit.wall_seconds, "s")
    ratio(f"complete / {LATE_SECONDS:g} s", live / LATE_SECONDS, "<= 1", live <= LATE_SECONDS)


def tell_late_holds(members: Sequence[Member]) -> None:
    longs = [
        one
        for member in members
        for one in member.looks[-1].figures["loops"].get("collector", {}).get("long", ())
    ]
    worst = max((one[1] for one in longs), default=0.0)
    say(
        f"  {'    holds longer than 5 ms while it fills, of each':<60} "
        f"{len(longs) / len(members):.1f}, longest {worst * 1e3:.1f} ms"
    )
    found = [_Holds(0, 0.0, worst, len(longs), longs)]
    _tell_causes(found)
