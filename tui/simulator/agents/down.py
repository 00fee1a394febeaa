"""What the CLI says when the agent's sockets are missing (real outputs: `agent-down/`)."""

from __future__ import annotations

from tui.simulator.agents.answer import Answer
from tui.simulator.agents.cobra import CommandLine, Parsed
from tui.simulator.agents.releases import AgentRelease
from tui.simulator.agents.version import version_json, version_text

_DIAL = "dial unix /var/run/cilium/cilium.sock: connect: no such file or directory"
_HINT = "\nIs the agent running?"
_SHELL = "dial unix /var/run/cilium/shell.sock: connect: no such file or directory"
SHELL_RETRY_SECONDS = 15.2
SHELL_TRIES = 14


def answer_down(release: AgentRelease, parsed: Parsed) -> Answer | None:
    """Return what a command prints without an agent; None for those that do not need it."""
    path = " ".join(parsed.command.path)
    if path == "version":
        printed = version_json if parsed.is_json else version_text
        return Answer(printed(release, False), seconds=0.15)
    if path == "status" and parsed.has("brief") and not parsed.is_json:
        return _failed("cilium: daemon unreachable\n")
    if path == "metrics list" and release.has_shell_socket:
        return _no_shell(release, parsed)
    if path == "encrypt status" and release.minor >= 19:
        get = f'Get "{release.api_base}/v1/healthz": {_DIAL}'
        return Answer(f"Msg: {get}\nEncryption:                           \n".encode())
    text = _TEXTS.get(path)
    if text is None:
        return None
    return _failed(text.format(api=release.status_api_base, raw=release.api_base, dial=_DIAL))


_TEXTS = {
    "status": 'Get "{api}/v1/healthz": {dial}' + _HINT + "\n",
    "map list": 'Error: Get "{raw}/v1/map": {dial}\n',
    "map get": 'Error: Get "{raw}/v1/map": {dial}\n',
    "service list": 'Error: Cannot get services list: Get "{api}/v1/service": {dial}'
    + _HINT
    + "\n",
    "metrics list": 'Error: Cannot get metrics list: Get "{raw}/v1/metrics/": {dial}\n',
    "endpoint list": 'Error: cannot get endpoint list: Get "{api}/v1/endpoint": {dial}'
    + _HINT
    + "\n\n",
    "node list": 'Get "{api}/v1/cluster/nodes": {dial}' + _HINT + "\n",
    "config": 'Error: Error while retrieving configuration: Get "{api}/v1/config": {dial}'
    + _HINT
    + "\n",
    "config get": 'Error: Error while retrieving configuration: Get "{api}/v1/config": {dial}'
    + _HINT
    + "\n",
    "encrypt status": "Error: Cannot get daemon encryption status:"
    ' Get "{raw}/v1/healthz": {dial}\n',
}


def _failed(text: str) -> Answer:
    return Answer(b"", text.encode(), 1, 0.2)


def _no_shell(release: AgentRelease, parsed: Parsed) -> Answer:
    """Answer `metrics list`: 15 s of retries; 1.17.5 then exits 0, 1.19.4 exits 1."""
    retry = f"Dialing failed: {_SHELL}. Retrying...\n" * SHELL_TRIES
    if release.minor < 19:
        return Answer(b"", retry.encode(), 0, SHELL_RETRY_SECONDS)
    text = f"dialing timed out: {_SHELL}"
    usage = CommandLine(release).usage(parsed.command)
    return Answer(
        f"{usage}\n{text}\n".encode(), f"{retry}Error: {text}\n".encode(), 1, SHELL_RETRY_SECONDS
    )
