"""The probe table: what ciltop asks a node, at what cost, and how to ask it in one exec.

A probe is data; `SCRIPT` holds its shell function of the same name. Commands that hurt a node in
trouble are in no probe: `bpf metrics list` deletes the live map before 1.19, and `map list` dumps
every map from 1.16 on (measured: 154 MB at 500,000 conntrack entries).
"""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tui.cilium.script import METRIC_PATTERN, build_script

DEFAULT_ROOT = "/sys/fs/bpf"
"""Where the agent has its bpffs, unless the host has none there or `bpf-root` names another."""
_GLOBALS = f"{DEFAULT_ROOT}/tc/globals"
_ROOT = re.compile(r"(/[A-Za-z0-9_.-]+)+")
_NONCE = re.compile(r"[A-Za-z0-9]{8,64}")
_MAP_NAME = re.compile(r"[a-zA-Z0-9_]{1,64}")
_MARGIN_SECONDS = 10.0
_OVERHEAD_SECONDS = 0.5
"""A probe's own start and end: a few processes on a node that may be short of CPU."""


class CostClass(StrEnum):
    """How often a probe may run."""

    CHEAP = "cheap"
    """Every sweep."""
    DUMP = "dump"
    """Each minute, at once for the chosen node."""
    START = "start"
    """Once per agent start."""
    BOOT = "boot"
    """Once per boot of the node."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing ciltop asks a node."""

    name: str
    """As in the exec's arguments; `count=` takes a map's name behind it."""
    cost: CostClass
    limit_seconds: int
    """The probe and all it started are killed after this long, with exit code 124."""
    command: str
    """What a person would type; `{cilium}` is the binary, `{map}` the map's name."""
    answer: str
    """What its stdout holds."""
    needs_api: bool = False
    """Whether it answers exit code 69 at once when the agent's API socket is missing."""
    safe_from: tuple[int, int] = (1, 11)
    """First minor release it may be sent to."""


_DUMP_ANSWER = (
    "`# PIN`, then one `KEYHEX VALUEHEX` line an entry; the raw JSON of bpftool where awk or tr"
    " is missing; gzip'd where gzip is there: read it with `tui.cilium.dumps.decode_dump`"
)


def _dump(name: str, pin: str) -> Probe:
    command = f"bpftool -j map dump pinned {_GLOBALS}/{pin}"
    return Probe(name, CostClass.DUMP, 20, command, _DUMP_ANSWER)


