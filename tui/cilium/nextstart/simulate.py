"""Simulate one node's next agent start."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tui.cilium.map_catalogue import family_of
from tui.cilium.nextstart.blockers import blockers
from tui.cilium.nextstart.cleaning import unread_switches, wipes
from tui.cilium.nextstart.compare import Running, pending_keys
from tui.cilium.nextstart.images import Images, daemonset_of, images_of
from tui.cilium.nextstart.layers import Planned, plan
from tui.cilium.nextstart.sizes import LB_ALL, SIZE_OPTIONS, Sized, Sizing, is_dynamic, whole_number
from tui.model.agent import EffectiveConfig
from tui.model.cluster import ClusterFacts
from tui.model.maps import MapUsage
from tui.model.nextstart import MapFit, NextStart, PendingKey
from tui.model.node import AgentPhase, AgentPod, Node
from tui.safety import CleanText, clean

_RATIO = "bpf-map-dynamic-size-ratio"
_ASSIGNED = re.compile(r"([a-z0-9-]+)=")
_DISTRIBUTED = "bpf-distributed-lru"
_ADJUSTED = frozenset({"bpf-nat-global-max", "bpf-neigh-global-max", "bpf-policy-map-max"})
"""Sizes that the agent caps or clamps: only their maps tell."""


def next_start(
    node: Node,
    agent: AgentPod | None,
    running: EffectiveConfig | None,
    maps: tuple[MapUsage, ...],
    cluster: ClusterFacts,
) -> NextStart:
    """Return what would change if this node's agent pod started anew now.

    The kernel's word on the size of a map goes before the configuration's. Who wrote a pending key
    is the newest write of its object: managedFields are read as whole writes, not per key.

    Args:
        node: the node, with the labels that CiliumNodeConfigs select by.
        agent: its agent pod, with the image it runs.
        running: the effective configuration; None where it is not known.
        maps: the node's maps with their sizes and what is wanted of them.
        cluster: ConfigMap, CiliumNodeConfigs, DaemonSets and their revisions.
    """
    daemonset = daemonset_of(agent, cluster)
    images = images_of(agent, daemonset, cluster)
    if cluster.config_map.value is None:
        bare = _without_config_map(images, cluster.config_map.reason)
        return replace(bare, wipes=wipes(daemonset, cluster))
    planned = plan(node, daemonset, images, cluster)
    sizing = _sizing(planned, images, maps)
    pending, unknown = list[PendingKey](), list(planned.unknown)
    found = None if running is None else Running(running)
    if found is None:
        unknown.append(CleanText("the agent's effective configuration is not known"))
    else:
        pending, more = pending_keys(planned, found, node, images)
        unknown += more
    unknown += (*_open_questions(planned, images), *unread_switches(daemonset))
    sized = list(_sized(maps, sizing, planned))
    fits = tuple(_fits(sized))
    pending += _pending_sizes(sized, planned, found)
    stops = dict.fromkeys(blockers(planned, sizing, images, node, cluster))
    is_running = agent is not None and agent.phase is AgentPhase.RUNNING
    if found is not None and is_running and not (images.next or pending or fits):
        stops = dict.fromkeys(one for one in stops if _is_unproved(one, found, planned))
    return NextStart(
        pending=tuple(sorted(pending, key=lambda one: one.key)),
        maps=fits,
        blockers=tuple(stops),
        wipes=wipes(daemonset, cluster),
        image_now=images.now,
        image_next=images.next,
        ignored=planned.ignored,
        unknown=tuple(dict.fromkeys(unknown)),
        is_known=running is not None,
    )


def _without_config_map(images: Images, reason: str) -> NextStart:
    text = "ConfigMap cilium-config is not known" + (f" ({reason})" if reason else "")
    return NextStart(image_now=images.now, image_next=images.next, unknown=(clean(text, 300),))


def _open_questions(planned: Planned, images: Images) -> Iterator[CleanText]:
    """Yield what may keep the agent from starting and can't be told from here.

    With `enable-auto-protect-node-port-range` off the agent ends where the NodePort range reaches
    into the node's ephemeral ports (`net.ipv4.ip_local_port_range`).
    """
    if images.next and images.next_release is None:
        yield clean(f"the release of {images.next}", 300)
    protect = (planned.value("enable-auto-protect-node-port-range") or "").strip().lower()
    if protect == "false":
        yield CleanText(
            "whether node-port-range reaches into the node's ephemeral ports, which are not"
            " protected (enable-auto-protect-node-port-range=false)"
        )


def _is_unproved(blocker: str, running: Running, planned: Planned) -> bool:
    """Whether the agent that runs does not prove a blocker wrong.

    Where nothing else would be read than what runs, it has started with it; but an option that the
    release does not print may be new, and a size that no map can have is not among what waits.
    """
    return any(
        running.find(option) is None or _is_no_size(option, planned)
        for option in _ASSIGNED.findall(blocker)
    )


def _is_no_size(option: str, planned: Planned) -> bool:
    """Whether a size is one that every release refuses, so that nobody can run with it."""
    number = whole_number(planned.value(option)) if option in SIZE_OPTIONS else 1
    return number is None or number < 0 or (option == LB_ALL and number == 0)


def running_sizing(running: EffectiveConfig) -> Sizing:
    """Return what sizes the maps of an agent that runs: what it prints is what it works with."""
    found = Running(running)
    return Sizing(
        lambda option: whole_number(found.find(option)),
        None,
        is_dynamic=True,
        rounds_lru=(found.find(_DISTRIBUTED) or "").lower() == "true",
    )


def _sizing(planned: Planned, images: Images, maps: tuple[MapUsage, ...]) -> Sizing:
    release = images.next_release
    ratio = planned.value(_RATIO)
    return Sizing(
        lambda option: whole_number(planned.value(option)),
        release,
        is_dynamic(ratio, release, knows_all=planned.knows_arguments),
        rounds_lru=(planned.value(_DISTRIBUTED) or "").strip().lower() == "true",
        pinned={family_of(str(one.name)).key: one.max_entries for one in maps},
    )


def _sized(
    maps: tuple[MapUsage, ...], sizing: Sizing, planned: Planned
) -> Iterator[tuple[MapUsage, Sized]]:
    """Yield each map with the size that the next start gives it, where it is known for certain."""
    for usage in maps:
        size = sizing.of(usage)
        if size is None or usage.max_entries <= 0:
            continue
        if not size.is_default or (planned.knows_arguments and not planned.unknown):
            yield usage, size


def _fits(sized: Iterable[tuple[MapUsage, Sized]]) -> Iterator[MapFit]:
    for usage, size in sized:
        if size.max_entries != usage.max_entries:
            yield MapFit(
                usage.name,
                usage.entries,
                usage.max_entries,
                size.max_entries,
                usage.wanted_entries,
            )


def _pending_sizes(
    sized: Iterable[tuple[MapUsage, Sized]], planned: Planned, running: Running | None
) -> Iterator[PendingKey]:
    """Yield the sizes that would change, by the maps they give it to."""
    governed: dict[str, Counter[int]] = {}
    following: dict[str, Sized] = {}
    for usage, size in sized:
        governed.setdefault(size.option, Counter())[usage.max_entries] += 1
        following[size.option] = size
    for option, sizes in governed.items():
        size = following[option]
        if set(sizes) == {size.max_entries}:
            continue
        now = _running_size(option, sizes, running)
        if now == size.max_entries:
            continue
        yield _pending(option, now, size, planned)
    if running is not None:
        yield from _unseen_sizes(planned, running, governed)


def _running_size(option: str, sizes: Mapping[int, int], running: Running | None) -> int:
    said = whole_number(running.find(option)) if running is not None else None
    if said is not None and said in sizes:
        return said
    return max(sizes, key=lambda size: sizes[size])


def _pending(option: str, now: int, size: Sized, planned: Planned) -> PendingKey:
    layer = planned.winner.get(option)
    write = None if layer is None else layer.write
    return PendingKey(
        option,
        clean(str(now)),
        None if size.is_default and layer is None else clean(str(size.max_entries)),
        CleanText("no layer has it: the default") if layer is None else layer.source,
        CleanText("") if write is None else write.manager,
        None if write is None else write.at,
    )


def _unseen_sizes(
    planned: Planned, running: Running, governed: Mapping[str, object]
) -> Iterator[PendingKey]:
    """Compare the sizes of maps that are not there, or not read, by the configuration alone."""
    for option in SIZE_OPTIONS & planned.winner.keys():
        number, now = whole_number(planned.value(option)), whole_number(running.find(option))
        if option in governed or not number or now is None or option in _ADJUSTED:
            continue
        if number != now:
            yield _pending(option, now, Sized(number, option, is_default=False), planned)
