"""The Kubernetes objects as far as they are read, for typed decoding.

msgspec skips every other field, cheaply. Collections may be null or missing: servers write both.
"""

from __future__ import annotations

import msgspec

from tui.cluster import entity

Entity = entity.Entity


class Owner(Entity, frozen=True):
    """An owner reference."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ManagedFields(Entity, frozen=True):
    """Who wrote an object and when; the field lists themselves are not read."""

    manager: str = ""
    operation: str = ""
    time: str | None = None
    subresource: str = ""


class ObjectMeta(Entity, frozen=True):
    """Metadata of any object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    owner_references: list[Owner] | None = None


class WrittenMeta(ObjectMeta, frozen=True):
    """Metadata with its writers, for the few objects whose history matters."""

    managed_fields: list[ManagedFields] | None = None
    generation: int = 0
    annotations: dict[str, str] | None = None


class AnnotatedMeta(ObjectMeta, frozen=True):
    """Metadata with annotations: Cilium reads some of a Service's and of a Node's."""

    annotations: dict[str, str] | None = None


class KubeObject(Entity, frozen=True):
    """Base of everything that can be listed and watched."""

    metadata: ObjectMeta = ObjectMeta()


class Condition(Entity, frozen=True):
    """A condition of a node or a pod."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class NodeAddress(Entity, frozen=True):
    """One address of a node."""

    type: str = ""
    address: str = ""


class NodeSystem(Entity, frozen=True):
    """`status.nodeInfo`."""

    boot_id: str = msgspec.field(default="", name="bootID")
    kernel_version: str = ""
    os_image: str = ""
    kubelet_version: str = ""
    architecture: str = ""


class NodeSpec(Entity, frozen=True):
    """`spec` of a Node."""

    unschedulable: bool | None = None
    taints: list[dict[str, str | None]] | None = None


class NodeStatus(Entity, frozen=True):
    """`status` of a Node."""

    conditions: list[Condition] | None = None
    addresses: list[NodeAddress] | None = None
    node_info: NodeSystem | None = None


class Node(KubeObject, frozen=True):
    """A Node."""

    metadata: AnnotatedMeta = AnnotatedMeta()
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class Container(Entity, frozen=True):
    """A container as specified."""

    name: str = ""
    image: str = ""


class RunningState(Entity, frozen=True):
    """A container that runs."""

    started_at: str | None = None


class WaitingState(Entity, frozen=True):
    """A container that waits."""

    reason: str | None = None
    message: str | None = None


class TerminatedState(Entity, frozen=True):
    """A container that ended."""

    exit_code: int = 0
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str | None = msgspec.field(default=None, name="containerID")


class ContainerState(Entity, frozen=True):
    """One of running, waiting and terminated; none means waiting."""

    running: RunningState | None = None
    waiting: WaitingState | None = None
    terminated: TerminatedState | None = None


class ContainerStatus(Entity, frozen=True):
    """A container as the kubelet reports it."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    container_id: str | None = msgspec.field(default=None, name="containerID")
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodSpec(Entity, frozen=True):
    """`spec` of a Pod."""

    node_name: str | None = None
    containers: list[Container] | None = None


class PodStatus(Entity, frozen=True):
    """`status` of a Pod."""

    phase: str = ""
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(KubeObject, frozen=True):
    """A Pod."""

    spec: PodSpec | None = None
    status: PodStatus | None = None


class ServicePort(Entity, frozen=True):
    """One port of a Service."""

    name: str | None = None
    protocol: str = "TCP"
    port: int = 0
    target_port: int | str | None = None
    node_port: int | None = None


class ServiceSpec(Entity, frozen=True):
    """`spec` of a Service."""

    type: str = "ClusterIP"
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = msgspec.field(default=None, name="clusterIPs")
    external_ips: list[str] | None = msgspec.field(default=None, name="externalIPs")
    ports: list[ServicePort] | None = None
    selector: dict[str, str] | None = None
    session_affinity: str | None = None
    external_traffic_policy: str | None = None
    internal_traffic_policy: str | None = None
    health_check_node_port: int | None = None


