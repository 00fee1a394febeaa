"""Whether an agent runs with what was written: asked of the agent and of the kernel's maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tui.cilium.config import find_flag, find_value
from tui.model.agent import AgentStatus, EffectiveConfig
from tui.model.maps import MapUsage
from tui.model.operations import HealthMark
from tui.safety import clean

HOSTNS_ONLY = "bpf-lb-sock-hostns-only"

SIZED_MAPS: Mapping[str, tuple[str, ...]] = {
    "bpf-lb-map-max": ("cilium_lb4_services", "cilium_lb6_services"),
    "bpf-lb-service-map-max": ("cilium_lb4_services", "cilium_lb6_services"),
    "bpf-lb-service-backend-map-max": ("cilium_lb4_backends", "cilium_lb6_backends"),
    "bpf-lb-rev-nat-map-max": ("cilium_lb4_reverse_nat", "cilium_lb6_reverse_nat"),
    "bpf-lb-affinity-map-max": ("cilium_lb4_affinity", "cilium_lb6_affinity"),
    "bpf-lb-source-range-map-max": ("cilium_lb4_source_range", "cilium_lb6_source_range"),
}
"""Option -> names that the maps it sizes begin with (pkg/maps/lbmap)."""


def wanted_marks(
    values: Mapping[str, str],
    status: AgentStatus | None,
    config: EffectiveConfig | None,
    maps: Sequence[MapUsage] | None,
) -> Iterator[HealthMark]:
    """Yield one mark for each option that the agent should run with.

    Args:
        values: option -> value.
        status: what the new agent says; None while it has not.
        config: the same.
        maps: the node's maps as the kernel says after the restart; None while not read.
    """
    for option, value in values.items():
        if option == HOSTNS_ONLY:
            yield _coverage(value, status, config)
        elif option in SIZED_MAPS and value.isdecimal():
            yield _size(option, int(value), config, maps)
        else:
            yield _setting(option, value, config)


def _coverage(value: str, status: AgentStatus | None, config: EffectiveConfig | None) -> HealthMark:
    is_on = value.strip().lower() == "true"
    wanted = "Hostns-only" if is_on else "Full"
    proxy = status.kube_proxy_replacement if status is not None else None
    # The configuration is waited for too: what comes next must not meet the old agent's.
    if proxy is not None and proxy.socket_lb_coverage and config is not None:
        said = proxy.socket_lb_coverage
        text = clean(f"socket LB coverage is {said}, wanted {wanted}")
        return HealthMark("coverage", text, said.lower() == wanted.lower())
    # The status does not say before 1.14.
    flag = find_flag(config, HOSTNS_ONLY) if config is not None else None
    if flag is not None:
        text = clean(f"the agent runs with {HOSTNS_ONLY}={str(flag).lower()}")
        return HealthMark("coverage", text, flag == is_on)
    return HealthMark("coverage", clean(f"socket LB coverage {wanted}"), None)


def _size(
    option: str,
    size: int,
    config: EffectiveConfig | None,
    maps: Sequence[MapUsage] | None,
) -> HealthMark:
    sized = [one for one in maps or () if str(one.name).startswith(SIZED_MAPS[option])]
    mark_id = f"size:{option}"
    if sized:
        least = min(sized, key=lambda one: one.max_entries)
        text = clean(f"{least.name} holds {least.max_entries:,}, wanted {size:,}")
        return HealthMark(mark_id, text, all(one.max_entries == size for one in sized))
    if maps is not None and config is not None:
        return _setting(option, str(size), config)
    return HealthMark(mark_id, clean(f"{option}: maps of {size:,} entries"), None)


def _setting(option: str, value: str, config: EffectiveConfig | None) -> HealthMark:
    mark_id = f"setting:{option}"
    found = find_value(config, option) if config is not None else None
    if found is None:
        return HealthMark(mark_id, clean(f"the agent runs with {option}={value}"), None)
    is_met = found.strip().lower() == value.strip().lower()
    text = clean(f"the agent runs with {option}={found}, wanted {value}")
    return HealthMark(mark_id, text, is_met)
