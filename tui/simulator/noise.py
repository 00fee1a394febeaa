"""Log lines that agents write without anything being wrong, or nearly so.

Texts, levels and subsystems are those of the releases' sources; the rates are what quiet clusters
show: a few lines an hour.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tui.simulator.agents.releases import AgentRelease, LogFormat
from tui.simulator.kernels import Kernel
from tui.simulator.logs import LogLine, Message, render, stamp, timed
from tui.simulator.model import Agent, SimNode, count_problem, number_from


@dataclass(frozen=True, slots=True)
class Noise:
    """One kind of line and how often it comes."""

    weight: int
    level: str
    text: str
    subsystem: str
    module: str
    fields: tuple[tuple[str, str], ...] = ()
    releases: tuple[int, ...] = (11, 17, 19)


CATALOGUE: tuple[Noise, ...] = (
    Noise(
        30,
        "info",
        "Conntrack garbage collector interval recalculated",
        "map-ct",
        "agent.datapath.maps.ct-nat-map-gc",
        (
            ("deleteRatio", "0.0{a}"),
            ("expectedPrevInterval", "{m}m{s}s"),
            ("newInterval", "{m}m{t}s"),
        ),
    ),
    Noise(
        14,
        "info",
        "regenerating all endpoints",
        "endpoint-manager",
        "agent.controlplane.endpoint-manager",
        (("reason", "one or more identities created or deleted"),),
        (11, 17),
    ),
    Noise(
        12,
        "info",
        "Rewrote endpoint BPF program",
        "endpoint",
        "",
        (
            ("containerID", "{c}"),
            ("datapathPolicyRevision", "{b}"),
            ("desiredPolicyRevision", "{b}"),
            ("endpointID", "{e}"),
            ("identity", "{i}"),
            ("ipv4", "{ip}"),
            ("k8sPodName", "shop/{pod}"),
        ),
    ),
    Noise(
        8,
        "info",
        "New endpoint",
        "endpoint",
        "",
        (
            ("containerID", "{c}"),
            ("endpointID", "{e}"),
            ("ipv4", "{ip}"),
            ("k8sPodName", "shop/{pod}"),
        ),
    ),
    Noise(
        7,
        "info",
        "Delete endpoint request",
        "daemon",
        "agent.controlplane.endpoint-api",
        (("endpointID", "container-id:{c}"), ("k8sPodName", "shop/{pod}")),
    ),
    Noise(
        4,
        "warn",
        "Regeneration of endpoint failed",
        "endpoint",
        "",
        (
            ("bpfCompilation", "0s"),
            ("buildDuration", "{s}.{t}s"),
            ("endpointID", "{e}"),
            ("error", "regeneration failed: context canceled"),
            ("identity", "{i}"),
            ("k8sPodName", "shop/{pod}"),
        ),
    ),
    Noise(
        3,
        "warn",
        "Detected unexpected endpoint BPF program removal. Consider investigating whether other"
        " software running on this machine is removing Cilium's endpoint BPF programs.",
        "ep-bpf-prog-watchdog",
        "agent.controlplane.ep-bpf-prog-watchdog",
        (("count", "1"),),
        (17, 19),
    ),
    Noise(
        4,
        "warn",
        "Unable to update ipcache map entry on pod add",
        "hubble",
        "agent.controlplane.hubble",
        (
            ("error", "ipcache entry for podIP {ip} owned by kvstore or agent"),
            ("hostIP", "{ip}"),
            ("k8sNamespace", "shop"),
            ("k8sPodName", "{pod}"),
        ),
        (11, 17),
    ),
    Noise(
        3,
        "warn",
        "Network status error received, restarting client connections",
        "k8s",
        "agent.infra.k8s-client",
        (
            (
                "error",
                'Get "https://10.96.0.1:443/healthz": context deadline exceeded'
                " (Client.Timeout exceeded while awaiting headers)",
            ),
        ),
    ),
    Noise(
        2,
        "error",
        "Failed to delete PolicyMap key",
        "endpoint",
        "",
        (
            ("bpfMapKey", "{{identity {i}}} 0/0 egress"),
            ("endpointID", "{e}"),
            ("error", "unable to delete element from map: no such file or directory"),
            ("k8sPodName", "shop/{pod}"),
        ),
    ),
    Noise(
        2,
        "warn",
        "No response from probe within 15 seconds",
        "status",
        "",
        (("probe", "kubernetes"),),
    ),
    Noise(
        2,
        "warn",
        "Garbage collection CT map failed to finish",
        "ct-map",
        "agent.datapath.maps.ct-nat-map-gc",
        (("interrupted", "{a}"),),
        (17, 19),
    ),
    Noise(
        2,
        "warn",
        "Garbage collection on IPv4 TCP CT map failed to finish",
        "map-ct",
        "",
        (("interrupted", "{a}"),),
        (11,),
    ),
)
STORM: tuple[Noise, ...] = (
    Noise(
        5,
        "error",
        "Failed to add PolicyMap key",
        "endpoint",
        "",
        (
            ("bpfMapKey", "{{identity {i}}} 8080/6 ingress"),
            ("endpointID", "{e}"),
            ("error", "update: key too big for map: argument list too long"),
            ("k8sPodName", "shop/{pod}"),
        ),
    ),
    Noise(
        4,
        "warn",
        "Key allocation attempt failed",
        "allocator",
        "agent.controlplane.identity",
        (("attempt", "{a}"), ("error", "no more available IDs in configured space")),
    ),
    Noise(2, "warn", "CT: Map insertion failed", "monitor", "agent.datapath.monitor-agent"),
    *CATALOGUE,
)


def pick(release: AgentRelease, dice: random.Random, table: tuple[Noise, ...]) -> Noise:
    """Choose a line that this release knows."""
    fitting = [noise for noise in table if release.minor in noise.releases]
    return dice.choices(fitting, [noise.weight for noise in fitting])[0]


def message_of(noise: Noise, node: SimNode, release: AgentRelease, dice: random.Random) -> Message:
    """Fill a line's variable parts."""
    words = {
        "a": str(dice.randint(1, 9)),
        "b": str(dice.randint(2, 60)),
        "c": f"{dice.getrandbits(40):010x}",
        "e": str(dice.choice(node.endpoints())),
        "i": str(dice.randint(256, 65535)),
        "ip": node.pod_cidr.removesuffix("0/24") + str(dice.randint(3, 250)),
        "m": str(dice.randint(2, 14)),
        "pod": f"web-{dice.randint(0, 40)}-{dice.getrandbits(36):09x}",
        "s": str(dice.randint(1, 58)),
        "t": str(dice.randint(10, 59)),
    }
    fields = tuple((key, value.format(**words)) for key, value in noise.fields)
    is_slog = release.log_format is LogFormat.SLOG
    subsystem = "unspecified" if is_slog and noise.module else noise.subsystem
    return Message(noise.level, noise.text, subsystem, noise.module, fields)


