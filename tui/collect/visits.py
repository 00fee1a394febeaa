"""What one node was asked, and what it still has to be asked, by the cost of the probes."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tui.cilium.probes import PROBES, CostClass, exec_argv, probe_of
from tui.cluster.exec import command_query
from tui.model.names import ContainerId, NodeUid

DUMP_SECONDS = 60.0
DUMP_SWEEPS = 2.0
"""Where sweeps are far apart, a dump comes with every second one."""

DUMP_DUTY = 20.0
"""A dump that takes long is repeated after 20 times as long, if that is more than a minute."""

RETRY_SECONDS = 2.5
MOST_RETRY_SECONDS = 600.0
"""What failed of an agent's start or a node's boot is asked again, each time after twice as long:
an agent needs up to a minute until its API answers."""

MOST_COMMAND_BYTES = 7_680
"""Of an exec's command in its URL: many proxies take a request line of 8 KiB and no more, and half
a KiB is left for the rest of it."""

NEVER = float("-inf")


def _names(cost: CostClass) -> frozenset[str]:
    return frozenset(probe.name for probe in PROBES.values() if probe.cost is cost)


CHEAP = ("status", "maps", "metrics")
"""`pins` is left out: the probe `maps` falls back to it by itself."""

DUMP = ("services4", "backends4")
DUMP_IPV6 = ("services6", "backends6")
HOST_SECONDS: Mapping[str, float] = MappingProxyType(
    {"clients": 60.0, "sockets": 300.0, "neighbors": 300.0}
)
"""How often each part of what the host uses is read; each minute of a node somebody looks at."""

HOST = frozenset(HOST_SECONDS)
START = _names(CostClass.START)
BOOT = _names(CostClass.BOOT)

_SLOW_START = START - {"version"}

FIRST = (*CHEAP, "version")
"""Asked at first contact; the rest follows once all nodes were seen."""


@dataclass(frozen=True, slots=True)
class Answering:
    """An agent that can be asked."""

    uid: NodeUid
    container_id: ContainerId
    boot_id: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One exec to make."""

    agent: Answering
    probes: tuple[str, ...]

    @property
    def is_first_reading(self) -> bool:
        """Whether it asks what is asked once: such a visit tells nothing of a sweep's pace."""
        return not BOOT.isdisjoint(self.probes) or not _SLOW_START.isdisjoint(self.probes)


