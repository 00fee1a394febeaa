"""Run the execs that are due, a few at once, and hand on what they bring."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from tui.cilium.frames import STRAY, Frame, parse_frames
from tui.cilium.probes import deadline_seconds, exec_argv, new_nonce
from tui.cluster.exec import ExecResult
from tui.collect.clock import Alarm
from tui.collect.focus import Focus
from tui.collect.node_reader import NodeReader
from tui.collect.pools import Sharing
from tui.collect.roster import Roster, Target
from tui.collect.schedule import Schedule
from tui.collect.shared import Shared
from tui.collect.unanswered import denied, unanswered, unaskable, why_unaskable
from tui.collect.visits import Answering, Turn
from tui.collect.wants import WantKeeper
from tui.errors import (
    ClusterError,
    CommandMissingError,
    ConnectError,
    CredentialError,
    DeadlineError,
    ExecError,
    ForbiddenError,
    UnauthorizedError,
)
from tui.model.logs import LogLine
from tui.model.names import ContainerId, NodeUid
from tui.model.snapshot import NodeReport
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.collect.sweep")

STDOUT_LIMIT_BYTES = 64 * 1024 * 1024
INLINE_BYTES = 256 * 1024
"""Longer answers are taken apart off the loop's thread."""

DENIALS_TO_BELIEVE = 3
"""So many refused agents, none asked in between, stand for all of them."""

DENIED_SECONDS = 60.0
"""Until one exec is tried again after a refusal: somebody may grant the right."""

NO_SHELL_SECONDS = 300.0
"""An image without a shell gets none while its container runs."""

EXEC_GAP = "exec"

_SERVER_ERRORS = (ConnectError, CredentialError, UnauthorizedError)
"""These tell of the API server and nothing of the node."""


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
        stdout_limit: int = ...,
    ) -> ExecResult:
        """Run a command in a container to its end."""
        ...


class LogSide(Protocol):
    """What the log intake and the sweep tell each other."""

    def problems_of(self, uid: NodeUid) -> Sequence[LogLine]:
        """Return the warnings and errors since the agent's start."""
        ...

    def note_report(self, report: NodeReport) -> None:
        """Learn which nodes are in trouble."""
        ...


