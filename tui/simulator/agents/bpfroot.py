"""Where a simulated agent has its bpffs: the host's, one of its own, or the one it was told."""

from __future__ import annotations

from tui.cilium.probes import DEFAULT_ROOT, pin_path
from tui.simulator.model import Agent, SimNode
from tui.simulator.scenarios import QuirkKind


def bpf_root(node: SimNode, agent: Agent) -> str:
    """Return the agent's bpffs: `bpf-root`, or where the quirk had the agent mount its own."""
    quirk = node.quirk(QuirkKind.BPFFS_UNMOUNTED)
    if quirk is not None:
        return quirk.text or DEFAULT_ROOT
    return agent.config.get("bpf-root") or DEFAULT_ROOT


def pin_folder(node: SimNode, agent: Agent) -> str:
    """Return the folder of the pinned maps, with a slash at its end."""
    return pin_path("", bpf_root(node, agent))
