from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.cilium_fixtures import WITH_STATUS, read
from tui.cilium.config import parse_config
from tui.cilium.features import FeatureSources, features
from tui.cilium.kernel import (
    BpfHelpers,
    SocketHooks,
    parse_cgroup,
    parse_headers,
    parse_kernel,
)
from tui.cilium.loglines import parse_log_line
from tui.cilium.maps import parse_maps
from tui.cilium.releases import Release, parse_release
from tui.cilium.status import parse_status
from tui.model.agent import EffectiveConfig, KubeProxyReplacement, NodePort
from tui.model.features import Feature, FeatureGroup, FeatureState, Proof
from tui.safety import CleanText

NEW = Release(1, 19, 4)
HEADERS = "/var/lib/cilium/bpf/include/bpf/features.h"


def table(**sources: Any) -> dict[str, Feature]:
    found = features(FeatureSources(**sources))
    by_key = {one.key: one for one in found}
    assert len(by_key) == len(found)
    return by_key


def kernel(*lines: str, release: str = "6.1.0") -> Any:
    return parse_kernel("\n".join((f"release {release}", *lines)).encode())


def verdict(feature: Feature) -> tuple[FeatureState, Proof]:
    return feature.state, feature.proof


def of(version: str, **more: Any) -> dict[str, Feature]:
    """The table of a real agent."""
    config = parse_config(read(version, "config-a-json.json"))
    return table(
        release=parse_release(version),
        status=parse_status(read(version, "status.json")),
        config=config,
        maps=parse_maps(read(version, "bpftool-map-show-f.json")),
        **more,
    )


@pytest.mark.parametrize("version", [one for one in WITH_STATUS if one != "1.19.4-full"])
def test_every_feature_of_a_real_agent_says_how_it_is_known(version: str) -> None:
    for feature in of(version).values():
        is_unknown = feature.state is FeatureState.UNKNOWN
        assert is_unknown == (feature.proof is Proof.UNKNOWN)
        assert feature.value
        assert is_unknown or feature.evidence


def test_nothing_read_is_all_unknown() -> None:
    found = table()
    assert {one.state for one in found.values()} == {FeatureState.UNKNOWN}
    assert not any(one.is_concern for one in found.values())
    assert {one.group for one in found.values()} == set(FeatureGroup)


def test_old_and_new_releases_tell_the_same_flags() -> None:
    old, new = of("1.11.7-k8s"), of("1.19.4")
    for key in ("socket-lb", "node-port", "session-affinity", "host-port", "external-ips"):
        assert old[key].state is new[key].state is FeatureState.YES
        assert old[key].proof is new[key].proof is Proof.STATUS
    assert (old["socket-lb-coverage"].value, old["socket-lb-coverage"].proof) == (
        "Full",
        Proof.AGENT_CONFIG,
    )
    assert (new["socket-lb-coverage"].value, new["socket-lb-coverage"].proof) == (
        "Full",
        Proof.STATUS,
    )
    assert old["node-port-range"].value == new["node-port-range"].value == "30000-32767"
    assert (old["routing"].value, new["routing"].value) == ("vxlan", "Tunnel vxlan")
    assert (old["lb-map-max"].proof, new["lb-map-max"].proof) == (Proof.AGENT_CONFIG, Proof.STATUS)
    assert (old["preallocation"].state, new["preallocation"].state) == (
        FeatureState.NO,
        FeatureState.YES,
    )
    assert old["socket-termination"].is_concern
    assert not new["socket-termination"].is_concern
    assert old["masquerading"].value == "iptables"


def test_an_absent_object_is_unknown_not_off() -> None:
    found = of("1.17.5")
    assert found["socket-lb"].state is FeatureState.YES
    assert found["socket-lb"].proof is Proof.AGENT_CONFIG
    status_only = table(status=parse_status(read("1.17.5", "status.json")))
    assert status_only["socket-lb"].state is FeatureState.UNKNOWN
    assert status_only["socket-lb"].value == "not reported"


def test_config_file_tells_the_diag_options() -> None:
    facts = kernel(
        "config CONFIG_INET_DIAG y", "config CONFIG_INET_UDP_DIAG m", "configfile /proc/config.gz"
    )
    found = table(release=NEW, kernel=facts)
    assert verdict(found["inet-diag"]) == (FeatureState.YES, Proof.CONFIG_FILE)
    assert found["inet-udp-diag"].value == "module"
    assert verdict(found["inet-diag-destroy"]) == (FeatureState.NO, Proof.CONFIG_FILE)
    assert found["inet-diag-destroy"].is_concern
    assert "/proc/config.gz" in found["inet-diag-destroy"].evidence
    assert not table(release=Release(1, 14, 16), kernel=facts)["inet-diag-destroy"].is_concern


