"""What an agent runs with: `config -a`, as JSON or as text, and its keys' many spellings.

The running configuration prints Go field names (`LBMapEntries`) that change with the release; the
ConfigMap has option names (`bpf-lb-map-max`). From 1.18 on, settings of components that moved out
of the central configuration are in neither form of it: absent is then unknown, not off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from tui.cilium.output import decode_json, describe_garbage, without_log_lines
from tui.errors import ParseError
from tui.model.agent import EffectiveConfig
from tui.safety import CleanText, clean

WHAT = "config -a"
_TEXT_LINE = re.compile(r"^([ \t]*)([\w.%/-]+)[ \t]*:(?:[ \t]+(.*))?$")
_TITLE = re.compile(r"#+ Read-(only|write) configurations #+")
_NESTED_SEPARATOR = "."
_WRITTEN_AT = "CreationTime"
"""When the agent read its options (pkg/option/config.go): no option, and another one on each node;
without it the nodes of one kind have equal configurations, which are kept once."""

SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "allow-localhost": ("AllowLocalhost",),
        "bpf-ct-global-any-max": ("CTMapEntriesGlobalAny",),
        "bpf-ct-global-tcp-max": ("CTMapEntriesGlobalTCP",),
        "bpf-lb-acceleration": ("NodePortAcceleration", "LBAcceleration"),
        "bpf-lb-algorithm": ("NodePortAlg", "LBAlgorithm"),
        "bpf-lb-dsr-dispatch": ("LoadBalancerDSRDispatch", "DSRDispatch"),
        "bpf-lb-external-clusterip": ("ExternalClusterIP",),
        "bpf-lb-map-max": ("LBMapEntries", "LBServiceMapMaxEntries"),
        "bpf-lb-mode": ("NodePortMode", "LBMode"),
        "bpf-lb-mode-annotation": ("LoadBalancerModeAnnotation",),
        "bpf-lb-sock": (
            "EnableSocketLB",
            "EnableHostReachableServices",
            "enable-host-reachable-services",
        ),
        "bpf-lb-sock-hostns-only": ("BPFSocketLBHostnsOnly",),
        "bpf-lb-sock-terminate-pod-connections": ("EnableSocketLBPodConnectionTermination",),
        "bpf-map-dynamic-size-ratio": ("BPFMapsDynamicSizeRatio",),
        "bpf-nat-global-max": ("NATMapEntriesGlobal",),
        "bpf-policy-map-max": ("PolicyMapEntries", "BpfPolicyMapMax"),
        "bpf-sock-rev-map-max": ("SockRevNatEntries", "LBSockRevNatEntries"),
        "cluster-id": ("ClusterID",),
        "cluster-name": ("ClusterName",),
        "devices": ("Devices",),
        "direct-routing-device": ("DirectRoutingDevice",),
        "enable-bpf-masquerade": ("EnableBPFMasquerade",),
        "enable-endpoint-routes": ("EnableEndpointRoutes",),
        "enable-external-ips": ("EnableExternalIPs",),
        "enable-health-check-nodeport": ("EnableHealthCheckNodePort",),
        "enable-host-legacy-routing": ("EnableHostLegacyRouting",),
        "enable-host-port": ("EnableHostPort",),
        "enable-ipsec": ("EnableIPSec", "EnableIPsec"),
        "enable-ipv4": ("EnableIPv4",),
        "enable-ipv4-masquerade": ("EnableIPv4Masquerade",),
        "enable-ipv6": ("EnableIPv6",),
        "enable-ipv6-masquerade": ("EnableIPv6Masquerade",),
        "enable-k8s-endpoint-slice": ("K8sEnableK8sEndpointSlice",),
        "enable-k8s-terminating-endpoint": ("EnableK8sTerminatingEndpoint",),
        "enable-l2-neigh-discovery": ("EnableL2NeighDiscovery",),
        "enable-local-redirect-policy": ("EnableLocalRedirectPolicy",),
        "enable-node-port": ("EnableNodePort",),
        "enable-runtime-device-detection": ("EnableRuntimeDeviceDetection",),
        "enable-sctp": ("EnableSCTP",),
        "enable-service-topology": ("EnableServiceTopology",),
        "enable-session-affinity": ("EnableSessionAffinity",),
        "enable-socket-lb-peer": ("EnableSocketLBPeer", "EnableHostServicesPeer"),
        "enable-socket-lb-tracing": ("EnableSocketLBTracing",),
        "enable-wireguard": ("EnableWireguard", "EnableWireGuard"),
        "identity-allocation-mode": ("IdentityAllocationMode",),
        "ipam": ("IPAM",),
        "k8s-service-proxy-name": ("K8sServiceProxyName",),
        "kube-proxy-replacement": ("KubeProxyReplacement",),
        "monitor-aggregation": ("MonitorAggregation",),
        "node-port-max": ("NodePortMax",),
        "node-port-min": ("NodePortMin",),
        "preallocate-bpf-maps": ("PreAllocateMaps",),
        "routing-mode": ("RoutingMode",),
        "tunnel": ("Tunnel", "TunnelProtocol", "tunnel-protocol"),
    }
)
"""Option name -> Go field names, newest spelling's rivals included (pkg/option/config.go)."""


