"""Convert what configures agents and rolls them out: ConfigMap, CiliumNodeConfigs, DaemonSets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tui.cilium.nextstart.cleaning import REMOVES_EVERYTHING
from tui.cluster import kinds
from tui.cluster.entity import KeyRef
from tui.cluster.objects import AGENT_CONTAINER, epoch, shared_labels
from tui.model.cluster import (
    CiliumConfigMap,
    CiliumDaemonSet,
    CiliumNodeConfig,
    CleaningSwitch,
    ConfigWrite,
    DaemonSetRevision,
    SelectorTerm,
)
from tui.safety import CleanText, clean

REVISION_HASH_LABEL = "controller-revision-hash"
CONFIG_BUILDER = "build-config"
"""The command that merges CiliumNodeConfigs before the agent starts (1.13 and later)."""
_DAEMONSET_CONTROLLER = "kube-controller-manager"
"""It writes a DaemonSet's status only; before Kubernetes 1.22 no entry says that."""


class Requirement(kinds.Entity, frozen=True):
    """One entry of a selector's `matchExpressions`."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class LabelSelector(kinds.Entity, frozen=True):
    """A label selector."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class NodeConfigSpec(kinds.Entity, frozen=True):
    """`spec` of a CiliumNodeConfig."""

    defaults: dict[str, str] | None = None
    node_selector: LabelSelector | None = None


class NodeConfigObject(kinds.KubeObject, frozen=True):
    """A CiliumNodeConfig of cilium.io/v2 or v2alpha1."""

    metadata: kinds.WrittenMeta = kinds.WrittenMeta()
    spec: NodeConfigSpec | None = None


class RevisionContent(kinds.Entity, frozen=True):
    """`data.spec` of a DaemonSet's ControllerRevision: a patch with the whole template."""

    spec: kinds.DaemonSetSpec | None = None


class ControllerRevision(kinds.KubeObject, frozen=True):
    """A ControllerRevision, as far as it belongs to a DaemonSet."""

    revision: int = 0
    data: RevisionContent | None = None

    @property
    def daemonset(self) -> str:
        """The DaemonSet that owns it, or the empty text."""
        owners = self.metadata.owner_references or ()
        return next((owner.name for owner in owners if owner.kind == "DaemonSet"), "")


def daemonset(item: kinds.DaemonSet) -> CiliumDaemonSet:
    """Return the facts of an agents' DaemonSet."""
    status = item.status or kinds.DaemonSetStatus()
    spec = item.spec or kinds.DaemonSetSpec()
    agent = _agent_container(spec)
    builder = _config_builder(spec)
    strategy = spec.update_strategy or kinds.UpdateStrategy()
    rolling = strategy.rolling_update or kinds.RollingUpdate()
    unavailable = "" if rolling.max_unavailable is None else str(rolling.max_unavailable)
    return CiliumDaemonSet(
        name=clean(item.metadata.name),
        namespace=clean(item.metadata.namespace),
        desired=status.desired_number_scheduled,
        ready=status.number_ready,
        image=clean(agent.image),
        args=_command_line(agent),
        has_config_builder=builder is not None,
        config_builder_args=() if builder is None else _command_line(builder),
        max_unavailable=clean(unavailable),
        update_strategy=clean(strategy.type or ""),
        # Both are left out of the JSON where they are 0 (k8s.io/api/apps/v1 DaemonSetStatus).
        updated=None if item.status is None else status.updated_number_scheduled,
        is_observed=item.status is None or status.observed_generation >= item.metadata.generation,
        pre_stop=_pre_stop(agent),
        cleaning=tuple(_cleaning(spec)),
        labels=shared_labels(item.metadata.labels),
        writes=config_writes(item.metadata, besides=_DAEMONSET_CONTROLLER),
    )


def revision(item: ControllerRevision) -> DaemonSetRevision:
    """Return the facts of a ControllerRevision of a DaemonSet."""
    spec = (item.data.spec if item.data is not None else None) or kinds.DaemonSetSpec()
    return DaemonSetRevision(
        daemonset=clean(item.daemonset),
        revision=item.revision,
        hash=clean((item.metadata.labels or {}).get(REVISION_HASH_LABEL, "")),
        image=clean(_agent_container(spec).image),
        created_at=epoch(item.metadata.creation_timestamp),
    )


