"""Facts that belong to the cluster and not to one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tui.model.reading import Reading
from tui.model.services import Service
from tui.safety import CleanText


@dataclass(frozen=True, slots=True)
class ConfigWrite:
    """Who wrote an object last, and when (managedFields)."""

    manager: CleanText
    at: float


@dataclass(frozen=True, slots=True)
class CiliumConfigMap:
    """The `cilium-config` ConfigMap: what the next agent start reads, not what runs now."""

    values: Mapping[str, CleanText]
    resource_version: str = ""
    writes: tuple[ConfigWrite, ...] = ()
    """Newest first."""


@dataclass(frozen=True, slots=True)
class CiliumDaemonSet:
    """One DaemonSet that runs agents."""

    name: CleanText
    namespace: CleanText
    desired: int = 0
    ready: int = 0
    image: CleanText = CleanText("")


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What is known of the cluster as a whole."""

    context: CleanText = CleanText("")
    """The kubeconfig context's name."""
    server: CleanText = CleanText("")
    kubernetes_version: Reading[CleanText] = Reading()
    cilium_namespace: CleanText = CleanText("")
    daemonsets: Reading[tuple[CiliumDaemonSet, ...]] = Reading()
    config_map: Reading[CiliumConfigMap] = Reading()
    services: Reading[tuple[Service, ...]] = Reading()
    user: CleanText = CleanText("")
    labels: Mapping[str, str] = field(default_factory=dict)
