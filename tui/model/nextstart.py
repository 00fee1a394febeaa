"""What an agent would read and run if it started now, against what it runs."""

from __future__ import annotations

from dataclasses import dataclass

from tui.safety import CleanText

_EMPTY = CleanText("")


@dataclass(frozen=True, slots=True)
class PendingKey:
    """A configuration key that would change with the next start."""

    key: str
    running: CleanText | None
    """None where the agent runs without it, or with its default."""
    next: CleanText | None
    """None where the key is gone."""
    source: CleanText = _EMPTY
    """Where the next value comes from: `ConfigMap cilium-config`, `CiliumNodeConfig NAME`, ..."""
    written_by: CleanText = _EMPTY
    written_at: float | None = None
    is_certain: bool = True
    """False where the running value could not be compared for certain."""


@dataclass(frozen=True, slots=True)
class MapFit:
    """A map whose size would change, or that would be made anew."""

    name: CleanText
    entries: int | None
    """The kernel's count now."""
    max_now: int
    max_next: int
    wanted: int | None
    """What the cluster's Services need of it."""

    @property
    def is_too_small(self) -> bool:
        """Whether what is wanted would not fit any more."""
        return self.wanted is not None and self.wanted > self.max_next


@dataclass(frozen=True, slots=True)
class StateWipe:
    """A setting that has the next pod's init container remove Cilium's state from the node."""

    key: str
    """The ConfigMap's key; the environment variable where the DaemonSet has the value."""
    source: CleanText
    """`ConfigMap cilium-config` or `DaemonSet NAME`."""
    container: CleanText
    """The init container that does it."""
    is_everything: bool = False
    """Whether endpoints, routes and devices go too, and not just maps and programs."""
    written_by: CleanText = _EMPTY
    written_at: float | None = None


@dataclass(frozen=True, slots=True)
class IgnoredSource:
    """A CiliumNodeConfig, or a key of one, that will not take effect, and why."""

    source: CleanText
    key: str
    reason: CleanText


@dataclass(frozen=True, slots=True)
class NextStart:
    """One node's next agent start."""

    pending: tuple[PendingKey, ...] = ()
    maps: tuple[MapFit, ...] = ()
    """Maps that would be recreated: empty at first, then refilled from Kubernetes."""
    blockers: tuple[CleanText, ...] = ()
    """Why the agent would not start at all."""
    wipes: tuple[StateWipe, ...] = ()
    """What removes every map before a new pod's agent starts; a restarted container keeps them."""
    image_now: CleanText = _EMPTY
    image_next: CleanText = _EMPTY
    """The DaemonSet's; both empty where they are the same."""
    ignored: tuple[IgnoredSource, ...] = ()
    unknown: tuple[CleanText, ...] = ()
    """What could not be compared, and why."""
    is_known: bool = False
    """Whether configuration and running values could be compared at all."""

    @property
    def changes_image(self) -> bool:
        """Whether another image would start."""
        return bool(self.image_next) and self.image_now != self.image_next

    @property
    def breaks(self) -> bool:
        """Whether the next start would break something."""
        return bool(self.blockers) or any(fit.is_too_small for fit in self.maps)

    @property
    def pending_count(self) -> int:
        """Keys that would change, and one for another image."""
        return len(self.pending) + self.changes_image
