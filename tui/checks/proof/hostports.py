"""What the checks of hostPorts share: whether Cilium handles them, and how they are named."""

from __future__ import annotations

from collections.abc import Iterable

from tui.checks.view import NodeView
from tui.model.findings import AffectedObject, Evidence, ProofKind
from tui.model.workloads import HostPort
from tui.safety import CleanText, clean

OBJECTS_SHOWN = 50
"""Of one workload on one node."""

_ON = frozenset({"strict", "true"})
"""Values of kube-proxy-replacement that turn hostPort on whatever `enable-host-port` says."""


def handles_host_ports(view: NodeView) -> bool | None:
    """Tell whether Cilium and not the portmap CNI plugin serves hostPorts; None is unknown.

    The status' `features.hostPort.enabled` decides; without it kube-proxy-replacement=strict or
    true implies it, and `enable-host-port` turns it on alone (removed in 1.19).
    """
    if view.kpr is not None and view.kpr.host_port is not None:
        return view.kpr.host_port
    mode = view.setting("kube-proxy-replacement")
    if mode is not None and mode.value.strip().lower() in _ON:
        return True
    if mode is None and view.kpr is not None and view.kpr.mode.strip().lower() in _ON:
        return True
    flag = view.flag("enable-host-port")
    if flag is not None:
        return flag
    is_off = view.kpr is not None and view.kpr.is_enabled is False
    if is_off or (mode is not None and mode.value.strip().lower() in {"disabled", "false"}):
        return False
    return None


def workload_of(port: HostPort) -> str:
    """Return `Kind/namespace/name` of the pod's owner, or of the pod where it has none."""
    namespace, _, name = port.pod.rpartition("/")
    kind, slash, owner = port.workload.partition("/")
    return f"{kind}/{namespace}/{owner}" if slash else f"Pod/{namespace}/{name}"


def host_port_objects(ports: Iterable[HostPort]) -> tuple[AffectedObject, ...]:
    """Return the pods with their hostPorts."""
    found: list[AffectedObject] = []
    for one in ports:
        namespace, _, name = one.pod.rpartition("/")
        where = f" on {one.host_ip}" if one.host_ip else ""
        detail = clean(f"hostPort {one.port}/{one.protocol}{where}", 120)
        found.append(AffectedObject("Pod", CleanText(name), CleanText(namespace), detail))
        if len(found) == OBJECTS_SHOWN:
            break
    return tuple(found)


def host_port_evidence(view: NodeView, ports: Iterable[HostPort]) -> list[Evidence]:
    """Return the pods' specs as evidence, one for each hostPort."""
    origin = view.cluster.facts.workloads.origin
    source, at = (
        ("GET /api/v1/pods", None) if origin is None else (origin.source, origin.observed_at)
    )
    return [
        view.fact(
            f"pod {one.pod} has hostPort {one.port}/{one.protocol}"
            + (f" with hostIP {one.host_ip}" if one.host_ip else ""),
            source,
            at,
            ProofKind.OBJECT,
            f"Pod/{one.pod}",
        )
        for one in ports
    ]
