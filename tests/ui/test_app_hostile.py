"""Hostile text in every field: shown as it is, never read as markup, never a control byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, settled
from tests.ui.finding_samples import with_verdicts
from tui.model.features import Feature
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    FindingChange,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.logs import LogEntry, LogGap
from tui.model.maps import MapUsage
from tui.model.names import NodeName
from tui.model.nextstart import IgnoredSource, MapFit, NextStart, PendingKey
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts, Snapshot
from tui.safety import CleanText, clean
from tui.screens.links import Link

HOSTILE = [
    "[/x] [bold red]no[/] [@click=app.quit]press me[/]",
    "\x1b]0;title\x07\x1b[2J\x9b31mred\x00 line\nbreak\r\ttab \u202egnp.exe \u2066x\u2069",
    "宽字符" * 9 + "👩‍👩‍👧‍👦",
    "a" * 20_000,
]


def poisoned_node(text: CleanText) -> NodeFacts:
    """Return a broken node with the text wherever the cluster can put one."""
    facts = samples.broken()
    assert facts.agent is not None
    assert facts.services.value is not None
    faults = tuple(
        replace(fault, service=text, detail=text) for fault in facts.services.value.faults[:3]
    )
    why = replace(facts.agent, name=text, reason=text, image=text)
    coverage = replace(facts.services.value, faults=faults)
    where = samples.origin(text, 3)
    return replace(
        facts,
        node=replace(facts.node, name=NodeName(text), kernel_release=text, os_image=text),
        agent=why,
        maps=Reading.known(tuple(poisoned_map(m, text) for m in samples.full_maps()), where),
        services=Reading.known(coverage, where),
        features=Reading.known(tuple(poisoned_feature(f, text) for f in samples.features()), where),
        config=Reading.denied(text),
        logs=tuple(poisoned_entry(entry, text) for entry in facts.logs),
        log_error=text,
        sweep_error=text,
    )


def poisoned_map(usage: MapUsage, text: CleanText) -> MapUsage:
    name = CleanText(f"{usage.name}{text}")
    return replace(usage, name=name, note=text, sync_failure=text)


def poisoned_feature(feature: Feature, text: CleanText) -> Feature:
    return replace(feature, label=text, value=text, evidence=text, needed_by=text)


def poisoned_entry(entry: LogEntry | LogGap, text: CleanText) -> LogEntry | LogGap:
    if isinstance(entry, LogGap):
        return replace(entry, reason=text)
    line = replace(entry.line, message=text, subsystem=text, fields=((text, text),))
    return replace(entry, line=line)


def poisoned_verdicts(text: CleanText) -> tuple[Verdict, ...]:
    """Return verdicts with the text wherever one can stand, keys of proofs included."""
    piece = Evidence(text, text, samples.uid(3), NodeName(text), samples.NOW, ProofKind.MAP, text)
    remedy = Remedy(
        (text,), (text,), (ConfigSetting(text, text, text),), (text,), None, text, test=text
    )
    return tuple(
        Verdict(
            check,
            severity,
            text,
            samples.uid(3),
            NodeName(text),
            tuple(replace(piece, proof=kind) for kind in ProofKind),
            (AffectedObject(text, text, text, text),),
            remedy,
            (MissingEvidence(text, text),),
            samples.CHANGED_AT,
            1,
            text,
        )
        for check, severity in (
            ("service-map-drift", FindingSeverity.ACTIVE),
            ("map-pressure", FindingSeverity.UNKNOWN),
        )
    )


def judged(snapshot: Snapshot, text: CleanText) -> Snapshot:
    """Return the snapshot with verdicts, a next start and changes that hold the text."""
    uid = samples.uid(3)
    start = NextStart(
        (PendingKey(text, text, text, text, text, samples.NOW),),
        (MapFit(text, 1, 2, 3, 4),),
        blockers=(text,),
        image_now=text,
        image_next=text,
        ignored=(IgnoredSource(text, text, text),),
        unknown=(text,),
        is_known=True,
    )
    severity = FindingSeverity.ACTIVE
    change = FindingChange(samples.NOW, text, text, text, None, severity, (NodeName(text),), 3)
    return replace(
        with_verdicts(snapshot, {uid: poisoned_verdicts(text)}),
        next_starts={uid: start},
        finding_changes=(change,),
    )


def poisoned(text: str) -> Snapshot:
    """Return the incident with the text in every field."""
    cleaned = clean(text)
    snapshot = samples.incident()
    cluster = replace(snapshot.cluster, context=cleaned, server=cleaned, user=cleaned)
    snapshot = replace(
        snapshot,
        cluster=cluster,
        nodes={**snapshot.nodes, samples.uid(3): poisoned_node(cleaned)},
        health=replace(snapshot.health, reason=cleaned),
        gaps={"x": replace(samples.lost().gaps["services"], what=cleaned, reason=cleaned)},
    )
    return judged(snapshot, cleaned)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_every_screen_survives_hostile_text(text: str) -> None:
    app = HandApp(poisoned(text))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        for keys in (
            *("1", "2", "3", "4", "5"),
            ("1", "enter"),
            ("escape", "2", "enter"),
            ("escape", "3", "enter"),
            ("escape", "4", "enter"),
            ("escape", "5", "enter"),
            ("escape", "escape", "enter"),
            ("y", "p", "escape", "f", "w", "l"),
            ("escape", "F"),
            ("A", "y", "enter"),
            *("j", "j", "j"),
            ("enter",),
            ("F", "n"),
            *("enter", "T", "n"),
            ("escape", "enter"),
            ("T", "G", "enter"),
        ):
            await pilot.press(*keys)
            shown = await settled(pilot)
            assert not [c for c in shown if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
            assert "could not be drawn" not in shown
            assert "panel failed" not in shown
        assert app.is_running


@pytest.mark.parametrize("kind", list(ProofKind))
@pytest.mark.parametrize("text", HOSTILE[:2], ids=range(2))
async def test_every_link_survives_hostile_keys(text: str, kind: ProofKind) -> None:
    app = HandApp(poisoned(text))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        for uid in (samples.uid(3), samples.uid(99), None):
            problem = app.dashboard.follow(Link(kind.value, uid, clean(text)))
            shown = await settled(pilot)
            assert not [c for c in problem + shown if ord(c) < 32 and c != "\n"]
        assert app.is_running
