"""`status -o json`: health, failing controllers, kube-proxy replacement and map sizes.

Fields are read, never exit codes: with `-o json` the exit code is 0 whatever is wrong. A missing
key is normal (omitempty); a missing object is unknown, not off.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from tui.cilium.mapnames import map_sizes
from tui.cilium.output import convert, decode_sections, section
from tui.cilium.proxystatus import parse_kube_proxy_replacement
from tui.cilium.releases import Release, parse_release
from tui.errors import ParseError
from tui.model.agent import AgentStatus, ComponentState, FailingController
from tui.safety import CleanText, clean

WHAT = "status"
_INT_MAX = 2**63
_Sections = Mapping[str, msgspec.Raw]


class _Component(msgspec.Struct):
    state: str | None = None
    msg: str | None = None


class _Cluster(msgspec.Struct):
    health: _Component | None = msgspec.field(name="ciliumHealth", default=None)


class _Monitor(msgspec.Struct):
    cpus: int = 0


class _Mode(msgspec.Struct):
    mode: str | None = None


class _Routing(msgspec.Struct):
    intra: str | None = msgspec.field(name="intra-host-routing-mode", default=None)
    inter: str | None = msgspec.field(name="inter-host-routing-mode", default=None)
    tunnel: str | None = msgspec.field(name="tunnel-protocol", default=None)


class _Masquerading(msgspec.Struct):
    enabled: bool = False
    mode: str | None = None
    protocols: dict[str, bool] | None = msgspec.field(name="enabledProtocols", default=None)


class _Size(msgspec.Struct):
    name: str
    size: int = 0


class _BpfMaps(msgspec.Struct):
    ratio: float | None = msgspec.field(name="dynamic-size-ratio", default=None)
    maps: list[msgspec.Raw] | None = None


class _ControllerStatus(msgspec.Struct):
    consecutive: int = msgspec.field(name="consecutive-failure-count", default=0)
    message: str | None = msgspec.field(name="last-failure-msg", default=None)
    failed_at: str | None = msgspec.field(name="last-failure-timestamp", default=None)


class _Controller(msgspec.Struct):
    name: str | None = None
    status: _ControllerStatus | None = None


def parse_status(stdout: bytes, release: Release | None = None) -> AgentStatus:
    """Parse `status -o json`.

    Map names change their meaning with 1.18: the release is read from `.cilium.msg` where the
    caller does not know it.

    Raises:
        ParseError: it is not a status.
    """
    sections = decode_sections(stdout, WHAT)
    cilium = _component(sections, "cilium")
    if cilium is None:
        raise ParseError(f"{WHAT}: the JSON has no `cilium` state: is it the status of an agent?")
    release = release or parse_release(cilium.message)
    controllers = section(sections, "controllers", list[msgspec.Raw]) or []
    bpf_maps = section(sections, "bpf-maps", _BpfMaps) or _BpfMaps()
    cluster = section(sections, "cluster", _Cluster) or _Cluster()
    sizes = [convert(raw, _Size) for raw in bpf_maps.maps or ()]
    return AgentStatus(
        cilium=cilium,
        kubernetes=_component(sections, "kubernetes"),
        kvstore=_component(sections, "kvstore"),
        failing_controllers=_failing(controllers),
        controllers_total=len(controllers),
        kube_proxy_replacement=parse_kube_proxy_replacement(sections, release),
        encryption_mode=_mode(sections, "encryption"),
        masquerading=_masquerading(sections),
        host_routing=_host_routing(sections),
        attach_mode=clean(section(sections, "attach-mode", str) or ""),
        routing=_routing(sections),
        map_sizes=map_sizes(
            ((size.name, size.size) for size in sizes if size and 0 < size.size < _INT_MAX),
            release,
        ),
        dynamic_size_ratio=bpf_maps.ratio,
        stale=tuple(map(clean, section(sections, "stale", dict[str, msgspec.Raw]) or ())),
        health=_state(cluster.health),
        has_monitor=bool(section(sections, "nodeMonitor", _Monitor)),
    )


def _component(sections: _Sections, key: str) -> ComponentState | None:
    return _state(section(sections, key, _Component))


def _state(found: _Component | None) -> ComponentState | None:
    if found is None or found.state is None:
        return None
    return ComponentState(clean(found.state), clean((found.msg or "").strip()))


def _mode(sections: _Sections, key: str) -> CleanText:
    found = section(sections, key, _Mode)
    return clean(found.mode or "") if found else CleanText("")


def _host_routing(sections: _Sections) -> CleanText:
    """Read `routing.intra-host-routing-mode` (1.16 on), else `host-routing.mode` (to 1.15)."""
    found = section(sections, "routing", _Routing)
    if found and found.intra:
        return clean(found.intra)
    return _mode(sections, "host-routing")


def _routing(sections: _Sections) -> CleanText:
    found = section(sections, "routing", _Routing)
    if found is None or not found.inter:
        return CleanText("")
    is_tunnel = found.inter.lower() == "tunnel" and found.tunnel
    return clean(f"{found.inter} {found.tunnel}" if is_tunnel else found.inter)


def _masquerading(sections: _Sections) -> CleanText:
    found = section(sections, "masquerading", _Masquerading)
    if found is None:
        return CleanText("")
    if found.enabled or any((found.protocols or {}).values()):
        return clean(found.mode or "enabled")
    return CleanText("Disabled")


def _failing(controllers: list[msgspec.Raw]) -> tuple[FailingController, ...]:
    """Keep the controllers that fail now; counts of zero are left out of the JSON."""
    failing = []
    for raw in controllers:
        controller = convert(raw, _Controller)
        status = controller.status if controller else None
        if controller is None or status is None or status.consecutive <= 0:
            continue
        failing.append(
            FailingController(
                name=clean(controller.name or "(unnamed)"),
                consecutive_failures=min(status.consecutive, _INT_MAX),
                message=clean((status.message or "").strip()),
                last_failure_at=parse_timestamp(status.failed_at or ""),
            )
        )
    return tuple(sorted(failing, key=lambda one: (-one.consecutive_failures, one.name)))


def parse_timestamp(text: str) -> float | None:
    """Parse an API timestamp; the zero time (`0001-01-01T00:00:00.000Z`) means never."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year < 1970 or moment.tzinfo is None:
        return None
    return moment.timestamp()