@pytest.mark.parametrize(
    ("release", "is_concern"),
    [("1.14.16", False), ("1.18.6", True), ("1.19.4", False), ("1.20.0-dev", True)],
)
def test_the_bpf_destroyer_does_without_the_diag_options(release: str, is_concern: bool) -> None:
    facts = kernel(
        "config CONFIG_INET_DIAG y",
        "configfile /proc/config.gz",
        "kallsyms readable",
        "symbol bpf_sock_destroy",
    )
    found = table(release=parse_release(release), kernel=facts)
    assert found["inet-udp-diag"].state is FeatureState.NO
    assert found["inet-udp-diag"].is_concern is is_concern


def test_any_diag_module_proves_inet_diag() -> None:
    found = table(kernel=kernel("modules /proc/modules", "module tcp_diag loaded 1"))
    assert verdict(found["inet-diag"]) == (FeatureState.YES, Proof.MODULE_LIST)
    assert found["inet-udp-diag"].state is FeatureState.UNKNOWN


def test_a_module_that_is_not_loaded_shows_nothing() -> None:
    found = table(kernel=kernel("configfile -", "kallsyms readable", "modules /proc/modules"))
    assert found["inet-udp-diag"].state is FeatureState.UNKNOWN
    assert found["inet-diag-destroy"].state is FeatureState.UNKNOWN
    assert found["inet-diag-destroy"].value == "module not loaded"


def test_symbols_tell_the_diag_options() -> None:
    there = table(kernel=kernel("kallsyms readable", "symbol udp_diag_destroy [udp_diag]"))
    assert verdict(there["inet-udp-diag"]) == (FeatureState.YES, Proof.SYMBOL)
    assert verdict(there["inet-diag-destroy"]) == (FeatureState.YES, Proof.SYMBOL)
    without = kernel("kallsyms readable", "modules /proc/modules", "module udp_diag loaded 0")
    found = table(kernel=without)
    assert verdict(found["inet-udp-diag"]) == (FeatureState.YES, Proof.MODULE_LIST)
    assert verdict(found["inet-diag-destroy"]) == (FeatureState.NO, Proof.SYMBOL)


def test_the_agents_own_experience_goes_first() -> None:
    line = parse_log_line(
        'level=error msg="Forcefully terminating sockets connected to deleted service backends not'
        ' supported by underlying kernel: see kube-proxy free guide" subsys=service'
    )
    facts = kernel("config CONFIG_INET_DIAG_DESTROY y", "configfile /proc/config.gz")
    found = table(release=NEW, kernel=facts, log_lines=[line])
    assert verdict(found["inet-diag-destroy"]) == (FeatureState.NO, Proof.LOG_LINE)


def test_how_netns_cookies_are_found() -> None:
    def cookie(**sources: Any) -> tuple[FeatureState, Proof]:
        return verdict(table(**sources)["netns-cookie"])

    yes, no = FeatureState.YES, FeatureState.NO
    read_file = f"{HEADERS}:# read\n".encode()
    have = parse_headers(read_file + f"{HEADERS}:#define HAVE_NETNS_COOKIE 1\n".encode())
    without = parse_headers(read_file)
    symbol = kernel("kallsyms readable", "symbol bpf_get_netns_cookie_sock_addr", release="5.4.0")
    assert cookie(kernel=symbol) == (yes, Proof.SYMBOL)
    assert cookie(headers=have) == (yes, Proof.HEADER)
    assert cookie(headers=without, release=Release(1, 17, 5)) == (no, Proof.HEADER)
    assert cookie(headers=without, release=Release(1, 11, 7))[0] is FeatureState.UNKNOWN
    assert cookie(headers=without, release=NEW)[0] is FeatureState.UNKNOWN
    helpers = BpfHelpers(frozenset(), CleanText("bpftool feature probe"))
    assert cookie(helpers=helpers) == (no, Proof.PROBE)
    line = parse_log_line(
        'level=warning msg="Session affinity for host reachable services needs kernel 5.7.0 or'
        ' newer to work properly" subsys=daemon'
    )
    assert cookie(log_lines=[line]) == (no, Proof.LOG_LINE)
    assert cookie(kernel=kernel(release="5.4.0-90-generic")) == (no, Proof.KERNEL_RELEASE)
    assert cookie(node_kernel=CleanText("6.8.0-45-generic")) == (yes, Proof.KERNEL_RELEASE)
    rhel = CleanText("4.18.0-553.8.1.el8_10.x86_64")
    assert cookie(node_kernel=rhel)[0] is FeatureState.UNKNOWN


def test_missing_cookies_hurt_until_1_17() -> None:
    old = CleanText("5.4.0-90-generic")
    assert table(release=Release(1, 17, 5), node_kernel=old)["netns-cookie"].is_concern
    assert not table(release=NEW, node_kernel=old)["netns-cookie"].is_concern


