"""Features of the kernel, each from the most certain source that speaks of it.

A module that is not loaded shows no symbol, and a header that was not written proves nothing: such
an absence is unknown, never a no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui.cilium.featuresources import (
    FeatureRow,
    FeatureSources,
    Verdict,
    first_of,
    no,
    unknown,
    valued,
    yes,
)
from tui.cilium.kernelreleases import has_connect_fix, has_feature_of
from tui.model.features import Feature, FeatureGroup, FeatureState, Proof
from tui.safety import CleanText

_KERNEL = FeatureGroup.KERNEL
_UDP = "ending pods' connected UDP sockets when their service backend is deleted"
_CONFIG_ROWS = (
    # The others need inet_diag: any of them proves it.
    (
        FeatureRow("inet-diag", "CONFIG_INET_DIAG", _KERNEL, _UDP),
        ("inet_diag", "udp_diag", "tcp_diag"),
    ),
    (FeatureRow("inet-udp-diag", "CONFIG_INET_UDP_DIAG", _KERNEL, _UDP), ("udp_diag",)),
)
_DIAG_SYMBOLS = {
    "inet_diag": "inet_diag_handler_cmd",
    "udp_diag": "udp_diag_destroy",
    "tcp_diag": "tcp_diag_destroy",
}
_DESTROY = FeatureRow("inet-diag-destroy", "CONFIG_INET_DIAG_DESTROY", _KERNEL, _UDP)
_SOCK_DESTROY = FeatureRow(
    "bpf-sock-destroy",
    "bpf_sock_destroy (kernel 6.5)",
    _KERNEL,
    f"{_UDP}, from 1.19 also without CONFIG_INET_DIAG_DESTROY",
)
_COOKIE = FeatureRow(
    "netns-cookie",
    "network namespace cookies (kernel 5.7)",
    _KERNEL,
    "telling host and pods apart: without it services are reachable from all pods via the loopback"
    " address, and bpf-lb-sock-hostns-only is turned off",
)
_SOCKET_COOKIE = FeatureRow(
    "socket-cookie", "bpf_get_socket_cookie", _KERNEL, "socket-LB for UDP: its reverse translation"
)
_GETPEERNAME = FeatureRow(
    "getpeername-hook",
    "getpeername hook (kernel 5.8)",
    _KERNEL,
    "libceph (RBD and CephFS mounts) with monitors behind a Service",
)
_CONNECT = FeatureRow(
    "kernel-connect",
    "kernel_connect fix (kernel 6.6)",
    _KERNEL,
    "NFS and SMB in the kernel with servers behind a Service, under socket-LB",
)
_FASTOPEN = FeatureRow(
    "tcp-fastopen", "net.ipv4.tcp_fastopen", _KERNEL, "DSR NodePort does not go with TCP Fast Open"
)
_RELEASE = FeatureRow("kernel-release", "kernel release", _KERNEL, "every gate of this list")
_HOOKS = ("connect", "sendmsg", "recvmsg", "getpeername", "post_bind")
_HOOK_NEEDS = {
    "connect": "socket-LB: TCP and connected UDP to services",
    "sendmsg": "socket-LB: UDP to services",
    "recvmsg": "socket-LB: answers of UDP services",
    "getpeername": "libceph: the service's address as the peer",
    "post_bind": "protection of NodePorts against bind(2)",
}
_TERMINATION_LINE = "Forcefully terminating sockets connected to deleted service backends not"
_COOKIE_LINES = (
    "Session affinity for host reachable services needs kernel 5.7",
    "Without network namespace cookie lookup functionality",
    "Require support for bpf_get_netns_cookie()",
)


def kernel_features(sources: FeatureSources) -> Iterator[Feature]:
    """Yield the kernel's features, in the order of the table."""
    yield _release(sources)
    for row, modules in _CONFIG_ROWS:
        yield _judged(row, _diag(sources, row.label, modules), sources)
    yield _judged(_DESTROY, _diag_destroy(sources), sources)
    yield _SOCK_DESTROY.judged(_sock_destroy(sources))
    cookie = _netns_cookie(sources)
    is_fixed = sources.at_least(1, 18)
    yield _COOKIE.judged(cookie, is_concern=cookie.state is FeatureState.NO and not is_fixed)
    yield _SOCKET_COOKIE.judged(_socket_cookie(sources))
    peer = _getpeername(sources)
    yield _GETPEERNAME.judged(peer, is_concern=peer.state is FeatureState.NO)
    yield from _hooks(sources)
    yield _connect_fix(sources)
    yield _fastopen(sources)


