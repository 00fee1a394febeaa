"""A person's own commands in an agent's container."""

from __future__ import annotations

from tui.simulator.agents.probes import Answer, Context
from tui.simulator.model import Agent, SimNode


def run_command(node: SimNode, agent: Agent, context: Context, argv: list[str]) -> Answer:
    """Answer a command line from the model; nothing is started."""
    name = argv[0] if argv else ""
    text = (
        "OCI runtime exec failed: exec failed: unable to start container process:"
        f' exec: "{name}": executable file not found in $PATH: unknown\n'
    )
    return Answer(b"", text.encode(), 126)
