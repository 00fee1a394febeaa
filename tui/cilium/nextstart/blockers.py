"""Why an agent would not start at all: what its release refuses, by the source of each release."""

from __future__ import annotations

from collections.abc import Iterator

from tui.cilium.kernelreleases import has_feature_of, parse_kernel_release
from tui.cilium.nextstart.images import Images
from tui.cilium.nextstart.layers import Planned
from tui.cilium.nextstart.sizes import (
    LB_ALL,
    NAT_DEFAULT,
    SIZE_OPTIONS,
    TABLE_MAX,
    TABLE_MIN,
    Sizing,
    whole_number,
)
from tui.cilium.releases import Release
from tui.model.cluster import ClusterFacts
from tui.model.node import Node
from tui.safety import CleanText, clean

_TABLE_LIMITS = {
    "bpf-ct-global-tcp-max": (TABLE_MIN, TABLE_MAX),
    "bpf-ct-global-any-max": (TABLE_MIN, TABLE_MAX),
    "bpf-nat-global-max": (TABLE_MIN, TABLE_MAX),
    "bpf-sock-rev-map-max": (TABLE_MIN, TABLE_MAX),
    "bpf-fragments-map-max": (1 << 8, 1 << 16),
    "bpf-auth-map-max": (1 << 8, TABLE_MAX),
}
_ON = ("strict", "true")


class _Asked:
    """What the next start would read, asked by option."""

    def __init__(self, planned: Planned, release: Release | None) -> None:
        self.planned = planned
        self.release = release

    def text(self, option: str) -> str:
        return (self.planned.value(option) or "").strip().lower()

    def is_on(self, option: str) -> bool:
        return self.text(option) in ("true", "enabled")

    def at_least(self, major: int, minor: int) -> bool | None:
        return None if self.release is None else self.release.at_least(major, minor)

    def where(self, option: str) -> str:
        layer = self.planned.winner.get(option)
        return f"{option}={self.planned.value(option)}" + (f" ({layer.source})" if layer else "")


def blockers(
    planned: Planned, sizing: Sizing, images: Images, node: Node, cluster: ClusterFacts
) -> Iterator[CleanText]:
    """Yield a sentence for each reason why the agent would end at its start.

    Nothing is concluded from what the release of the next image leaves open, and nothing on values
    that a command line which was not read may override.
    """
    asked = _Asked(planned, images.next_release)
    yield from _release_against(node, cluster, images)
    if not planned.knows_arguments:
        return
    for reason in (
        *_replacement_mode(asked),
        *_ipsec(asked),
        *_masquerading(asked),
        *_dispatch(asked),
        *_sizes(asked),
        *_nat(asked, sizing),
        *_port_range(asked),
    ):
        yield clean(reason, 400)


def _replacement_mode(asked: _Asked) -> Iterator[str]:
    """Judge `kube-proxy-replacement`: legal words per release are in domain knowledge of 1.11-1.19.

    strict, partial and disabled until 1.15; probe until 1.12; true and false from 1.14.
    """
    mode = asked.text("kube-proxy-replacement")
    if not mode or asked.release is None:
        return
    release = asked.release
    legal = {"true", "false"} if release.at_least(1, 14) else set()
    if not release.at_least(1, 16):
        legal |= {"strict", "partial", "disabled"}
    if not release.at_least(1, 13):
        legal |= {"probe"}
    if release.at_least(1, 19):
        legal |= {"1", "0", "t", "f"}  # a boolean flag: strconv.ParseBool
    if mode not in legal:
        words = ", ".join(sorted(word for word in legal if len(word) > 1))
        yield (
            f"{asked.where('kube-proxy-replacement')}: {release} refuses this value"
            f" (it takes {words})"
        )


def _ipsec(asked: _Asked) -> Iterator[str]:
    if not asked.is_on("enable-ipsec"):
        return
    if asked.is_on("enable-host-firewall"):
        yield (
            f"{asked.where('enable-ipsec')} with {asked.where('enable-host-firewall')}: the agent"
            " ends with `IPSec cannot be used with the host firewall`"
        )
    if asked.at_least(1, 16) is not False:
        return
    mode = asked.text("kube-proxy-replacement")
    # `disabled` switches NodePort off before this is looked at.
    is_node_port = mode in ("partial", "false", "") and asked.is_on("enable-node-port")
    if mode in _ON or is_node_port:
        what = "kube-proxy-replacement" if mode in _ON else "enable-node-port"
        yield (
            f"{asked.where('enable-ipsec')} with {asked.where(what)}: {asked.release} ends with"
            " `IPSec cannot be used with BPF NodePort` (allowed from 1.16)"
        )


