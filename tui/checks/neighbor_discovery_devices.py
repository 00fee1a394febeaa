"""`neighbor-discovery-devices`: devices that L2 neighbor discovery does not know of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tui.checks.check import About, Check
from tui.checks.remedies.restarting import RESTART_INTERRUPTS, restart_step
from tui.checks.view import NodeView
from tui.cilium.kernelreleases import has_feature_of
from tui.model.agent import DropRate
from tui.model.findings import (
    ConfigSetting,
    Evidence,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.host import Neighbors, NetDevice
from tui.safety import CleanText, clean

ID = "neighbor-discovery-devices"
DETECTION = "enable-runtime-device-detection"
DISCOVERY = "enable-l2-neigh-discovery"
DROP = "fib lookup failed"
"""Drop reason 169."""

_AGENTS_OWN = frozenset({"cilium_host", "cilium_net"})
"""Devices that the agent makes at its first start after a boot and keeps from then on."""
_NO_NEIGHBORS = frozenset({"wireguard", "ppp", "wwan"})
_NO_NEIGHBOR_NAMES = ("wg", "tun", "ppp", "tailscale", "cilium_")
_NEIGHBORS = "ip -d neigh show; grep . /sys/class/net/*/ifindex"
_TEST = CleanText("ip -s neigh show dev DEVICE; cilium monitor -t drop: FIB lookup failed ends")
_UPGRADE = CleanText("upgrade Cilium to 1.18 or later, which follows devices, routes and neighbors")

ABOUT = About(
    id=ID,
    title=CleanText("Neighbor discovery does not follow new devices"),
    limitation=CleanText(
        "Neighbor discovery in a multi-device environment doesn't work with runtime device"
        " detection: its target devices don't follow the device changes."
    ),
    why=CleanText(
        "Cilium forwards through a device that came after the agent started, but never resolves"
        " the other nodes' link-layer addresses there. "
        "Packets that the datapath must send on that way are dropped with `FIB lookup failed`,"
        " above all with XDP, which can't ask the kernel to resolve them."
    ),
    proof=(
        CleanText(
            "drops with the reason `FIB lookup failed` rise, and a device that came late has none"
            " of the agent's neighbors while others have"
        ),
        CleanText("the agent's list of devices against the host's, and the order they came in"),
        CleanText("`unable to determine next hop address for any neighbor discovery link`"),
    ),
    releases=CleanText(
        "1.12 to 1.15 with enable-runtime-device-detection, 1.16 and 1.17 always; fixed in 1.18.0."
        " Kernels from 5.10 on resolve neighbors by themselves, but not for XDP."
    ),
    remedy=Remedy(
        now=(CleanText("restart the agent of that node alone: it reads the devices again"),),
        lasting=(
            CleanText("name the devices in `devices`, so that none comes as a surprise"),
            _UPGRADE,
        ),
        settings=(ConfigSetting("devices", CleanText("eth0 eth1"), "devices={eth0,eth1}"),),
        needs_restart=True,
        interrupts=RESTART_INTERRUPTS,
        test=_TEST,
    ),
    references=(
        CleanText("cilium/cilium#39987"),
        CleanText("https://docs.cilium.io/en/v1.17/network/kubernetes/kubeproxy-free/#limitations"),
    ),
)


@dataclass(frozen=True)
class _Devices:
    """The agent's devices against the host's."""

    names: tuple[CleanText, ...]
    """What the agent forwards through, by its status, without devices of layer 3."""
    neighbors: Neighbors

    @cached_property
    def _by_name(self) -> dict[str, NetDevice]:
        return {str(one.name): one for one in self.neighbors.devices}

    @cached_property
    def present(self) -> tuple[NetDevice, ...]:
        """Those of the agent's devices that the host has."""
        found = (self._by_name.get(str(name)) for name in self.names)
        return tuple(one for one in found if one is not None and _has_neighbors(one))

    @property
    def resolved(self) -> int:
        """The agent's neighbors on all of them: with none at all a silent one proves nothing."""
        return sum(one.agent_neighbors for one in self.present)

    @property
    def silent(self) -> tuple[NetDevice, ...]:
        """Without a neighbor of the agent, while another device has some."""
        if not self.resolved:
            return ()
        return tuple(one for one in self.present if not one.agent_neighbors)

    @property
    def late(self) -> tuple[NetDevice, ...]:
        """Silent ones that came after the agent's first start: index above its own devices'."""
        own = [self._by_name[name].index for name in _AGENTS_OWN if name in self._by_name]
        return tuple(one for one in self.silent if own and one.index > max(own))

    @property
    def failing(self) -> tuple[NetDevice, ...]:
        """Silent ones on which the kernel itself failed to resolve somebody."""
        return tuple(one for one in self.silent if one.failed_neighbors)


