"""The shell text that answers the probes of one exec, for dash, bash and busybox ash.

The outer part frames each probe, runs it in a session of its own and kills that session at the
probe's limit (without setsid: the tree of its processes, found in /proc); the inner part
(`PROBE_FUNCTIONS`) holds one function a probe, of which only those that are needed travel. Nothing
in it writes to the node, and every dump is reduced while it streams: exec'd processes share the
agent's memory limit, and a map dump is one line of up to hundreds of megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tui.cilium.hostscript import HOST_FUNCTIONS

METRIC_PATTERN = (
    "bpf_map_pressure|bpf_map_capacity|bpf_map_ops_total"
    "|drop_count_total|forward_count_total|errors_warnings_total"
)

KERNEL_CONFIGS = (
    "INET_DIAG|INET_UDP_DIAG|INET_TCP_DIAG|INET_DIAG_DESTROY|BPF_SYSCALL|BPF_JIT|CGROUP_BPF"
    "|DEBUG_INFO_BTF|NET_CLS_BPF|NET_SCH_INGRESS|IP_SCTP|NFS_FS|CEPH_LIB|KALLSYMS"
)
KERNEL_SYMBOLS = (
    "udp_diag_destroy|tcp_diag_destroy|sock_diag_destroy|inet_diag_handler_cmd|bpf_sock_destroy"
    "|bpf_get_netns_cookie_sock_addr|bpf_get_netns_cookie_sock|bpf_get_socket_cookie_sock_addr"
    "|bpf_iter_udp_seq_show"
)
KERNEL_MODULES = (
    "inet_diag|udp_diag|tcp_diag|nfs|nfsv3|nfsv4|sunrpc|ceph|libceph|rbd|cifs|sctp|xt_socket"
)
CLIENT_MODULES = "ceph|libceph|rbd|nfs|nfsv4|sunrpc|cifs|sctp"
SYSCTLS = (
    "net/ipv4/tcp_fastopen net/core/bpf_jit_enable kernel/unprivileged_bpf_disabled"
    " kernel/kptr_restrict net/ipv4/ip_local_port_range net/netfilter/nf_conntrack_max"
)
HEADER_NAMES = (
    "HOST_NETNS_COOKIE|(NO_)?HAVE_NETNS_COOKIE|HAVE_SOCKET_COOKIE|HAVE_SET_RETVAL|HAVE_CGROUP_ID"
    "|(NO_)?HAVE_LRU_HASH_MAP_TYPE|BPF__PROG_TYPE_cgroup_sock_addr__HELPER_bpf_get_netns_cookie"
    "|ENABLE_SOCKET_LB_[A-Z_]+|ENABLE_HOST_SERVICES_[A-Z_]+|ENABLE_SOCKET_LB"
)
HEADER_FILES = (
    "/var/run/cilium/state/globals/node_config.h /var/run/cilium/state/globals/bpf_features.h"
    " /var/lib/cilium/bpf/include/bpf/features.h /var/lib/cilium/bpf/include/bpf/features_skb.h"
    " /var/lib/cilium/bpf/include/bpf/features_xdp.h"
)

_NEEDLESS = re.compile(r" (\|\||&&|\|) |(?<=;) ")
"""Blanks around what connects commands."""

_SETTINGS = r"""
R=${CILTOP_ROOT-}
export LC_ALL=C
"""

_FUNCTIONS = r"""
have() { command -v "$1" >/dev/null 2>&1; }
say() { echo "ciltop: $*" >&2; }
need() { have "$1" || { say "$1: not found in this container"; exit 127; }; }
cli() { for C in cilium-dbg cilium; do have $C && break; done
  have $C || { say "neither cilium-dbg nor cilium: not found in this container"; exit 127; }
  $C "$@"; }
agent() { S=${CILIUM_SOCK:-$R/var/run/cilium/cilium.sock}
  [ -S "$S" ] || { say "no API socket $S: the agent is not running"; exit 69; }
  cli "$@"; }
