"""Marks of health that the agent's own status does not sum up: taint, cilium-health, full maps."""

from __future__ import annotations

from collections.abc import Iterable

from tui.cilium.config import find_value
from tui.model.agent import ComponentState
from tui.model.maps import MapKind, MapUsage
from tui.model.snapshot import NodeFacts
from tui.operations.patient import Condition, Patient, asking, condition

FULL_RATIO = 0.9
AGENT_NOT_READY = "node.cilium.io/agent-not-ready"
"""The taint that the operator sets and takes away, where no other key is configured
(`agent-not-ready-taint-key`, 1.11)."""

_TAINT_KEY = ("agent-not-ready-taint-key", "AgentNotReadyNodeTaintKey")
"""As the ConfigMap and as the agent's `config -a` spell it."""


def is_tainted(facts: NodeFacts) -> bool:
    """Tell whether the operator keeps pods away from a node until its agent is ready."""
    return taint_of(facts) in facts.node.taints


def taint_of(facts: NodeFacts) -> str:
    """Return the taint of an agent that is not ready; its key is an option."""
    config = facts.config.value
    spelled = (find_value(config, option) for option in _TAINT_KEY) if config is not None else ()
    return next((str(key) for key in spelled if key), AGENT_NOT_READY)


def full_maps(maps: Iterable[MapUsage]) -> frozenset[str]:
    """Return the maps that are nearly full; those that drop old entries by themselves never are."""
    lasting = (one for one in maps if one.kind not in (MapKind.LRU_HASH, MapKind.ARRAY))
    return frozenset(
        str(one.name) for one in lasting if one.ratio is not None and one.ratio >= FULL_RATIO
    )


def is_failing(health: ComponentState | None) -> bool:
    """Tell whether cilium-health fails on a node; it does not where it is switched off."""
    return health is not None and health.state == "Failure"


def taint_mark(patient: Patient) -> Condition:
    """Return whether pods may be scheduled on the node again."""
    taint = taint_of(patient.facts)
    if not is_tainted(patient.facts):
        return condition("taint", f"no taint {taint}", is_met=patient.has_new_pod or None)
    was = ", as before" if patient.baseline.is_tainted else ""
    return condition("taint", f"the node has the taint {taint}{was}", is_met=bool(was))


def health_mark(patient: Patient) -> Condition:
    """Return what the agent says of cilium-health on its node, and of the datapath's events."""
    status = patient.fresh(patient.facts.status)
    if status is None:
        return condition("health", "cilium-health and the event reader work", is_met=None)
    if patient.baseline.has_monitor and not status.has_monitor:
        return condition("health", "events of the datapath are not read any more", is_met=False)
    if status.health is not None and is_failing(status.health):
        was = patient.baseline.is_health_failing
        when = {True: ", as before", False: "", None: "; not known before"}[was]
        text = f"cilium-health fails{when}: {status.health.message}"
        return condition("health", text, is_met=was, is_needed=was is not None)
    told = "is switched off" if status.health is None else f"is {status.health.state}"
    return condition("health", f"cilium-health {told}", is_met=True)


def maps_mark(patient: Patient) -> Condition:
    """Return whether maps became nearly full that were not before."""
    before = patient.baseline.full_maps
    if before is None:
        text = "full maps: not known before, nothing to compare"
        return condition("map-pressure", text, is_met=None, is_needed=False)
    maps = patient.fresh(patient.facts.maps)
    if maps is None:
        return asking("map-pressure", patient.facts.maps, f"no more maps {FULL_RATIO:.0%} full")
    new = sorted(full_maps(maps) - before)
    if new:
        text = f"{', '.join(new)} at least {FULL_RATIO:.0%} full; not before"
        return condition("map-pressure", text, is_met=False)
    return condition("map-pressure", f"no more maps {FULL_RATIO:.0%} full", is_met=True)