def judge_node(view: NodeView) -> Iterable[Verdict]:
    """Judge whether a device came that the agent's neighbor discovery does not know of."""
    fine = _fine(view)
    if fine:
        return [view.verdict(ID, FindingSeverity.CLEAR, fine)]
    missing = tuple(_missing_gates(view))
    if missing:
        text = "whether neighbor discovery runs with runtime device detection is not known"
        return [view.verdict(ID, FindingSeverity.UNKNOWN, text, missing=missing)]
    names = tuple(name for name in _device_names(view) if not _is_layer_3(name))
    if len(names) == 1:
        text = f"the agent knows one device, {names[0]}; a second one would be the problem"
        evidence = (_status_evidence(view, names),)
        return [view.verdict(ID, FindingSeverity.LATENT, text, evidence=evidence)]
    missing = tuple(_missing_devices(view, names))
    if missing:
        text = "whether a device came after the agent started is not known"
        return [view.verdict(ID, FindingSeverity.UNKNOWN, text, missing=missing)]
    return [_judged(view, _Devices(names, view.host.neighbors or Neighbors()))]


def _fine(view: NodeView) -> str:
    """Return why nothing is wrong here, or the empty text."""
    release = view.release
    if release is not None and release.at_least(1, 18):
        return f"fixed in 1.18.0: {release} follows devices, routes and neighbors"
    if release is not None and not release.at_least(1, 12):
        return f"{release} has no runtime device detection, which came with 1.12"
    if view.flag(DISCOVERY) is False:
        return f"L2 neighbor discovery is off ({DISCOVERY}=false)"
    status = view.facts.status.value
    node_port = view.kpr.node_port if view.kpr is not None else None
    # DirectRoutingDeviceRequired in pkg/option: BPF NodePort or BPF host routing (1.12 to 1.17).
    is_legacy = status is not None and status.host_routing == "Legacy"
    if node_port is not None and not node_port.is_enabled and is_legacy:
        return "neither BPF NodePort nor BPF host routing is on: there is no neighbor discovery"
    return _undetected(view)


def _undetected(view: NodeView) -> str:
    """Return why devices are not detected at run time; from 1.16 on they always are."""
    release = view.release
    if release is None or release.at_least(1, 16):
        return ""
    if view.flag(DETECTION) is False:
        return f"runtime device detection is off ({DETECTION}=false)"
    if view.flag(DETECTION) is None and view.knows_config:
        return f"runtime device detection is off, the default of {release}"
    return ""


def _missing_gates(view: NodeView) -> Iterator[MissingEvidence]:
    release = view.release
    if release is None:
        how = view.command(f"{view.binary} version")
        yield view.missing(view.facts.version, "the agent's release", how)
    elif not release.at_least(1, 16) and not view.knows_config:
        how = view.command(f"{view.binary} config -a | grep -i DeviceDetection")
        yield view.missing(view.facts.config, f"whether {DETECTION} is true", how)


def _missing_devices(view: NodeView, names: tuple[CleanText, ...]) -> Iterator[MissingEvidence]:
    if not names:
        how = view.command(f"{view.binary} status --verbose -o json")
        yield view.missing(view.facts.status, "the agent's devices", how)
    if view.host.neighbors is None:
        reason = view.host.reasons.get("neighbors") or view.facts.host.reason
        why = f" ({reason})" if reason else ""
        what = clean(f"the host's devices and the agent's neighbors on them{why}", 400)
        yield MissingEvidence(what, view.command("ip -d neigh show"))


def _device_names(view: NodeView) -> tuple[CleanText, ...]:
    return tuple(dict.fromkeys(view.kpr.devices)) if view.kpr is not None else ()


def _is_layer_3(name: str) -> bool:
    return name.startswith(_NO_NEIGHBOR_NAMES)


def _has_neighbors(device: NetDevice) -> bool:
    return device.kind not in _NO_NEIGHBORS


def _resolves_by_itself(view: NodeView) -> bool:
    """Tell whether the datapath has the kernel resolve neighbors that nobody knows.

    At tc it can from 5.10 on (`bpf_redirect_neigh`, bpf/lib/fib.h); XDP can't.
    """
    if has_feature_of(view.kernel, 5, 10) is not True:
        return False
    node_port = view.kpr.node_port if view.kpr is not None else None
    if node_port is not None and not node_port.is_enabled:
        return True
    told = str(node_port.acceleration) if node_port is not None else ""
    setting = view.setting("bpf-lb-acceleration")
    return (told or (setting.value if setting is not None else "")).lower() == "disabled"