locate() {
  G=$R/sys/fs/bpf/tc/globals
  for d in $(grep " - bpf " $R/proc/self/mountinfo 2>/dev/null); do
    d=$R$d/tc/globals
    [ -e $d/cilium_lxc ] || continue
    [ ! -e $G/cilium_lxc ] || [ $d -nt $G ] && G=$d
  done
}
pinned() { [ -e $1 ] || { say no map pinned at $1; exit 66; }; }
squeeze() { if have gzip; then gzip -1; else cat; fi; }
entries() { bpftool -j map dump pinned $1; echo $? >&4; }
rows_of() { awk '
  substr($0, 2, 8) == "{\"key\":[" {
    i = index($0, "],\"value\":[\"0x")
    if (!i) next
    k = substr($0, 10, i - 10); v = substr($0, i + 11)
    v = substr(v, 1, index(v, "]") - 1)
    gsub(/"0x|",?/, "", k); gsub(/"0x|",?/, "", v)
    print k " " v; next
  }
  index($0, "\"error\":") { print | "cat 1>&2" }'; }
rows() {
  need bpftool; locate
  for m; do [ -e $G/$m ] && break; done
  pinned $G/$m
  { c=$({ { echo "# $m"
    if have awk && have tr; then entries $G/$m | tr } \\n | rows_of
    else entries $G/$m; fi; } | squeeze >&3; } 4>&1); } 3>&1
  return ${c:-1}
}
keys() { if have grep; then grep -c "^[[,]{\"key\":\[\"0x"
  elif have awk; then awk 'substr($0, 2, 8) == "{\"key\":[" { n++ } END { print n + 0 }'
  else need grep; fi; }