def test_the_getpeername_hook() -> None:
    hooks = parse_cgroup(read("1.11.7-k8s", "bpftool-cgroup-tree.json"))
    found = table(hooks=hooks, node_kernel=CleanText("4.18.0-553.8.1.el8_10.x86_64"))
    assert verdict(found["getpeername-hook"]) == (FeatureState.YES, Proof.HOOK)
    assert found["socket-hook-connect"].value == "IPv4 + IPv6"
    without = SocketHooks({"connect4": CleanText("sock4_connect")})
    found = table(hooks=without)
    assert verdict(found["getpeername-hook"]) == (FeatureState.NO, Proof.HOOK)
    assert found["getpeername-hook"].is_concern
    assert found["socket-hook-connect"].value == "IPv4"
    assert found["socket-lb"].proof is Proof.HOOK
    old = table(node_kernel=CleanText("5.4.0-90-generic"))["getpeername-hook"]
    assert verdict(old) == (FeatureState.NO, Proof.KERNEL_RELEASE)


def test_socket_lb_without_its_hook_is_a_concern() -> None:
    found = of("1.19.4", hooks=SocketHooks({}))
    assert found["socket-hook-connect"].state is FeatureState.NO
    assert found["socket-hook-connect"].is_concern
    assert not found["socket-hook-sendmsg"].is_concern


def with_proxy(**changes: Any) -> Any:
    status = parse_status(read("1.19.4", "status.json"))
    proxy = status.kube_proxy_replacement
    assert isinstance(proxy, KubeProxyReplacement)
    return replace(status, kube_proxy_replacement=replace(proxy, **changes))


@pytest.mark.parametrize(
    ("mode", "sysctl", "is_concern"),
    [("DSR", "3", True), ("Hybrid", "2", True), ("DSR", "1", False), ("SNAT", "3", False)],
)
def test_dsr_with_fast_open_is_a_concern(mode: str, sysctl: str, is_concern: bool) -> None:
    status = with_proxy(node_port=NodePort(True, CleanText(mode)))
    found = table(status=status, kernel=kernel(f"sysctl net/ipv4/tcp_fastopen {sysctl}"))
    assert found["node-port-mode"].is_concern is is_concern
    assert found["tcp-fastopen"].is_concern is is_concern
    assert found["tcp-fastopen"].proof is Proof.SYSCTL


@pytest.mark.parametrize(("release", "is_concern"), [("1.15.0", True), ("1.16.0", False)])
def test_ipsec_with_kube_proxy_replacement(release: str, is_concern: bool) -> None:
    status = replace(with_proxy(), encryption_mode=CleanText("IPsec"))
    found = table(status=status, release=parse_release(release))
    assert found["encryption"].is_concern is is_concern


def test_hostns_only_before_the_status_tells() -> None:
    config = EffectiveConfig({"BPFSocketLBHostnsOnly": CleanText("true")})
    found = table(config=config, release=Release(1, 17, 5))
    assert found["socket-lb-coverage"].value == "Hostns-only"
    assert found["socket-termination"].value == "not needed"
    off = table(status=with_proxy(socket_lb=False))["socket-lb-coverage"]
    assert (off.state, off.value) == (FeatureState.UNKNOWN, "socket-LB is off")


@pytest.mark.parametrize(
    ("release", "devices", "is_concern"),
    [("1.17.5", 2, True), ("1.17.5", 1, False), ("1.11.7", 2, None), ("1.18.0", 2, None)],
)
def test_device_detection_hurts_with_several_devices(
    release: str, devices: int, is_concern: bool | None
) -> None:
    status = with_proxy(devices=tuple(CleanText(f"eth{n}") for n in range(devices)))
    config = EffectiveConfig({"EnableRuntimeDeviceDetection": CleanText("true")})
    found = table(status=status, config=config, release=parse_release(release))
    row = found.get("device-detection")
    assert (None if row is None else row.is_concern) is is_concern


def test_a_kernel_below_the_minimum_is_a_concern() -> None:
    old = table(release=NEW, node_kernel=CleanText("5.4.0-90-generic"))["kernel-release"]
    assert (old.is_concern, old.proof) == (True, Proof.NODE_OBJECT)
    assert not table(release=NEW, kernel=kernel(release="5.10.0"))["kernel-release"].is_concern


def test_map_size_and_preallocation_from_the_kernel() -> None:
    maps = parse_maps(read("1.11.7", "bpftool-map-show-f.json"))
    found = table(maps=maps)
    assert (found["lb-map-max"].value, found["lb-map-max"].proof) == ("64", Proof.PROBE)
    assert found["preallocation"].state is FeatureState.YES
