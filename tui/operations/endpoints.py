"""Whether a node's endpoints are ready, asked of its agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tui.cilium.releases import agent_binary, parse_release
from tui.cluster.exec import ExecResult
from tui.errors import ClusterError
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

ASK_SECONDS = 20.0
_SETTLED = frozenset({"ready", "disconnecting", "disconnected"})
"""Everything else waits for its program or its identity (api/v1/models/endpoint_state.go)."""


class Execs(Protocol):
    """The part of a session that runs commands."""

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        deadline_seconds: float,
    ) -> ExecResult:
        """Run a command in a container to its end."""
        ...


class _Status(msgspec.Struct):
    state: str = ""


class _Endpoint(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


async def count_unready(execs: Execs, facts: NodeFacts) -> tuple[int | None, CleanText]:
    """Return how many endpoints are not ready, or None with the reason why nobody can say."""
    agent, version = facts.agent, facts.version.value
    if agent is None or not agent.container_id:
        return None, clean("there is no agent to ask")
    release = parse_release(version.release) if version is not None else None
    if version is not None and version.binary:
        binary = str(version.binary)
    else:
        binary = agent_binary(release) if release is not None else "cilium"
    try:
        result = await execs.exec(
            str(agent.namespace),
            str(agent.name),
            str(agent.container),
            (binary, "endpoint", "list", "-o", "json"),
            deadline_seconds=ASK_SECONDS,
        )
    except ClusterError as error:
        return None, error.message
    if result.exit_code:
        return None, clean(result.stderr[:200] or f"exit code {result.exit_code}".encode())
    try:
        found = msgspec.json.decode(result.stdout, type=list[_Endpoint] | None)
    except msgspec.MsgspecError as error:
        return None, clean(f"endpoint list is no JSON: {error}")
    return sum(one.status.state not in _SETTLED for one in found or ()), CleanText("")
