"""The chart's default ConfigMaps, and what agents of each release print of them."""

from __future__ import annotations

import json

import msgspec

from tests.unit.cilium_fixtures import read

_EVERY: dict[str, str] = {
    "agent-not-ready-taint-key": "node.cilium.io/agent-not-ready",
    "auto-direct-node-routes": "false",
    "bpf-lb-acceleration": "disabled",
    "bpf-lb-external-clusterip": "false",
    "bpf-lb-map-max": "65536",
    "bpf-lb-sock": "false",
    "bpf-map-dynamic-size-ratio": "0.0025",
    "bpf-policy-map-max": "16384",
    "bpf-root": "/sys/fs/bpf",
    "cgroup-root": "/run/cilium/cgroupv2",
    "cilium-endpoint-gc-interval": "5m0s",
    "cluster-id": "0",
    "cluster-name": "kind-kind",
    "cluster-pool-ipv4-cidr": "10.0.0.0/8",
    "cluster-pool-ipv4-mask-size": "24",
    "custom-cni-conf": "false",
    "debug": "false",
    "debug-verbose": "",
    "enable-auto-protect-node-port-range": "true",
    "enable-bpf-clock-probe": "false",
    "enable-endpoint-health-checking": "true",
    "enable-health-check-nodeport": "true",
    "enable-health-checking": "true",
    "enable-hubble": "true",
    "enable-ipv4": "true",
    "enable-ipv4-masquerade": "true",
    "enable-ipv6": "false",
    "enable-ipv6-masquerade": "true",
    "enable-l2-neigh-discovery": "true",
    "enable-l7-proxy": "true",
    "enable-local-redirect-policy": "false",
    "enable-metrics": "true",
    "enable-policy": "default",
    "enable-vtep": "false",
    "enable-well-known-identities": "false",
    "enable-xt-socket-fallback": "true",
    "hubble-disable-tls": "false",
    "hubble-listen-address": ":4244",
    "hubble-socket-path": "/var/run/cilium/hubble.sock",
    "hubble-tls-cert-file": "/var/lib/cilium/tls/hubble/server.crt",
    "hubble-tls-client-ca-files": "/var/lib/cilium/tls/hubble/client-ca.crt",
    "hubble-tls-key-file": "/var/lib/cilium/tls/hubble/server.key",
    "identity-allocation-mode": "crd",
    "identity-gc-interval": "15m0s",
    "identity-heartbeat-timeout": "30m0s",
    "install-no-conntrack-iptables-rules": "false",
    "ipam": "cluster-pool",
    "monitor-aggregation": "medium",
    "monitor-aggregation-flags": "all",
    "monitor-aggregation-interval": "5s",
    "node-port-bind-protection": "true",
    "nodes-gc-interval": "5m0s",
    "operator-api-serve-addr": "127.0.0.1:9234",
    "operator-prometheus-serve-addr": ":9963",
    "preallocate-bpf-maps": "false",
    "procfs": "/host/proc",
    "remove-cilium-node-taints": "true",
    "set-cilium-is-up-condition": "true",
    "set-cilium-node-taints": "true",
    "skip-cnp-status-startup-clean": "false",
    "synchronize-k8s-nodes": "true",
    "tofqdns-dns-reject-response-code": "refused",
    "tofqdns-enable-dns-compression": "true",
    "tofqdns-endpoint-max-ip-per-hostname": "50",
    "tofqdns-idle-connection-grace-period": "0s",
    "tofqdns-max-deferred-connection-deletes": "10000",
    "tofqdns-proxy-response-max-delay": "100ms",
    "unmanaged-pod-watcher-interval": "15",
    "vtep-cidr": "",
    "vtep-endpoint": "",
    "vtep-mac": "",
    "vtep-mask": "",
    "write-cni-conf-when-ready": "/host/etc/cni/net.d/05-cilium.conflist",
}
_FROM_1_14 = {
    "bpf-lb-sock-hostns-only": "false",
    "cni-exclusive": "true",
    "cni-log-file": "/var/run/cilium/cilium-cni.log",
    "dnsproxy-enable-transparent-mode": "true",
    "egress-gateway-reconciliation-trigger-interval": "1s",
    "enable-bgp-control-plane": "false",
    "enable-ipv4-big-tcp": "false",
    "enable-ipv6-big-tcp": "false",
    "enable-k8s-networkpolicy": "true",
    "enable-k8s-terminating-endpoint": "true",
    "enable-sctp": "false",
    "ipam-cilium-node-update-rate": "15s",
    "k8s-client-burst": "10",
    "k8s-client-qps": "5",
    "mesh-auth-enabled": "true",
    "mesh-auth-gc-interval": "5m0s",
    "mesh-auth-queue-size": "1024",
    "mesh-auth-rotated-identities-queue-size": "1024",
    "proxy-connect-timeout": "2",
    "proxy-max-connection-duration-seconds": "0",
    "proxy-max-requests-per-connection": "0",
    "routing-mode": "tunnel",
    "tunnel-protocol": "vxlan",
    "external-envoy-proxy": "false",
}
_FROM_1_16 = {
    "bpf-events-drop-enabled": "true",
    "bpf-events-policy-verdict-enabled": "true",
    "bpf-events-trace-enabled": "true",
    "bpf-root": "/sys/fs/bpf",
    "controller-group-metrics": "write-cni-file sync-host-ips sync-lb-maps-with-k8s-services",
    "datapath-mode": "veth",
    "direct-routing-skip-unreachable": "false",
    "dnsproxy-socket-linger-timeout": "10",
    "enable-gateway-api-secrets-sync": "true",
    "enable-health-check-loadbalancer-ip": "false",
    "enable-masquerade-to-route-source": "false",
    "enable-node-selector-labels": "false",
    "enable-runtime-device-detection": "true",
    "enable-tcx": "true",
    "envoy-base-id": "0",
    "envoy-keep-cap-netbindservice": "false",
    "external-envoy-proxy": "true",
    "hubble-export-file-max-backups": "5",
    "hubble-export-file-max-size-mb": "10",
    "k8s-require-ipv4-pod-cidr": "false",
    "k8s-require-ipv6-pod-cidr": "false",
    "max-connected-clusters": "255",
    "nat-map-stats-entries": "32",
    "nat-map-stats-interval": "30s",
    "node-port-bind-protection": "true",
    "nodeport-addresses": "",
    "policy-cidr-match-mode": "",
    "proxy-idle-timeout-seconds": "60",
    "proxy-initial-fetch-timeout": "30",
    "proxy-xff-num-trusted-hops-egress": "0",
    "proxy-xff-num-trusted-hops-ingress": "0",
    "service-no-backend-response": "reject",
}
_FROM_1_17 = {
    "bpf-distributed-lru": "false",
    "bpf-lb-algorithm-annotation": "false",
    "bpf-lb-mode-annotation": "false",
    "bpf-lb-source-range-all-types": "false",
    "clustermesh-enable-endpoint-sync": "false",
    "clustermesh-enable-mcs-api": "false",
    "enable-endpoint-lockdown-on-policy-overflow": "false",
    "enable-experimental-lb": "false",
    "enable-lb-ipam": "true",
    "enable-non-default-deny-policies": "true",
    "enable-source-ip-verification": "true",
    "envoy-access-log-buffer-size": "4096",
    "health-check-icmp-failure-threshold": "3",
    "hubble-network-policy-correlation-enabled": "true",
    "iptables-random-fully": "false",
    "tofqdns-endpoint-max-ip-per-hostname": "1000",
    "tofqdns-preallocate-identities": "true",
}
_FROM_1_18 = {
    "bpf-policy-stats-map-max": "65536",
    "default-lb-service-ipam": "lbipam",
    "identity-management-mode": "agent",
    "policy-default-local-cluster": "false",
    "policy-secrets-namespace": "cilium-secrets",
    "policy-secrets-only-from-secrets-namespace": "true",
    "proxy-cluster-max-connections": "1024",
    "proxy-cluster-max-requests": "1024",
    "proxy-max-active-downstream-connections": "50000",
    "proxy-use-original-source-address": "true",
}
_FROM_1_19 = {
    "clustermesh-cache-ttl": "0s",
    "cluster-name": "default",
    "enable-drift-checker": "true",
    "enable-dynamic-config": "true",
    "enable-no-service-endpoints-routable": "true",
    "enable-tunnel-big-tcp": "false",
    "packetization-layer-pmtud-mode": "blackhole",
    "policy-deny-response": "none",
    "policy-default-local-cluster": "true",
}
_TO_1_15 = {
    "arping-refresh-period": "30s",
    "cnp-node-status-gc-interval": "0s",
    "disable-cnp-status-updates": "true",
    "enable-remote-node-identity": "true",
    "enable-service-topology": "false",
    "sidecar-istio-proxy-image": "cilium/istio_proxy",
}
_GONE = {
    "1.18": ("enable-runtime-device-detection",),
    "1.19": ("enable-runtime-device-detection", "enable-k8s-terminating-endpoint"),
}


