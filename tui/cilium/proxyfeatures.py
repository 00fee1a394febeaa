"""Flags of the kube-proxy replacement: from the status, else from the running configuration.

The status is what the agent made of its configuration (a feature the kernel lacks is off there),
so it goes first. An object that is absent from it is unknown, not off.
"""

from __future__ import annotations

from collections.abc import Iterator

from tui.cilium.config import find_flag, find_number, find_value
from tui.cilium.featuresources import (
    FeatureRow,
    FeatureSources,
    Verdict,
    first_of,
    no,
    unknown,
    valued,
    yes,
)
from tui.model.agent import KubeProxyReplacement, NodePort
from tui.model.features import Feature, FeatureGroup, FeatureState, Proof

_GROUP = FeatureGroup.KUBE_PROXY_REPLACEMENT
_STATUS = "kube-proxy-replacement of the status"
_LB_MAP = "cilium_lb4_services_v2"


def _row(key: str, label: str, needed_by: str = "") -> FeatureRow:
    return FeatureRow(key, label, _GROUP, needed_by)


_MODE = _row("kube-proxy-replacement", "mode", "everything below")
_SOCKET_LB = _row("socket-lb", "socket-LB", "services from the host and from pods, per connection")
_COVERAGE = _row(
    "socket-lb-coverage",
    "socket-LB coverage",
    "Full: pods that send connected UDP can stay on a deleted backend; bpf-lb-sock-hostns-only"
    " keeps socket-LB to the host",
)
_TERMINATION = _row(
    "socket-termination",
    "ends sockets to deleted backends",
    "pods and host processes with long-lived connected UDP",
)
_DEVICES = _row("devices", "devices", "NodePort, LoadBalancer and external IPs from outside")
_DIRECT = _row("direct-routing-device", "direct routing device", "NodePort to other nodes")
_NODE_PORT = _row("node-port", "NodePort", "NodePort, LoadBalancer and external IPs")
_NODE_PORT_MODE = _row(
    "node-port-mode", "NodePort mode", "DSR does not go with TCP Fast Open; SNAT hides the client"
)
_RANGE = _row(
    "node-port-range",
    "NodePort range",
    "a hostPort inside the range is ignored, with a warning in the log",
)
_ENCRYPTION = _row(
    "encryption", "encryption", "kube-proxy replacement cannot be used with IPsec before 1.16"
)
_SCTP = _row("sctp", "SCTP (enable-sctp)", "Services with SCTP ports: not supported before 1.13")
_SLICES = _row(
    "endpoint-slices",
    "EndpointSlices",
    "Services without selectors need them mirrored: Kubernetes 1.19",
)
_DETECTION = _row(
    "device-detection",
    "runtime device detection",
    "neighbor discovery does not follow device changes from 1.12 to 1.17",
)
_PREALLOCATION = _row(
    "preallocation", "maps preallocated", "memory; changing it empties every map once"
)
_LB_MAP_MAX = _row("lb-map-max", "bpf-lb-map-max", "how many frontends and backends fit")


def proxy_features(sources: FeatureSources) -> Iterator[Feature]:
    """Yield the flags, in the order of the table."""
    proxy = sources.status.kube_proxy_replacement if sources.status else None
    yield _MODE.judged(_mode(sources, proxy))
    yield _SOCKET_LB.judged(_socket_lb(sources, proxy))
    coverage = _coverage(sources, proxy)
    yield _COVERAGE.judged(coverage)
    termination = _termination(sources, coverage)
    is_hurt = termination.state is FeatureState.NO and coverage.value == "Full"
    yield _TERMINATION.judged(termination, is_concern=is_hurt)
    yield _DEVICES.judged(_devices(sources, proxy))
    yield _DIRECT.judged(_direct_routing(sources, proxy))
    yield from _node_port(sources, proxy.node_port if proxy else None)
    yield from _flags(sources, proxy)
    yield from _datapath(sources, proxy)
    yield from _limits(sources, proxy)


def _option(sources: FeatureSources, option: str) -> Verdict | None:
    """Give an option's value from the running configuration, where this release prints it."""
    value = find_value(sources.config, option) if sources.config else None
    if not value:
        return None
    flag = find_flag(sources.config, option) if sources.config else None
    evidence = f"{option}: {value}"
    if flag is None:
        return valued(value, Proof.AGENT_CONFIG, evidence)
    return (yes if flag else no)(Proof.AGENT_CONFIG, evidence)


def _flag(value: bool | None, evidence: str) -> Verdict | None:
    if value is None:
        return None
    return (yes if value else no)(Proof.STATUS, evidence)


def _word(word: str, evidence: str) -> Verdict | None:
    return valued(word, Proof.STATUS, evidence) if word else None


def _missing(sources: FeatureSources) -> Verdict:
    if sources.status is None and sources.config is None:
        return unknown("not read", "status -o json, config -a")
    return unknown("not reported", "this release's status and config -a do not tell")