def write_noise(
    node: SimNode, agent: Agent, now: float, dice: random.Random, is_storm: bool
) -> None:
    """Let an agent write one line; now and then one of the etcd client or of the other logger."""
    if agent.log is None:
        return
    luck = dice.random()
    if agent.release.minor >= 14 and luck < 0.02:
        agent.log.append(LogLine(now, etcd_line(now, dice).encode()))
        return
    noise = pick(agent.release, dice, STORM if is_storm else CATALOGUE)
    message = message_of(noise, node, agent.release, dice)
    text = render(agent.release, now, message)
    if agent.release.log_format is LogFormat.LOGRUS_TIME and noise.module and luck < 0.3:
        # Parts of 1.17 that moved to slog write whole seconds into the same stream.
        text = timed("s", now, text.split(" ", 1)[1].replace("level=warning", "level=warn"))
        text = text.replace(f"subsys={noise.subsystem}", f"module={noise.module}")
    agent.log.append(LogLine(now, text.encode()))
    count_problem(agent, message)


def etcd_line(now: float, dice: random.Random) -> str:
    """Return a line of the etcd client, which writes bare JSON into the agent's log."""
    return json.dumps(
        {
            "level": "warn",
            "ts": stamp(now, 6),
            "logger": "etcd-client",
            "caller": "v3@v3.5.17/retry_interceptor.go:63",
            "msg": "retrying of unary invoker failed",
            "target": f"etcd-endpoints://0xc000{dice.getrandbits(24):06x}/127.0.0.1:2379",
            "attempt": 0,
            "error": "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        },
        separators=(",", ":"),
    )


def kernel_warnings(release: AgentRelease, kernel: Kernel, hostns_only: bool) -> Iterator[Message]:
    """Yield what an agent says at its start about features that its kernel lacks."""
    if release.minor <= 17 and not kernel.has_netns_cookie:
        text = (
            "Session affinity for host reachable services needs kernel 5.7.0 or newer to work"
            " properly when accessed from inside cluster: the same service endpoint will be"
            " selected from all network namespaces on the host."
        )
        yield Message("warn", text, "daemon")
        if hostns_only:
            text = (
                "Without network namespace cookie lookup functionality, BPF datapath cannot"
                " distinguish root and non-root namespace, skipping socket-level loadbalancing"
                " will not work. Istio routing chains will be missed. Needs kernel version >= 5.7"
            )
            yield Message("warn", text, "daemon")
    if release.minor <= 17 and not kernel.at_least(5, 10):
        text = (
            "BPF host routing requires kernel 5.10 or newer. Falling back to legacy host routing"
            ' (enable-host-legacy-routing="true").'
        )
        yield Message("warn", text, "daemon")
    if release.minor == 11 and not kernel.has_config_gz:
        fields = (("error", "Kernel Config file not found"),)
        yield Message("info", "BPF system config check: NOT OK.", "linux-datapath", "", fields)
    if release.minor >= 19:
        text = "Creating BPF socket destroyer"
        module = "agent.controlplane.loadbalancer-reconciler.socket-termination"
        if not kernel.has_socket_destroyer:
            text = (
                "bpf_sock_destroy is not supported on the current kernel. Falling back to"
                " netlink-based socket destroyer"
            )
        yield Message("info", text, "unspecified", module)


def unsupported_termination(release: AgentRelease) -> Message:
    """Return the one line of an agent that can't end sockets connected to deleted backends."""
    text = (
        "Forcefully terminating sockets connected to deleted service backends not supported by"
        " underlying kernel: see kube-proxy free guide for the required kernel configurations"
    )
    module = "agent.controlplane.loadbalancer-reconciler.socket-termination"
    subsystem = "unspecified" if release.minor >= 18 else "service"
    return Message("error", text, subsystem, module)


def history(node: SimNode, agent: Agent, now: float, lines: int) -> None:
    """Write the noise of the hours before somebody looked, sparser the older it is."""
    dice = random.Random(number_from(f"history/{node.name}/{agent.container_id}"))  # noqa: S311  made-up log lines
    age = now - agent.ready_at
    if age <= 60 or not lines:
        return
    recent = min(age, 3 * 3600)
    moments = [now - dice.random() * recent for _ in range(lines)]
    moments += [now - dice.random() * age for _ in range(lines // 4)]
    for moment in sorted(moment for moment in moments if moment > agent.ready_at + 60):
        write_noise(node, agent, moment, dice, False)


def earlier_problems(
    node: SimNode, release: AgentRelease, age: float
) -> dict[tuple[str, str], int]:
    """Return the agent's counter of warnings and errors before the simulation began."""
    days = age / 86400
    warning, error = release.metric_levels
    if release.log_format is LogFormat.SLOG:
        found = {(warning, "unspecified"): 5 + int(days * 3), (error, "unspecified"): int(days / 2)}
    else:
        found = {
            (warning, "endpoint"): 2 + int(days * 2) + node.variant % 5,
            (warning, "k8s"): int(days) + node.variant % 3,
            (error, "endpoint"): int(days / 2),
        }
    return {key: count for key, count in found.items() if count}
