"""A person's own commands in an agent's container, answered from the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tui.simulator.agents import conntrack, endpoints, files, lbtext, maptext, others, statustext
from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.bpftool import run_bpftool
from tui.simulator.agents.cobra import CommandLine, Parsed, Printed
from tui.simulator.agents.down import answer_down
from tui.simulator.agents.version import version_json, version_text
from tui.simulator.model import Agent, SimNode
from tui.simulator.scenarios import QuirkKind

_Run = Callable[[SimNode, Agent, Context, Parsed], Answer]


def run_command(node: SimNode, agent: Agent, context: Context, argv: list[str]) -> Answer:
    """Answer a command line; nothing is started on this machine."""
    name = argv[0].rpartition("/")[2] if argv else ""
    if name == agent.release.binary:
        return _cilium(node, agent, context, argv[1:])
    if name == "bpftool":
        return run_bpftool(node, agent, context, argv[1:])
    if name in files.SHELLS and node.quirk(QuirkKind.NO_SHELL):
        return not_found(name)
    return files.run(node, agent, name, argv) or not_found(argv[0] if argv else "")


def not_found(name: str) -> Answer:
    """Return what the container runtime says of a program that the image does not have."""
    text = (
        "OCI runtime exec failed: exec failed: unable to start container process:"
        f' exec: "{name}": executable file not found in $PATH: unknown\n'
    )
    return Answer(b"", text.encode(), 126, 0.1)


def _cilium(node: SimNode, agent: Agent, context: Context, words: list[str]) -> Answer:
    parsed = CommandLine(agent.release).parse(words)
    if isinstance(parsed, Printed):
        return Answer(parsed.stdout.encode(), parsed.stderr.encode(), parsed.exit_code, 0.07)
    if not agent.is_up(context.now):
        down = answer_down(agent.release, parsed)
        if down is not None:
            return down
    return _COMMANDS[" ".join(parsed.command.path)](node, agent, context, parsed)


def _version(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    printed = version_json if parsed.is_json else version_text
    return Answer(printed(agent.release, agent.is_up(context.now)), seconds=0.07)


def _lb_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    return lbtext.lb_list(node, agent, parsed)


def _service_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    return lbtext.service_list(node, agent, parsed)


_COMMANDS: Mapping[str, _Run] = {
    "status": statustext.print_status,
    "version": _version,
    "metrics list": others.metrics_list,
    "map list": maptext.map_list,
    "map get": maptext.map_get,
    "bpf lb list": _lb_list,
    "bpf ct list": conntrack.conntrack_list,
    "service list": _service_list,
    "config": others.show_config,
    "config get": others.get_config,
    "endpoint list": endpoints.endpoint_list,
    "node list": others.node_list,
    "encrypt status": others.encrypt_status,
}
