"""What is known of single options: their other spellings, defaults, and who changes them.

`config -a` prints the Go structure after the agent's start, and the agent changes some of it by
what it finds: devices, kernel features, and what kube-proxy replacement implies. Such options
can't be compared with what was asked for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tui.cilium.config import SPELLINGS
from tui.cilium.kernelreleases import has_feature_of, parse_kernel_release
from tui.cilium.releases import Release

MORE_SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "agent-not-ready-taint-key": ("AgentNotReadyNodeTaintKey",),
        "arping-refresh-period": ("ARPPingRefreshPeriod",),
        "auto-direct-node-routes": ("EnableAutoDirectRouting",),
        "bpf-auth-map-max": ("AuthMapEntries",),
        "bpf-ct-timeout-regular-any": ("CTMapEntriesTimeoutAny",),
        "bpf-ct-timeout-regular-tcp": ("CTMapEntriesTimeoutTCP",),
        "bpf-ct-timeout-regular-tcp-fin": ("CTMapEntriesTimeoutFIN",),
        "bpf-ct-timeout-regular-tcp-syn": ("CTMapEntriesTimeoutSYN",),
        "bpf-ct-timeout-service-any": ("CTMapEntriesTimeoutSVCAny",),
        "bpf-ct-timeout-service-tcp": ("CTMapEntriesTimeoutSVCTCP",),
        "bpf-ct-timeout-service-tcp-grace": ("CTMapEntriesTimeoutSVCTCPGrace",),
        "bpf-fragments-map-max": ("FragmentsMapEntries",),
        "bpf-lb-affinity-map-max": ("LBAffinityMapEntries",),
        "bpf-lb-maglev-map-max": ("LBMaglevMapEntries",),
        "bpf-lb-maglev-table-size": ("MaglevTableSize",),
        "bpf-lb-mode-annotation": ("LoadBalancerModeAnnotation",),
        "bpf-lb-proto-diff": ("LoadBalancerProtocolDifferentiation",),
        "bpf-lb-rev-nat-map-max": ("LBRevNatEntries",),
        "bpf-lb-service-backend-map-max": ("LBBackendMapEntries",),
        "bpf-lb-service-map-max": ("LBServiceMapEntries",),
        "bpf-lb-source-range-map-max": ("LBSourceRangeMapEntries",),
        "bpf-neigh-global-max": ("NeighMapEntriesGlobal",),
        "disable-endpoint-crd": ("DisableCiliumEndpointCRD",),
        "install-iptables-rules": ("InstallIptRules",),
        "install-no-conntrack-iptables-rules": ("InstallNoConntrackIptRules",),
        "tofqdns-endpoint-max-ip-per-hostname": ("ToFQDNsMaxIPsPerHost",),
        "tofqdns-proxy-response-max-delay": ("FQDNProxyResponseMaxDelay",),
        "hubble-disable-tls": ("HubbleTLSDisabled",),
    }
)
"""Beside `tui.cilium.config.SPELLINGS` (pkg/option/config.go of 1.11, 1.17 and 1.19)."""

CHANGED_BY_AGENT = frozenset(
    {
        "allow-localhost",
        "auto-create-cilium-node-resource",
        "bpf-lb-acceleration",
        "bpf-lb-sock",
        "bpf-map-dynamic-size-ratio",
        "bypass-ip-availability-upon-restore",
        "cgroup-root",
        "config",
        "config-dir",
        "config-sources",
        "config-sources-overrides",
        "datapath-mode",
        "devices",
        "direct-routing-device",
        "egress-masquerade-interfaces",
        "enable-auto-protect-node-port-range",
        "enable-bandwidth-manager",
        "enable-bpf-clock-probe",
        "enable-bpf-tproxy",
        "enable-cilium-endpoint-slice",
        "enable-endpoint-routes",
        "enable-external-ips",
        "enable-health-check-nodeport",
        "enable-host-legacy-routing",
        "enable-host-port",
        "enable-host-reachable-services",
        "enable-identity-mark",
        "enable-ipv4-big-tcp",
        "enable-ipv4-fragment-tracking",
        "enable-ipv6-big-tcp",
        "enable-ipv6-fragment-tracking",
        "enable-ipv6-masquerade",
        "enable-ipv6-ndp",
        "enable-k8s-endpoint-slice",
        "enable-k8s-terminating-endpoint",
        "enable-l2-neigh-discovery",
        "enable-local-node-route",
        "enable-local-redirect-policy",
        "enable-node-port",
        "enable-remote-node-identity",
        "enable-runtime-device-detection",
        "enable-service-topology",
        "enable-session-affinity",
        "enable-socket-lb-peer",
        "enable-socket-lb-tracing",
        "enable-svc-source-range-check",
        "enable-tcx",
        "enable-unreachable-routes",
        "enable-well-known-identities",
        "enable-xt-socket-fallback",
        "encrypt-interface",
        "encrypt-node",
        "host-reachable-services-protos",
        "hubble-event-buffer-capacity",
        "hubble-event-queue-size",
        "identity-allocation-mode",
        "identity-restore-grace-period",
        "ipv4-native-routing-cidr",
        "ipv4-range",
        "ipv4-service-range",
        "ipv6-native-routing-cidr",
        "ipv6-range",
        "k8s-require-ipv4-pod-cidr",
        "k8s-require-ipv6-pod-cidr",
        "kube-proxy-replacement-healthz-bind-address",
        "local-router-ipv4",
        "local-router-ipv6",
        "mtu",
        "native-routing-cidr",
        "node-encryption-opt-out-labels",
        "prefilter-device",
        "state-dir",
        "version",
        "write-cni-conf-when-ready",
    }
)
"""Options whose running value is not what was asked for, or need not be (daemon/cmd/*.go)."""

WATCHED = frozenset(
    {
        "bpf-lb-algorithm",
        "bpf-lb-mode",
        "bpf-lb-sock-hostns-only",
        "enable-bpf-masquerade",
        "enable-ipsec",
        "enable-sctp",
        "enable-wireguard",
        "kube-proxy-replacement",
        "routing-mode",
    }
)
"""Options worth a word where they can't be compared; sizes are told by their maps."""

_OFF_BY_DEFAULT = ("bpf-lb-sock-hostns-only", "enable-ipsec", "enable-sctp", "enable-wireguard")
_WITHOUT_SOCKET_LB = ("partial", "false", "disabled", "0", "f")
"""Modes of kube-proxy replacement that leave socket-LB to its own key."""
_LOOKS_PRIVATE = re.compile(r"[^a-z0-9]")


def default_of(option: str) -> str | None:
    """Return the default of an option that is worth noticing when its key is taken away."""
    return "false" if option in _OFF_BY_DEFAULT else None


DEFAULTED = _OFF_BY_DEFAULT


@functools.lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Return a name without its dashes and case: `enable-ipv4` and `EnableIPv4` are one."""
    return _LOOKS_PRIVATE.sub("", name.lower())


@functools.lru_cache(maxsize=2048)
def spellings(option: str) -> tuple[str, ...]:
    """Return every name under which a running configuration may print an option."""
    return (option, *SPELLINGS.get(option, ()), *MORE_SPELLINGS.get(option, ()))


def why_unsteady(option: str, wanted: str, release: Release | None, kernel: str) -> str | None:
    """Return why an option's running value tells nothing of what was asked for, or None.

    `bpf-lb-sock-hostns-only` is switched off up to 1.17 where the kernel has no cookie of the
    network namespace for sockets (5.14); 1.11 falls back from DSR with a tunnel; both are
    `initKubeProxyReplacementOptions`.
    """
    if option in CHANGED_BY_AGENT:
        return "the agent sets it by what it finds"
    if wanted.strip().lower() in ("", "0", "0s", "auto"):
        return "left to the agent"
    if (
        option == "bpf-lb-sock-hostns-only"
        and (release is None or not release.at_least(1, 18))
        and has_feature_of(parse_kernel_release(kernel), 5, 14) is not True
    ):
        return "the agent switches it off on kernels without netns cookies"
    if option == "bpf-lb-mode" and (release is None or not release.at_least(1, 12)):
        return "1.11 falls back where it can't have it"
    if (
        option == "enable-bpf-masquerade"
        and wanted.strip().lower() == "true"
        and (release is None or not release.at_least(1, 15))
    ):
        return "agents up to 1.14 fall back to iptables where they can't have it"
    return None


def why_overruled(option: str, planned: Callable[[str], str | None]) -> str | None:
    """Return why another option that is planned switches this one off at the start, or None.

    Masquerading goes with its family (`pkg/option/config.go`); `bpf-lb-sock-hostns-only` takes
    effect only with socket-LB, which the kube-proxy replacement brings.
    """
    if option == "enable-ipv4-masquerade" and not _is_on(planned("enable-ipv4") or "true"):
        return "IPv4 is off"
    if option == "bpf-lb-sock-hostns-only":
        mode = (planned("kube-proxy-replacement") or "").strip().lower()
        keys = ("bpf-lb-sock", "enable-host-reachable-services")
        if mode in _WITHOUT_SOCKET_LB and not any(_is_on(planned(key) or "") for key in keys):
            return "it takes effect only with socket load balancing, which is off"
    return None


def _is_on(text: str) -> bool:
    return text.strip().lower() in ("true", "1", "t")