def _masquerading(asked: _Asked) -> Iterator[str]:
    """Masquerading in BPF needs BPF NodePort: an error of daemon/cmd/daemon.go of 1.15 to 1.17.

    Older agents fall back to iptables; from 1.18 on the check is gone.
    """
    if not asked.is_on("enable-bpf-masquerade") or asked.text("kube-proxy-replacement") in _ON:
        return
    if asked.at_least(1, 15) is not True or asked.at_least(1, 18) is not False:
        return
    if asked.is_on("enable-node-port") or asked.is_on("enable-envoy-config"):
        return
    families = [
        asked.text(f"enable-ipv{family}-masquerade") != "false"
        and asked.text(f"enable-ipv{family}") != "false"
        for family in (4, 6)
    ]
    if any(families):
        yield (
            f"{asked.where('enable-bpf-masquerade')} without kube-proxy-replacement:"
            f" {asked.release} ends with `BPF masquerade requires NodePort`"
        )


def _dispatch(asked: _Asked) -> Iterator[str]:
    """DSR needs native routing, or Geneve dispatch (1.14); 1.11 only warned and fell back."""
    mode = asked.text("bpf-lb-mode") or asked.text("node-port-mode")
    if mode not in ("dsr", "hybrid") or asked.at_least(1, 12) is not True:
        return
    if asked.text("kube-proxy-replacement") not in _ON:
        return
    routing, tunnel = asked.text("routing-mode"), asked.text("tunnel")
    is_tunnel = routing == "tunnel" if asked.at_least(1, 14) else tunnel in ("vxlan", "geneve")
    if is_tunnel and asked.text("bpf-lb-dsr-dispatch") != "geneve":
        yield (
            f"{asked.where('bpf-lb-mode')} with tunneling: the agent ends with `Node Port"
            f' "{mode}" mode cannot be used with ... tunneling`'
        )


def _sizes(asked: _Asked) -> Iterator[str]:
    for option in sorted(SIZE_OPTIONS & asked.planned.winner.keys()):
        text = asked.planned.value(option) or ""
        number = whole_number(text)
        if "$(" in text:
            continue
        if number is None:
            yield f"{asked.where(option)}: not a whole number"
        elif option in _TABLE_LIMITS:
            low, high = _TABLE_LIMITS[option]
            if not low <= number <= high and not _is_automatic(option, number):
                yield f"{asked.where(option)}: outside its limits {low} to {high}"
        elif option == LB_ALL and number <= 0:
            yield f"{asked.where(option)}: must be greater than 0"
        elif option.startswith("bpf-lb-") and number < 0:
            yield f"{asked.where(option)}: must not be negative"


def _is_automatic(option: str, number: int) -> bool:
    """The default of reverse_sk's size is 0 from 1.19 on: sized by the node's memory."""
    return option == "bpf-sock-rev-map-max" and number == 0


def _nat(asked: _Asked, sizing: Sizing) -> Iterator[str]:
    """M12: NAT may be as large as both conntrack maps; the default is capped instead."""
    nat, tracked = sizing.number("bpf-nat-global-max"), sizing.conntrack_entries
    if nat is None or nat == NAT_DEFAULT or tracked is None or nat <= tracked:
        return
    yield (
        f"{asked.where('bpf-nat-global-max')}: the agent ends with `specified NAT tables size {nat}"
        f" must not exceed maximum CT table size {tracked}`"
    )


def _port_range(asked: _Asked) -> Iterator[str]:
    text = asked.text("node-port-range")
    parts = [whole_number(part) for part in text.replace("-", ",").split(",")] if text else []
    if len(parts) == 2 and None not in parts and (parts[0] or 0) >= (parts[1] or 0):
        yield f"{asked.where('node-port-range')}: the first port must be below the last one"


def _release_against(node: Node, cluster: ClusterFacts, images: Images) -> Iterator[CleanText]:
    """What a new image asks of Kubernetes and of the kernel; the running one has passed it.

    1.19 needs Kubernetes 1.21; 1.18 needs helpers of Linux 5.10 (RHEL's 4.18 has them):
    pkg/datapath/linux/requirements.go.
    """
    following = images.next_release
    if following is None or not images.next:
        return
    version = cluster.kubernetes_version.value
    if following.at_least(1, 19) and version is not None:
        found = _kubernetes(version)
        if found is not None and found < (1, 21):
            yield clean(f"{following} needs Kubernetes 1.21; this is {version}", 200)
    if following.at_least(1, 18):
        kernel = parse_kernel_release(node.kernel_release)
        if has_feature_of(kernel, 5, 7) is False:
            yield clean(f"{following} needs Linux 5.10; this is {node.kernel_release}", 200)


def _kubernetes(version: str) -> tuple[int, int] | None:
    parts = version.strip().lstrip("v").split(".")
    numbers = [int(part) for part in parts[:2] if part.isdecimal()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None