def _mode(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Verdict:
    status = _word(proxy.mode, f"mode in {_STATUS}") if proxy else None
    config = find_value(sources.config, "kube-proxy-replacement") if sources.config else None
    running = valued(config, Proof.AGENT_CONFIG, f"kube-proxy-replacement: {config}")
    return first_of((status, running if config else None), _missing(sources))


def _socket_lb(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Verdict:
    status = _flag(proxy.socket_lb, f"socketLB in {_STATUS}") if proxy else None
    hooks = sources.hooks
    hook: Verdict | None = None
    if hooks is not None:
        is_attached = "connect4" in hooks.programs or "connect6" in hooks.programs
        hook = (yes if is_attached else no)(Proof.HOOK, "connect hook on the root cgroup")
    return first_of((status, _option(sources, "bpf-lb-sock"), hook), _missing(sources))


def _coverage(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Verdict:
    """Tell Full from Hostns-only; the status says it from 1.14, the configuration before too."""
    if proxy is not None and proxy.socket_lb is False:
        return unknown("socket-LB is off", _STATUS)
    status = (
        _word(proxy.socket_lb_coverage, f"bpfSocketLBHostnsOnly in {_STATUS}") if proxy else None
    )
    is_hostns = find_flag(sources.config, "bpf-lb-sock-hostns-only") if sources.config else None
    config: Verdict | None = None
    if is_hostns is not None:
        word = "Hostns-only" if is_hostns else "Full"
        evidence = f"bpf-lb-sock-hostns-only: {str(is_hostns).lower()}"
        config = valued(word, Proof.AGENT_CONFIG, evidence)
    return first_of((status, config), _missing(sources))


def _termination(sources: FeatureSources, coverage: Verdict) -> Verdict:
    """Tell whether this agent ends sockets to deleted backends, and whose.

    1.15 does so for the host, 1.16 for pods too unless told otherwise; with hostns-only pods have
    none to end (domain R11).
    """
    release = sources.release
    if release is None:
        return _missing(sources)
    if not release.at_least(1, 15):
        return no(Proof.STATUS, f"Cilium {release}: came with 1.15 for the host, 1.16 for pods")
    if not release.at_least(1, 16):
        return no(
            Proof.STATUS, f"Cilium {release}: for the host only, pods came with 1.16", "host only"
        )
    if coverage.value == "Hostns-only":
        return valued("not needed", Proof.AGENT_CONFIG, coverage.evidence)
    option = _option(sources, "bpf-lb-sock-terminate-pod-connections")
    return first_of((option,), _missing(sources))


def _devices(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Verdict:
    status = _word(", ".join(proxy.devices), f"devices in {_STATUS}") if proxy else None
    return first_of((status, _option(sources, "devices")), _missing(sources))


def _direct_routing(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Verdict:
    status = (
        _word(proxy.direct_routing_device, f"directRoutingDevice in {_STATUS}") if proxy else None
    )
    return first_of((status, _option(sources, "direct-routing-device")), _missing(sources))


def _node_port(sources: FeatureSources, node_port: NodePort | None) -> Iterator[Feature]:
    where = f"features.nodePort in {_STATUS}"
    enabled = _flag(node_port.is_enabled, where) if node_port else None
    missing = _missing(sources)
    yield _NODE_PORT.judged(first_of((enabled, _option(sources, "enable-node-port")), missing))
    mode = _word(node_port.mode, where) if node_port else None
    verdict = first_of((mode, _option(sources, "bpf-lb-mode")), missing)
    fastopen = sources.kernel.sysctls.get("net/ipv4/tcp_fastopen") if sources.kernel else None
    is_server = bool(fastopen and fastopen.isdecimal() and int(fastopen[:9]) & 2)
    is_dsr = verdict.value.lower() in {"dsr", "hybrid"}
    yield _NODE_PORT_MODE.judged(verdict, is_concern=is_dsr and is_server)
    words = (
        ("node-port-algorithm", "NodePort backend selection", "algorithm", "bpf-lb-algorithm"),
        ("node-port-acceleration", "XDP acceleration", "acceleration", "bpf-lb-acceleration"),
        ("dsr-dispatch", "DSR dispatch", "dsr_mode", "bpf-lb-dsr-dispatch"),
    )
    for key, label, attribute, option in words:
        word = _word(getattr(node_port, attribute), where) if node_port else None
        yield _row(key, label).judged(first_of((word, _option(sources, option)), missing))
    yield _RANGE.judged(_range(sources, node_port))


def _range(sources: FeatureSources, node_port: NodePort | None) -> Verdict:
    if node_port is not None and node_port.port_min and node_port.port_max:
        text = f"{node_port.port_min}-{node_port.port_max}"
        return valued(text, Proof.STATUS, f"portMin, portMax in {_STATUS}")
    config = sources.config
    low = find_number(config, "node-port-min") if config else None
    high = find_number(config, "node-port-max") if config else None
    if low and high:
        return valued(f"{low}-{high}", Proof.AGENT_CONFIG, "NodePortMin, NodePortMax")
    return _missing(sources)


def _flags(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Iterator[Feature]:
    rows = (
        ("session-affinity", "session affinity", "session_affinity", "Services with ClientIP"),
        ("host-port", "hostPort", "host_port", "pods with a hostPort"),
        ("external-ips", "external IPs", "external_ips", "Services with externalIPs"),
    )
    for key, label, attribute, needed_by in rows:
        status = _flag(getattr(proxy, attribute), f"{key} in {_STATUS}") if proxy else None
        verdict = first_of((status, _option(sources, f"enable-{key}")), _missing(sources))
        yield _row(key, label, needed_by).judged(verdict)
    graceful = (
        _flag(proxy.graceful_termination, f"gracefulTermination in {_STATUS}") if proxy else None
    )
    option = _option(sources, "enable-k8s-terminating-endpoint")
    row = _row("graceful-termination", "graceful termination", "connections to ending pods")
    yield row.judged(first_of((graceful, option), _missing(sources)))
    tracing = _flag(proxy.socket_lb_tracing, f"socketLBTracing in {_STATUS}") if proxy else None
    row = _row("socket-lb-tracing", "socket-LB tracing", "cilium monitor, Hubble")
    yield row.judged(
        first_of((tracing, _option(sources, "enable-socket-lb-tracing")), _missing(sources))
    )


def _datapath(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Iterator[Feature]:
    status = sources.status
    missing = _missing(sources)
    host = _word(status.host_routing, "host routing in the status") if status else None
    yield _row("host-routing", "host routing").judged(first_of((host,), missing))
    masquerading = _word(status.masquerading, "masquerading in the status") if status else None
    needs = "with iptables, NodePort and pods can pick the same source port"
    yield _row("masquerading", "masquerading", needs).judged(first_of((masquerading,), missing))
    yield _encryption(sources, proxy)
    routing = _word(status.routing, "routing in the status") if status else None
    options = (_option(sources, "tunnel"), _option(sources, "routing-mode"))
    yield _row("routing", "routing").judged(first_of((routing, *options), missing))
    attach = _word(status.attach_mode, "attach-mode in the status") if status else None
    if attach is not None:
        yield _row("attach-mode", "attach mode").judged(attach)


def _encryption(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Feature:
    status = sources.status
    word = _word(status.encryption_mode, "encryption.mode of the status") if status else None
    verdict = first_of((word, _option(sources, "enable-ipsec")), _missing(sources))
    is_ipsec = verdict.value.lower() == "ipsec"
    is_replacing = bool(proxy and proxy.is_enabled)
    is_concern = is_ipsec and is_replacing and not sources.at_least(1, 16)
    return _ENCRYPTION.judged(verdict, is_concern=is_concern)


def _limits(sources: FeatureSources, proxy: KubeProxyReplacement | None) -> Iterator[Feature]:
    missing = _missing(sources)
    sctp = _option(sources, "enable-sctp")
    if sources.at_least(1, 13) is False:
        sctp = no(Proof.STATUS, f"Cilium {sources.release}: came with 1.13")
    yield _SCTP.judged(first_of((sctp,), missing))
    if not sources.at_least(1, 19):
        yield _SLICES.judged(first_of((_option(sources, "enable-k8s-endpoint-slice"),), missing))
    if sources.at_least(1, 12) and not sources.at_least(1, 18):
        detection = first_of((_option(sources, "enable-runtime-device-detection"),), missing)
        is_on = detection.state is FeatureState.YES
        yield _DETECTION.judged(
            detection, is_concern=is_on and bool(proxy and len(proxy.devices) > 1)
        )
    yield _LB_MAP_MAX.judged(_lb_map_max(sources))
    yield _PREALLOCATION.judged(_preallocation(sources))


def _lb_map_max(sources: FeatureSources) -> Verdict:
    """Give the size the agent runs with: config, else status, else the kernel's own map."""
    number = find_number(sources.config, "bpf-lb-map-max") if sources.config else None
    if number is not None:
        return valued(number, Proof.AGENT_CONFIG, f"bpf-lb-map-max: {number}")
    size = sources.status.map_sizes.get(_LB_MAP) if sources.status else None
    if size is not None:
        return valued(size, Proof.STATUS, "IPv4 service in bpf-maps of the status")
    kernel = next((one.max_entries for one in sources.maps if one.pin == _LB_MAP), None)
    if kernel is not None:
        return valued(kernel, Proof.PROBE, f"max_entries of {_LB_MAP}")
    return _missing(sources)


def _preallocation(sources: FeatureSources) -> Verdict:
    """Read the flag, else what the kernel's load-balancing map shows."""
    option = _option(sources, "preallocate-bpf-maps")
    one = next((each for each in sources.maps if each.pin == _LB_MAP), None)
    seen: Verdict | None = None
    if one is not None:
        word = yes if one.is_preallocated else no
        seen = word(Proof.PROBE, f"flags {one.flags} of {_LB_MAP}")
    return first_of((option, seen), _missing(sources))