def _judged(view: NodeView, devices: _Devices) -> Verdict:
    drop = _rising_drop(view)
    suspects = devices.late or devices.failing
    if drop is not None and suspects:
        text = (
            f"{_named(suspects)} has none of the agent's neighbors (other devices:"
            f" {devices.resolved}), and {drop.per_second:.1f} packets/s are dropped with"
            f" `{drop.reason}`"
        )
        return _verdict(view, FindingSeverity.ACTIVE, text, devices, suspects)
    changed = _named(devices.late) or ", ".join(_gone(devices))
    if changed and _resolves_by_itself(view):
        text = (
            f"the devices changed ({changed}), but kernel {view.facts.node.kernel_release} resolves"
            " neighbors by itself where there is no XDP"
        )
        return _verdict(view, FindingSeverity.LATENT, text, devices, ())
    if devices.late:
        text = (
            f"{_named(devices.late)} came after the agent's first start and has none of its"
            f" neighbors (other devices: {devices.resolved})"
        )
        return _verdict(view, FindingSeverity.ARMED, text, devices, devices.late)
    gone = _gone(devices)
    if gone:
        text = f"{', '.join(gone)}: in the agent's list of devices, but not on the host any more"
        return _verdict(view, FindingSeverity.ARMED, text, devices, ())
    text = (
        f"{len(devices.names)} devices, none of which is known to have come after the agent"
        " started; one more would not be followed"
    )
    return _verdict(view, FindingSeverity.LATENT, text, devices, ())


def _gone(devices: _Devices) -> list[CleanText]:
    """Return devices of the agent that the host has not; none where its list may be cut short."""
    held = {one.name for one in devices.neighbors.devices}
    return [] if len(held) >= 300 else [name for name in devices.names if name not in held]


def _rising_drop(view: NodeView) -> DropRate | None:
    metrics = view.facts.metrics.value
    drops = () if metrics is None else metrics.drops
    found = (one for one in drops if one.packets > 0 and DROP in one.reason.casefold())
    return max(found, key=lambda one: one.packets, default=None)


def _named(devices: Iterable[NetDevice]) -> str:
    return ", ".join(one.name for one in devices)


def _verdict(
    view: NodeView,
    severity: FindingSeverity,
    text: str,
    devices: _Devices,
    suspects: tuple[NetDevice, ...],
) -> Verdict:
    is_harmful = severity is not FindingSeverity.LATENT
    return view.verdict(
        ID,
        severity,
        text,
        evidence=tuple(_evidence(view, devices)),
        remedy=_remedy(view, devices, suspects) if is_harmful else Remedy(),
        harm=max(1, len(suspects)) if is_harmful else 0,
    )


def _status_evidence(view: NodeView, names: tuple[CleanText, ...]) -> Evidence:
    text = f"devices of the agent: {', '.join(names)}"
    return view.evidence(view.facts.status, text, ProofKind.FEATURE, "devices")


def _evidence(view: NodeView, devices: _Devices) -> Iterator[Evidence]:
    yield _status_evidence(view, devices.names)
    for one in devices.present[:8]:
        text = (
            f"{one.name}: index {one.index}, {one.agent_neighbors} neighbors of the agent,"
            f" {one.failed_neighbors} in state FAILED"
        )
        yield view.fact(text, _NEIGHBORS, view.host.read_at.get("neighbors"))
    drop = _rising_drop(view)
    if drop is not None:
        text = f"dropped: {drop.reason}, {drop.direction}: +{drop.packets} ({drop.total} in all)"
        yield view.evidence(view.facts.metrics, text)
    logged = (one for one in view.logged("N1", "N2") if not one.is_previous)
    for _, entry in zip(range(2), logged, strict=False):
        yield view.log_evidence(entry)


def _remedy(view: NodeView, devices: _Devices, suspects: tuple[NetDevice, ...]) -> Remedy:
    step, commands = restart_step(view, "it reads the devices again")
    names = " ".join(one.name for one in devices.present) or " ".join(devices.names)
    return Remedy(
        now=(step,),
        lasting=(
            clean(f"name the devices, so that none comes as a surprise: devices={names}", 400),
            _UPGRADE,
        ),
        settings=(
            ConfigSetting("devices", clean(names, 300), f"devices={{{','.join(names.split())}}}"),
        ),
        commands=commands,
        needs_restart=True,
        interrupts=RESTART_INTERRUPTS,
        test=view.command(f"ip neigh show dev {(suspects or devices.present)[0].name}")
        if suspects or devices.present
        else _TEST,
    )


CHECK = Check(ABOUT, judge_node=judge_node)