def _judged(row: FeatureRow, verdict: Verdict, sources: FeatureSources) -> Feature:
    """Call a missing diag option a concern where this release would use it.

    1.15 was the first to; 1.19 does without where bpf_sock_destroy is there, and 1.20 asks for
    the options again.
    """
    is_used = sources.at_least(1, 15) is not False
    if sources.at_least(1, 19) and not sources.at_least(1, 20):
        is_used = _sock_destroy(sources).state is not FeatureState.YES
    return row.judged(verdict, is_concern=verdict.state is FeatureState.NO and is_used)


def _release(sources: FeatureSources) -> Feature:
    kernel = sources.kernel_release
    if kernel is None:
        return _RELEASE.judged(unknown("not read", "uname -r; the Node object's kernelVersion"))
    text = sources.kernel.release if sources.kernel else sources.node_kernel
    proof = Proof.KERNEL_RELEASE if sources.kernel else Proof.NODE_OBJECT
    evidence = "uname -r" if sources.kernel else "status.nodeInfo.kernelVersion"
    # Cilium's system requirements: 5.10, or RHEL 8.10's 4.18, from 1.18 on.
    is_too_old = bool(sources.at_least(1, 18)) and has_feature_of(kernel, 5, 10) is False
    return _RELEASE.judged(valued(text, proof, evidence), is_concern=is_too_old)


def _config(sources: FeatureSources, option: str) -> Verdict | None:
    """Read an option from the kernel's configuration file; one it does not name is off."""
    kernel = sources.kernel
    if kernel is None or kernel.config_file is None:
        return None
    value = kernel.configs.get(option, CleanText("n"))
    evidence = f"{option}={value} in {kernel.config_file}"
    if value == "n":
        return no(Proof.CONFIG_FILE, f"{option} is not set in {kernel.config_file}")
    return yes(Proof.CONFIG_FILE, evidence, "module" if value == "m" else "")


def _diag(sources: FeatureSources, option: str, modules: Sequence[str]) -> Verdict:
    kernel = sources.kernel
    lookup = f"{option} in a kernel config file, module {modules[0]}, symbols"
    if kernel is None:
        return unknown("not read", lookup)
    found: Verdict | None = None
    for module in modules:
        symbol = _DIAG_SYMBOLS[module]
        if symbol in kernel.symbols:
            found = yes(Proof.SYMBOL, f"{symbol} in /proc/kallsyms")
        elif module in kernel.builtin_modules:
            found = yes(Proof.MODULE_LIST, f"{module} in modules.builtin")
        elif module in kernel.loaded_modules:
            found = yes(Proof.MODULE_LIST, f"{module} is loaded", "module")
        elif module in kernel.loadable_modules:
            found = yes(Proof.MODULE_LIST, f"{module} in modules.dep, not loaded", "module")
        if found is not None:
            break
    return first_of((_config(sources, option), found), unknown("no config", lookup))


def _termination_log(sources: FeatureSources) -> Verdict | None:
    line = sources.log_line_with(_TERMINATION_LINE)
    return no(Proof.LOG_LINE, line.message) if line else None


