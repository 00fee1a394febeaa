"""The Services of a simulated cluster, with their EndpointSlices and Endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tui.simulator.model import number_from, uuid_from
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.scenarios import ServiceLoad

SERVICE_NETWORK = "10.96"
API_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
NODE_PORT_FIRST = 30_000


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One Service to make."""

    namespace: str
    name: str
    cluster_ip: str
    ports: tuple[tuple[str, int, int, str], ...]
    """Name, port, target port and protocol."""
    endpoints: tuple[str, ...]
    type: str = "ClusterIP"
    node_port: int = 0
    ingress_ip: str = ""
    has_affinity: bool = False
    is_selected: bool = True


class ServiceFactory:
    """Makes the objects of Services; addresses of endpoints lie on the cluster's nodes."""

    def __init__(self, pod_networks: list[str], node_names: list[str], created_at: float) -> None:
        self._networks = pod_networks
        self._nodes = node_names
        self._created_at = created_at
        self._assigned: dict[str, str] = {}
        self._taken: set[str] = set()

    def endpoint(self, seed: str, number: int) -> str:
        """Return the address of one pod; no two pods share one."""
        key = f"{seed}/{number}"
        if key not in self._assigned:
            place = number_from(key)
            while (address := self._address(place)) in self._taken:
                place += 1
                if len(self._taken) > 200 * len(self._networks):
                    self._taken.clear()
            self._taken.add(address)
            self._assigned[key] = address
        return self._assigned[key]

    def _address(self, place: int) -> str:
        network = self._networks[place % len(self._networks)]
        return f"{network}{10 + place // len(self._networks) % 240}"

    def endpoints(self, seed: str, count: int) -> tuple[str, ...]:
        """Return the addresses of that many pods."""
        return tuple(self.endpoint(seed, number) for number in range(count))

    def objects(self, spec: ServiceSpec, now: float | None = None) -> list[KubeObject]:
        """Return Service, EndpointSlice and Endpoints."""
        created = timestamp(self._created_at if now is None else now)
        return [
            self._service(spec, created),
            self.slice(spec, created),
            self._endpoints(spec, created),
        ]

    def _service(self, spec: ServiceSpec, created: str) -> KubeObject:
        ports = []
        for index, (name, port, target, protocol) in enumerate(spec.ports):
            entry = {"protocol": protocol, "port": port, "targetPort": target}
            if name:
                entry = {"name": name, **entry}
            if spec.node_port:
                entry["nodePort"] = spec.node_port + index
            ports.append(entry)
        body: KubeObject = {
            "ports": ports,
            "clusterIP": spec.cluster_ip,
            "clusterIPs": [spec.cluster_ip],
            "type": spec.type,
            "sessionAffinity": "ClientIP" if spec.has_affinity else "None",
        }
        if spec.is_selected:
            body["selector"] = {"app": spec.name}
        if spec.has_affinity:
            body["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
        if spec.type != "ClusterIP":
            body["externalTrafficPolicy"] = "Cluster"
        ingress = {"ingress": [{"ip": spec.ingress_ip}]} if spec.ingress_ip else {}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self._metadata(spec, "service", created, {}),
            "spec": body,
            "status": {"loadBalancer": ingress},
        }

    def _metadata(
        self, spec: ServiceSpec, kind: str, created: str, labels: dict[str, str]
    ) -> KubeObject:
        found: KubeObject = {
            "name": spec.name,
            "namespace": spec.namespace,
            "uid": uuid_from(f"{kind}/{spec.namespace}/{spec.name}"),
            "creationTimestamp": created,
        }
        if labels:
            found["labels"] = labels
        return found

    def slice(self, spec: ServiceSpec, created: str) -> KubeObject:
        """Return the EndpointSlice."""
        labels = {
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            "kubernetes.io/service-name": spec.name,
        }
        metadata = self._metadata(spec, "slice", created, labels)
        suffix = uuid_from(f"{spec.namespace}/{spec.name}")[:5]
        metadata |= {
            "name": f"{spec.name}-{suffix}",
            "generateName": f"{spec.name}-",
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": spec.name,
                    "uid": uuid_from(f"service/{spec.namespace}/{spec.name}"),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        }
        ports = [
            {"name": name, "protocol": protocol, "port": target}
            for name, _, target, protocol in spec.ports
        ]
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": [self._slice_endpoint(spec, address) for address in spec.endpoints],
            "ports": ports,
        }

    def _slice_endpoint(self, spec: ServiceSpec, address: str) -> KubeObject:
        found: KubeObject = {
            "addresses": [address],
            "conditions": {"ready": True, "serving": True, "terminating": False},
        }
        if spec.is_selected:
            found["nodeName"] = self._node_of(address)
            found["targetRef"] = self._target(spec, address)
        return found

    def _target(self, spec: ServiceSpec, address: str) -> KubeObject:
        suffix = uuid_from(f"{spec.name}/{address}")
        return {
            "kind": "Pod",
            "namespace": spec.namespace,
            "name": f"{spec.name}-{suffix[:9]}-{suffix[-5:]}",
            "uid": suffix,
        }

    def _node_of(self, address: str) -> str:
        network = address.rpartition(".")[0] + "."
        if network in self._networks:
            return self._nodes[self._networks.index(network)]
        return self._nodes[0]

    def _endpoints(self, spec: ServiceSpec, created: str) -> KubeObject:
        addresses: list[KubeObject] = []
        for address in spec.endpoints:
            entry: KubeObject = {"ip": address}
            if spec.is_selected:
                entry |= {
                    "nodeName": self._node_of(address),
                    "targetRef": self._target(spec, address),
                }
            addresses.append(entry)
        ports = [
            {"port": target, "protocol": protocol, **({"name": name} if name else {})}
            for name, _, target, protocol in spec.ports
        ]
        subsets = [{"addresses": addresses, "ports": ports}] if addresses else []
        return {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": self._metadata(spec, "endpoints", created, {}),
            "subsets": subsets,
        }