class Sweeper:
    """Visits the nodes that are due."""

    def __init__(
        self,
        execs: Execs,
        roster: Roster,
        schedule: Schedule,
        keeper: WantKeeper,
        shared: Shared,
        logs: LogSide | None = None,
    ) -> None:
        self._logs = logs
        self._execs = execs
        self._roster = roster
        self._schedule = schedule
        self._keeper = keeper
        self._shared = shared
        self._alarm = Alarm(shared.clock)
        self._readers: dict[NodeUid, NodeReader] = {}
        self._sharing = Sharing()
        self._told: dict[NodeUid, CleanText] = {}
        self._focus = Focus()
        self._denial: CleanText | None = None
        """Why no agent may be asked; None while some may."""
        self._denials: dict[NodeUid, CleanText] = {}
        """Agents that were refused since one was asked."""
        self._sweeps_seen = 0
        self._surprises: set[str] = set()

    async def run(self) -> None:
        """Visit nodes for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                while self._shared.contact.execs_in_flight < self._slots:
                    turn = self._schedule.next_turn()
                    if turn is None:
                        break
                    self._shared.contact.execs_in_flight += 1
                    group.create_task(self._visit_on(turn), name=f"exec {turn.agent.uid}")
                await self._alarm.wait(self._schedule.seconds_until_due())

    @property
    def _slots(self) -> int:
        # After a refusal one exec at a time finds out whether the right was granted.
        return 1 if self._denial is not None else self._shared.settings.exec_slots

    def focus(self, focus: Focus) -> None:
        """Put the nodes somebody looks at first."""
        self._focus = focus
        self._schedule.focus(focus)
        self._alarm.ring()

    def request_count(self, uid: NodeUid, map_name: str) -> None:
        """Have one map counted now."""
        self._schedule.request_count(uid, map_name)
        self._alarm.ring()

    def refresh(self) -> None:
        """Sweep now, nodes that wait after a failure too."""
        self._schedule.resume()
        self._alarm.ring()

    def revisit(self, uids: Collection[NodeUid]) -> None:
        """Read these nodes now, whatever they wait for."""
        self._schedule.revisit(uids)
        self._alarm.ring()

    def reconnect(self) -> None:
        """Read all nodes anew: the API server answers again."""
        self._schedule.reconnect()
        self._alarm.ring()

    async def note(self, target: Target) -> None:
        """Take in a node that appeared or changed; say why where it can't be asked."""
        agent = target.answering
        uid = target.node.uid
        if agent is None:
            self._schedule.drop(uid)
            await self._tell_unaskable(target)
            return
        self._told.pop(uid, None)
        self._schedule.put(agent)
        if self._denial is not None:
            await self._shared.outbox.put(denied(agent, self._denial))
        self._alarm.ring()

    def forget(self, uid: NodeUid) -> None:
        """Forget a node that left."""
        self._schedule.leave(uid)
        self._readers.pop(uid, None)
        self._told.pop(uid, None)

    async def _tell_unaskable(self, target: Target) -> None:
        uid, reason = target.node.uid, why_unaskable(target.agent)
        if self._told.get(uid) == reason:
            return
        self._told[uid] = reason
        agent = target.agent
        container = agent.container_id if agent is not None else ContainerId("")
        await self._shared.outbox.put(unaskable(Answering(uid, container), reason))

    async def _visit_on(self, turn: Turn) -> None:
        """Make this visit and those that are due after it, in one slot."""
        contact = self._shared.contact
        try:
            due: Turn | None = turn
            while due is not None:
                await self.visit(due)
                due = self._schedule.next_turn() if contact.execs_in_flight <= self._slots else None
        finally:
            contact.execs_in_flight -= 1

    async def visit(self, turn: Turn) -> None:
        """Make one exec and hand on what it brings; whatever fails is said in its report."""
        began_at = self._shared.clock.monotonic()
        if self._schedule.sweeps_begun != self._sweeps_seen:
            self._sweeps_seen = self._schedule.sweeps_begun
            self._shared.contact.exec_failures = 0
        target = self._roster.get(turn.agent.uid)
        is_other = target is None or target.answering != turn.agent
        if target is None or is_other or self._schedule.has_left(turn):
            self._schedule.finished(turn, 0.0, None)
            return
        try:
            failed = await self._ask(target, turn)
        except ForbiddenError as error:
            self._schedule.finished(turn, 0.0, None)
            await self._note_denial(turn, error)
            return
        except CommandMissingError:
            await self._fail(turn, clean("the agent's image has no shell (sh) to run probes with"))
            self._schedule.finished(turn, 0.0, None)
            self._schedule.postpone(turn.agent.uid, NO_SHELL_SECONDS)
            return
        except ClusterError as error:
            LOG.info("exec on %s: %s", target.node.name, error.message)
            await self._fail(turn, error.message)
            if isinstance(error, _SERVER_ERRORS):
                self._schedule.unreached(turn)
                return
            failed = None
        except Exception as error:
            # One node's surprise must not end the sweep of all others.
            name = type(error).__name__
            if name not in self._surprises:
                self._surprises.add(name)
                LOG.exception("visit of %s failed", target.node.name)
            await self._fail(turn, clean(f"reading the answer failed: {name}"))
            failed = None
        self._schedule.finished(turn, self._shared.clock.monotonic() - began_at, failed)

    async def _ask(self, target: Target, turn: Turn) -> frozenset[str] | None:
        agent = target.agent
        if agent is None:
            return None
        nonce = new_nonce()
        try:
            result = await self._execs.exec(
                agent.namespace,
                agent.name,
                agent.container,
                exec_argv(nonce, turn.probes),
                deadline_seconds=deadline_seconds(turn.probes),
                stdout_limit=STDOUT_LIMIT_BYTES,
            )
            stdout, stderr = result.stdout, result.stderr
        except (DeadlineError, ExecError) as error:
            # What came before it broke off is as good as ever.
            if not error.stdout:
                raise
            LOG.info("exec on %s: %s", target.node.name, error.message)
            self._shared.contact.exec_failures += 1
            self._shared.contact.exec_error = error.message
            stdout, stderr = error.stdout, error.stderr
        self._shared.contact.hear()
        await self._note_permission()
        if self._schedule.has_left(turn):
            return None
        frames = await _frames(nonce, stdout, stderr)
        if not frames.keys() - {STRAY}:
            said = (stderr or stdout).strip()[:200]
            await self._fail(turn, clean(b"the probes did not run: " + (said or b"no output")))
            return None
        return await self._read(target, turn, frames)

    async def _read(
        self, target: Target, turn: Turn, frames: Mapping[str, Frame]
    ) -> frozenset[str] | None:
        uid = turn.agent.uid
        reader = self._readers.get(uid)
        if reader is None:
            collector_id = self._shared.settings.collector_id
            reader = NodeReader(self._keeper, collector_id, self._sharing)
            self._readers[uid] = reader
        answered = await reader.read(
            target,
            turn,
            frames,
            self._shared.clock.time(),
            is_looked_at=uid in self._focus.nodes,
            log_lines=self._logs.problems_of(uid) if self._logs is not None else (),
        )
        if self._schedule.has_left(turn):
            self._readers.pop(uid, None)
            return None
        await self._shared.outbox.put(answered.report)
        if self._logs is not None:
            self._logs.note_report(answered.report)
        self._schedule.want_counts(uid, answered.counts_wanted)
        self._schedule.note_ipv6_maps(uid, answered.has_ipv6_maps)
        self._schedule.note_host_probes(uid, answered.host_probes)
        if answered.wants_dump:
            self._schedule.want_dump(uid)
        return answered.failed

    async def _fail(self, turn: Turn, reason: CleanText) -> None:
        self._shared.contact.exec_failures += 1
        self._shared.contact.exec_error = reason
        if not self._schedule.has_left(turn):
            await self._shared.outbox.put(unanswered(turn, reason))

    async def _note_denial(self, turn: Turn, error: ForbiddenError) -> None:
        """Note a refusal; where no agent may be asked, say so everywhere and try only one now.

        One pod alone may be refused too, by an admission webhook or a right that names pods.
        """
        uid, reason = turn.agent.uid, error.message
        self._denials[uid] = reason
        self._shared.contact.exec_failures += 1
        self._shared.contact.exec_error = reason
        await self._shared.outbox.put(denied(turn.agent, reason))
        self._schedule.postpone(uid, DENIED_SECONDS)
        if len(self._denials) < min(DENIALS_TO_BELIEVE, len(self._schedule)):
            return
        is_news, self._denial = self._denial is None, reason
        what = clean("exec in the agent pods")
        await self._shared.gaps.open(EXEC_GAP, what, reason, is_denied=True)
        for target in list(self._roster.targets):
            agent = target.answering
            if agent is None or agent.uid not in self._schedule:
                continue
            self._schedule.postpone(agent.uid, DENIED_SECONDS)
            if is_news and agent.uid not in self._denials:
                await self._shared.outbox.put(denied(agent, reason))

    async def _note_permission(self) -> None:
        self._denials.clear()
        if self._denial is not None:
            self._denial = None
            await self._shared.gaps.close(EXEC_GAP)
            self._schedule.resume()
            self._alarm.ring()


async def _frames(nonce: str, stdout: bytes, stderr: bytes) -> dict[str, Frame]:
    if len(stdout) <= INLINE_BYTES:
        return parse_frames(nonce, stdout, stderr)
    return await asyncio.to_thread(parse_frames, nonce, stdout, stderr)
