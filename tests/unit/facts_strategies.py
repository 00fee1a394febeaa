"""Facts of any shape for property tests: each field by its type, the telling ones by their name."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from hypothesis import strategies as st

from tui.cilium.config import SPELLINGS
from tui.model.cluster import CiliumNodeConfig, ClusterFacts
from tui.model.host import NetDevice
from tui.model.maps import MapUsage
from tui.model.names import NodeName
from tui.model.reading import Origin, Reading, ReadingState
from tui.model.services import Service
from tui.model.snapshot import NodeFacts
from tui.model.workloads import NetworkVolume
from tui.safety import CleanText, clean

NODE = NodeName("node-1")
_HOSTILE = (
    "",
    "[/x]",
    "[@click=quit]x[/]",
    "\x1b[31m",
    "9" * 500,
    "%s{0}",
    "true",
    "NaN",
    "\u202e",
)
_RELEASES = (
    *("1.11.7", "1.11.14", "1.11.16", "1.12.0", "1.12.9", "1.13.2", "1.14.5-cee.1", "1.15.0-rc.1"),
    *("1.16.0", "1.17.5", "1.18.0-pre.1", "1.19.4", "1.20.0-dev", "99.9", "0.0.0", "latest"),
)
_KERNELS = (
    *(
        "4.9.17",
        "4.18.0-553.8.1.el8_10.x86_64",
        "5.4.0-90-generic",
        "5.10.195",
        "5.15.0-91-generic",
    ),
    *("6.1.52", "6.6.0", "6.8.0-45-generic", "999.9999.99999", "5", "linux"),
)
_NAMES = ("default/a", "default/b", "kube-system/kube-dns", "a/b/c", "/", "no-slash")
_HOSTS = (
    *("10.96.0.10", "10.0.0.1", "127.0.0.1", "::1", "fd00::1", "a.default.svc", "b.default"),
    *("default.svc.cluster.local", "0:0:0:0:0:0:0:0", "999.1.1.1", ".."),
)
_MAPS = (
    *("cilium_lb4_backends_v2", "cilium_lb4_backends_v3", "cilium_lb4_services_v2"),
    *(
        "cilium_lb4_reverse_nat",
        "cilium_lb4_reverse_sk",
        "cilium_ct4_global",
        "cilium_snat_v4_external",
    ),
)
_FEATURES = (
    *("netns-cookie", "getpeername-hook", "kernel-connect", "socket-termination", "tcp-fastopen"),
    *("inet-diag-destroy", "bpf-sock-destroy", "sctp", "node-port-range", "masquerading"),
)
_MEANINGS = ("", *(f"{kind}{n}" for kind in "LMKSIEDNGH" for n in range(1, 26)))
_OPTIONS = (
    *(name for option, names in SPELLINGS.items() for name in (option, *names)),
    *("node-port-range", "cluster-name", "tunnel-protocol", "unheard-of"),
)
_MESSAGES = (
    "Unable to update element for cilium_lb4_backends_v2 map with file descriptor 15: the map is"
    " full, please consider resizing it. argument list too long",
    "update map cilium_lb4_services_v2: update: key too big for map: argument list too long",
    "IPSec cannot be used with BPF NodePort",
    "FIB lookup failed",
    "CT: Map insertion failed",
)
_VALUES = ("true", "false", "strict", "partial", "64", "30000,32767", "dsr", "hybrid", "snat", "-1")

_text = st.one_of(st.sampled_from(_HOSTILE + _MESSAGES + _VALUES), st.text(max_size=20))
_numbers = st.one_of(
    st.sampled_from((0, 1, 2, 3, 64, 1000, 30000, 31000, 32767, 65535, 2**63, 10**30, -1)),
    st.integers(0, 70_000),
)
_times = st.one_of(st.sampled_from((0.0, 1.0, 1e6, 1e15, -1.0)), st.floats())


def _one_of(*samples: str) -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(samples), _text)


_BY_NAME: Mapping[str, st.SearchStrategy[str]] = {
    "release": st.sampled_from(_RELEASES),
    "kubernetes_version": _one_of("v1.16.1", "v1.17.0", "v1.18.20", "v1.19.0", "v1.33.1"),
    "image": st.sampled_from(_RELEASES).map("quay.io/cilium/cilium:v{}".format),
    "kernel_release": st.sampled_from(_KERNELS),
    "node_name": st.just(NODE),
    "meaning": st.sampled_from(_MEANINGS),
    "key": st.sampled_from(_FEATURES),
    "driver": _one_of("rbd.csi.ceph.com", "nfs.csi.k8s.io", "smb.csi.k8s.io"),
    "mode": _one_of("True", "False", "Strict", "Disabled", "SNAT", "DSR", "Hybrid"),
    "encryption_mode": _one_of("IPsec", "Wireguard", "Disabled"),
    "masquerading": _one_of("BPF", "iptables", "Disabled"),
    "socket_lb_coverage": st.sampled_from(("Full", "Hostns-only", "")),
    "protocol": st.sampled_from(("TCP", "UDP", "SCTP", "ANY", "")),
    "type": _one_of("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Ready"),
    "message": st.one_of(st.sampled_from(_MESSAGES), _text),
    "reason": st.one_of(st.sampled_from(_MESSAGES), _text),
    **dict.fromkeys(("service", "pod", "claim", "volume", "workload"), _one_of(*_NAMES)),
    **dict.fromkeys(("ip", "address", "host_ip", "cluster_ips", "servers"), _one_of(*_HOSTS)),
    **dict.fromkeys(("sunrpc_addresses", "hostname", "external_ips"), _one_of(*_HOSTS)),
    **dict.fromkeys(("map_sizes", "failed_map_operations"), _one_of(*_MAPS)),
    **dict.fromkeys(("devices", "default_devices"), _one_of("eth0", "eth1", "cilium_host", "wg0")),
}
_BY_OWNER: Mapping[tuple[str, str], st.SearchStrategy[str]] = {
    ("Service", "name"): _one_of(*_NAMES),
    ("MapUsage", "name"): _one_of(*_MAPS),
    ("NetDevice", "name"): _one_of("eth0", "eth1", "cilium_host", "wg0"),
    ("FailingController", "name"): _one_of(*(f"bpf-map-sync-{name}" for name in _MAPS)),
    ("Node", "name"): st.just(NODE),
    ("Feature", "evidence"): st.sampled_from(("uname -r", "[/x] in \x1b[31m/proc/kallsyms")),
    ("EffectiveConfig", "values"): _one_of(*_OPTIONS),
    ("CiliumConfigMap", "values"): _one_of(*_OPTIONS),
    ("CiliumNodeConfig", "values"): _one_of(*_OPTIONS),
}

_made: dict[tuple[str, str, str], st.SearchStrategy[Any]] = {}


def _strategy(hint: Any, owner: str, name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for a field, made once."""
    key = (str(hint), owner, name)
    if key not in _made:
        _made[key] = _make(hint, owner, name)
    return _made[key]