number() {
  pinned $G/$1
  { c=$({ entries $G/$1 | tr } \\n | keys >&3; } 4>&1); } 3>&1
  return ${c:-1}
}
count() { need bpftool; need tr; locate; number $1; }
many() {
  need bpftool; need tr; f=0
  for p; do
    [ -e $p ] || continue
    p=${p##*/}
    n=$(number $p) && echo $p $n || { f=$?; say $p: not counted; }
  done
  return $f
}
counts() { locate; b=$G/cilium_lb
  many $b[46]_services_v2 $b[46]_backends_v[23] $b[46]_reverse_nat $b[46]_source_range \
    ${b}_affinity_match $G/cilium_lxc; }
policies() { locate; many $G/cilium_policy_[0-9v]*; }
pin_objects() { for p in $G/*; do
  j=$(bpftool -j map show pinned $p 2>/dev/null)
  case $j in {\"id\":*) "$1" ;; esac
done; }
named() { echo "${p##*/} $j"; }
pathed() { echo "${j%\}},\"pinned\":[\"$p\"]}"; }
each_pin() { need bpftool; locate; pin_objects named; }
maps() {
  need bpftool; locate
  have sed && have tr || { bpftool -j -f map show; return; }
  m=$({ bpftool -j -f map show; echo "{$?"; } | tr { \\n | sed -n -e "s/^\"error\":.*/{&/p" \
    -e "s|^\(\"id\":.*\"pinned\":\[\"$G/[^]]*\]\).*|{\1}|p" -e \$p)
  c=${m##*[!0-9]}
  m=${m%"$c"}
  if [ "$m" ]; then printf %s "$m"; elif [ "$c" = 0 ]; then pin_objects pathed; fi
  return ${c:-1}
}
kernel_facts() {
  r=$(uname -r)
  echo "release $r"
  f=-
  for p in "$R/proc/config.gz" "$R/boot/config-$r" "$R/lib/modules/$r/config" \
    "$R/lib/modules/$r/build/.config"; do [ -r "$p" ] && f=$p && break; done
  case $f in *.gz) if have gzip; then z="gzip -dc"; else z=zcat; fi ;; *) z=cat ;; esac
  [ "$f" = - ] || $z "$f" | grep -E "^(# )?CONFIG_(@CONFIGS@)( is|=)" |
  while read -r a b c; do case $a in
    \#) echo "config $b n" ;;
    *) echo "config ${a%%=*} ${a#*=}" ;;
  esac; done
  echo "configfile $f"
  symbols
  [ -r "$R/proc/modules" ] && echo "modules $R/proc/modules" &&
  grep -E "^(@MODULES@) " "$R/proc/modules" |
  while read -r a b c d; do echo "module $a loaded $c"; done
  for k in builtin dep; do
    p=$R/lib/modules/$r/modules.$k
    [ -r "$p" ] && echo "modules $p" &&
    grep -oE "/(@MODULES@)[.]ko([.][a-z0-9]+)?(:|\$)" "$p" |
    while read -r a; do a=${a#/}; echo "module ${a%%.ko*} $k"; done
  done
  for k in @SYSCTLS@; do
    p=$R/proc/sys/$k; [ -r "$p" ] || p=$R/host/proc/sys/$k
    [ -r "$p" ] && read -r a <"$p" && echo "sysctl $k $a"
  done
  for p in "$R/proc/fs/nfsfs/servers"; do
    [ -r "$p" ] && while read -r a; do echo "nfsfs $a"; done <"$p"
  done
  return 0
}
symbols() {
  { read -r a <"$R/proc/kallsyms"; } 2>/dev/null || { echo "kallsyms hidden"; return 1; }
  echo "kallsyms readable"
  grep -wE "[tTwW] (@SYMBOLS@)" "$R/proc/kallsyms" | while read -r a b c d; do
    echo "symbol $c $d"
  done
}
helpers() {
  s=$(symbols) && {
    echo "# source kallsyms"
    case $s in *netns_cookie_sock_addr*) echo bpf_get_netns_cookie ;; esac
    case $s in *socket_cookie_sock_addr*) echo bpf_get_socket_cookie ;; esac
    case $s in *bpf_sock_destroy*) echo bpf_sock_destroy ;; esac
    return 0
  }
  need bpftool; need tr; need grep
  h=$(bpftool -j feature probe kernel | tr ] \\n | grep cgroup_sock_addr_available_helpers)
  case $h in
    *bpf_xdp_adjust_head*) say "bpftool claims every helper for every program: no answer"
      return 65 ;;
    "") say "bpftool feature probe names no helpers"; return 65 ;;
  esac
  echo "# source bpftool feature probe"
  for k in bpf_get_netns_cookie bpf_get_socket_cookie; do
    case $h in *"\"$k\""*) echo $k ;; esac
  done
}
headers() {
  need grep
  for p in @FILES@; do
    p=$R$p; [ -r "$p" ] || continue
    echo "$p:# read"
    grep -E "^#define +(@NAMES@)( |\$)" "$p" | while read -r a; do echo "$p:$a"; done
  done
}
cgroup() {
  need bpftool
  p=$R/run/cilium/cgroupv2
  [ -d "$p" ] || while read -r a b c d; do
    case $c in cgroup2) p=$b; break ;; esac
  done <"$R/proc/mounts"
  bpftool -j cgroup tree "$p"
}
tools() {
  for k in cilium-dbg cilium bpftool sh awk tr sed grep gzip setsid; do
    echo "$k $(command -v $k || echo -)"
  done
}
"""

PROBE_FUNCTIONS = _FUNCTIONS + HOST_FUNCTIONS

_ANSWERS = {
    "status": "agent status -o json",
    "metrics": 'agent metrics list -p "@METRICS@" -o json',
    "config": "agent config -a -o json",
    "version": "cli version -o json",
    "maps": "maps",
    "pins": "each_pin",
    "counts": "counts",
    "kernel": "kernel_facts",
    "helpers": "helpers",
    "headers": "headers",
    "cgroup": "cgroup",
    "tools": "tools",
    "mounts": "bpffs",
    "clients": "clients",
    "sockets": "sockets",
    "neighbors": "neighbors",
    "policies": "policies",
    "services4": "rows cilium_lb4_services_v2",
    "services6": "rows cilium_lb6_services_v2",
    "backends4": "rows cilium_lb4_backends_v3 cilium_lb4_backends_v2",
    "backends6": "rows cilium_lb6_backends_v3 cilium_lb6_backends_v2",
    "count=": "count ${1#count=}",
}
"""What runs for each probe: one of the functions, by its name."""

FRAMING = r"""
N=$1
shift
both() { printf '\n%s %s\n' "$N" "$*"; printf '\n%s %s\n' "$N" "$*" >&2; }
now() { u=0; { read -r u v </proc/uptime; } 2>/dev/null; }
kids() { for s in /proc/[0-9]*/stat; do
  { read -r l <"$s"; } 2>/dev/null || continue
  k=${l##*) }; k=${k#* }
  [ "${k%% *}" = "$1" ] && echo "${l%% *}"
done; }
fell() { kill -STOP "$1"; for k in $(kids "$1"); do (fell "$k"); done; kill -9 "$1"; }
limited() {
  if command -v setsid >/dev/null 2>&1; then
    setsid sh -c "$P" ciltop "$1" </dev/null & p=$!
    setsid sh -c 'sleep "$1" && kill -9 "-$2"' ciltop "$2" $p </dev/null >/dev/null 2>&1 & w=$!
  else
    sh -c "$P" ciltop "$1" </dev/null & p=$!
    (sleep "$2" && fell $p) </dev/null >/dev/null 2>&1 & w=$!
  fi
  { wait $p; c=$?
  if command -v setsid; then kill -9 -$p; kill -9 -$w; kill -9 $w; wait $w
  else fell $w; wait $w; fi; } >/dev/null 2>&1
}
for n; do
  case $n in
  @LIMITS@*) L=5 ;;
  esac
  both begin "$n"
  now; a=$u
  limited "$n" $L
  now
  [ $c = 137 ] && [ $((${u%.*} - ${a%.*})) -ge $L ] && c=124
  both end "$n" $c "$a" "$u"