def parse_config(stdout: bytes) -> EffectiveConfig:
    """Parse `config -a -o json`, or the `KEY : value` text of releases that ignore `-o json`.

    Nested objects become `Outer.Inner` keys; lists, numbers and nulls become their JSON text,
    lists of plain words `a,b`.

    Raises:
        ParseError: neither form came.
    """
    stdout = without_log_lines(stdout)
    if stdout.lstrip().startswith(b"{"):
        found = decode_json(stdout, dict[str, msgspec.Raw], WHAT)
        values = {key: text for name, raw in found.items() for key, text in _flat(name, raw, 0)}
    else:
        values = dict(_text_values(stdout))
    if not values:
        raise ParseError(describe_garbage(stdout, WHAT, "a configuration"))
    values.pop(_WRITTEN_AT, None)
    return EffectiveConfig(MappingProxyType(values))


def find_value(config: EffectiveConfig, option: str) -> CleanText | None:
    """Find an option's value whatever its spelling in this release, or None where it is absent."""
    for name in (option, *SPELLINGS.get(option, ())):
        if name in config.values:
            return config.values[name]
    return None


def with_mode(config: EffectiveConfig | None, mode: str) -> EffectiveConfig | None:
    """Add the status' kube-proxy replacement mode, which 1.18 and later no longer print here."""
    option = "kube-proxy-replacement"
    if config is None or not mode or find_value(config, option) is not None:
        return config
    return EffectiveConfig(MappingProxyType({**config.values, option: clean(mode)}))


def find_flag(config: EffectiveConfig, option: str) -> bool | None:
    """Find a yes-or-no option, or None where it is absent or says something else."""
    value = find_value(config, option)
    words = {"true": True, "enabled": True, "false": False, "disabled": False}
    return None if value is None else words.get(value.strip().lower())


def find_number(config: EffectiveConfig, option: str) -> int | None:
    """Find a whole number, or None where it is absent or says something else."""
    value = find_value(config, option)
    if value is None or not re.fullmatch(r"\d{1,18}", value):
        return None
    return int(value)


def _flat(name: str, raw: msgspec.Raw, depth: int) -> Iterator[tuple[str, CleanText]]:
    key = str(clean(name, 200))
    text = bytes(raw).strip()
    if text.startswith(b"{") and depth < 3:
        try:
            inner = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, RecursionError, ValueError):
            inner = {}
        if inner:
            for part, value in inner.items():
                yield from _flat(f"{key}{_NESTED_SEPARATOR}{part}", value, depth + 1)
            return
    yield key, clean(_scalar_text(text))


def _scalar_text(text: bytes) -> str:
    if text in (b"null", b"{}", b"[]"):
        return ""
    try:
        if text.startswith(b'"'):
            return msgspec.json.decode(text, type=str)
        if text.startswith(b"["):
            return ",".join(msgspec.json.decode(text, type=list[str], strict=False))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    try:
        return msgspec.json.format(text, indent=0).decode("utf-8", "replace")
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return text.decode("utf-8", "replace")


def _text_values(stdout: bytes) -> Iterator[tuple[str, CleanText]]:
    """Read the text form: `Key   : value`, with the members of a map indented behind its name.

    The second part, of options that can be changed at run time, is `options` in the JSON form.
    """
    outer: str | None = None
    is_config = False
    is_writable = False
    for line in stdout.decode("utf-8", "replace").splitlines():
        title = _TITLE.match(line)
        if title:
            is_config, outer = True, None
            is_writable = title.group(1) == "write"
            continue
        found = _TEXT_LINE.match(line.rstrip()) if is_config else None
        if found is None:
            outer = line.strip() if re.fullmatch(r"\w+\s*", line) else None
            continue
        indent, name, value = found.groups()
        parent = "options" if is_writable else outer if indent else None
        key = f"{parent}{_NESTED_SEPARATOR}{name}" if parent else name
        yield str(clean(key, 200)), clean(_text_value(value or ""))


def _text_value(value: str) -> str:
    """Bring Go's `[a b]` and `<nil>` to the JSON form's text."""
    if value in {"<nil>", "map[]"}:
        return ""
    if value.startswith("[") and value.endswith("]"):
        return ",".join(value[1:-1].split())
    return value
