"""How to make a map larger: the key by release, the size to set, and what the change costs.

Keys, limits and what a resize does to traffic: pkg/option/config.go and pkg/maps of each release;
that a map comes back empty is cilium/cilium#31069 (a graceful resize is still a proposal).
"""

from __future__ import annotations

from dataclasses import dataclass

from tui.checks.phrases import memory
from tui.checks.remedies.restarting import LB_RESIZE_INTERRUPTS
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.cilium.nextstart.images import daemonset_of, images_of
from tui.cilium.nextstart.layers import CONFIG_MAP, plan
from tui.model.maps import MapKind, MapUsage
from tui.safety import CleanText, clean

CONFIG_MAP_SOURCE = f"ConfigMap {CONFIG_MAP}"


@dataclass(frozen=True, slots=True)
class SizeKey:
    """An option that sets a map's size, with its limits."""

    key: str
    helm: str = ""
    """The Helm value; empty where there is none and `extraConfig` takes the key."""
    least: int = 1
    most: int = 1 << 30
    since: tuple[int, int] = (1, 0)


@dataclass(frozen=True, slots=True)
class Resize:
    """A size to set."""

    by: SizeKey
    size: int
    is_capped: bool = False
    """Whether the key's limit is below what the map needs."""
    held: int | None = None
    """What the node's next start would read."""
    source: str = CONFIG_MAP_SOURCE
    """Which layer gives the key's value on this node: a size set below it has no effect."""

    @property
    def is_pending(self) -> bool:
        """Whether the next start would already read a size that is large enough."""
        return self.held is not None and self.held >= self.size

    @property
    def helm(self) -> str:
        """The Helm value with the size."""
        return f"{self.by.helm or f'extraConfig.{self.by.key}'}={self.size}"


_LB = SizeKey("bpf-lb-map-max", "bpf.lbMapMax")
_ONE_LB_MAP = {
    "lb-services": "bpf-lb-service-map-max",
    "lb-backends": "bpf-lb-service-backend-map-max",
    "lb-reverse-nat": "bpf-lb-rev-nat-map-max",
    "lb-affinity": "bpf-lb-affinity-map-max",
    "lb-affinity-match": "bpf-lb-affinity-map-max",
    "lb-source-range": "bpf-lb-source-range-map-max",
    "lb-maglev": "bpf-lb-maglev-map-max",
}
"""Hidden flags of 1.12 and later; 0 or absent means `bpf-lb-map-max`."""
_MOST = 16_777_216
_KEYS = {
    "ct-tcp": SizeKey("bpf-ct-global-tcp-max", "bpf.ctTcpMax", 1024, _MOST),
    "ct-any": SizeKey("bpf-ct-global-any-max", "bpf.ctAnyMax", 1024, _MOST),
    "nat": SizeKey("bpf-nat-global-max", "bpf.natMax", 1024, _MOST),
    "neighbors": SizeKey("bpf-neigh-global-max", "bpf.neighMax", 1024, _MOST),
    "lb-reverse-sk": SizeKey("bpf-sock-rev-map-max", "", 1024, _MOST),
    "policy": SizeKey("bpf-policy-map-max", "bpf.policyMapMax", 256, 65_536),
    "fragments": SizeKey("bpf-fragments-map-max", "", 256, 65_536),
    "auth": SizeKey("bpf-auth-map-max", "bpf.authMapMax", 256, _MOST, (1, 14)),
    "nodes": SizeKey("bpf-node-map-max", "bpf.nodeMapMax", 1, _MOST, (1, 16)),
    "egress-gateway": SizeKey("egress-gateway-policy-map-max"),
}
_CT_FAMILIES = ("ct-tcp", "ct-any")
DYNAMIC_RATIO = "bpf-map-dynamic-size-ratio"
DYNAMIC_FAMILIES = frozenset({*_CT_FAMILIES, "nat", "neighbors", "lb-reverse-sk"})
"""Maps that `bpf-map-dynamic-size-ratio` sizes by the node's memory where no key is set."""

_CT_INTERRUPTS = CleanText(
    "All connection state of the node is lost: established connections are judged by policy anew,"
    " and those that were translated are reset. Drain the node first, or accept the resets."
)
_INTERRUPTS = {
    "ct-tcp": _CT_INTERRUPTS,
    "ct-any": _CT_INTERRUPTS,
    "nat": CleanText(
        "Translations are lost: masqueraded connections and those through NodePort in SNAT mode are"
        " reset. Drain the node first, or accept the resets."
    ),
    "lb-reverse-sk": CleanText(
        "The map comes back empty: answers to UDP sockets that are open now show the backend's"
        " address in place of the Service's, so clients that check it must reconnect; sockets"
        " opened before are not ended when their backend goes."
    ),
    "policy": CleanText(
        "Every endpoint of the node is regenerated and gets a new policy map; a node with many pods"
        " needs minutes of CPU for it."
    ),
    "lb-affinity": CleanText(f"{LB_RESIZE_INTERRUPTS} Clients are balanced anew."),
}


def is_balancing(usage: MapUsage) -> bool:
    """Tell whether a map is one of those that `bpf-lb-map-max` sizes."""
    return family_of(usage.name).key in _ONE_LB_MAP


