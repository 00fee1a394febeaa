"""Read one node's map occupancy from an exec's answers, remembering what the kernel proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tui.cilium.dumps import decode_count, decode_counts
from tui.cilium.frames import EXIT_NOT_FOUND, Frame
from tui.cilium.lbmaps import HeldServices, count_duplicates
from tui.cilium.maps import KernelMap, parse_maps
from tui.cilium.occupancy import Evidence, NodeOccupancy, occupancy, probes_to_count
from tui.collect.answers import LOG, Memo, read_answer
from tui.collect.steady_rows import SteadyRows
from tui.errors import ParseError
from tui.model.maps import MapUsage
from tui.model.reading import Origin, Reading
from tui.model.services import ServiceCoverage

COUNT_SECONDS = 1.0
LOOKED_AT_COUNT_SECONDS = 4.0
"""What counting in place may take per visit: it reads whole maps, on nodes in trouble too."""

DUMPED_PINS = frozenset(
    f"cilium_lb{family}_{name}"
    for family in "46"
    for name in ("services_v2", "backends_v2", "backends_v3")
)
"""The dump probes count these anyway."""


class MapReader:
    """The maps of one node over its visits."""

    __slots__ = (
        "_duplicates",
        "_has_listed_maps",
        "_remembered",
        "_steady",
        "_wanted",
        "counts_wanted",
        "has_ipv6_maps",
        "listed",
    )

    def __init__(self) -> None:
        self._remembered = NodeOccupancy()
        self._duplicates: dict[str, int] = {}
        self._wanted: dict[str, int] = {}
        self._has_listed_maps = False
        self.counts_wanted: tuple[str, ...] = ()
        """The counts in place that the next visit should make."""
        self.has_ipv6_maps = False
        self._steady = SteadyRows()
        self.listed: tuple[KernelMap, ...] = ()
        """The kernel's maps as last read."""

    def reboot(self) -> None:
        """Forget what another kernel proved."""
        self._remembered = NodeOccupancy()
        self._duplicates.clear()
        self._has_listed_maps = False
        self._steady = SteadyRows()

    def note_held(self, held: HeldServices, backend_pins: Mapping[str, int]) -> None:
        """Take the duplicates among the backends; with both families' dumps at hand, of each."""
        for pin, version in backend_pins.items():
            of_family = [one for one in held.backends.values() if (":" in one.ip) == (version == 6)]
            self._duplicates[pin] = count_duplicates(of_family)

    def note_coverage(self, coverage: ServiceCoverage, families: frozenset[int]) -> None:
        """Take how many entries the cluster's Services need, where one family has them all."""
        self._wanted.clear()
        if len(families) != 1:
            return
        family = min(families)
        if coverage.wanted_service_entries is not None:
            self._wanted[f"cilium_lb{family}_services_v2"] = coverage.wanted_service_entries
        for suffix in ("v2", "v3"):
            self._wanted[f"cilium_lb{family}_backends_{suffix}"] = coverage.wanted_backends

    def read(
        self,
        frames: Mapping[str, Frame],
        evidence: Evidence,
        origin: Origin,
        *,
        memo: Memo,
        is_looked_at: bool,
    ) -> Reading[tuple[MapUsage, ...]]:
        """Return the usage of every map that can fill up.

        Args:
            frames: the answers, of which the map table and the counts are read here.
            evidence: the rest of what the exec brought, with the dumps' lengths as counts.
            origin: where the map table came from.
            memo: remembers answers that did not change.
            is_looked_at: whether somebody looks at this node: dear counts are made only then.
        """
        self.counts_wanted = ()
        frame = frames.get("maps")
        listed = read_answer(frame, lambda found: memo.parse(found, parse_maps), origin)
        has_no_bpftool = frame is not None and frame.exit_code == EXIT_NOT_FOUND
        if listed.value is not None:
            self._note_maps(listed.value)
        if listed.value is None and (self._has_listed_maps or not has_no_bpftool):
            return Reading(listed.state, None, listed.reason, origin)
        counts = {**evidence.counts, **_counts(frames)}
        evidence = replace(evidence, maps=listed.value, counts=counts)
        steady = self._steady.renewed(self._remembered, evidence, is_looked_at=is_looked_at)
        if steady is not None:
            rows = tuple(map(self._completed, steady))
            self._steady.usages = rows
            return Reading.known(rows, origin)
        self._remembered, usages = occupancy(self._remembered, evidence)
        if listed.value is not None:
            self.counts_wanted = probes_to_count(
                self._remembered,
                evidence,
                budget_seconds=LOOKED_AT_COUNT_SECONDS if is_looked_at else COUNT_SECONDS,
                is_looked_at=is_looked_at,
                dumped=DUMPED_PINS,
            )
        usages = tuple(map(self._completed, usages))
        self._steady.begin(evidence, usages, is_looked_at=is_looked_at)
        return Reading.known(usages, origin)

    def _note_maps(self, maps: tuple[KernelMap, ...]) -> None:
        self._has_listed_maps = True
        self.listed = maps
        self.has_ipv6_maps = any(one.pin == "cilium_lb6_services_v2" for one in maps)

    def _completed(self, usage: MapUsage) -> MapUsage:
        duplicates = self._duplicates.get(usage.name)
        wanted = self._wanted.get(usage.name)
        if usage.duplicate_entries == duplicates and usage.wanted_entries == wanted:
            return usage
        return replace(usage, duplicate_entries=duplicates, wanted_entries=wanted)


def _counts(frames: Mapping[str, Frame]) -> dict[str, int]:
    """Return the counts in place of this exec; one that fails is missing, not zero."""
    counts: dict[str, int] = {}
    for name, frame in frames.items():
        if frame.is_truncated or not frame.stdout:
            continue
        try:
            if name.startswith("count=") and frame.exit_code == 0:
                counts[name.removeprefix("count=")] = decode_count(frame.stdout)
            elif name in ("counts", "policies"):
                counts.update(decode_counts(frame.stdout))
        except ParseError as error:
            LOG.info("%s: %s", name, error.message)
    return counts
