"""What to do about SCTP Services: by a node's or by the cluster's own values."""

from __future__ import annotations

from tui.checks.remedies.commands import View, helm_set, restart_agents
from tui.model.findings import ConfigSetting, Remedy
from tui.safety import CleanText

TEST = CleanText("ncat --sctp <cluster IP> <port> from a pod, while `monitor --type drop` runs")
OFF_NOW = CleanText(
    "run clients and backends with hostNetwork: while SCTP is off, Cilium drops it from pod to pod,"
    " too"
)
SWITCH = ConfigSetting("enable-sctp", CleanText("true"), "sctp.enabled=true")
RESTART = CleanText("agents restart node after node; established traffic goes on")


def switch_on(view: View) -> Remedy:
    """Return the remedy for an agent that could do SCTP."""
    return Remedy(
        now=(OFF_NOW,),
        lasting=(CleanText("switch SCTP on, and give each port a targetPort equal to it"),),
        settings=(SWITCH,),
        commands=(helm_set(view, "sctp.enabled=true"), restart_agents(view)),
        needs_restart=True,
        interrupts=RESTART,
        test=TEST,
    )


def upgrade() -> Remedy:
    """Return the remedy for 1.11 and 1.12."""
    return Remedy(
        now=(OFF_NOW,),
        lasting=(
            CleanText("upgrade Cilium to 1.13 or later, one minor release at a time"),
            CleanText("then switch SCTP on, with every targetPort equal to its port"),
        ),
        settings=(SWITCH,),
        needs_restart=True,
        interrupts=CleanText("the upgrade restarts every agent"),
        test=TEST,
    )


def equal_ports() -> Remedy:
    """Return the remedy for ports that would have to be rewritten."""
    return Remedy(
        now=(
            CleanText("set targetPort to the port's number, and let the pods listen there"),
            CleanText("from outside, reach pods by IP or hostNetwork instead of a NodePort"),
        ),
        lasting=(CleanText("for telecom workloads, give pods a second interface (Multus)"),),
        commands=(CleanText("kubectl -n <namespace> edit service <name>"),),
        needs_restart=False,
        interrupts=CleanText("the Service's own connections"),
        test=TEST,
    )


def without_masquerading(view: View) -> Remedy:
    """Return the remedy for drops of BPF masquerading."""
    return Remedy(
        now=(
            CleanText(
                "route the peers without masquerading: ipv4NativeRoutingCIDR, or the"
                " nonMasqueradeCIDRs of the ip-masq-agent"
            ),
        ),
        lasting=(CleanText("masquerade with iptables instead of BPF"),),
        settings=(
            ConfigSetting("enable-bpf-masquerade", CleanText("false"), "bpf.masquerade=false"),
        ),
        commands=(helm_set(view, "bpf.masquerade=false"), restart_agents(view)),
        needs_restart=True,
        interrupts=CleanText("connections that are masqueraded now"),
        test=TEST,
    )