done
"""


def _substituted(text: str) -> str:
    for name, value in (
        ("@CONFIGS@", KERNEL_CONFIGS),
        ("@SYMBOLS@", KERNEL_SYMBOLS),
        ("@MODULES@", KERNEL_MODULES),
        ("@SYSCTLS@", SYSCTLS),
        ("@CLIENTS@", CLIENT_MODULES),
        ("@NAMES@", HEADER_NAMES),
        ("@FILES@", HEADER_FILES),
        ("@METRICS@", METRIC_PATTERN),
    ):
        text = text.replace(name, value)
    return text


def _compact(text: str) -> str:
    """Drop indentation, empty lines and the blanks that shell and awk don't need.

    The text travels in the URL of every exec, where a blank takes three characters.
    """
    lines = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    return _NEEDLESS.sub(lambda found: found[1] or "", lines)


def _functions() -> dict[str, str]:
    """Cut the functions apart: each starts a line with its name and `() {`."""
    parts = re.split(r"^(?=\w+\(\) \{)", PROBE_FUNCTIONS.strip(), flags=re.MULTILINE)
    return {part.partition("(")[0]: part for part in parts if part}


def _needed(text: str, functions: Mapping[str, str]) -> set[str]:
    """Name the functions that a text calls, and those they call."""
    found: set[str] = set()
    texts = [text]
    while texts:
        named = functions.keys() & set(re.findall(r"\w+", texts.pop()))
        texts.extend(functions[name] for name in named - found)
        found |= named
    return found


def _case(name: str) -> str:
    if not name.endswith("="):
        return f"{name}) {_ANSWERS[name]} ;;"
    refusal = 'say "not a map name: $1"; exit 64'
    return f"{name}*[!a-zA-Z0-9_]*|{name}) {refusal} ;;\n{name}*) {_ANSWERS[name]} ;;"


def build_script(limits: Mapping[str, int]) -> str:
    """Return the script that answers these probes, each with its limit in seconds built in.

    What no probe of them needs is left out: proxies limit a request line, often to 8 KiB, and an
    API server's audit log keeps the whole of it.
    """
    functions = _functions()
    cases = "\n".join([_case(name) for name in limits])
    answers = f'case $1 in\n{cases}\n*) say "unknown probe $1"; exit 64 ;;\nesac'
    needed = _needed(answers, functions)
    inner = [_SETTINGS.strip(), *(text for name, text in functions.items() if name in needed)]
    quoted = _compact(_substituted("\n".join([*inner, answers]))).replace("'", "'\\''")
    seconds = "".join(
        f"{name}{'*' if name.endswith('=') else ''}) L={limit} ;;\n"
        for name, limit in limits.items()
    )
    return f"P='{quoted}'\n{_compact(FRAMING.replace('@LIMITS@', seconds))}\n"