def _diag_destroy(sources: FeatureSources) -> Verdict:
    kernel = sources.kernel
    symbols: Verdict | None = None
    lookup = "CONFIG_INET_DIAG_DESTROY in a kernel config file, udp_diag_destroy in /proc/kallsyms"
    otherwise = unknown("not read" if kernel is None else "no config", lookup)
    if kernel is not None:
        present = [
            name for name in ("udp_diag_destroy", "tcp_diag_destroy") if name in kernel.symbols
        ]
        is_there = "udp_diag" in kernel.loaded_modules or "udp_diag" in kernel.builtin_modules
        if present:
            symbols = yes(Proof.SYMBOL, f"{present[0]} in /proc/kallsyms")
        elif kernel.is_kallsyms_readable and is_there:
            symbols = no(Proof.SYMBOL, "udp_diag is there, udp_diag_destroy is not")
        elif kernel.is_kallsyms_readable:
            otherwise = unknown("module not loaded", "udp_diag is not loaded: no symbol to see")
    config = _config(sources, "CONFIG_INET_DIAG_DESTROY")
    return first_of((_termination_log(sources), config, symbols), otherwise)


def _sock_destroy(sources: FeatureSources) -> Verdict:
    kernel = sources.kernel
    symbol: Verdict | None = None
    if kernel is not None and "bpf_sock_destroy" in kernel.symbols:
        symbol = yes(Proof.SYMBOL, "bpf_sock_destroy in /proc/kallsyms")
    elif kernel is not None and kernel.is_kallsyms_readable:
        symbol = no(Proof.SYMBOL, "bpf_sock_destroy is not in /proc/kallsyms")
    line = sources.log_line_with("bpf_sock_destroy is not supported")
    log = no(Proof.LOG_LINE, line.message) if line else None
    return first_of(
        (log, symbol, _by_release(sources, 6, 5)), unknown("not read", "/proc/kallsyms")
    )


def _by_release(sources: FeatureSources, major: int, minor: int) -> Verdict | None:
    kernel = sources.kernel_release
    has = has_feature_of(kernel, major, minor)
    if has is None:
        return None
    text = sources.kernel.release if sources.kernel else sources.node_kernel
    evidence = f"{text} against {major}.{minor}"
    return (yes if has else no)(Proof.KERNEL_RELEASE, evidence)


def _netns_cookie(sources: FeatureSources) -> Verdict:
    return first_of(
        (
            _cookie_symbol(sources),
            _cookie_header(sources),
            _helper(sources, "bpf_get_netns_cookie"),
            _cookie_log(sources),
            _by_release(sources, 5, 7),
        ),
        unknown("not proved", "the helper's symbol, HAVE_NETNS_COOKIE, bpftool feature probe, log"),
    )


def _cookie_symbol(sources: FeatureSources) -> Verdict | None:
    symbol = "bpf_get_netns_cookie_sock_addr"
    if sources.kernel is not None and symbol in sources.kernel.symbols:
        return yes(Proof.SYMBOL, f"{symbol} in /proc/kallsyms")
    return None


def _cookie_header(sources: FeatureSources) -> Verdict | None:
    """Read the agent's own probe of the helper from its headers.

    HOST_NETNS_COOKIE is written only with socket-LB on and SO_NETNS_COOKIE (5.14) there, and
    features.h names the helper in 1.13 to 1.17 only: elsewhere an absence proves nothing.
    """
    headers = sources.headers
    if headers is None:
        return None
    for name in (
        "HAVE_NETNS_COOKIE",
        "HOST_NETNS_COOKIE",
        "BPF__PROG_TYPE_cgroup_sock_addr__HELPER_bpf_get_netns_cookie",
    ):
        if name in headers.defines and headers.defines[name] != "0":
            return yes(Proof.HEADER, f"{name} in {headers.origins[name]}")
    is_telling = sources.at_least(1, 13) and not sources.at_least(1, 18)
    if is_telling and headers.was_read("/bpf/features.h"):
        return no(Proof.HEADER, "HAVE_NETNS_COOKIE is not in features.h")
    return None


def _helper(sources: FeatureSources, name: str) -> Verdict | None:
    helpers = sources.helpers
    if helpers is None:
        return None
    proof = Proof.SYMBOL if helpers.source == "kallsyms" else Proof.PROBE
    if name in helpers.names:
        return yes(proof, f"{name}: {helpers.source}")
    return no(proof, f"{name} is not in {helpers.source}")


