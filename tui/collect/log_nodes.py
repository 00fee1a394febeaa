"""Where the log of one node's agent stands."""

from __future__ import annotations

from dataclasses import replace

from tui.cluster.logs import LogTarget
from tui.collect.log_lines import LogBuffer, LogCursor
from tui.model.logs import LogBatch
from tui.model.names import NodeUid
from tui.model.node import AgentPhase, AgentPod
from tui.safety import CleanText

NOISY_SECONDS = 300.0
"""A node that warned within this time is followed, if there is room."""

_RUNNING = frozenset({AgentPhase.RUNNING, AgentPhase.NOT_READY, AgentPhase.UNREACHABLE})


def is_in_trouble(agent: AgentPod) -> bool:
    """Tell whether the agent's state alone makes its log interesting."""
    return agent.phase is not AgentPhase.RUNNING


class NodeLogState:
    """The log of one agent pod, over all its containers."""

    __slots__ = (
        "agent",
        "buffer",
        "cursor",
        "failures",
        "has_history",
        "next_read_at",
        "older",
        "pod_name",
        "pod_uid",
        "target",
        "trouble",
        "uid",
        "wants_previous",
    )

    def __init__(self, uid: NodeUid, agent: AgentPod) -> None:
        self.uid = uid
        self.pod_uid = agent.uid
        self.pod_name = agent.name
        self.target = LogTarget(agent.namespace, agent.name, agent.container)
        self.agent = agent
        self.cursor = LogCursor()
        self.buffer = self._new_buffer(agent)
        self.older: list[LogBuffer] = []
        """Lines of containers before, not parsed yet."""
        self.has_history = False
        self.wants_previous = agent.has_previous
        self.next_read_at = 0.0
        self.failures = 0
        self.trouble = CleanText("")

    def _new_buffer(self, agent: AgentPod) -> LogBuffer:
        buffer = LogBuffer(self.uid, agent.container_id)
        buffer.agent_started_at = agent.started_at
        return buffer

    def renew(self, agent: AgentPod) -> bool:
        """Take in a newer state of the pod; return whether another container runs now."""
        before, self.agent = self.agent, agent
        self.buffer.agent_started_at = agent.started_at or self.buffer.agent_started_at
        has_ended = before.started_at is not None and agent.started_at is None
        is_other = agent.container_id != before.container_id
        if agent.has_previous and (is_other or has_ended):
            # What the old container said last explains why there is a new one.
            self.wants_previous = True
            self.next_read_at = 0.0
        if not is_other or not agent.container_id:
            return False
        self.older.append(self.buffer)
        self.buffer = self._new_buffer(agent)
        self.has_history = False
        self.next_read_at = 0.0
        return True

    @property
    def has_log(self) -> bool:
        """Whether there is anything to read: a container that runs or ran."""
        return bool(self.agent.container_id) or self.agent.has_previous

    @property
    def can_follow(self) -> bool:
        """Whether a container runs whose log can be followed."""
        agent = self.agent
        return agent.phase in _RUNNING and agent.started_at is not None

    def is_noisy(self, now: float) -> bool:
        """Tell whether the agent warned a short while ago."""
        return now - self.buffer.last_problem_at < NOISY_SECONDS

    @property
    def has_waiting(self) -> bool:
        """Whether lines wait to be parsed."""
        return bool(len(self.buffer)) or bool(self.older)

    def take(self, most: int) -> LogBatch | None:
        """Parse up to so many lines, those of containers before first."""
        while self.older:
            batch = self.older[0].take(most)
            if batch is not None:
                return batch
            self.older.pop(0)
        return self.buffer.take(most)

    def previous_buffer(self) -> LogBuffer:
        """Return a buffer for the lines of the container before."""
        buffer = self._new_buffer(replace(self.agent, started_at=None))
        buffer.is_previous = True
        self.older.append(buffer)
        return buffer
