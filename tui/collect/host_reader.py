"""Read what a node uses that Cilium's limitations break: each part when it was asked.

A part that was not asked keeps its last value, and so does one that fails: with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from tui.cilium.frames import Frame
from tui.cilium.hostclients import parse_clients
from tui.cilium.hostmounts import parse_mounts
from tui.cilium.neighbors import parse_neighbors
from tui.cilium.releases import Release
from tui.cilium.sockets import parse_sockets
from tui.collect.answers import guarded, read_answer
from tui.collect.pools import Sharing
from tui.collect.visits import HOST
from tui.model.host import BpfFilesystem, HostClients, HostFacts
from tui.model.names import ContainerId
from tui.model.reading import Origin, Reading
from tui.safety import CleanText

T = TypeVar("T")

NEIGHBORS = "neighbors"
MOUNTS = "mounts"
_NOT_ASKED = CleanText("not read: device changes matter to neighbor discovery in 1.12 to 1.17 only")


def host_probes(release: Release | None) -> frozenset[str]:
    """Return the host probes that this release needs.

    Before 1.12 there is no runtime device detection; from 1.18 on neighbor discovery follows the
    devices (cilium PR 39987).
    """
    needs_neighbors = (
        release is not None and release.at_least(1, 12) and not release.at_least(1, 18)
    )
    return HOST if needs_neighbors else HOST - {NEIGHBORS}


class HostReader:
    """The host facts of one node over its visits."""

    __slots__ = ("_facts", "_last", "_sharing")

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._facts = HostFacts()
        self._last: Origin | None = None

    @property
    def root(self) -> str:
        """The bpffs of the agent that runs; empty where it is not known."""
        mounts = self._facts.mounts
        return "" if mounts is None else str(mounts.root)

    def restart(self) -> None:
        """Forget the mounts of the container of before; the rest is the host's."""
        self._facts = replace(
            self._facts,
            mounts=None,
            reasons=_without(self._facts.reasons, MOUNTS),
            read_at=_without(self._facts.read_at, MOUNTS),
        )

    def reboot(self) -> None:
        """Forget clients, sockets and devices of before."""
        self._facts = HostFacts()
        self._last = None

    def read(
        self,
        frames: Mapping[str, Frame],
        asked: frozenset[str],
        release: Release | None,
        origin_of: Callable[[str], Origin],
    ) -> Reading[HostFacts] | None:
        """Return all parts as last read; None where none was asked now.

        Args:
            frames: the answers.
            asked: the probes of this visit.
            release: the agent's, which decides what is asked at all.
            origin_of: the origin of a probe's answer.
        """
        if MOUNTS in asked:
            self._note(MOUNTS, self._part(MOUNTS, frames, origin_of(MOUNTS)))
        parts = [probe for probe in ("clients", "sockets", NEIGHBORS) if probe in asked]
        if not parts:
            # What the host uses is as old as it was: its origin stays.
            is_told = MOUNTS in asked
            origin = self._last or origin_of(MOUNTS)
            return Reading.known(self._facts, origin) if is_told else None
        readings = {probe: self._part(probe, frames, origin_of(probe)) for probe in parts}
        for probe, reading in readings.items():
            self._note(probe, reading)
        if NEIGHBORS not in host_probes(release):
            self._facts = replace(
                self._facts,
                neighbors=None,
                reasons=MappingProxyType({**self._facts.reasons, NEIGHBORS: _NOT_ASKED}),
            )
        first = readings[parts[0]]
        facts = self._facts
        if facts.clients or facts.sockets or facts.neighbors or facts.mounts:
            self._last = origin_of(parts[0])
            return Reading.known(facts, self._last)
        return Reading(first.state, None, first.reason, first.origin)

    def _part(self, probe: str, frames: Mapping[str, Frame], origin: Origin) -> Reading[object]:
        parse: dict[str, Callable[[bytes], object]] = {
            "clients": lambda stdout: self._sharing.clients(parse_clients(stdout)),
            "sockets": lambda stdout: self._sharing.sockets(parse_sockets(stdout)),
            NEIGHBORS: lambda stdout: self._sharing.neighbors(parse_neighbors(stdout)),
            MOUNTS: parse_mounts,
        }
        return guarded(
            lambda: read_answer(
                frames.get(probe), lambda frame: parse[probe](frame.stdout), origin
            ),
            origin,
        )

    def _note(self, probe: str, reading: Reading[object]) -> None:
        reasons = dict(_without(self._facts.reasons, probe))
        if reading.value is None:
            reasons[probe] = reading.reason
            self._facts = replace(self._facts, reasons=MappingProxyType(reasons))
            return
        value = reading.value
        if isinstance(value, HostClients):
            value = _grown(value, self._facts.clients)
        if isinstance(value, BpfFilesystem) and reading.origin is not None:
            container = reading.origin.container_id or ContainerId("")
            value = replace(value, container_id=container)
        read_at = dict(self._facts.read_at)
        if reading.origin is not None:
            read_at[probe] = reading.origin.observed_at
        self._facts = replace(
            self._facts,
            reasons=MappingProxyType(reasons),
            read_at=MappingProxyType(read_at),
            **{probe: value},  # type: ignore[arg-type]  # parsed by the part's own parser
        )


def _without(parts: Mapping[str, T], probe: str) -> Mapping[str, T]:
    return MappingProxyType({part: value for part, value in parts.items() if part != probe})


def _grown(clients: HostClients, before: HostClients | None) -> HostClients:
    """Note how a counter grew; without growth the clients stay the object that nodes share."""
    last = None if before is None else before.fastopen_passive
    now = clients.fastopen_passive
    if last is None or now is None or now <= last:
        return clients
    return replace(clients, fastopen_growth=now - last)