def chart(version: str) -> dict[str, str]:
    """Return a default ConfigMap (`helm template`, kube-proxy replaced) of a minor release."""
    minor = int(version.split(".")[1])
    values = dict(_EVERY)
    for since, part in ((14, _FROM_1_14), (16, _FROM_1_16), (17, _FROM_1_17)):
        values |= part if minor >= since else {}
    values |= _FROM_1_18 if minor >= 18 else {}
    values |= _FROM_1_19 if minor >= 19 else {}
    values |= _TO_1_15 if minor <= 15 else {"enable-bpf-masquerade": "false"}
    if minor <= 12:
        values |= {"tunnel": "vxlan", "sockops-enable": "false", "proxy-connect-timeout": "1"}
    for key in _GONE.get(f"1.{minor}", ()):
        values.pop(key, None)
    return values | {"kube-proxy-replacement": "true" if minor >= 14 else "strict"}


_PRINTED: dict[str, object] = {
    "AllowLocalhost": "always",
    "BPFRoot": "/sys/fs/bpf",
    "CGroupRoot": "/run/cilium/cgroupv2",
    "CTMapEntriesGlobalAny": 73_000,
    "CTMapEntriesGlobalTCP": 146_000,
    "ClusterName": "kind-kind",
    "DNSProxyEnableTransparentMode": True,
    "EnableEndpointHealthChecking": True,
    "EnableHealthChecking": True,
    "EnableIPv4Masquerade": True,
    "EnableL7Proxy": True,
    "EnableSourceIPVerification": True,
    "EnableVTEP": False,
    "EnableWellKnownIdentities": False,
    "HubbleListenAddress": ":4244",
    "HubbleTLSCertFile": "/var/lib/cilium/tls/hubble/server.crt",
    "HubbleTLSClientCAFiles": ["/var/lib/cilium/tls/hubble/client-ca.crt"],
    "HubbleTLSKeyFile": "/var/lib/cilium/tls/hubble/server.key",
    "IPAM": "cluster-pool",
    "IdentityAllocationMode": "crd",
    "InstallIptRules": True,
    "LBMapEntries": 65536,
    "MonitorAggregation": "medium",
    "PreAllocateMaps": False,
    "ProcFs": "/host/proc",
}
"""What a chart's agent prints otherwise than the fixtures' agents, which ran without Kubernetes."""

