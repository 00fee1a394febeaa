"""The `kube-proxy-replacement` object of the status, in the spellings of 1.11 to 1.20."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tui.cilium.output import convert, section
from tui.cilium.releases import Release
from tui.model.agent import KubeProxyReplacement, NodePort
from tui.safety import CleanText, clean

_ENABLED = {"strict": True, "partial": True, "probe": True, "true": True}
_DISABLED = {"disabled": False, "false": False}


class _Enabled(msgspec.Struct):
    enabled: bool = False


class _NodePort(msgspec.Struct):
    enabled: bool = False
    mode: str | None = None
    dsr_mode: str | None = msgspec.field(name="dsrMode", default=None)
    algorithm: str | None = None
    acceleration: str | None = None
    port_min: int | None = msgspec.field(name="portMin", default=None)
    port_max: int | None = msgspec.field(name="portMax", default=None)


class _Device(msgspec.Struct):
    name: str | None = None
    ip: list[str | None] | None = None


class _Replacement(msgspec.Struct):
    mode: str | None = None
    devices: list[str | None] | None = None
    device_list: list[msgspec.Raw] | None = msgspec.field(name="deviceList", default=None)
    direct_routing_device: str | None = msgspec.field(name="directRoutingDevice", default=None)
    features: dict[str, msgspec.Raw] | None = None


def parse_kube_proxy_replacement(
    sections: Mapping[str, msgspec.Raw], release: Release | None
) -> KubeProxyReplacement | None:
    """Read the object, or return None where there is none: unknown, not off.

    It is absent with Kubernetes disabled until 1.17; the mode alone is, where a release has no word
    for the setting.
    """
    found = section(sections, "kube-proxy-replacement", _Replacement)
    if found is None or not (found.mode or found.features):
        return None
    features = found.features or {}
    mode = (found.mode or "").strip()
    return KubeProxyReplacement(
        mode=clean(mode),
        is_enabled=(_ENABLED | _DISABLED).get(mode.lower()),
        socket_lb=_socket_lb(features),
        socket_lb_coverage=_coverage(features, release),
        socket_lb_tracing=_flag(features, "socketLBTracing"),
        devices=_devices(found),
        device_addresses=_device_addresses(found),
        direct_routing_device=clean(found.direct_routing_device or ""),
        node_port=_node_port(features),
        host_port=_flag(features, "hostPort"),
        external_ips=_flag(features, "externalIPs"),
        session_affinity=_flag(features, "sessionAffinity"),
        graceful_termination=_flag(features, "gracefulTermination"),
    )


def _flag(features: Mapping[str, msgspec.Raw], key: str) -> bool | None:
    """Read `KEY.enabled`: false is left out of an object that is there."""
    found = section(features, key, _Enabled)
    return None if found is None else found.enabled


def _socket_lb(features: Mapping[str, msgspec.Raw]) -> bool | None:
    """Read `socketLB` (1.12 on), else `hostReachableServices` (1.11, kept for a while after)."""
    found = _flag(features, "socketLB")
    return _flag(features, "hostReachableServices") if found is None else found


def _coverage(features: Mapping[str, msgspec.Raw], release: Release | None) -> CleanText:
    """Read `bpfSocketLBHostnsOnly`: from 1.14 an absent key means that all is covered.

    Older releases need not print it, and then only the configuration tells.
    """
    if not _socket_lb(features):
        return CleanText("")
    raw = features.get("bpfSocketLBHostnsOnly")
    if raw is not None and convert(raw, bool):
        return CleanText("Hostns-only")
    if raw is not None or (release is not None and release.at_least(1, 14)):
        return CleanText("Full")
    return CleanText("")


def _devices(found: _Replacement) -> tuple[CleanText, ...]:
    names = [name for name in found.devices or () if name]
    if not names:
        devices = [convert(raw, _Device) for raw in found.device_list or ()]
        names = [device.name for device in devices if device and device.name]
    # The text form of old releases puts addresses and `(Direct Routing)` behind the name.
    return tuple(clean(name.split()[0]) for name in names if name.split())


def _device_addresses(found: _Replacement) -> tuple[CleanText, ...]:
    """Collect the devices' IPs; 1.19 puts empty texts before the real ones."""
    devices = [convert(raw, _Device) for raw in found.device_list or ()]
    return tuple(clean(ip) for device in devices if device for ip in device.ip or () if ip)


def _node_port(features: Mapping[str, msgspec.Raw]) -> NodePort | None:
    found = section(features, "nodePort", _NodePort)
    if found is None:
        return None
    return NodePort(
        is_enabled=found.enabled,
        mode=clean(found.mode or ""),
        dsr_mode=clean(found.dsr_mode or ""),
        algorithm=clean(found.algorithm or ""),
        acceleration=clean(found.acceleration or ""),
        port_min=_port(found.port_min),
        port_max=_port(found.port_max),
    )


def _port(number: int | None) -> int | None:
    return number if number is not None and 0 < number < 65_536 else None
