"""Turn what one exec brought into a `NodeReport`, section by section.

Each section that fails costs only itself. What did not change since the last visit is not parsed
again, and between sections other tasks get their turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tui.cilium.config import parse_config
from tui.cilium.frames import Frame
from tui.cilium.metrics import MetricSample, metrics_between, parse_metrics
from tui.cilium.occupancy import Evidence
from tui.cilium.releases import Release, agent_binary, parse_release, release_of_image
from tui.cilium.status import parse_status
from tui.cilium.version import parse_version
from tui.collect.answers import (
    Memo,
    guarded,
    mishap,
    problem_of,
    read_answer,
    source_text,
)
from tui.collect.feature_reader import FeatureReader, Seen
from tui.collect.host_reader import HostReader, host_probes
from tui.collect.map_reader import MapReader
from tui.collect.pools import Sharing
from tui.collect.roster import Target
from tui.collect.service_reader import AgentView, Dumps, ServiceReader, needed_dumps
from tui.collect.visits import Turn
from tui.collect.wants import WantKeeper
from tui.model.agent import AgentMetrics, AgentStatus, AgentVersion, EffectiveConfig
from tui.model.features import Feature
from tui.model.logs import LogLine
from tui.model.maps import MapUsage
from tui.model.names import ContainerId, NodeUid
from tui.model.reading import Origin, Reading
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeReport

LONGEST_SLICE_SECONDS = 0.003
"""Then the loop's other tasks get their turn."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What an exec brought, and what it calls for next."""

    report: NodeReport
    failed: frozenset[str]
    """Probes that gave nothing usable."""
    counts_wanted: tuple[str, ...]
    has_ipv6_maps: bool
    wants_dump: bool
    host_probes: frozenset[str]
    """Those that the agent's release calls for."""