class LoadBalancerIngress(Entity, frozen=True):
    """One address that a load balancer gave."""

    ip: str | None = None
    hostname: str | None = None


class LoadBalancerStatus(Entity, frozen=True):
    """`status.loadBalancer`."""

    ingress: list[LoadBalancerIngress] | None = None


class ServiceStatus(Entity, frozen=True):
    """`status` of a Service."""

    load_balancer: LoadBalancerStatus | None = None


class Service(KubeObject, frozen=True):
    """A Service."""

    metadata: AnnotatedMeta = AnnotatedMeta()
    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class EndpointConditions(Entity, frozen=True):
    """Conditions of one endpoint; null means "not said"."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Entity, frozen=True):
    """What an endpoint stands for."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class Endpoint(Entity, frozen=True):
    """One endpoint of a slice, v1 and v1beta1."""

    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    node_name: str | None = None
    topology: dict[str, str] | None = None
    """v1beta1; the node is its `kubernetes.io/hostname`."""

    @property
    def node(self) -> str:
        """The node's name in either version, or the empty text."""
        return self.node_name or (self.topology or {}).get("kubernetes.io/hostname", "")


class EndpointPort(Entity, frozen=True):
    """One port of a slice; null means any."""

    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class EndpointSlice(KubeObject, frozen=True):
    """An EndpointSlice of discovery.k8s.io/v1 or v1beta1."""

    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None

    @property
    def service_name(self) -> str:
        """The Service it belongs to, or the empty text."""
        return (self.metadata.labels or {}).get("kubernetes.io/service-name", "")


class EndpointAddress(Entity, frozen=True):
    """One address of Endpoints."""

    ip: str = ""
    node_name: str | None = None


class EndpointSubset(Entity, frozen=True):
    """Addresses that share ports."""

    addresses: list[EndpointAddress] | None = None
    ports: list[EndpointPort] | None = None


class Endpoints(KubeObject, frozen=True):
    """Endpoints of a Service, by the same name."""

    subsets: list[EndpointSubset] | None = None


class ConfigMap(KubeObject, frozen=True):
    """A ConfigMap with its writers."""

    metadata: WrittenMeta = WrittenMeta()
    data: dict[str, str] | None = None


class ExecAction(Entity, frozen=True):
    """A command that the kubelet runs in a container."""

    command: list[str] | None = None


class HookAction(Entity, frozen=True):
    """What a hook does; anything else than a command counts as a hook without one."""

    exec: ExecAction | None = None


class Lifecycle(Entity, frozen=True):
    """Hooks of a container."""

    pre_stop: HookAction | None = None


class TemplateContainer(Container, frozen=True):
    """A container of a template, with what it runs."""

    env: list[entity.EnvironmentVariable] | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    lifecycle: Lifecycle | None = None


class TemplateSpec(Entity, frozen=True):
    """`spec` of the pod a workload makes."""

    init_containers: list[TemplateContainer] | None = None
    containers: list[TemplateContainer] | None = None


class PodTemplate(Entity, frozen=True):
    """The pod a workload makes."""

    metadata: AnnotatedMeta = AnnotatedMeta()
    spec: TemplateSpec | None = None


class RollingUpdate(Entity, frozen=True):
    """How many pods may be away at once: a number or a percentage."""

    max_unavailable: int | str | None = None


class UpdateStrategy(Entity, frozen=True):
    """How a DaemonSet replaces its pods."""

    type: str | None = None
    rolling_update: RollingUpdate | None = None


class DaemonSetSpec(Entity, frozen=True):
    """`spec` of a DaemonSet."""

    template: PodTemplate | None = None
    update_strategy: UpdateStrategy | None = None


class DaemonSetStatus(Entity, frozen=True):
    """`status` of a DaemonSet."""

    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0
    observed_generation: int = 0


class DaemonSet(KubeObject, frozen=True):
    """A DaemonSet."""

    metadata: WrittenMeta = WrittenMeta()
    spec: DaemonSetSpec | None = None
    status: DaemonSetStatus | None = None