def node_config(item: NodeConfigObject) -> CiliumNodeConfig:
    """Return the facts of a CiliumNodeConfig."""
    spec = item.spec or NodeConfigSpec()
    selector = spec.node_selector or LabelSelector()
    return CiliumNodeConfig(
        name=clean(item.metadata.name),
        namespace=clean(item.metadata.namespace),
        uid=clean(item.metadata.uid),
        values={str(clean(key)): clean(value) for key, value in (spec.defaults or {}).items()},
        match_labels=shared_labels(selector.match_labels),
        match_expressions=tuple(
            SelectorTerm(
                str(clean(term.key)),
                str(clean(term.operator)),
                tuple(str(clean(value)) for value in term.values or ()),
            )
            for term in selector.match_expressions or ()
        ),
        writes=config_writes(item.metadata),
        created_at=epoch(item.metadata.creation_timestamp),
    )


def config_map(item: kinds.ConfigMap) -> CiliumConfigMap:
    """Return the `cilium-config` ConfigMap with its writers, newest first."""
    return CiliumConfigMap(
        values={clean(key): clean(value) for key, value in (item.data or {}).items()},
        resource_version=clean(item.metadata.resource_version),
        writes=config_writes(item.metadata),
    )


def config_writes(meta: kinds.WrittenMeta, besides: str = "") -> tuple[ConfigWrite, ...]:
    """Return who wrote the object and when, newest first, without writes of its status.

    Args:
        meta: The object's metadata.
        besides: A manager that writes nothing but the status.
    """
    writes = [
        ConfigWrite(clean(entry.manager), at)
        for entry in meta.managed_fields or ()
        if entry.subresource != "status"
        and (not besides or entry.manager != besides)
        and (at := epoch(entry.time)) is not None
    ]
    return tuple(sorted(writes, key=lambda write: write.at, reverse=True))


def _agent_container(spec: kinds.DaemonSetSpec) -> kinds.TemplateContainer:
    """Return the agent's container, else the first one."""
    template = (spec.template.spec if spec.template is not None else None) or kinds.TemplateSpec()
    containers: Sequence[kinds.TemplateContainer] = template.containers or ()
    named = next((one for one in containers if one.name == AGENT_CONTAINER), None)
    return named or next(iter(containers), kinds.TemplateContainer())


def _pre_stop(container: kinds.TemplateContainer) -> CleanText:
    """Return the command of a preStop hook; a request to a port is named as such."""
    hook = container.lifecycle.pre_stop if container.lifecycle is not None else None
    if hook is None:
        return CleanText("")
    command = hook.exec.command if hook.exec is not None else None
    return clean(" ".join(command), 300) if command else CleanText("a request of the kubelet")


def _config_builder(spec: kinds.DaemonSetSpec) -> kinds.TemplateContainer | None:
    return next((one for one in _init_containers(spec) if _runs_builder(_words(one))), None)


def _init_containers(spec: kinds.DaemonSetSpec) -> Sequence[kinds.TemplateContainer]:
    template = (spec.template.spec if spec.template is not None else None) or kinds.TemplateSpec()
    return template.init_containers or ()


def _cleaning(spec: kinds.DaemonSetSpec) -> Iterator[CleaningSwitch]:
    """Yield what has init containers remove state; a value from elsewhere is not read."""
    for container in _init_containers(spec):
        for one in container.env or ():
            if one.name not in REMOVES_EVERYTHING:
                continue
            found = one.value_from.config_map_key_ref if one.value_from is not None else None
            ref = found or KeyRef()
            yield CleaningSwitch(
                one.name,
                clean(container.name),
                clean(ref.name),
                str(clean(ref.key)),
                clean(one.value or ""),
            )


def _runs_builder(words: Iterable[str]) -> bool:
    """Tell whether a command line runs it, be it a word of its own or inside a shell's text."""
    return any(CONFIG_BUILDER in word.split() for word in words)


def _words(container: kinds.TemplateContainer) -> list[str]:
    return [*(container.command or ()), *(container.args or ())]


def _command_line(container: kinds.TemplateContainer) -> tuple[CleanText, ...]:
    return tuple(clean(word) for word in _words(container))
