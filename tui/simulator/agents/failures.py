"""What agents log when a load-balancing map refuses an entry, and when they can't start."""

from __future__ import annotations

from tui.simulator.agents.releases import AgentRelease
from tui.simulator.bpfmaps import Sizing
from tui.simulator.config import RunningConfig
from tui.simulator.lbrows import address_text, resolved
from tui.simulator.loadbalancer import Failure, FailureKind
from tui.simulator.logs import Message
from tui.simulator.services import text_of

_RESIZE = (
    'Unable to update element for LB bpf map: You can resize it with the flag "--bpf-lb-map-max".'
    " The resizing might break existing connections to services"
)
_RECONCILER = "agent.controlplane.loadbalancer-reconciler"
OLD_FULL = (
    "Unable to update element for {pin} map with file descriptor {fd}:"
    " the map is full, please consider resizing it. argument list too long"
)
"""1.11 to 1.13 (pkg/bpf/bpf_linux.go)."""
NEW_FULL = "update map {pin}: update: key too big for map: argument list too long"
"""1.14 and later: the kernel's E2BIG as cilium/ebpf words it."""


def swapped(number: int) -> int:
    """Return a 16-bit number with its bytes swapped, as 1.11 prints network byte order."""
    return (number & 0xFF) << 8 | number >> 8 & 0xFF


def full_error(release: AgentRelease, pin: str) -> str:
    """Return the error of an insert into a full map."""
    if release.minor <= 13:
        return OLD_FULL.format(pin=pin, fd=15 if "backends" in pin else 14)
    return NEW_FULL.format(pin=pin)


def failure_message(release: AgentRelease, failure: Failure, node_address: int) -> Message:
    """Return the line for a frontend that could not be programmed."""
    cause = (
        _backend_cause(release, failure)
        if failure.kind is FailureKind.BACKEND
        else _service_cause(release, failure, node_address)
    )
    if not release.has_map_sync:
        what = "backend"
        if failure.key is not None:
            what = "service" if failure.key.slot else "service master"
        error = f"upsert {what}: {cause}"
        return Message(
            "warn", "Updating frontend failed", "unspecified", _RECONCILER, (("error", error),)
        )
    fields = (
        ("error", cause),
        ("k8sNamespace", failure.frontend.namespace),
        ("k8sSvcName", failure.frontend.name),
    )
    text = "Error while inserting service in LB map"
    return Message("error", text, "k8s-watcher", "", fields)


def _backend_cause(release: AgentRelease, failure: Failure) -> str:
    full = full_error(release, release.backends_pin)
    if failure.backend is None or not release.has_map_sync:
        return full
    address = text_of(failure.backend.address)
    if release.minor <= 13:
        value = f"ANY://{address}:{swapped(failure.backend.port)}"
        return f"Unable to add backend &{{Key:{failure.backend_id} Value:{value}}}: {full}"
    value = f"{failure.backend.protocol}://{address}"
    return f"unable to add backend &{{Key:{failure.backend_id} Value:{value}}}: {full}"


def _service_cause(release: AgentRelease, failure: Failure, node_address: int) -> str:
    frontend, key, value = failure.frontend.key, failure.key, failure.value
    if key is None or value is None:
        return _RESIZE
    if release.minor <= 13:
        place = f"{text_of(resolved(frontend.address, node_address))}:{swapped(frontend.port)}"
        entry = f"{value.backend_id} ({swapped(value.reverse_nat_id)}) [FLAGS: 0x{value.flags:x}]"
    else:
        place = f"{address_text(frontend, node_address, True)} ({key.slot})"
        entry = (
            f"{value.backend_id} {value.backend_count}[0] ({value.reverse_nat_id})"
            f" [0x{value.flags:x} 0x0]"
        )
    return f"Unable to update service entry {place} => {entry}: {_RESIZE}"


def crash_message(release: AgentRelease, key: str) -> Message:
    """Return how an agent ends whose datapath can't be loaded with a setting.

    Source: daemon/cmd/daemon_main.go; a start hook of the hive fails from 1.14 (pkg/hive).
    """
    cause = (
        "error while initializing daemon: failed while reinitializing datapath: attaching cgroup"
        f" programs with {key}: program cil_sock4_connect: load program: permission denied"
    )
    if release.minor < 14:
        fields = (("error", cause),)
        return Message("fatal", "Error while creating daemon", "daemon", "", fields)
    error = f"failed to start: daemon creation failed: {cause}"
    return Message("fatal", "Failed to start Cilium agent", "daemon", "agent", (("error", error),))


def fatal_message(release: AgentRelease, config: RunningConfig) -> Message | None:
    """Return why an agent of this release can't start with this configuration, or None.

    NAT tables larger than conntrack's are refused (pkg/option/config.go); IPsec with BPF NodePort
    is refused up to 1.15 (daemon/cmd/kube_proxy_replacement.go).
    """
    nat = config.size(Sizing.NAT)
    connections = config.size(Sizing.CT_TCP) + config.size(Sizing.CT_ANY)
    if nat > connections:
        text = (
            f"specified NAT tables size {nat} must not exceed maximum CT table size {connections}"
        )
        return Message("fatal", text, "daemon", "agent.controlplane")
    if release.minor <= 15 and config.is_on("enable-ipsec"):
        fields = (("error", "IPSec cannot be used with BPF NodePort."),)
        text = "unable to initialize Kube proxy replacement options"
        return Message("fatal", text, "daemon", "", fields)
    return None
