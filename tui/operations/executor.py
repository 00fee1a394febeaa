"""Running one confirmed plan: the configuration first, then wave by wave, each one verified."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tui.errors import CiltopError
from tui.model.names import NodeUid
from tui.model.operations import AuditEvent, NodeState, OperationPlan, OperationState, PlannedWrite
from tui.model.snapshot import Snapshot, SourceState
from tui.operations.restarting import NodeRestart
from tui.operations.surroundings import Surroundings, surroundings_of
from tui.operations.tools import AbortedError, Tools
from tui.safety import CleanText, clean

NoteWritten = Callable[[PlannedWrite, str], None]
"""Remember for undoing that a configuration write was made: (write, the object's UID)."""


class StoppedError(CiltopError):
    """The operation goes no further, and why."""


class Executor:
    """Runs one plan to its end."""

    def __init__(self, plan: OperationPlan, tools: Tools, note_written: NoteWritten) -> None:
        self._plan = plan
        self._tools = tools
        self._note_written = note_written
        self._restarts: dict[NodeUid, NodeRestart] = {}
        self._active: frozenset[NodeUid] = frozenset()
        self._before = Surroundings()
        """How the cluster was at the start: what has got worse elsewhere stops everything."""

    async def run(self) -> tuple[OperationState, CleanText]:
        """Do everything; return how it ended, and why: that is told once it is recorded."""
        tools = self._tools
        self._before = surroundings_of(tools.look())
        revisiting = asyncio.create_task(self._revisit(), name="revisit nodes")
        try:
            await self._write_configuration()
            await self._run_waves()
        except AbortedError as error:
            ended = OperationState.ABORTED, error.message
        except CiltopError as error:
            ended = OperationState.FAILED, error.message
        else:
            is_cut = tools.controls.is_cut
            state = OperationState.ABORTED if is_cut else OperationState.DONE
            ended = state, clean("cut off" if is_cut else "done and verified")
        finally:
            revisiting.cancel()
            await asyncio.gather(revisiting, return_exceptions=True)
            tools.revisit(())
        for node in tools.book.progress.nodes:
            if node.state is NodeState.WAITING:
                await tools.book.change_node(node.node_uid, NodeState.SKIPPED, "not begun")
        return ended

    async def _write_configuration(self) -> None:
        for write in self._plan.writes:
            if write.node_uid is None:
                self._tools.controls.check()
                await self._tools.book.change(text=f"writing: {write.verb} {write.name}")
                uid = await self._tools.writer.make(write)
                self._note_written(write, uid or write.uid)

    async def _run_waves(self) -> None:
        waves = self._plan.waves
        for number, wave in enumerate(waves):
            if number:
                await self._soak(waves[number - 1])
            await self._wait_until_allowed(number)
            self._check_surroundings(wave)
            text = f"wave {number + 1} of {len(waves)}"
            await self._tools.book.change(text=text)
            await self._run_wave(wave)

    async def _run_wave(self, wave: tuple[NodeUid, ...]) -> None:
        """Restart the nodes of a wave at once; every one begun is followed to its end."""
        self._active = frozenset(wave)
        for uid in wave:
            self._restarts[uid] = NodeRestart(self._plan, uid, self._tools)
        if _share_a_service(self._tools.look(), wave):
            results = []
            for uid in wave:
                self._check_surroundings((uid,))
                results.append(await _settled(self._restarts[uid].run()))
                if results[-1] is not True:
                    break
        else:
            results = await asyncio.gather(*(_settled(self._restarts[uid].run()) for uid in wave))
        self._active = frozenset()
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if self._tools.controls.is_cut:
            raise AbortedError("cut off: what was begun is not verified")
        failed = [
            self._tools.book.node(uid).node_name
            for uid, result in zip(wave, results, strict=False)
            if result is not True
        ]
        if failed:
            raise StoppedError(self._failure(failed[0], len(failed)))

    def _failure(self, name: str, count: int) -> str:
        nodes = self._tools.book.progress.nodes
        left = sum(node.state is NodeState.WAITING for node in nodes)
        more = f" and {count - 1} more" if count > 1 else ""
        reason = next(node.text for node in nodes if node.node_name == name)
        return f"stopped at {name}{more}: {reason}; {left} nodes were not begun"

    async def _soak(self, wave: tuple[NodeUid, ...]) -> None:
        """Watch a verified wave for a while: it must stay healthy."""
        tools, seconds = self._tools, self._tools.timing.soak
        self._active = frozenset(wave)
        left, before = seconds, tools.clock.monotonic()
        while left > 0 and not tools.controls.is_aborted:
            snapshot = tools.look()
            if snapshot.health.state is not SourceState.LOST:
                await tools.book.change(text=f"soak: {left:.0f} s until the next wave")
            await tools.clock.sleep(tools.timing.poll)
            now = tools.clock.monotonic()
            if snapshot.health.state is not SourceState.LOST:
                left -= now - before
            before = now
        self._active = frozenset()
        tools.controls.check()
        for uid in wave:
            await self._check_still_well(uid)

    async def _check_still_well(self, uid: NodeUid) -> None:
        """Look at a node after the soak; one bad reading may be chance, so it gets a moment."""
        tools = self._tools
        ends_at = tools.clock.monotonic() + tools.timing.quiet
        while True:
            ill = await self._ill(uid)
            if not ill:
                return
            if tools.clock.monotonic() >= ends_at:
                break
            await tools.clock.sleep(tools.timing.poll)
        reason = f"healthy after its restart, but not after the soak: {'; '.join(ill)}"
        await self._restarts[uid].fail_later(reason)
        raise StoppedError(self._failure(tools.book.node(uid).node_name, 1))

    async def _ill(self, uid: NodeUid) -> list[str]:
        facts = self._tools.look().nodes.get(uid)
        if facts is None:
            return ["the node has left the cluster"]
        found = await self._restarts[uid].look_again(facts)
        return [str(one.mark.text) for one in found if one.mark.is_met is False]

    async def _wait_until_allowed(self, number: int) -> None:
        """Wait while paused, and while the API is lost: no node is begun blindly."""
        tools = self._tools
        is_told = False
        while True:
            tools.controls.check()
            health = tools.look().health
            if tools.controls.is_paused:
                if not is_told:
                    is_told = True
                    await tools.book.change(
                        OperationState.PAUSED, f"paused before wave {number + 1}"
                    )
                    await tools.scribe.record(AuditEvent.PAUSED, f"before wave {number + 1}")
            elif health.is_partial or health.state in (SourceState.LOST, SourceState.CONNECTING):
                what = "the other nodes" if health.is_partial else "the API"
                text = f"waiting for {what} before wave {number + 1}: {health.reason}"
                await tools.book.change(text=text)
            else:
                break
            await tools.clock.sleep(tools.timing.poll)
        if is_told:
            await tools.book.change(OperationState.RUNNING, "resumed")
            await tools.scribe.record(AuditEvent.RESUMED)

    def _check_surroundings(self, wave: tuple[NodeUid, ...]) -> None:
        worse = self._before.worse(self._tools.look(), wave)
        if worse:
            raise StoppedError(f"stopped: {worse}")

    async def _revisit(self) -> None:
        """Have the nodes in work read again and again."""
        while True:
            if self._active:
                self._tools.revisit(self._active)
            await self._tools.clock.sleep(self._tools.timing.revisit)


async def _settled(work: Awaitable[bool]) -> bool | CiltopError:
    """Return an error instead of raising it: the other nodes of the wave are followed on."""
    try:
        return await work
    except CiltopError as error:
        return error


def _share_a_service(snapshot: Snapshot, wave: tuple[NodeUid, ...]) -> bool:
    """Whether the nodes together hold all ready endpoints of a Service; pods move meanwhile."""
    names = {snapshot.nodes[uid].node.name for uid in wave if uid in snapshot.nodes}
    return len(names) > 1 and any(
        len(service.endpoint_nodes) > 1 and names.issuperset(service.endpoint_nodes)
        for service in snapshot.cluster.services.value or ()
    )
