"""What a preview says beside its guard rails: how it is, what it interrupts, what comes after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui.checks.remedies.commands import helm_set, restart_agents
from tui.checks.remedies.restarting import (
    LB_RESIZE_INTERRUPTS,
    RESTART_INTERRUPTS,
    restart_command,
)
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.cilium.nextstart.arguments import list_of
from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.model.operations import OperationKind, PlannedWrite, Scope
from tui.model.snapshot import NodeFacts
from tui.operations import changes
from tui.operations.config_guards import pinned, turns_on, was_on
from tui.operations.diffs import yaml_of
from tui.operations.resizing import balancing_maps
from tui.operations.situation import (
    HOSTNS_ONLY,
    Situation,
    daemonset_on,
    images_on,
    listed,
    planned_of,
)
from tui.operations.undo import UndoRecord
from tui.safety import CleanText, clean

_LINES = 8
"""Nodes told one by one; the rest is counted."""
_NO_WAY_BACK = "no way back for what a map held: it is filled anew from Kubernetes each time"
_SOURCES = ("config-map", "cilium-node-config")


def title(situation: Situation, record: UndoRecord | None) -> CleanText:
    """Return what the operation is, in one line."""
    intent = situation.intent
    names = [str(facts.node.name) for facts in situation.targets]
    where = names[0] if len(names) == 1 else f"{len(names)} nodes"
    if intent.kind is OperationKind.RESTART:
        what = f"the agent of {where}" if len(names) == 1 else f"the agents of {where}"
        return clean(f"Restart {what}", 300)
    if intent.kind is OperationKind.HOSTNS_ONLY:
        side = "on" if intent.is_on else "off"
        place = "the cluster" if intent.scope is Scope.CLUSTER else where
        return clean(f"Turn {HOSTNS_ONLY} {side} for {place}", 300)
    if intent.kind is OperationKind.RESIZE:
        sizes = sorted({str(value) for value in situation.values.values() if value})
        to = f" to {listed(sizes)} entries" if sizes else ""
        return clean(f"Resize the load-balancing maps of {where}{to}", 300)
    if record is None:
        return clean(f"Undo {intent.undo_id}", 300)
    return clean(f"Undo {record.id}: {record.plan.title}", 300)


def now_lines(situation: Situation) -> Iterator[CleanText]:
    """Yield how it is now: what runs, what each layer says, and which layers are read."""
    keys = sorted(situation.keys)
    for facts in situation.targets[:_LINES]:
        view = situation.now(facts)
        running = [_coverage(view)] if HOSTNS_ONLY in keys else []
        if situation.intent.kind is OperationKind.RESIZE or any("map-max" in key for key in keys):
            running += [_size(one.name, one.max_entries, one.wanted_entries) for one in _maps(view)]
        phase = facts.agent.phase.value if facts.agent is not None else "no agent"
        told = "; ".join(running) or f"agent {phase}, {view.release or 'release not known'}"
        yield clean(f"{view.name}: {told}", 600)
    if len(situation.targets) > _LINES:
        yield clean(f"and {len(situation.targets) - _LINES} more nodes")
    held = situation.snapshot.cluster.config_map.value
    for key in keys:
        value = "not known" if held is None else held.values.get(key, "unset")
        yield clean(f"ConfigMap: {key}={value}", 300)
        yield clean(f"CiliumNodeConfig: {_node_configs(situation, key)}", 600)
    if keys:
        yield from _sources(situation)


def _maps(view: NodeView) -> list[MapUsage]:
    wanted = sorted(balancing_maps(view), key=lambda one: -(one.wanted_entries or 0))
    return wanted[:2]


def _size(name: str, entries: int, wanted: int | None) -> str:
    return f"{name} {entries:,} entries, {'?' if wanted is None else f'{wanted:,}'} wanted"


def _coverage(view: NodeView) -> str:
    coverage = view.kpr.socket_lb_coverage if view.kpr is not None else ""
    if coverage:
        return f"socket LB coverage {coverage}"
    flag = view.flag(HOSTNS_ONLY) if view.facts.config.value is not None else None
    return f"{HOSTNS_ONLY} runs {'not known' if flag is None else str(flag).lower()}"


def _node_configs(situation: Situation, key: str) -> str:
    reading = situation.snapshot.cluster.node_configs
    if reading.value is None:
        return f"not known{f' ({reading.reason})' if reading.reason else ''}"
    found = [
        f"{one.name} sets {key}={one.values[key]}" for one in reading.value if key in one.values
    ]
    return listed(found) or f"none sets {key}"


def _sources(situation: Situation) -> Iterator[CleanText]:
    """Yield which configuration sources the agents read, by DaemonSet."""
    seen: set[str] = set()
    for facts in situation.targets:
        view = situation.now(facts)
        daemonset = daemonset_on(view)
        release = images_on(view).next_release
        name = "the agents" if daemonset is None else f"DaemonSet {daemonset.name}"
        if daemonset is None or not daemonset.args:
            text = f"{name}: which sources are read is not known"
        elif release is not None and not release.at_least(1, 13):
            text = f"{name} ({release}) reads the ConfigMap alone"
        elif not daemonset.has_config_builder:
            text = f"{name} reads a single ConfigMap"
        else:
            sources = list_of(daemonset.config_builder_args, "source") or _SOURCES
            text = f"{name} reads {', '.join(sources)}; the last one wins"
        if text not in seen:
            seen.add(text)
            yield clean(text, 400)


def interrupts(situation: Situation) -> Iterator[CleanText]:
    """Yield what the restarts interrupt."""
    if not situation.targets:
        return
    yield RESTART_INTERRUPTS
    families = {
        family_of(str(fit.name)).key
        for facts in situation.targets
        for fit in situation.next(facts).next_start.maps
    }
    if any(key.startswith("lb-") and key != "lb-reverse-sk" for key in families):
        yield LB_RESIZE_INTERRUPTS
    if families & {"ct-tcp", "ct-any", "nat"}:
        yield CleanText(
            "Conntrack or NAT maps come back empty: translated connections are reset, others are"
            " judged by policy anew."
        )
    if HOSTNS_ONLY in situation.keys:
        yield CleanText("The datapath of every endpoint on the node is compiled anew.")


def after_lines(situation: Situation) -> Iterator[CleanText]:
    """Yield what will be different once the agents are back."""
    for facts in situation.targets[:_LINES]:
        view = situation.next(facts)
        start = view.next_start
        told = [
            f"{one.key} {one.running or 'unset'} → {one.next or 'unset'}" for one in start.pending
        ]
        told += [f"{fit.name} {fit.max_now:,} → {fit.max_next:,}" for fit in start.maps]
        if start.changes_image:
            told.append(f"image {start.image_next}")
        if not told:
            told.append("nothing else changes" if start.is_known else "not known")
        yield clean(f"{view.name}: {listed(told, 12)}", 800)
    if len(situation.targets) > _LINES:
        yield clean(f"and {len(situation.targets) - _LINES} more nodes")
    if HOSTNS_ONLY in situation.keys and situation.targets:
        yield from _traffic(situation, situation.targets[0])


def _traffic(situation: Situation, facts: NodeFacts) -> Iterator[CleanText]:
    if not turns_on(situation, facts):
        if was_on(situation, situation.now(facts)):
            yield CleanText("Pods' connections to Services are translated at the socket again.")
        return
    yield CleanText(
        "Pods' packets to a Service keep its address until they leave the pod and are translated"
        " there: conntrack takes one entry more for each; processes on the host stay as they are."
    )
    yield CleanText("Pods no longer reach a NodePort on 127.0.0.1.")
    if len(situation.targets) == 1:
        yield clean(f"{pinned(situation.now(facts))}.", 400)


def undo_words(situation: Situation, plan_id: str) -> tuple[CleanText, bool]:
    """Return how the operation is undone, and whether it can be."""
    kind, writes = situation.intent.kind, situation.writes
    if kind is OperationKind.RESTART or not writes:
        return CleanText("no way back: a restart can't be undone"), False
    if any(write.verb == "delete" for write in writes):
        return CleanText("no way back: plan the same change anew"), False
    made = next((write for write in writes if write.verb == "create"), None)
    back = f"delete CiliumNodeConfig {made.name}" if made is not None else "put the values back"
    text = f"ciltop undo {plan_id}: {back} ({_previous(situation)}), and restart the same agents"
    if HOSTNS_ONLY in situation.keys:
        text += "; connections that pods opened meanwhile can break"
    if any(is_sized(key) for key in situation.keys):
        text += f"; {_NO_WAY_BACK}"
    return clean(text, 600), True


def is_sized(key: str) -> bool:
    """Tell whether an option sizes load-balancing maps."""
    return key.startswith("bpf-lb-") and key.endswith("map-max")


def _previous(situation: Situation) -> str:
    told = []
    for key in sorted(situation.keys):
        values = {
            planned_of(situation.now(facts)).value(key) or "unset" for facts in situation.targets
        }
        told.append(f"{key}={listed(sorted(values))}" if values else key)
    return listed(told)


def commands(situation: Situation, waves: Sequence[Sequence[NodeUid]]) -> Iterator[CleanText]:
    """Yield what a person could type instead; nothing here is run."""
    if not situation.targets:
        return
    view = situation.now(situation.targets[0])
    place = situation.snapshot.cluster.cilium_namespace or "kube-system"
    for write in situation.writes:
        yield from _write_command(write, str(place))
    if any(changes.is_config_map(write) for write in situation.writes):
        yield from _helm(view, situation)
    count = sum(len(wave) for wave in waves)
    if count == 1:
        yield restart_command(view)
    elif situation.others:
        for facts in situation.targets[:_LINES]:
            yield restart_command(situation.now(facts))
    else:
        yield restart_agents(situation.cluster_now)


def _write_command(write: PlannedWrite, place: str) -> Iterator[CleanText]:
    if write.verb == "patch":
        patch = f"--type merge -p '{write.body}'"
        yield clean(f"kubectl -n {place} patch {write.resource} {write.name} {patch}", 600)
    elif write.verb == "delete":
        yield clean(f"kubectl -n {place} delete {write.resource} {write.name}", 600)
    else:
        text = yaml_of(changes.body_of(write))
        yield CleanText(f"kubectl apply -f - <<'EOF'\n{text}\nEOF")


def _helm(view: NodeView, situation: Situation) -> Iterator[CleanText]:
    """Yield the Helm values that make it last; single-map keys have none and go by extraConfig."""
    for key, value in situation.values.items():
        if value is None:
            continue
        name = f"extraConfig.{key}"
        if key == "bpf-lb-map-max":
            name = "bpf.lbMapMax"
        elif key == HOSTNS_ONLY:
            is_old = view.release is not None and not view.release.at_least(1, 12)
            name = "hostServices.hostNamespaceOnly" if is_old else "socketLB.hostNamespaceOnly"
        yield helm_set(view, f"{name}={value}")
