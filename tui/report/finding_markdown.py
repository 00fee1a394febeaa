"""A finding as Markdown, to be pasted into a ticket or a chat."""

from __future__ import annotations

import re

from tui.model.findings import Evidence, Finding, Remedy
from tui.report.as_json import utc

NODES_SHOWN = 20
OBJECTS_SHOWN = 20

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def finding_markdown(finding: Finding, context: str) -> str:
    """Return a finding with its proof and its way out.

    Args:
        finding: What is told.
        context: The cluster's name.
    """
    about = f" {finding.group.removeprefix('cilium_')}" if finding.group else ""
    parts = [
        f"### {finding.severity.value} {finding.id}{plain(about)}: {plain(finding.title)}",
        plain(finding.summary),
        plain(finding.why),
        _facts(finding, context),
        _proof(finding),
        *_remedy(finding.remedy),
        _listed(
            "Not known",
            [f"{plain(piece.what)}: {plain(piece.how)}" for piece in finding.missing],
        ),
        _listed("References", [plain(text) for text in finding.references]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def named(finding: Finding, most: int = 5) -> str:
    """Name some nodes of a finding."""
    names = finding.node_names
    if not names:
        return "cluster"
    more = f" +{len(names) - most}" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def plain(text: str) -> str:
    """Return a text in which nothing of the cluster reads as markup."""
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def code(text: str) -> str:
    """Return a text as code; the fence is longer than any run of backticks in it."""
    runs = re.findall(r"`+", text)
    fence = "`" * (max(map(len, runs), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    flat = text.replace("\n", " ")
    return f"{fence}{pad}{flat}{pad}{fence}"


def _facts(finding: Finding, context: str) -> str:
    lines = [f"- cluster: {plain(context or 'unknown')}"]
    if finding.nodes:
        lines.append(f"- nodes ({len(finding.nodes):,}): {plain(named(finding, NODES_SHOWN))}")
    if finding.objects:
        shown = [f"{item} {item.detail}".strip() for item in finding.objects[:OBJECTS_SHOWN]]
        more = max(finding.objects_total, len(finding.objects)) - len(shown)
        tail = f" +{more}" if more > 0 else ""
        lines.append(f"- objects: {plain(', '.join(shown))}{tail}")
    if finding.first_seen is not None:
        lines.append(f"- first seen: {utc(finding.first_seen)}")
    if finding.last_seen is not None:
        lines.append(f"- last seen: {utc(finding.last_seen)}")
    return "\n".join(lines)


def _proof(finding: Finding) -> str:
    return _listed("Proof", [_piece(piece) for piece in finding.evidence], is_numbered=True)


def _piece(piece: Evidence) -> str:
    where = piece.node_name or "cluster"
    when = f"{utc(piece.at)}, " if piece.at is not None else ""
    source = f" ({code(piece.source)})" if piece.source else ""
    return f"{when}{plain(where)}: {plain(piece.text)}{source}"


def _remedy(remedy: Remedy) -> list[str]:
    settings = [
        f"{code(f'{setting.key}={setting.value}')}"
        + (f", Helm {code(setting.helm)}" if setting.helm else "")
        for setting in remedy.settings
    ]
    words = {True: "needed", False: "not needed", None: "depends on the step"}
    has_steps = bool(remedy.now or remedy.lasting or settings)
    costs = [f"restart: {words[remedy.needs_restart]}"] if has_steps else []
    if remedy.interrupts:
        costs.append(f"interrupts: {plain(remedy.interrupts)}")
    test = f"Effect on traffic not tested; this tests it: {code(remedy.test)}"
    return [
        _listed("Now", [plain(step) for step in remedy.now], is_numbered=True),
        _listed("Then", [plain(step) for step in remedy.lasting], is_numbered=True),
        _listed("Settings", settings),
        _listed("Commands", [code(command) for command in remedy.commands]),
        _listed("Cost", costs),
        test if remedy.test else "",
    ]


def _listed(title: str, lines: list[str], *, is_numbered: bool = False) -> str:
    if not lines:
        return ""
    bullets = [f"{n}." if is_numbered else "-" for n in range(1, len(lines) + 1)]
    return "\n".join(
        [f"**{title}**", "", *(f"{b} {line}" for b, line in zip(bullets, lines, strict=True))]
    )
