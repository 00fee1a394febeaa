"""The agent's release as a piece of evidence."""

from __future__ import annotations

from tui.checks.view import NodeView
from tui.cilium.releases import parse_release
from tui.model.findings import Evidence


def release_evidence(view: NodeView) -> Evidence:
    """Return the agent's release as evidence: as it says itself, else by its image's tag."""
    text = f"the agent runs {view.release or 'an unknown release'}"
    version = view.facts.version.value
    if version is not None and parse_release(version.release) is not None:
        return view.evidence(view.facts.version, text)
    image = view.facts.agent.image if view.facts.agent is not None else ""
    return view.fact(f"{text} (image {image or 'not known'})", "GET /api/v1/pods")
