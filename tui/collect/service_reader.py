"""Read what one node's kernel holds of the Services, and compare it with what is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tui.cilium.coverage import compare, confirmed
from tui.cilium.dumps import MapDump, decode_dump
from tui.cilium.frames import EXIT_NO_MAP, Frame
from tui.cilium.lbmaps import HeldServices, held_services
from tui.cilium.releases import Release
from tui.collect.answers import problem_of, read_answer
from tui.collect.wants import NOT_LISTED, WantKeeper, Wants, without_settling
from tui.errors import ParseError
from tui.model.agent import AgentStatus, EffectiveConfig, KubeProxyReplacement
from tui.model.node import Node
from tui.model.reading import Origin, Reading, ReadingState
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


class ServiceReader:
    """The Services of one node over its visits."""

    def __init__(self, keeper: WantKeeper) -> None:
        self._keeper = keeper
        self._fingerprint: tuple[tuple[int, int], ...] = ()
        self._dumps: Dumps | None = None
        self._compared: tuple[object, ...] = ()
        self._raw: ServiceCoverage | None = None
        self.wants_confirmation = False
        """Whether faults were seen that a second dump has to confirm."""

    def reboot(self) -> None:
        """Forget what another kernel held."""
        self._raw, self._dumps, self._fingerprint, self._compared = None, None, (), ()

    async def decode(self, frames: Mapping[str, Frame], origin: Origin) -> Reading[Dumps]:
        """Return what the kernel holds; both the services and the backends have to be there."""
        for name in ("services4", "backends4"):
            frame = frames.get(name)
            problem = problem_of(frame) if frame is not None else "no answer came"
            if frame is None or problem:
                reason = clean(f"{name}: {problem}")
                is_absent = frame is not None and frame.exit_code == EXIT_NO_MAP
                make = Reading[Dumps].unknown if is_absent else Reading[Dumps].failed
                return make(reason, origin)
        texts = [frames[name] for name in _DUMP_PROBES if _is_usable(frames.get(name))]
        fingerprint = tuple((len(frame.stdout), hash(frame.stdout)) for frame in texts)
        if fingerprint == self._fingerprint and self._dumps is not None:
            return Reading.known(self._dumps, origin)
        if sum(len(frame.stdout) for frame in texts) <= INLINE_BYTES:
            reading = read_answer(texts[0], lambda _: _decode(texts), origin)
        else:
            reading = await asyncio.to_thread(
                read_answer, texts[0], lambda _: _decode(texts), origin
            )
        if reading.value is not None:
            self._fingerprint, self._dumps = fingerprint, reading.value
        return reading

    async def compare(
        self, dumps: Dumps, view: AgentView, origin: Origin
    ) -> Reading[ServiceCoverage]:
        """Return want against have, faults of fresh changes left out."""
        wants = await self._keeper.wants()
        if wants is None:
            return self._not_comparable(origin)
        key = (dumps, wants.services, view.node, view.release, view.proxy, view.config)
        if self._raw is None or not _is_same(key, self._compared):
            current = await self._compare(dumps, wants, view)
        else:
            current = self._raw
        self._compared = key
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


_DUMP_PROBES = ("services4", "services6", "backends4", "backends6")


def _is_usable(frame: Frame | None) -> bool:
    return frame is not None and bool(frame.stdout) and not problem_of(frame)


def _is_same(key: tuple[object, ...], before: tuple[object, ...]) -> bool:
    """Whether nothing changed: the large values by identity, the small ones by equality."""
    if len(before) != len(key) or key[0] is not before[0] or key[1] is not before[1]:
        return False
    return key[2:] == before[2:]


def _decode(texts: list[Frame]) -> Dumps:
    dumps = [(frame.name, decode_dump(frame.stdout)) for frame in texts]
    services = [dump for name, dump in dumps if name.startswith("services")]
    backends = [dump for name, dump in dumps if name.startswith("backends")]
    if not services or not backends:
        raise ParseError("the services or the backends map is missing in the answer")
    return Dumps(
        held=held_services(services, backends),
        counts={dump.pin: len(dump.entries) for _, dump in dumps},
        backend_pins={dump.pin: _version(dump) for dump in backends},
    )


def _version(dump: MapDump) -> int:
    return 6 if "lb6" in dump.pin else 4


def is_trustworthy(reading: Reading[Dumps]) -> bool:
    """Whether the dumps may be compared."""
    return reading.state is ReadingState.KNOWN and reading.value is not None
