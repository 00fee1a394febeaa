"""Read one node's kernel features and proxy flags, each source when it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tui.cilium.features import FeatureSources, features
from tui.cilium.frames import Frame
from tui.cilium.kernel import parse_cgroup, parse_headers, parse_helpers, parse_kernel
from tui.cilium.maps import KernelMap
from tui.cilium.releases import Release
from tui.collect.answers import LOG, problem_of
from tui.collect.pools import Sharing
from tui.collect.visits import BOOT, START
from tui.errors import ParseError
from tui.model.agent import AgentStatus, EffectiveConfig, KubeProxyReplacement
from tui.model.features import Feature
from tui.model.logs import LogLine
from tui.model.node import Node
from tui.model.reading import Origin, Reading

T = TypeVar("T")

_SOURCES = (START | BOOT) & {"kernel", "cgroup", "headers", "helpers"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What other sections found that features follow from too."""

    node: Node
    release: Release | None
    status: AgentStatus | None
    config: EffectiveConfig | None
    maps: Sequence[KernelMap] = ()
    log_lines: Sequence[LogLine] = ()

    @property
    def proxy(self) -> KubeProxyReplacement | None:
        """The part of the status that features follow from."""
        return self.status.kube_proxy_replacement if self.status is not None else None


class FeatureReader:
    """The features of one node over its visits."""

    __slots__ = ("_followed", "_sharing", "_sources", "_was_asked")

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._sources = FeatureSources()
        self._was_asked = False
        self._followed: tuple[object, ...] = ()

    def restart(self) -> None:
        """Forget what the container of before had attached and generated."""
        self._sources = replace(self._sources, hooks=None, headers=None)

    def reboot(self) -> None:
        """Forget what the kernel of before could do."""
        self._sources = FeatureSources()

    def is_due(self, asked: frozenset[str], seen: Seen) -> bool:
        """Tell whether anything that features follow from was read again."""
        follows = (seen.release, seen.proxy, seen.config, len(seen.log_lines), len(seen.maps))
        is_asked = bool(asked & _SOURCES)
        self._was_asked = self._was_asked or is_asked
        if not self._was_asked or (not is_asked and follows == self._followed):
            return False
        self._followed = follows
        return True

    def read(
        self, frames: Mapping[str, Frame], seen: Seen, origin: Origin
    ) -> Reading[tuple[Feature, ...]]:
        """Return all features."""
        sources = replace(
            self._sources,
            kernel=self._read(frames, "kernel", parse_kernel, self._sources.kernel),
            hooks=self._read(frames, "cgroup", parse_cgroup, self._sources.hooks),
            headers=self._read(frames, "headers", parse_headers, self._sources.headers),
            helpers=self._read(frames, "helpers", parse_helpers, self._sources.helpers),
            release=seen.release,
            node_kernel=seen.node.kernel_release,
            status=seen.status,
            config=seen.config,
            log_lines=seen.log_lines,
            maps=seen.maps,
        )
        # What other readers keep is not kept here too: their answers of long ago would stay.
        self._sources = replace(sources, status=None, config=None, log_lines=(), maps=())
        return Reading.known(features(sources), origin)

    @property
    def kernel_release(self) -> str:
        """The kernel that runs, where the probe or the Node object told."""
        found = self._sources.kernel
        return found.release if found is not None else self._sources.node_kernel

    def _read(
        self, frames: Mapping[str, Frame], probe: str, parse: Callable[[bytes], T], before: T | None
    ) -> T | None:
        """Return what the probe says now, else what it said before."""
        frame = frames.get(probe)
        if frame is None or problem_of(frame):
            return before
        try:
            return self._sharing.parse(frame, parse)
        except ParseError as error:
            LOG.info("%s: %s", probe, error.message)
            return before