def _make(hint: Any, owner: str, name: str) -> st.SearchStrategy[Any]:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if is_dataclass(hint):
        return _instances(typing.cast(type, hint))
    if origin is None:
        return _scalar(hint, owner, name)
    inner = [_strategy(part, owner, name) for part in parts if part is not Ellipsis]
    if origin in (typing.Union, types.UnionType):
        # What is there makes a check go further than what is not: more of it is drawn.
        return st.one_of(*inner[:1] * 4, *inner)
    if origin is Reading:
        return _readings(inner[0])
    if origin is tuple:
        return _several(parts[0], inner[0]) if parts[-1] is Ellipsis else st.tuples(*inner)
    return st.dictionaries(inner[0], _strategy(parts[1], "", ""), max_size=6)


def _several(kind: Any, one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return up to three of a kind; what has a name of its own in the cluster has it once."""
    if kind in (MapUsage, Service, NetDevice, NetworkVolume, CiliumNodeConfig):
        key = attrgetter("key" if kind is NetworkVolume else "name")
        return st.lists(one, max_size=3, unique_by=key).map(tuple)
    return st.lists(one, max_size=3).map(tuple)


def _scalar(hint: Any, owner: str, name: str) -> st.SearchStrategy[Any]:
    texts = _BY_OWNER.get((owner, name), _BY_NAME.get(name, _text))
    if hint is CleanText:
        return texts.map(clean)
    if isinstance(hint, typing.NewType) or hint is str:
        return texts
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.sampled_from((True, True, False)),
        int: _numbers,
        float: _times,
        type(None): st.none(),
    }
    return simple[hint]


def _instances(kind: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    parts = {one.name: _strategy(hints[one.name], kind.__name__, one.name) for one in fields(kind)}
    return st.builds(kind, **parts)


def _readings(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Reading[Any]]:
    origins = st.builds(Origin, st.just(CleanText("a command")), _times)
    reasons = _text.map(clean)
    known = st.builds(Reading, st.just(ReadingState.KNOWN), values, st.just(CleanText("")), origins)
    without = st.builds(
        Reading,
        st.sampled_from((ReadingState.UNKNOWN, ReadingState.DENIED, ReadingState.FAILED)),
        st.none(),
        reasons,
        st.none() | origins,
    )
    failed = st.builds(Reading, st.just(ReadingState.FAILED), values, reasons, origins)
    return st.one_of(*[known] * 8, without, failed)


def nodes() -> st.SearchStrategy[NodeFacts]:
    """Return any facts of the node `NODE`."""
    return _instances(NodeFacts)


def clusters() -> st.SearchStrategy[ClusterFacts]:
    """Return any facts of a cluster."""
    return _instances(ClusterFacts)
