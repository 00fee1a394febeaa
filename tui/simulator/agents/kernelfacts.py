"""What a container sees of its node's kernel: config, symbols, headers, hooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tui.cilium.script import (
    HEADER_FILES,
    KERNEL_CONFIGS,
    KERNEL_MODULES,
    KERNEL_SYMBOLS,
)
from tui.simulator.agents.hostfiles import nfs_servers
from tui.simulator.agents.releases import AgentRelease
from tui.simulator.host import SimHost
from tui.simulator.kernels import Kernel
from tui.simulator.model import Agent, SimNode, number_from

CGROUP_ROOT = "/run/cilium/cgroupv2"
HOST_COOKIE = 4142
_HOOKS = (
    ("cgroup_inet{}_connect", "sock{}_connect"),
    ("cgroup_inet{}_post_bind", "sock{}_post_bind"),
    ("cgroup_udp{}_sendmsg", "sock{}_sendmsg"),
    ("cgroup_udp{}_recvmsg", "sock{}_recvmsg"),
    ("cgroup_inet{}_getpeername", "sock{}_getpeername"),
)


def kernel_probe(node: SimNode) -> str:
    """Return the `kernel` probe's answer."""
    kernel = node.kernel
    lines = [f"release {kernel.release}"]
    if kernel.has_config_gz:
        wanted = {f"CONFIG_{name}" for name in KERNEL_CONFIGS.split("|")}
        options = kernel.options()
        lines += [
            f"config {name} {value or 'n'}" for name, value in options.items() if name in wanted
        ]
        lines.append("configfile /proc/config.gz")
    else:
        lines.append("configfile -")
    lines.append("kallsyms readable")
    known = set(KERNEL_SYMBOLS.split("|"))
    lines += [f"symbol {line}" for line in _symbols(kernel) if line.split()[0] in known]
    lines += _modules(kernel, node.host)
    lines += [
        f"sysctl net/ipv4/tcp_fastopen {node.host.tcp_fastopen}",
        "sysctl net/core/bpf_jit_enable 1",
        "sysctl kernel/unprivileged_bpf_disabled 2",
        "sysctl kernel/kptr_restrict 1",
        "sysctl net/ipv4/ip_local_port_range 32768\t60999",
        "sysctl net/netfilter/nf_conntrack_max 262144",
    ]
    if "nfs" in node.host.modules():
        lines += [f"nfsfs {line}" for line in nfs_servers(node.host).splitlines()]
    return "".join(line + "\n" for line in lines)


def _symbols(kernel: Kernel) -> Iterator[str]:
    for symbol in kernel.symbols():
        yield f"{symbol} [udp_diag]" if symbol == "udp_diag_destroy" else f"{symbol} "


def _modules(kernel: Kernel, host: SimHost) -> Iterator[str]:
    known = set(KERNEL_MODULES.split("|"))
    yield "modules /proc/modules"
    loaded = {**host.modules(), "xt_socket": 0}
    if kernel.has_udp_diag and kernel.is_udp_diag_loaded:
        loaded |= {"udp_diag": 0}
    for module, users in loaded.items():
        if module in known:
            yield f"module {module} loaded {users}"
    yield f"modules /lib/modules/{kernel.release}/modules.builtin"
    if kernel.has_inet_diag_destroy:
        yield "module inet_diag builtin"
        yield "module tcp_diag builtin"
    yield f"modules /lib/modules/{kernel.release}/modules.dep"
    for module in ("udp_diag", "nfs", "ceph", "libceph", "rbd", "cifs", "sctp"):
        if module != "udp_diag" or kernel.has_udp_diag:
            yield f"module {module} dep"


def helpers_probe(node: SimNode) -> str:
    """Return the `helpers` probe's answer."""
    found = ["# source kallsyms"]
    if node.kernel.has_netns_cookie:
        found.append("bpf_get_netns_cookie")
    found.append("bpf_get_socket_cookie")
    if node.kernel.has_socket_destroyer:
        found.append("bpf_sock_destroy")
    return "".join(line + "\n" for line in found)