def _cookie_log(sources: FeatureSources) -> Verdict | None:
    line = sources.log_line_with(*_COOKIE_LINES)
    return no(Proof.LOG_LINE, line.message) if line else None


def _socket_cookie(sources: FeatureSources) -> Verdict:
    return first_of(
        (_helper(sources, "bpf_get_socket_cookie"), _by_release(sources, 4, 18)),
        unknown("not read", "/proc/kallsyms, bpftool feature probe"),
    )


def _getpeername(sources: FeatureSources) -> Verdict:
    hooks = sources.hooks
    attached: Verdict | None = None
    if hooks is not None:
        found = [name for name in ("getpeername4", "getpeername6") if name in hooks.programs]
        if found:
            attached = yes(Proof.HOOK, f"{', '.join(found)} on the root cgroup")
        elif hooks.programs:
            attached = no(Proof.HOOK, "socket hooks are attached, getpeername is not")
    return first_of(
        (attached, _by_release(sources, 5, 8)),
        unknown(
            "not proved", "bpftool cgroup tree; the kernel's release has backports or is unread"
        ),
    )


def _hooks(sources: FeatureSources) -> Iterator[Feature]:
    """Yield one row a hook, both IP versions together, and the release hook."""
    status = sources.status
    proxy = status.kube_proxy_replacement if status else None
    is_wanted = bool(proxy and proxy.socket_lb)
    for name in _HOOKS:
        row = FeatureRow(
            f"socket-hook-{name.replace('_', '-')}",
            f"socket hook {name}",
            _KERNEL,
            _HOOK_NEEDS[name],
        )
        verdict = _hook(sources, name)
        is_broken = verdict.state is FeatureState.NO and is_wanted and name == "connect"
        yield row.judged(verdict, is_concern=is_broken)


def _hook(sources: FeatureSources, name: str) -> Verdict:
    hooks = sources.hooks
    if hooks is None:
        return unknown("not read", "bpftool cgroup tree")
    found = {version: hooks.programs.get(f"{name}{version}") for version in (4, 6)}
    attached = [version for version, program in found.items() if program is not None]
    if not attached:
        return no(Proof.HOOK, f"no {name} program on the root cgroup", "not attached")
    programs = ", ".join(program for program in found.values() if program)
    value = " + ".join(f"IPv{version}" for version in attached)
    return yes(Proof.HOOK, programs or "attached without a name", value)


def _connect_fix(sources: FeatureSources) -> Feature:
    kernel = sources.kernel_release
    fixed = has_connect_fix(kernel)
    text = sources.kernel.release if sources.kernel else sources.node_kernel
    if kernel is None or fixed is None:
        verdict = unknown("unknown build", f"{text}: a distribution's build may have the fix")
    elif fixed:
        verdict = yes(Proof.KERNEL_RELEASE, f"{text} has commit 0bdf399342c5")
    else:
        verdict = no(Proof.KERNEL_RELEASE, f"{text} comes before commit 0bdf399342c5")
    return _CONNECT.judged(verdict, is_concern=verdict.state is FeatureState.NO)


def _fastopen(sources: FeatureSources) -> Feature:
    """Give the sysctl; bit 1 is the kernel's default (client side), bit 2 opens servers."""
    value = sources.kernel.sysctls.get("net/ipv4/tcp_fastopen") if sources.kernel else None
    if value is None:
        return _FASTOPEN.judged(unknown("not read", "/proc/sys/net/ipv4/tcp_fastopen"))
    status = sources.status
    proxy = status.kube_proxy_replacement if status else None
    mode = proxy.node_port.mode if proxy and proxy.node_port else CleanText("")
    is_server = value.isdecimal() and len(value) < 10 and bool(int(value) & 2)
    verdict = valued(value, Proof.SYSCTL, "/proc/sys/net/ipv4/tcp_fastopen of the host")
    return _FASTOPEN.judged(verdict, is_concern=is_server and mode.lower() in {"dsr", "hybrid"})
