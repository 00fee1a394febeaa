"""The shell functions of the probes that ask for the host: clients, sockets, neighbors, mounts.

`tui.cilium.script` puts them together with its own, which they call.
"""

HOST_FUNCTIONS = r"""
src() { k=$1; p=$R$2; shift 2
  if { { :; } <"$p"; } 2>/dev/null; then echo "# $k read"; "$@" <"$p"
  elif [ -e "$p" ]; then echo "# $k denied"; else echo "# $k absent"; fi; }
clients() {
  need grep; need tail
  src nfs /proc/net/nfsfs/servers grep -m 500 .
  src rpc /proc/net/rpc :
  d=/sys/kernel/sunrpc/xprt-switches
  src sunrpc $d grep -shm 1 . "$R"$d/*/xprt-*/dstaddr
  src smb /proc/fs/cifs/DebugData grep -m 200 -oE "^Display|(Hostname|Address|Name): [^ ]+"
  d=/sys/bus/rbd/devices
  src rbd $d printf %s\\n "$R"$d/*
  d=/sys/class/bdi
  src bdi $d printf %s\\n "$R"$d/ceph-*
  grep -qs "^[v1]" "$R/proc/net/nfsfs/servers" "$R/proc/fs/cifs/DebugData" &&
  src tcp /proc/net/tcp grep -shm 100 -E ":[^:]*:(0801|01BD) 0[12] " "$R"/proc/net/tcp*
  src modules /proc/modules grep -E "^(@CLIENTS@) "
  src fastopen /proc/sys/net/ipv4/tcp_fastopen grep .
  src netstat /proc/net/netstat grep ^TcpExt:
  src sctp /proc/net/sctp/assocs grep -c .
  echo "# kmsg read"
  { dmesg || echo "# kmsg denied"; } 2>/dev/null |
  grep -E "^# |libceph: .*wrong peer|nfs: server .* (OK|not resp)" | tail -n 30
  return 0
}
sockets() {
  need awk
  d=$R/var/run/cilium/netns
  read -r e v </proc/uptime
  { echo "@ host"
    cat "$R/proc/net/udp" "$R/proc/net/udp6"
    [ -d "$d" ] && have nsenter && echo @ && for p in "$d"/*; do
      [ -e "$p" ] || continue
      read -r u v </proc/uptime
      [ $((${u%.*} - ${e%.*})) -lt 5 ] || { echo !; break; }
      echo "@ ${p##*/}"
      nsenter --net="$p" cat /proc/net/udp /proc/net/udp6
    done; } 2>/dev/null | awk '
  $1 == "@" { if (NF < 2) d = 1; else { n = $2; s++ } next }
  $1 == "!" { t = 1 }
  $1 == "sl" { if (!h[n]++) r++ }
  $3 ~ /^[0-9A-F]+:/ && $3 !~ /^0+:/ {
    k = n " " $3
    if (k in c || m++ < 200) c[k]++; else t = 1
  }
  END { if (h["host"]) { print "# host"; r-- }
  if (d) print "# pods", s - 1, r
  if (t) print "# truncated"
  for (k in c) print k, c[k] }'
}
neighbors() {
  need ip; need awk
  for p in "$R"/sys/class/net/*/ifindex; do
    d=${p%/*}; n=${d##*/}
    case $n in lxc*|\*) continue ;; esac
    k=virtual
    [ -r "$d/uevent" ] &&
    while read -r a; do case $a in DEVTYPE=*) k=${a#*=} ;; esac; done <"$d/uevent"
    [ -e "$d/device" ] && k=physical
    read -r i <"$p" && echo "dev $n $i $k"
  done
  { ip -o neigh && echo "#"; ip -o route show default; ip -o -6 route show default; } | awk '
  /^#/ { o = 1 }
  $3 ~ /^lxc/ { next }
  /^default/ { for (i = 2; i < NF; i++) if ($i == "dev") print $1, $(i + 1); next }
  / (extern_learn|managed)( |$)/ { a[$3]++ }
  / FAILED/ { f[$3]++; if (m++ < 50) print "failed", $1, $3 }
  END { for (d in a) print "agent", d, a[d]; for (d in f) print "fails", d, f[d]; exit !o }'
}
bpffs() {
  need grep
  grep -q " - bpf " $R/proc/self/mountinfo || { say "no bpffs"; return 66; }
  for p in /proc/self /hostproc/1 /host/proc/1 /proc/1; do
    m=$R$p/mountinfo
    [ -r $m ] && echo "# table $p" && grep -E " /[^ ]{0,16} r| - bpf " $m
    grep -qs "/kubelet/pods/[^ ]* r" $m && echo \# kubelet
  done
  locate
  if [ -e $G/cilium_lxc ]; then p=${G#$R}; echo "# pins ${p%/tc/globals}"
  else for p in /sys/fs/bpf /run/cilium/bpffs; do [ -d $R$p/tc/globals ] && echo \# pins $p; done
  fi
  :
}
"""