class NodeReader:
    """One node over its visits."""

    __slots__ = (
        "_boot_id",
        "_collector_id",
        "_config",
        "_container_id",
        "_features",
        "_full",
        "_host",
        "_maps",
        "_memo",
        "_release",
        "_sample",
        "_services",
        "_sharing",
        "_status",
        "_uid",
    )

    def __init__(
        self, keeper: WantKeeper, collector_id: str = "", sharing: Sharing | None = None
    ) -> None:
        self._collector_id = collector_id
        self._sharing = sharing or Sharing()
        self._memo = Memo()
        self._maps = MapReader()
        self._services = ServiceReader(keeper)
        self._features = FeatureReader(self._sharing)
        self._host = HostReader(self._sharing)
        self._uid = NodeUid("")
        self._container_id = ContainerId("")
        self._boot_id = ""
        self._release: Release | None = None
        self._status: AgentStatus | None = None
        self._config: EffectiveConfig | None = None
        self._sample: tuple[float, MetricSample] | None = None
        self._full: frozenset[str] = frozenset()

    def _prepare(self, target: Target, turn: Turn) -> None:
        """Forget what belongs to another container or another boot."""
        self._uid = turn.agent.uid
        if self._container_id != turn.agent.container_id:
            self._container_id = turn.agent.container_id
            self._status = self._config = self._sample = None
            self._features.restart()
            self._host.restart()
            image = target.agent.image if target.agent is not None else ""
            self._release = release_of_image(image)
        if self._boot_id != turn.agent.boot_id:
            self._boot_id = turn.agent.boot_id
            self._maps.reboot()
            self._services.reboot()
            self._features.reboot()
            self._host.reboot()

    async def read(
        self,
        target: Target,
        turn: Turn,
        frames: Mapping[str, Frame],
        at: float,
        *,
        is_looked_at: bool = False,
        log_lines: Sequence[LogLine] = (),
    ) -> Answered:
        """Return all that the answers say.

        Args:
            target: the node, as the API knows it.
            turn: what was asked.
            frames: the answers.
            at: when they came, in seconds since the epoch.
            is_looked_at: whether somebody looks at this node now.
            log_lines: the warnings and errors since the agent's start, which tell of features too.
        """
        self._prepare(target, turn)
        asked = frozenset(turn.probes)
        began_at = time.perf_counter()
        version = self._version(frames, at) if "version" in asked else None
        config = self._effective_config(frames, at) if "config" in asked else None
        status = self._agent_status(frames, at)
        began_at = await _breathe(began_at)
        metrics = self._metrics(frames, at)
        host = self._host.read(frames, asked, self._release, lambda probe: self._origin(probe, at))
        await _breathe(began_at)
        services, dumps = None, None
        if "services4" in asked:
            services, dumps = await self._coverage(target, frames, at)
        maps = self._usages(target, frames, at, dumps, is_looked_at)
        features = self._all_features(frames, asked, self._seen(target, log_lines), at)
        report = NodeReport(
            node_uid=turn.agent.uid,
            container_id=turn.agent.container_id,
            answered_at=at,
            version=version,
            status=status,
            metrics=metrics,
            maps=maps,
            services=services,
            features=features,
            config=config,
            host=host,
        )
        return self._answered(report, asked, frames, has_dumps=dumps is not None)

    def _answered(
        self,
        report: NodeReport,
        asked: frozenset[str],
        frames: Mapping[str, Frame],
        *,
        has_dumps: bool,
    ) -> Answered:
        """Add what the answers call for next."""
        has_filled_up = self._has_filled_up(report.maps)
        return Answered(
            report,
            failed=frozenset(name for name in asked if _has_failed(frames.get(name))),
            counts_wanted=self._maps.counts_wanted,
            has_ipv6_maps=self._maps.has_ipv6_maps,
            wants_dump=has_filled_up or (has_dumps and self._services.wants_confirmation),
            host_probes=host_probes(self._release),
        )

    def _origin(self, probe: str, at: float) -> Origin:
        binary = agent_binary(self._release) if self._release is not None else "cilium-dbg"
        source = source_text(probe, binary, self._host.root)
        return Origin(source, at, self._uid, self._container_id, self._collector_id)

    def _version(self, frames: Mapping[str, Frame], at: float) -> Reading[AgentVersion]:
        reading = read_answer(
            frames.get("version"),
            lambda frame: parse_version(frame.stdout),
            self._origin("version", at),
        )
        if reading.value is not None:
            self._release = parse_release(reading.value.release) or self._release
        return reading

    def _effective_config(self, frames: Mapping[str, Frame], at: float) -> Reading[EffectiveConfig]:
        reading = read_answer(
            frames.get("config"),
            lambda frame: parse_config(frame.stdout),
            self._origin("config", at),
        )
        if reading.value is not None:
            self._config = self._sharing.config(reading.value)
            return replace(reading, value=self._config)
        return reading

    def _agent_status(self, frames: Mapping[str, Frame], at: float) -> Reading[AgentStatus]:
        release = self._release

        def parse(stdout: bytes) -> AgentStatus:
            return self._sharing.status(parse_status(stdout, release))

        reading = read_answer(
            frames.get("status"),
            lambda frame: self._memo.parse(frame, parse, release),
            self._origin("status", at),
        )
        if reading.value is not None:
            self._status = reading.value
        return reading

    def _metrics(self, frames: Mapping[str, Frame], at: float) -> Reading[AgentMetrics]:
        def sampled(stdout: bytes) -> MetricSample:
            return self._sharing.sample(parse_metrics(stdout))

        def parse(frame: Frame) -> AgentMetrics:
            sample = self._memo.parse(frame, sampled)
            before, self._sample = self._sample, (at, sample)
            if before is None:
                return metrics_between(None, sample, None)
            return metrics_between(before[1], sample, at - before[0])

        return read_answer(frames.get("metrics"), parse, self._origin("metrics", at))

    async def _coverage(
        self, target: Target, frames: Mapping[str, Frame], at: float
    ) -> tuple[Reading[ServiceCoverage], Dumps | None]:
        origin = self._origin(needed_dumps(frames)[0], at)
        decoded = await self._services.decode(frames, origin)
        if decoded.value is None:
            return Reading(decoded.state, None, decoded.reason, origin), None
        dumps = decoded.value
        view = AgentView(target.node, self._release, self._status, self._config)
        try:
            coverage = await self._services.compare(dumps, view, origin)
        except Exception as error:  # noqa: BLE001 - a bug in the comparison costs this section
            return mishap(error, origin), dumps
        self._maps.note_held(dumps.held, dumps.backend_pins)
        if coverage.value is not None:
            self._maps.note_coverage(coverage.value, dumps.held.families)
        return coverage, dumps

    def _usages(
        self,
        target: Target,
        frames: Mapping[str, Frame],
        at: float,
        dumps: Dumps | None,
        is_looked_at: bool,
    ) -> Reading[tuple[MapUsage, ...]]:
        sample = self._sample
        evidence = Evidence(
            read_at=at,
            counts=dumps.counts if dumps is not None else {},
            metrics=sample[1] if sample is not None and sample[0] == at else None,
            status=self._status,
            release=self._release,
            kernel_release=target.node.kernel_release or self._features.kernel_release,
        )
        origin = self._origin("maps", at)

        def work() -> Reading[tuple[MapUsage, ...]]:
            return self._maps.read(
                frames, evidence, origin, memo=self._memo, is_looked_at=is_looked_at
            )

        return guarded(work, origin)

    def _has_filled_up(self, maps: Reading[tuple[MapUsage, ...]] | None) -> bool:
        """Tell whether a load-balancing map is full that was not: Services are missing now."""
        if maps is None or maps.value is None:
            return False
        before = self._full
        self._full = frozenset(
            one.name for one in maps.value if one.is_full and one.name.startswith("cilium_lb")
        )
        return not self._full <= before

    def _seen(self, target: Target, log_lines: Sequence[LogLine]) -> Seen:
        return Seen(
            target.node, self._release, self._status, self._config, self._maps.listed, log_lines
        )

    def _all_features(
        self, frames: Mapping[str, Frame], asked: frozenset[str], seen: Seen, at: float
    ) -> Reading[tuple[Feature, ...]] | None:
        origin = self._origin("kernel", at)
        if not self._features.is_due(asked, seen):
            return None
        reading = guarded(lambda: self._features.read(frames, seen, origin), origin)
        if reading.value is None:
            return reading
        return replace(reading, value=self._sharing.features(reading.value))


def _has_failed(frame: Frame | None) -> bool:
    return frame is None or bool(problem_of(frame))


async def _breathe(since: float) -> float:
    """Let other tasks run if this one has held the loop for a while."""
    now = time.perf_counter()
    if now - since < LONGEST_SLICE_SECONDS:
        return since
    await asyncio.sleep(0)
    return time.perf_counter()