def service_specs(
    load: ServiceLoad, factory: ServiceFactory, api_servers: tuple[str, ...]
) -> Iterator[ServiceSpec]:
    """Yield the Services of a scenario: the API's, DNS, echo, then the load."""
    api_port = (("https", 443, 6443, "TCP"),)
    yield ServiceSpec(
        "default", "kubernetes", API_ADDRESS, api_port, api_servers, is_selected=False
    )
    if load.udp:
        dns = (
            ("dns", 53, 53, "UDP"),
            ("dns-tcp", 53, 53, "TCP"),
            ("metrics", 9153, 9153, "TCP"),
        )
        pods = factory.endpoints("kube-dns", 2)
        yield ServiceSpec("kube-system", "kube-dns", DNS_ADDRESS, dns, pods)
    if load.echo_backends:
        echo = factory.endpoints("echo", load.echo_backends)
        web = (("", 80, 8080, "TCP"),)
        yield ServiceSpec("default", "echo", f"{SERVICE_NETWORK}.255.40", web, echo)
    for number in range(load.services):
        yield load_service(load, factory, number)


def load_service(load: ServiceLoad, factory: ServiceFactory, number: int) -> ServiceSpec:
    """Return the n-th Service of the load: NodePorts and load balancers come first."""
    name = f"{load.prefix}-{number}"
    address = f"{SERVICE_NETWORK}.{2 + number // 250}.{1 + number % 250}"
    is_udp = load.udp and number % max(1, load.services // load.udp) == 1
    ports: tuple[tuple[str, int, int, str], ...] = (("", 80, 8080, "TCP"),)
    if is_udp:
        ports = (("http", 80, 8080, "TCP"), ("statsd", 8125, 8125, "UDP"))
    is_node_port = number < load.node_ports
    is_balanced = load.node_ports <= number < load.node_ports + load.load_balancers
    return ServiceSpec(
        load.namespace,
        name,
        address,
        ports,
        factory.endpoints(f"{load.namespace}/{name}", load.backends),
        type="NodePort" if is_node_port else "LoadBalancer" if is_balanced else "ClusterIP",
        node_port=NODE_PORT_FIRST + 80 + 5 * number if is_node_port or is_balanced else 0,
        ingress_ip=f"172.16.{number // 250}.{1 + number % 250}" if is_balanced else "",
        has_affinity=number >= load.services - load.with_affinity,
    )