def resize_interrupts(usage: MapUsage) -> CleanText:
    """Return what a new size of this map does to traffic."""
    if is_balancing(usage):
        return _INTERRUPTS.get(family_of(usage.name).key, LB_RESIZE_INTERRUPTS)
    other = CleanText("The map comes back empty and is filled again by the agent.")
    return _INTERRUPTS.get(family_of(usage.name).key, other)


def size_key(view: NodeView, usage: MapUsage) -> SizeKey | None:
    """Return the option that sets this map's size in this release, or None where none does."""
    key = family_of(usage.name).key
    if key in _ONE_LB_MAP:
        one = _ONE_LB_MAP[key]
        is_set = (_number(view, one) or 0) > 0
        return SizeKey(one, since=(1, 12)) if is_set else _LB
    found = _KEYS.get(key)
    if found is None or (view.release is not None and not view.release.at_least(*found.since)):
        return None
    return found


def own_key(view: NodeView, usage: MapUsage) -> str:
    """Return the option that sizes this load-balancing map alone, from 1.12; else the empty text.

    It has no Helm value: `extraConfig` takes it.
    """
    is_new = view.release is not None and view.release.at_least(1, 12)
    return _ONE_LB_MAP.get(family_of(usage.name).key, "") if is_new else ""


def resize_of(view: NodeView, usage: MapUsage) -> Resize | None:
    """Return the size to set: twice what is wanted, as a power of two, within the key's limits.

    Where nobody knows what is wanted it is twice what the map holds. A key that sizes several maps
    must do for all of them.
    """
    by = size_key(view, usage)
    if by is None:
        return None
    sharing = [
        one for one in view.maps.values() if by is _LB and is_balancing(one) and not one.is_evicting
    ]
    needed = max(_needed(one) for one in (*sharing, usage))
    size = _power_of_two(2 * needed)
    if size <= usage.max_entries:
        size = _power_of_two(usage.max_entries + 1)
    most = min(by.most, _nat_limit(view) or by.most) if by.key == "bpf-nat-global-max" else by.most
    capped = max(by.least, min(size, most))
    held, source = _planned(view, by.key)
    return Resize(by, capped, is_capped=capped < size, held=held, source=source)


def resize_command(view: NodeView, resize: Resize) -> CleanText:
    """Return the command that writes the size where this node reads it; no agent does so by itself.

    Flags on the agents' command line are changed by hand, as they stand in the midst of others.
    """
    place = view.cluster.facts.cilium_namespace or "kube-system"
    kind, _, rest = resize.source.partition(" ")
    name = rest.partition(",")[0]
    values = f'{{"{resize.by.key}":"{resize.size}"}}'
    patch = f"--type merge -p '{{\"data\":{values}}}'"
    if kind == "CiliumNodeConfig":
        patch = f'--type merge -p \'{{"spec":{{"defaults":{values}}}}}\''
        return clean(f"kubectl -n {place} patch ciliumnodeconfig {name} {patch}", 400)
    if kind == "DaemonSet":
        return clean(f"kubectl -n {place} edit daemonset {name}", 400)
    return clean(f"kubectl -n {place} patch configmap cilium-config {patch}", 400)


def memory_cost(usage: MapUsage, size: int) -> str:
    """Return what the new size costs in the kernel's memory, or the empty text where unknown.

    LRU and preallocated maps take all of it at once; other hashes take 16 bytes a bucket, and the
    rest as entries come (measured on kernel 6.18).
    """
    now = usage.memory_bytes
    if not now or usage.max_entries <= 0:
        return ""
    if usage.is_preallocated or usage.is_evicting:
        whole = now / usage.max_entries * size
        return f"about {memory(whole)} of kernel memory on each node, at once (now {memory(now)})"
    buckets = 0 if usage.kind is MapKind.LPM_TRIE else 16 * _power_of_two(usage.max_entries)
    if not usage.entries or now <= buckets:
        return ""
    each = (now - buckets) / usage.entries
    whole = each * size + (16 * size if buckets else 0)
    return f"up to {memory(whole)} of kernel memory on each node when full (now {memory(now)})"


def _needed(usage: MapUsage) -> int:
    if usage.wanted_entries is not None:
        return usage.wanted_entries
    return max(usage.entries or 0, min(usage.agent_entries or 0, 2 * usage.max_entries))


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def _nat_limit(view: NodeView) -> int | None:
    """Return conntrack's sizes together: an agent with a larger NAT map exits (log M12)."""
    sizes = [
        max(one.max_entries for one in view.maps.values() if family_of(one.name).key == key)
        for key in _CT_FAMILIES
        if any(family_of(one.name).key == key for one in view.maps.values())
    ]
    return sum(sizes) if len(sizes) == len(_CT_FAMILIES) else None


def _number(view: NodeView, option: str) -> int | None:
    setting = view.setting(option)
    return None if setting is None else _whole(setting.value)


def planned_source(view: NodeView, option: str) -> str:
    """Return which layer gives an option its value on this node; others have no effect."""
    return _planned(view, option)[1]


def _planned(view: NodeView, option: str) -> tuple[int | None, str]:
    """Return the number that the next start would read for an option, and from which layer."""
    facts, cluster = view.facts, view.cluster.facts
    daemonset = daemonset_of(facts.agent, cluster)
    images = images_of(facts.agent, daemonset, cluster)
    layer = plan(facts.node, daemonset, images, cluster).winner.get(option)
    if layer is None:
        return None, CONFIG_MAP_SOURCE
    return _whole(layer.values[option]), str(layer.source)


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 12 else None
