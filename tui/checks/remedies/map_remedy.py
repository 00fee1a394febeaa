"""The way out of a full map: which key, what size, what it costs, whose agent to restart."""

from __future__ import annotations

from tui.checks.proof.mapfacts import count_command
from tui.checks.remedies.mapsizes import (
    CONFIG_MAP_SOURCE,
    DYNAMIC_FAMILIES,
    DYNAMIC_RATIO,
    Resize,
    is_balancing,
    memory_cost,
    own_key,
    resize_command,
    resize_interrupts,
    resize_of,
)
from tui.checks.remedies.restarting import restart_step
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.model.findings import ConfigSetting, Remedy
from tui.model.maps import MapUsage
from tui.safety import CleanText, clean

_OTHERS = CleanText(
    "restart no other agent for it: each one reads the whole ConfigMap at its next start, and"
    " config-drift says on which nodes that breaks something"
)


def remedy_for(view: NodeView, usage: MapUsage) -> Remedy:
    """Return what to do about a map: the size to set, or what fills it where no key does."""
    resize = resize_of(view, usage)
    if resize is None or (resize.is_capped and resize.size <= usage.max_entries):
        return _without_resize(view, usage, resize)
    steps, restart = _now(view, usage, resize)
    commands = restart if resize.is_pending else (resize_command(view, resize), *restart)
    return Remedy(
        now=steps,
        lasting=_lasting(view, usage, resize),
        settings=(ConfigSetting(resize.by.key, CleanText(str(resize.size)), resize.helm),),
        commands=commands,
        needs_restart=True,
        interrupts=resize_interrupts(usage),
        test=view.command(count_command(view, usage)),
    )


def _now(
    view: NodeView, usage: MapUsage, resize: Resize
) -> tuple[tuple[CleanText, ...], tuple[CleanText, ...]]:
    by = resize.by.key
    if resize.is_pending:
        first = f"{resize.source} already says {by}={resize.held}: only a restart is missing"
    else:
        first = f"set {by} to {resize.size} in {resize.source} (now {usage.max_entries:,})"
        if resize.source != CONFIG_MAP_SOURCE:
            first += ", which wins over cilium-config on this node"
    if resize.is_capped:
        first += ", the most it takes"
    resized = _resized(view, usage)
    what = "the map comes back empty and is refilled"
    if family_of(usage.name).key in ("ct-tcp", "ct-any", "nat"):
        what = "drain the node first, as all its connections lose their state"
    restart, commands = restart_step(view, what, resized=resized)
    return (clean(first, 400), restart, _OTHERS), commands


def _resized(view: NodeView, usage: MapUsage) -> frozenset[str]:
    """Name the maps that the key sizes: their pending shrinking is what the remedy undoes."""
    if not is_balancing(usage):
        return frozenset({str(usage.name)})
    return frozenset(str(one.name) for one in view.maps.values() if is_balancing(one))


def _lasting(view: NodeView, usage: MapUsage, resize: Resize) -> tuple[CleanText, ...]:
    steps = [f"put the size into the Helm values ({resize.helm}) so that it stays"]
    if resize.by.key == "bpf-lb-map-max":
        others = "it sizes the other load-balancing maps too, and all of them come back empty"
        alone = own_key(view, usage)
        if alone and alone != resize.by.key:
            others += f"; {alone} sizes this one alone (no Helm value, extraConfig.{alone})"
        steps.append(others)
    if family_of(usage.name).key in DYNAMIC_FAMILIES:
        steps.append(
            f"where no key is set, {DYNAMIC_RATIO} sizes it by the node's memory: an explicit key"
            " wins on every node, and shrinks the map of those with more memory"
        )
    if family_of(usage.name).key == "nat":
        steps.append(
            "where both conntrack maps of a node together are smaller than it, that node's agent"
            " exits at its next start: raise them too, or set it for single nodes"
        )
    cost = memory_cost(usage, resize.size)
    if cost:
        steps.append(f"it costs {cost}")
    if view.release is not None and view.release.at_least(1, 13):
        steps.append("to try it on one node, a CiliumNodeConfig can set the key for that node")
    return tuple(clean(step, 400) for step in steps)


def _without_resize(view: NodeView, usage: MapUsage, resize: Resize | None) -> Remedy:
    family = family_of(usage.name)
    filled = f"; it holds {family.filled_by}" if family.filled_by else ""
    if resize is None:
        why = f"no option of this release sizes {usage.name}{filled}: lower what fills it"
    elif resize.by.key == "bpf-nat-global-max":
        why = (
            "the NAT map may not be larger than both conntrack maps together, or the agent exits:"
            " raise bpf-ct-global-tcp-max first"
        )
    else:
        why = f"{resize.by.key} is at its limit of {resize.size:,}{filled}: lower what fills it"
    merge = CleanText("merge policies and CIDR lists: each identity and port is one entry")
    return Remedy(
        now=(clean(why, 400),),
        lasting=(merge,) if family.key == "policy" else (),
        needs_restart=False,
        interrupts=CleanText("Nothing."),
        test=view.command(count_command(view, usage)),
    )