_TABLE = (
    Probe("status", CostClass.CHEAP, 8, "{cilium} status -o json", "verbatim", needs_api=True),
    Probe(
        "maps",
        CostClass.CHEAP,
        8,
        "bpftool -j -f map show",
        "one JSON object a line for each map pinned under the globals, with `pinned`; the whole"
        " array verbatim where tr or sed is missing",
    ),
    Probe(
        "pins",
        CostClass.CHEAP,
        15,
        f"for p in {_GLOBALS}/*; do bpftool -j map show pinned $p; done",
        "one `NAME {json}` line a pinned map; `maps` falls back to it by itself where bpftool"
        " shows no pins",
    ),
    # Without an agent `metrics list` retries for 15 s from 1.17 on; with one it takes 0.1 to 0.2 s.
    Probe(
        "metrics",
        CostClass.CHEAP,
        5,
        f"{{cilium}} metrics list -p '{METRIC_PATTERN}' -o json",
        "verbatim",
        needs_api=True,
    ),
    _dump("services4", "cilium_lb4_services_v2"),
    _dump("services6", "cilium_lb6_services_v2"),
    _dump("backends4", "cilium_lb4_backends_v3"),
    _dump("backends6", "cilium_lb6_backends_v3"),
    Probe(
        "count=",
        CostClass.DUMP,
        30,
        f"bpftool -j map dump pinned {_GLOBALS}/{{map}} | grep -o '\"key\":\\[' | wc -l",
        "the number of entries",
    ),
    Probe(
        "counts",
        CostClass.DUMP,
        30,
        "bpftool -j map dump pinned ... | grep -o '\"key\":\\[' | wc -l",
        "one `PIN N` line for each load-balancing hash map and cilium_lxc; a map that can't be"
        " counted is named on stderr",
    ),
    Probe(
        "policies",
        CostClass.DUMP,
        30,
        f"for p in {_GLOBALS}/cilium_policy_*; do bpftool -j map dump pinned $p; done",
        "one `PIN N` line a policy map",
    ),
    Probe(
        "clients",
        CostClass.DUMP,
        8,
        "cat /proc/net/nfsfs/servers /sys/kernel/sunrpc/xprt-switches/*/xprt-*/dstaddr"
        " /proc/fs/cifs/DebugData /proc/modules /proc/net/sctp/assocs; dmesg | grep 'wrong peer'",
        "`# PART read|denied|absent` for each of nfs, rpc, sunrpc, smb, rbd, bdi, modules,"
        " tcp (with NFS or SMB servers only), fastopen, netstat, sctp, kmsg, followed by its"
        " lines: servers as the kernel prints them,"
        " transports' addresses, names and addresses of DebugData, rows of"
        " connections to port 2049 or 445, paths of devices (a pattern"
        " where there is none), modules, the sysctl, the TcpExt lines, the number of lines"
        " (with the title) of sctp/assocs, lines of the kernel's log",
    ),
    Probe(
        "sockets",
        CostClass.DUMP,
        15,
        "cat /proc/net/udp; for p in /var/run/cilium/netns/*; do"
        " nsenter --net=$p cat /proc/net/udp; done",
        "`# host` where the host's sockets could be read, `# pods SEEN READ` (namespaces) where"
        " there is a folder of them and nsenter, `# truncated` at 200 remote addresses or after"
        " 5 s; then `NAMESPACE HEXADDRESS:HEXPORT COUNT` for each remote address of connected UDP"
        " sockets",
    ),
    Probe(
        "neighbors",
        CostClass.DUMP,
        10,
        "ip neigh; ip route show default; grep . /sys/class/net/*/ifindex",
        "`dev NAME INDEX KIND` for each device but the pods'; `agent NAME N` (entries flagged"
        " extern_learn or managed), `fails NAME N`, `failed ADDRESS NAME` (50 at most),"
        " `default NAME`",
    ),
    Probe("version", CostClass.START, 8, "{cilium} version -o json", "verbatim"),
    Probe("config", CostClass.START, 8, "{cilium} config -a -o json", "verbatim", needs_api=True),
    Probe(
        "headers",
        CostClass.START,
        8,
        "grep -E '^#define +(HOST|HAVE)_NETNS_COOKIE' /var/run/cilium/state/globals/node_config.h",
        "`PATH:# read` for each generated header that could be read, followed by its"
        " `PATH:#define NAME VALUE` lines",
    ),
    # The hooks depend on the agent's configuration, not on the boot.
    Probe(
        "cgroup",
        CostClass.START,
        10,
        "bpftool -j cgroup tree /run/cilium/cgroupv2",
        "verbatim; of the first cgroup2 mount where /run/cilium/cgroupv2 is missing",
    ),
    Probe(
        "tools",
        CostClass.START,
        5,
        "command -v cilium-dbg cilium bpftool awk",
        "one `NAME PATH` line a tool, `NAME -` where it is missing",
    ),
    # An agent mounts bpffs when it starts: until then there is none, and the probe is due again.
    Probe(
        "mounts",
        CostClass.START,
        5,
        "grep ' - bpf ' /proc/self/mountinfo",
        "`# table PATH`, then lines of its mountinfo: of mount points with 17 characters at most,"
        " and of every bpffs; `# kubelet` where pods' volumes are mounted in it. First the"
        " container's own, then that of process 1, which is the host's where the pod shares its"
        " processes or has its /proc. `# pins PATH` where tc/globals is; exit code 66 where there"
        " is no bpffs",
    ),
    Probe(
        "kernel",
        CostClass.BOOT,
        15,
        "zgrep INET_DIAG /proc/config.gz; grep udp_diag_destroy /proc/kallsyms",
        "lines of `release R`; `config CONFIG_X y|m|n|VALUE` and `configfile PATH` (`-`: none"
        " readable, so an absent CONFIG_X is unknown, not off); `kallsyms readable|hidden`,"
        " `symbol NAME [MODULE]`; `modules PATH` for each list that could be read,"
        " `module NAME loaded USECOUNT`, `module NAME builtin`, `module NAME dep` (could be"
        " loaded); `sysctl net/ipv4/x VALUE`; `nfsfs LINE` of /proc/fs/nfsfs/servers",
    ),
    Probe(
        "helpers",
        CostClass.BOOT,
        20,
        "grep bpf_get_netns_cookie_sock_addr /proc/kallsyms",
        "`# source kallsyms` or `# source bpftool feature probe`, then one line for each helper"
        " that socket programs have, of bpf_get_netns_cookie, bpf_get_socket_cookie and (kallsyms"
        " only) bpf_sock_destroy; exit code 65 when no source can be believed",
    ),
)

