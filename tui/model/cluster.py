"""Facts that belong to the cluster and not to one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tui.model.reading import Reading
from tui.model.services import Service
from tui.model.workloads import MountFailure, UnmirroredEndpoints, Workloads
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
class SelectorTerm:
    """One `matchExpressions` entry of a label selector."""

    key: str
    operator: str
    """In, NotIn, Exists or DoesNotExist."""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CiliumNodeConfig:
    """A CiliumNodeConfig: values for the nodes that its selector matches (1.13 and later)."""

    name: CleanText
    namespace: CleanText
    uid: str = ""
    values: Mapping[str, CleanText] = field(default_factory=dict)
    """`spec.defaults`."""
    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[SelectorTerm, ...] = ()
    writes: tuple[ConfigWrite, ...] = ()
    """Newest first."""
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class DaemonSetRevision:
    """A ControllerRevision of one of the agents' DaemonSets."""

    daemonset: CleanText
    revision: int
    hash: CleanText
    """As in the pods' label `controller-revision-hash`."""
    image: CleanText = CleanText("")
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class CleaningSwitch:
    """What has an init container remove Cilium's state before the agent of a new pod starts."""

    variable: str
    """The environment variable it acts on, such as `CILIUM_BPF_STATE`."""
    container: CleanText
    config_map: CleanText = CleanText("")
    """Where its value comes from; empty where the template itself has it."""
    key: str = ""
    value: CleanText = CleanText("")
    """Without a ConfigMap."""


@dataclass(frozen=True, slots=True)
class CiliumDaemonSet:
    """One DaemonSet that runs agents."""

    name: CleanText
    namespace: CleanText
    desired: int = 0
    ready: int = 0
    image: CleanText = CleanText("")
    args: tuple[CleanText, ...] = ()
    """Command and arguments of the agent container: flags there win over the ConfigMap."""
    has_config_builder: bool = False
    """Whether an init container runs `build-config`, which merges CiliumNodeConfigs (1.13)."""
    config_builder_args: tuple[CleanText, ...] = ()
    max_unavailable: CleanText = CleanText("")
    update_strategy: CleanText = CleanText("")
    updated: int | None = None
    """Agents of the current revision (`updatedNumberScheduled`); None where no status is there."""
    is_observed: bool = True
    """Whether the controller has seen the spec as it is: observedGeneration is generation."""
    pre_stop: CleanText = CleanText("")
    """What the agent container's preStop hook runs; empty without one."""
    cleaning: tuple[CleaningSwitch, ...] | None = None
    """Of its init containers; None where they were not read."""
    labels: Mapping[str, str] = field(default_factory=dict)
    writes: tuple[ConfigWrite, ...] = ()
    """Newest first."""


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
    node_configs: Reading[tuple[CiliumNodeConfig, ...]] = Reading()
    """By name, which is the order in which later ones win; empty where the API has no such kind."""
    revisions: Reading[tuple[DaemonSetRevision, ...]] = Reading()
    workloads: Reading[Workloads] = Reading()
    """The pods and what they mount; unknown with its reason where pods can't be listed."""
    volumes_reason: CleanText = CleanText("")
    """Why PersistentVolumes or attachments are not known; empty where they are."""
    mount_failures: Reading[tuple[MountFailure, ...]] = Reading()
    unmirrored: Reading[tuple[UnmirroredEndpoints, ...]] = Reading()
    user: CleanText = CleanText("")
    labels: Mapping[str, str] = field(default_factory=dict)