def header_lines(release: AgentRelease, kernel: Kernel, hostns_only: bool) -> dict[str, list[str]]:
    """Return the defines of interest by the generated header that holds them."""
    node_config, old_features, features, skb, xdp = HEADER_FILES.split()
    found: dict[str, list[str]] = {node_config: []}
    if kernel.has_cookie_socket_option:
        found[node_config].append(f"#define HOST_NETNS_COOKIE {HOST_COOKIE}")
    if release.minor <= 12:
        found[node_config].append("#define ENABLE_HOST_SERVICES_FULL 1")
        found[node_config].append("#define ENABLE_HOST_SERVICES_PEER 1")
        found[old_features] = ["#define HAVE_LRU_HASH_MAP_TYPE"]
        if kernel.has_netns_cookie:
            found[old_features].append(
                "#define BPF__PROG_TYPE_cgroup_sock_addr__HELPER_bpf_get_netns_cookie 1"
            )
        return found
    coverage = "HOST_ONLY" if hostns_only else "FULL"
    found[node_config].append(f"#define ENABLE_SOCKET_LB_{coverage} 1")
    if kernel.has_getpeername_hook:
        found[node_config].append("#define ENABLE_SOCKET_LB_PEER 1")
    defines = ["#define HAVE_SET_RETVAL 1"]
    if release.minor <= 17:
        defines += ["#define HAVE_CGROUP_ID 1", "#define HAVE_SOCKET_COOKIE 1"]
        if kernel.has_netns_cookie:
            defines.append("#define HAVE_NETNS_COOKIE 1")
    return {**found, features: defines, skb: [], xdp: []}


def headers_of(node: SimNode, agent: Agent) -> dict[str, list[str]]:
    """Return the headers that this agent generated at its start."""
    wanted = agent.config.is_on("bpf-lb-sock-hostns-only")
    return header_lines(agent.release, node.kernel, wanted and node.kernel.has_netns_cookie)


def headers_probe(node: SimNode, agent: Agent) -> str:
    """Return the `headers` probe's answer."""
    lines = []
    for path, defines in headers_of(node, agent).items():
        lines.append(f"{path}:# read\n")
        lines += [f"{path}:{define}\n" for define in defines]
    return "".join(lines)


def cgroup_tree(node: SimNode, agent: Agent) -> bytes:
    """Return `bpftool -j cgroup tree`: the socket hooks that are attached."""
    prefix = "" if agent.release.minor < 13 else "cil_"
    flags = "multi" if agent.release.minor >= 17 else ""
    number = 60_000 + number_from(agent.container_id) % 30_000
    programs: list[dict[str, Any]] = []
    for attach_type, name in _HOOKS:
        if "getpeername" in name and not node.kernel.has_getpeername_hook:
            continue
        for family in ("4", "6"):
            number += 3
            programs.append(
                {
                    "id": number,
                    "attach_type": attach_type.format(family),
                    "attach_flags": flags,
                    "name": prefix + name.format(family),
                    "attach_btf_name": "",
                    "attach_btf_obj_id": 0,
                    "attach_btf_id": 0,
                }
            )
    tree = [{"cgroup": CGROUP_ROOT, "programs": programs}]
    return json.dumps(tree, separators=(",", ":")).encode() + b"\n"


TOOLS = ("bpftool", "sh", "awk", "tr", "sed", "grep", "gzip", "setsid", "timeout")


def tools_probe(agent: Agent) -> str:
    """Return the `tools` probe's answer."""
    lines = []
    for name in ("cilium-dbg", "cilium"):
        path = f"/usr/bin/{name}" if name == agent.release.binary else "-"
        lines.append(f"{name} {path}\n")
    return "".join(lines) + "".join(
        f"{name} /usr/{'local/' if name == 'bpftool' else ''}bin/{name}\n" for name in TOOLS
    )
