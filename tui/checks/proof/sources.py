"""Evidence with a source in any case: the reading's own, or the command that shows the fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from tui.checks.view import NodeView, Setting
from tui.model.findings import Evidence, ProofKind
from tui.model.logs import LogEntry
from tui.model.reading import Reading
from tui.safety import CleanText

T = TypeVar("T")

_LOGGED_SHOWN = 3


def stated(
    view: NodeView,
    reading: Reading[T],
    text: str,
    otherwise: str,
    proof: ProofKind = ProofKind.AGENT,
    key: str = "",
) -> Evidence:
    """Return a fact of this node as evidence.

    Its source is the reading's own, or, where that has none, the command that shows the fact.
    """
    origin = reading.origin
    source = str(origin.source) if origin is not None and origin.source else otherwise
    at = origin.observed_at if origin is not None else None
    return view.fact(text, source, at, proof, key)


def status_command(view: NodeView) -> str:
    """Return what prints the agent's status in its container."""
    return f"{view.binary} status -o json"


def metrics_command(view: NodeView) -> str:
    """Return what prints the agent's metrics of maps and drops in its container."""
    return f"{view.binary} metrics list -o json"


def option_evidence(view: NodeView, option: str, setting: Setting) -> Evidence:
    """Return an option's value as evidence, with a source in any case."""
    found = view.setting_evidence(option, setting)
    otherwise = f"{view.binary} config -a" if setting.is_effective else "ConfigMap cilium-config"
    return found if found.source else replace(found, source=CleanText(otherwise))


def version_evidence(view: NodeView) -> Evidence:
    """Return the agent's release as evidence: by its own word, else by its image."""
    image = view.facts.agent.image if view.facts.agent is not None else ""
    otherwise = f"image {image}" if image else f"{view.binary} version -o json"
    text = f"the agent runs {view.release or 'an unknown release'}"
    return stated(view, view.facts.version, text, otherwise)


def of_running_agent(view: NodeView, *meanings: str) -> tuple[LogEntry, ...]:
    """Return the explained lines of the agent that runs now, newest first; all without ids.

    What an earlier container said of maps or kernel need not hold any more: its next start may
    have made them anew.
    """
    agent = view.facts.agent
    running = agent.container_id if agent is not None else ""
    return tuple(
        entry
        for entry in (view.logged(*meanings) if meanings else view.explained)
        if not entry.is_previous and (not running or entry.container_id == running)
    )


def log_lines(view: NodeView, entries: Sequence[LogEntry]) -> tuple[Evidence, ...]:
    """Return the newest lines as evidence."""
    return tuple(view.log_evidence(entry) for entry in entries[:_LOGGED_SHOWN])


def services_evidence(view: NodeView, text: str, service: str) -> Evidence:
    """Return what the cluster's Services say as evidence; it is no fact of one node."""
    found = view.cluster.evidence(view.cluster.facts.services, text, ProofKind.SERVICE, service)
    return found if found.source else replace(found, source=CleanText("GET /api/v1/services"))