class Visits:
    """The book of one node."""

    __slots__ = (
        "_boot_retry_at",
        "_boot_tries",
        "_counts",
        "_dump_seconds",
        "_host_asked_at",
        "_last_dump_at",
        "_start_retry_at",
        "_start_tries",
        "_unread_boot",
        "_unread_start",
        "_wanted_counts",
        "agent",
        "failures",
        "has_ipv6_maps",
        "host_probes",
        "is_in_flight",
        "last_started_at",
        "not_before",
        "wants_dump",
    )

    def __init__(self, agent: Answering) -> None:
        self.agent = agent
        self.last_started_at = NEVER
        self.not_before = NEVER
        self.failures = 0
        self.is_in_flight = False
        self.wants_dump = False
        self.has_ipv6_maps = False
        self.host_probes = HOST - {"neighbors"}
        """Those that the agent's release calls for."""
        self._host_asked_at: Mapping[str, float] = _NEVER_ASKED
        self._last_dump_at = NEVER
        self._dump_seconds = 0.0
        self._counts: frozenset[str] = frozenset()
        self._wanted_counts: tuple[str, ...] = ()
        self._unread_start = START
        self._unread_boot = BOOT
        self._start_tries = 0
        self._boot_tries = 0
        self._start_retry_at = NEVER
        self._boot_retry_at = NEVER

    def renew(self, agent: Answering) -> None:
        """Note another container, or another boot: what they can tell is unread again."""
        self.failures = 0
        self.not_before = NEVER
        self.wants_dump = True
        self._unread_start, self._start_tries, self._start_retry_at = START, 0, NEVER
        if agent.boot_id != self.agent.boot_id:
            self._unread_boot, self._boot_tries, self._boot_retry_at = BOOT, 0, NEVER
            self._host_asked_at = _NEVER_ASKED
        self.agent = agent

    def request_count(self, map_name: str) -> bool:
        """Have one map counted at the next visit; False where this is no map's name."""
        probe = f"count={map_name}"
        if probe_of(probe) is None:
            return False
        self._counts |= {probe}
        return True

    def want_counts(self, probes: tuple[str, ...]) -> None:
        """Have these counts made at the next visit, whenever that is: nothing cheaper tells."""
        self._wanted_counts = probes

    def due_probes(
        self, now: float, sweep_interval_seconds: float, *, is_looked_at: bool = False
    ) -> tuple[str, ...]:
        """Return all that is due, for one exec; what does not fit comes with the next one."""
        if self.last_started_at == NEVER:
            return self._with_counts(FIRST)
        due: tuple[str, ...] = CHEAP
        if now >= self._start_retry_at:
            due = _with(due, tuple(sorted(self._unread_start)))
        if self.wants_dump or now >= self._dump_due_at(sweep_interval_seconds):
            due = _with(due, (*DUMP, *DUMP_IPV6) if self.has_ipv6_maps else DUMP)
        if now >= self._boot_retry_at:
            due = _with(due, tuple(sorted(self._unread_boot)))
        due = self._with_counts(due)
        for probe in self._due_host_probes(now, sweep_interval_seconds, is_looked_at):
            due = _with(due, (probe,))
        return due

    def _due_host_probes(
        self, now: float, sweep_interval_seconds: float, is_looked_at: bool
    ) -> tuple[str, ...]:
        """Return those whose time has come, the one that waited longest first."""
        least = DUMP_SWEEPS * sweep_interval_seconds
        if sweep_interval_seconds <= DUMP_SECONDS / DUMP_SWEEPS:
            least = 0.0
        asked = self._host_asked_at
        due = [
            probe
            for probe, seconds in HOST_SECONDS.items()
            if probe in self.host_probes
            and now >= asked[probe] + max(least, DUMP_SECONDS if is_looked_at else seconds)
        ]
        return tuple(sorted(due, key=lambda probe: asked[probe]))

    def _with_counts(self, due: tuple[str, ...]) -> tuple[str, ...]:
        wanted = tuple(sorted(self._counts.union(self._wanted_counts)))
        together = _with(due, wanted)
        if together is not due:
            self._wanted_counts = ()
        return together

    def _dump_due_at(self, sweep_interval_seconds: float) -> float:
        longest = max(DUMP_SECONDS, DUMP_DUTY * self._dump_seconds)
        if sweep_interval_seconds > DUMP_SECONDS / DUMP_SWEEPS:
            longest = max(longest, DUMP_SWEEPS * sweep_interval_seconds)
        return self._last_dump_at + longest

    def begin(self, probes: tuple[str, ...], now: float) -> None:
        """Note that an exec is under way; its own answer may ask for another dump."""
        self.last_started_at = now
        self.is_in_flight = True
        if frozenset(DUMP).issubset(probes):
            self.wants_dump = False

    def note_failure(self, turn: Turn) -> None:
        """Note an exec that brought nothing."""
        self.failures += 1
        if frozenset(DUMP).issubset(turn.probes):
            self.wants_dump = True

    def note_answer(self, turn: Turn, now: float, seconds: float, failed: Collection[str]) -> None:
        """Note which probes were answered."""
        self.is_in_flight = False
        self.failures = 0
        self.not_before = NEVER
        asked = frozenset(turn.probes)
        self._counts -= asked
        if asked.issuperset(DUMP):
            self._last_dump_at = now
            self._dump_seconds = seconds
        if turn.agent.boot_id == self.agent.boot_id and not asked.isdisjoint(HOST):
            self._host_asked_at = MappingProxyType(
                {**self._host_asked_at, **dict.fromkeys(asked & HOST, now)}
            )
        if turn.agent != self.agent:
            return
        answered = asked.difference(failed)
        if asked >= self._unread_start:
            self._start_retry_at = now + _retry_seconds(self._start_tries)
            self._start_tries += 1
        if asked >= self._unread_boot:
            self._boot_retry_at = now + _retry_seconds(self._boot_tries)
            self._boot_tries += 1
        self._unread_start -= answered
        self._unread_boot -= answered

    @property
    def is_unread(self) -> bool:
        """Whether something of the first reading is still to come, a second look included."""
        return self.is_in_flight or self.wants_dump or self.owes_follow_up

    @property
    def owes_follow_up(self) -> bool:
        """Whether the first contact left something for a second visit."""
        return (
            self._last_dump_at == NEVER
            or (self._start_tries == 0 and bool(self._unread_start))
            or (self._boot_tries == 0 and bool(self._unread_boot))
            or bool(self._counts)
        )

    @property
    def owes_host_parts(self) -> bool:
        """Whether something of what the host uses was never asked: it comes with later sweeps."""
        return any(self._host_asked_at[probe] == NEVER for probe in self.host_probes)


def _with(due: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return all of them, or what was due before where the command would become too long."""
    if not more:
        return due
    together = (*due, *more)
    return together if _command_bytes(together) <= MOST_COMMAND_BYTES else due


@functools.lru_cache(maxsize=1024)
def _command_bytes(probes: tuple[str, ...]) -> int:
    return len(command_query(exec_argv(_ANY_NONCE, probes)))


_ANY_NONCE = "0" * 24
_NEVER_ASKED = MappingProxyType(dict.fromkeys(HOST_SECONDS, NEVER))


def _retry_seconds(tries: int) -> float:
    return min(MOST_RETRY_SECONDS, RETRY_SECONDS * 2.0 ** min(tries, 16))
