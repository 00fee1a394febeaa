"""What removes a node's maps before the agent of a new pod starts.

The init container `clean-cilium-state` runs `images/cilium/init-container.sh`, the same from 1.6 to
1.19: where one of its variables is the very text `true`, `cilium-dbg post-uninstall-cleanup`
detaches the programs and removes every pinned map (`--bpf-state`), or all of Cilium's state with
them (`--all-state`: devices, routes, endpoints). The variables come from keys of the ConfigMap:
what a CiliumNodeConfig or an argument says of such a key reaches nobody. Init containers run when a
pod starts, not when its container is started again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tui.cilium.nextstart.layers import CONFIG_MAP
from tui.model.cluster import CiliumDaemonSet, CleaningSwitch, ClusterFacts
from tui.model.nextstart import StateWipe
from tui.safety import CleanText, clean

REMOVES_EVERYTHING: Mapping[str, bool] = MappingProxyType(
    {
        "CILIUM_BPF_STATE": False,
        "CLEAN_CILIUM_BPF_STATE": False,
        "CILIUM_ALL_STATE": True,
        "CLEAN_CILIUM_STATE": True,
    }
)
"""Variable of the init container -> whether more than maps and programs go."""

_OF_THE_CHART = tuple(
    CleaningSwitch(variable, CleanText("clean-cilium-state"), CleanText(CONFIG_MAP), key)
    for variable, key in (
        ("CILIUM_ALL_STATE", "clean-cilium-state"),
        ("CILIUM_BPF_STATE", "clean-cilium-bpf-state"),
    )
)
"""What Cilium's chart has: believed where the DaemonSet could not be read."""


def wipes(daemonset: CiliumDaemonSet | None, cluster: ClusterFacts) -> tuple[StateWipe, ...]:
    """Return what has the next pod remove the maps, what removes everything first.

    Args:
        daemonset: the one that runs the node's agent; None where it is not known.
        cluster: the ConfigMap; where it is not known only the DaemonSet's own values count.
    """
    found = [_wipe(one, daemonset, cluster) for one in _switches(daemonset) if _is_on(one, cluster)]
    return tuple(sorted(found, key=lambda wipe: not wipe.is_everything))


def unread_switches(daemonset: CiliumDaemonSet | None) -> Iterator[CleanText]:
    """Yield what may remove the maps and can't be told: its value is in a ConfigMap not read."""
    for one in _switches(daemonset):
        if one.config_map not in ("", CONFIG_MAP):
            text = f"{one.key} of ConfigMap {one.config_map} (init container {one.container})"
            yield clean(f"{text} is not read: it may remove the maps", 300)


def _switches(daemonset: CiliumDaemonSet | None) -> tuple[CleaningSwitch, ...]:
    known = None if daemonset is None else daemonset.cleaning
    return _OF_THE_CHART if known is None else known


def _is_on(switch: CleaningSwitch, cluster: ClusterFacts) -> bool:
    """Tell whether the shell finds `true` in the variable: nothing else counts."""
    if not switch.config_map:
        return switch.value == "true"
    held = cluster.config_map.value
    return switch.config_map == CONFIG_MAP and (
        held is not None and held.values.get(switch.key) == "true"
    )


def _wipe(
    switch: CleaningSwitch, daemonset: CiliumDaemonSet | None, cluster: ClusterFacts
) -> StateWipe:
    is_everything = REMOVES_EVERYTHING[switch.variable]
    held = cluster.config_map.value
    if switch.config_map:
        source, key = f"ConfigMap {CONFIG_MAP}", switch.key
        writes = held.writes if held is not None else ()
    else:
        source, key = f"DaemonSet {daemonset.name if daemonset else ''}", switch.variable
        writes = daemonset.writes if daemonset else ()
    write = writes[0] if writes else None
    return StateWipe(
        key,
        clean(source, 200),
        switch.container,
        is_everything,
        write.manager if write else CleanText(""),
        write.at if write else None,
    )
