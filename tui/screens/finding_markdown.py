"""A finding as Markdown, to be pasted into a ticket or a chat."""

from __future__ import annotations

import re

from tui.model.findings import Evidence, Finding, Remedy
from tui.screens import wording

NODES_SHOWN = 20
OBJECTS_SHOWN = 20

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def finding_markdown(finding: Finding, context: str) -> str:
    """Return a finding with its proof and its way out.

    Args:
        finding: What is told.
        context: The cluster's name.
    """
    about = f" {wording.short_map(finding.group)}" if finding.group else ""
    parts = [
        f"### {finding.severity.value} {finding.id}{_plain(about)}: {_plain(finding.title)}",
        _plain(finding.summary),
        _plain(finding.why),
        _facts(finding, context),
        _proof(finding),
        *_remedy(finding.remedy),
        _listed(
            "Not known",
            [f"{_plain(piece.what)}: {_plain(piece.how)}" for piece in finding.missing],
        ),
        _listed("References", [_plain(text) for text in finding.references]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _plain(text: str) -> str:
    """Return a text in which nothing of the cluster reads as markup."""
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def _code(text: str) -> str:
    """Return a text as code; the fence is longer than any run of backticks in it."""
    runs = re.findall(r"`+", text)
    fence = "`" * (max(map(len, runs), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    flat = text.replace("\n", " ")
    return f"{fence}{pad}{flat}{pad}{fence}"


def _facts(finding: Finding, context: str) -> str:
    lines = [f"- cluster: {_plain(context or 'unknown')}"]
    if finding.nodes:
        names = wording.listed(list(finding.node_names), NODES_SHOWN)
        lines.append(f"- nodes ({wording.count(len(finding.nodes))}): {_plain(names)}")
    if finding.objects:
        shown = [f"{item} {item.detail}".strip() for item in finding.objects[:OBJECTS_SHOWN]]
        more = max(finding.objects_total, len(finding.objects)) - len(shown)
        tail = f" +{more}" if more > 0 else ""
        lines.append(f"- objects: {_plain(', '.join(shown))}{tail}")
    if finding.first_seen is not None:
        lines.append(f"- first seen: {wording.utc_stamp(finding.first_seen)}")
    if finding.last_seen is not None:
        lines.append(f"- last seen: {wording.utc_stamp(finding.last_seen)}")
    return "\n".join(lines)


def _proof(finding: Finding) -> str:
    return _listed("Proof", [_piece(piece) for piece in finding.evidence], is_numbered=True)


def _piece(piece: Evidence) -> str:
    where = piece.node_name or "cluster"
    when = f"{wording.utc_stamp(piece.at)}, " if piece.at is not None else ""
    source = f" ({_code(piece.source)})" if piece.source else ""
    return f"{when}{_plain(where)}: {_plain(piece.text)}{source}"


def _remedy(remedy: Remedy) -> list[str]:
    settings = [
        f"{_code(f'{setting.key}={setting.value}')}"
        + (f", Helm {_code(setting.helm)}" if setting.helm else "")
        for setting in remedy.settings
    ]
    words = {True: "needed", False: "not needed", None: "depends on the step"}
    has_steps = bool(remedy.now or remedy.lasting or settings)
    costs = [f"restart: {words[remedy.needs_restart]}"] if has_steps else []
    if remedy.interrupts:
        costs.append(f"interrupts: {_plain(remedy.interrupts)}")
    test = f"Effect on traffic not tested; this tests it: {_code(remedy.test)}"
    return [
        _listed("Now", [_plain(step) for step in remedy.now], is_numbered=True),
        _listed("Then", [_plain(step) for step in remedy.lasting], is_numbered=True),
        _listed("Settings", settings),
        _listed("Commands", [_code(command) for command in remedy.commands]),
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