PROBES: Mapping[str, Probe] = MappingProxyType({probe.name: probe for probe in _TABLE})
"""Every probe by its name; `count=` takes a map's name behind it."""


@functools.cache
def script_of(names: frozenset[str]) -> str:
    """Return the text of an exec that answers these probes of the table; they alone decide on it.

    The arguments say which are due.
    """
    return build_script(
        {probe.name: probe.limit_seconds for probe in _TABLE if probe.name in names}
    )


SCRIPT = script_of(frozenset(PROBES))
"""The text with every probe in it: all that can ever run on a node."""


def new_nonce() -> str:
    """Return a fresh nonce: what a command prints must not be able to forge a marker."""
    return secrets.token_hex(12)


def count_probe(map_name: str) -> str:
    """Return the probe that counts one pinned map in place.

    Raises:
        ValueError: this is no map's name.
    """
    if not _MAP_NAME.fullmatch(map_name):
        raise ValueError(f"not a map name: {map_name!r}")
    return f"count={map_name}"


def probe_of(name: str) -> Probe | None:
    """Return the table's row for a probe as it stands in the arguments, or None."""
    head, equals, argument = name.partition("=")
    probe = PROBES.get(head + equals)
    if probe is None or (equals and not _MAP_NAME.fullmatch(argument)):
        return None
    return probe


def pin_path(map_name: str, root: str = "") -> str:
    """Return where a map is pinned.

    Args:
        map_name: the pin's name.
        root: the agent's bpffs; the usual one where it is not known or needs quoting in a shell.
    """
    return f"{root if _ROOT.fullmatch(root) else DEFAULT_ROOT}/tc/globals/{map_name}"


def command_text(name: str, binary: str = "cilium-dbg", root: str = "") -> str:
    """Return what a person would type to see what the probe saw.

    Args:
        name: the probe, as it stands in the arguments.
        binary: the agent's command line program.
        root: the agent's bpffs, where it is known.
    """
    probe = probe_of(name)
    if probe is None:
        return name
    map_name = name.partition("=")[2]
    command = probe.command.replace(f"{_GLOBALS}/", pin_path("", root))
    return command.replace("{cilium}", binary).replace("{map}", map_name)


def is_safe(name: str, release: tuple[int, int]) -> bool:
    """Tell whether the probe may be sent to an agent of this major and minor release."""
    probe = probe_of(name)
    return probe is not None and release >= probe.safe_from


def exec_argv(nonce: str, probes: Sequence[str]) -> list[str]:
    """Return the command of the one exec that answers these probes, each once.

    Raises:
        ValueError: a nonce or a probe name that the script would not take.
    """
    if not _NONCE.fullmatch(nonce):
        raise ValueError("a nonce is 8 to 64 letters and digits")
    unknown = [name for name in probes if probe_of(name) is None]
    if unknown:
        raise ValueError(f"unknown probe {unknown[0]!r}")
    return ["sh", "-c", script_of(_known(probes)), "ciltop", nonce, *dict.fromkeys(probes)]


def _known(probes: Iterable[str]) -> frozenset[str]:
    return frozenset(probe.name for name in probes if (probe := probe_of(name)) is not None)


def parse_argv(argv: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return nonce and probes of such a command; None where it is any other command."""
    if len(argv) < 5 or list(argv[:4]) != ["sh", "-c", script_of(_known(argv[5:])), "ciltop"]:
        return None
    if not _NONCE.fullmatch(argv[4]):
        return None
    return argv[4], list(argv[5:])


def deadline_seconds(probes: Iterable[str]) -> float:
    """Return how long the exec may take: more than all its probes at their limits."""
    limits = [probe.limit_seconds for name in probes if (probe := probe_of(name)) is not None]
    return sum(limits) + _OVERHEAD_SECONDS * len(limits) + _MARGIN_SECONDS