BASE = {"1.12.10": "1.11.7-k8s", "1.14.16": "1.17.5", "1.15.7": "1.17.5", "1.16.6": "1.17.5"}
BASE |= {"1.17.5": "1.17.5", "1.18.2": "1.19.4", "1.19.4": "1.19.4", "1.20.0": "1.19.4"}


def printed(version: str, **changed: object) -> bytes:
    """Return `config -a -o json` of a chart's agent: a real agent's with the chart's values."""
    real = msgspec.json.decode(read(BASE[version], "config-a-json.json"), type=dict[str, object])
    return json.dumps(
        real | {k: v for k, v in _PRINTED.items() if k in real} | _own(version, real) | changed
    ).encode()


def _own(version: str, real: dict[str, object]) -> dict[str, object]:
    minor = int(version.split(".")[1])
    own: dict[str, object] = {}
    if minor <= 16:
        own["ToFQDNsMaxIPsPerHost"] = 50
    if 14 <= minor <= 17:
        own["KubeProxyReplacement"] = "true"
    if minor == 14:
        own |= {
            "TunnelProtocol": "vxlan",
            "ProxyConnectTimeout": 2,
            "DisableCNPStatusUpdates": True,
        }
    if minor == 12:
        own |= {"DisableCNPStatusUpdates": True}
    if minor >= 16:
        own["ExternalEnvoyProxy"] = True
    if minor >= 19:
        own |= {"ClusterName": "default"}
    return own
