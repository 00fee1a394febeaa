"""Read what one node's kernel holds of the Services, and compare it with what is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tui.cilium.coverage import compare, confirmed
from tui.cilium.dumps import decode_dump
from tui.cilium.frames import EXIT_NO_MAP, Frame
from tui.cilium.lbmaps import HeldServices, held_services
from tui.cilium.releases import Release
from tui.collect.answers import problem_of, read_answer
from tui.collect.wants import NOT_LISTED, WantKeeper, Wants, without_settling
from tui.errors import ParseError
from tui.model.agent import AgentStatus, EffectiveConfig, KubeProxyReplacement
from tui.model.node import Node
from tui.model.reading import Origin, Reading
from tui.model.services import ServiceCoverage
from tui.safety import clean

INLINE_BYTES = 32_768
"""Larger dumps are decoded off the loop's thread: 65,536 entries take a good 100 ms."""

INLINE_FRONTENDS = 200

_NOTHING = ServiceCoverage(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class AgentView:
    """What the comparison needs to know of the node."""

    node: Node
    release: Release | None
    status: AgentStatus | None
    config: EffectiveConfig | None

    @property
    def proxy(self) -> KubeProxyReplacement | None:
        """The part of the status the comparison reads."""
        return self.status.kube_proxy_replacement if self.status is not None else None


@dataclass(frozen=True, slots=True)
class Dumps:
    """The load-balancing maps of one exec, decoded."""

    held: HeldServices
    counts: Mapping[str, int]
    """Entries by pin: the length of a dump is a count."""
    backend_pins: Mapping[str, int]
    """The backend maps that were read, with their IP version."""
    fingerprint: tuple[tuple[int, int], ...]
    """Tells whether another dump is the same."""


class ServiceReader:
    """The Services of one node over its visits.

    What the kernel held is not kept: at thousands of nodes it would be most of the memory.
    """

    __slots__ = ("_compared", "_keeper", "_raw", "wants_confirmation")

    def __init__(self, keeper: WantKeeper) -> None:
        self._keeper = keeper
        self._compared: tuple[object, ...] = ()
        self._raw: ServiceCoverage | None = None
        self.wants_confirmation = False
        """Whether faults were seen that a second dump has to confirm."""

    def reboot(self) -> None:
        """Forget what another kernel held."""
        self._raw, self._compared = None, ()

    async def decode(self, frames: Mapping[str, Frame], origin: Origin) -> Reading[Dumps]:
        """Return what the kernel holds; both the services and the backends have to be there."""
        for name in needed_dumps(frames):
            frame = frames.get(name)
            problem = problem_of(frame) if frame is not None else "no answer came"
            if frame is None or problem:
                reason = clean(f"{name}: {problem}")
                is_absent = _has_no_map(frame)
                make = Reading[Dumps].unknown if is_absent else Reading[Dumps].failed
                return make(reason, origin)
        texts = [frame for name in _DUMP_PROBES if (frame := _usable(frames.get(name)))]
        if sum(len(frame.stdout) for frame in texts) <= INLINE_BYTES:
            return read_answer(texts[0], lambda _: _decode(texts), origin)
        return await asyncio.to_thread(read_answer, texts[0], lambda _: _decode(texts), origin)

    async def compare(
        self, dumps: Dumps, view: AgentView, origin: Origin
    ) -> Reading[ServiceCoverage]:
        """Return want against have, faults of fresh changes left out."""
        wants = await self._keeper.wants()
        if wants is None:
            return self._not_comparable(origin)
        key = (dumps.fingerprint, wants.services.resource_version, view.release, view.proxy)
        compared = (*key, view.node, view.config)
        if self._raw is None or compared != self._compared:
            current = await self._compare(dumps, wants, view)
        else:
            current = self._raw
        self._compared = compared
        previous = self._raw if self._raw is not None else _NOTHING
        self._raw = current
        shown = without_settling(confirmed(previous, current), wants.settling)
        self.wants_confirmation = (
            shown.faults_total < current.faults_total and not self.wants_confirmation
        )
        return Reading.known(shown, origin)

    async def _compare(self, dumps: Dumps, wants: Wants, view: AgentView) -> ServiceCoverage:
        def work() -> ServiceCoverage:
            return compare(
                wants.services,
                dumps.held,
                view.node,
                release=view.release,
                status=view.status,
                config=view.config,
            )

        if len(wants.services.frontends) + len(dumps.held.frontends) <= INLINE_FRONTENDS:
            return work()
        return await asyncio.to_thread(work)

    def _not_comparable(self, origin: Origin) -> Reading[ServiceCoverage]:
        for reason, is_denied in self._keeper.troubles.values():
            if is_denied:
                return Reading.denied(reason, origin)
        for reason, _ in self._keeper.troubles.values():
            return Reading.failed(reason, origin)
        return Reading.unknown(NOT_LISTED, origin)


def needed_dumps(frames: Mapping[str, Frame]) -> tuple[str, str]:
    """Return the services and backends that have to be there: IPv6 alone where IPv4 is off."""
    has_none = [_has_no_map(frames.get(name)) for name in _IPV4]
    has_ipv6 = not any(_has_no_map(frames.get(name)) for name in _IPV6)
    return _IPV6 if all(has_none) and has_ipv6 and _IPV6[0] in frames else _IPV4


def _has_no_map(frame: Frame | None) -> bool:
    return frame is not None and frame.exit_code == EXIT_NO_MAP


_IPV4 = ("services4", "backends4")
_IPV6 = ("services6", "backends6")
_DUMP_PROBES = ("services4", "services6", "backends4", "backends6")


def _usable(frame: Frame | None) -> Frame | None:
    return frame if frame is not None and frame.stdout and not problem_of(frame) else None


def _decode(texts: list[Frame]) -> Dumps:
    dumps = [(frame.name, decode_dump(frame.stdout)) for frame in texts]
    services = [dump for name, dump in dumps if name.startswith("services")]
    backends = [dump for name, dump in dumps if name.startswith("backends")]
    if not services or not backends:
        raise ParseError("the services or the backends map is missing in the answer")
    return Dumps(
        held=held_services(services, backends),
        counts={dump.pin: len(dump.entries) for _, dump in dumps},
        backend_pins={dump.pin: 6 if "lb6" in dump.pin else 4 for dump in backends},
        fingerprint=tuple((len(frame.stdout), hash(frame.stdout)) for frame in texts),
    )
