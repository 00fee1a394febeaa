"""Guard rails on a configuration write: whether it takes effect, where, and on whom else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tui.checks.proof.cookies import has_netns_cookie
from tui.checks.remedies.mapsizes import is_balancing
from tui.checks.view import NodeView
from tui.cilium.nextstart.layers import Planned
from tui.model.operations import Guard, GuardKind, OperationKind, Scope
from tui.model.snapshot import NodeFacts
from tui.operations.situation import (
    HOSTNS_ONLY,
    Situation,
    blocked,
    listed,
    next_release,
    noted,
    tracking_maps,
    warned,
)
from tui.safety import clean

CROWDED_RATIO = 0.5
"""Fill of conntrack above which one more entry a connection may be too much."""

_TRUE = frozenset({"true", "enabled", "1", "t"})
_NODE_CONFIGS_SINCE = (1, 13)


def config_guards(situation: Situation) -> Iterator[Guard]:
    """Yield what speaks against the values that an operation writes."""
    if not situation.keys:
        return
    yield from _none_affected(situation)
    yield from _bystanders(situation)
    for facts in situation.targets:
        yield from effect_guards(situation, facts)
        yield from _already(situation, facts)


def effect_guards(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    """Yield what speaks against the values that an operation writes, on one node."""
    if situation.own_source:
        yield from _effect(situation, facts)
    if HOSTNS_ONLY in situation.keys:
        yield from _flip(situation, facts)


def no_effect(situation: Situation, facts: NodeFacts) -> str:
    """Return why a value that is written does not reach a node's agent, or the empty text."""
    planned = situation.planned(facts)
    for key, value in situation.values.items():
        layer = planned.winner.get(key)
        if layer is not None and str(layer.source) == situation.own_source:
            continue
        if value is None or (layer is not None and layer.values[key] == value):
            continue
        ignored = next(
            (
                one.reason
                for one in planned.ignored
                if str(one.source) == situation.own_source and one.key == key
            ),
            None,
        )
        winner = f"{layer.source} gives {key} its value" if layer is not None else ""
        return str(ignored or winner or f"no configuration source reads {situation.own_source}")
    return ""


def _none_affected(situation: Situation) -> Iterator[Guard]:
    if situation.scope is Scope.NODES or not situation.own_source or not situation.targets:
        return
    if all(no_effect(situation, facts) for facts in situation.targets):
        yield blocked("no-effect", f"{situation.own_source} takes effect on none of the nodes")


def _effect(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    name, uid = str(facts.node.name), facts.node.uid
    planned = situation.planned(facts)
    why = no_effect(situation, facts)
    if why:
        release = next_release(situation.now(facts))
        is_old = release is not None and not release.at_least(*_NODE_CONFIGS_SINCE)
        is_old = is_old and situation.own_source.startswith("CiliumNodeConfig")
        guard_id = "release-too-old" if is_old else "no-effect"
        text = f"{name}: {situation.own_source} takes no effect: {why}"
        kind = GuardKind.BLOCKED if situation.scope is Scope.NODES else GuardKind.WARNED
        yield Guard(kind, guard_id, clean(text, 600), uid)
    elif planned.unknown:
        text = f"{name}: whether it takes effect can't be told: {'; '.join(planned.unknown)}"
        yield warned("effect-unknown", text, uid)
    yield from _overruled(planned, situation, facts)


def _overruled(planned: Planned, situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    """Tell of CiliumNodeConfigs that set the same key and lose."""
    for one in planned.ignored:
        source = str(one.source)
        if one.key in situation.values and source != situation.own_source:
            text = f"{facts.node.name}: {source} sets {one.key} too: {one.reason}"
            yield noted("other-node-config", text, facts.node.uid)


def _bystanders(situation: Situation) -> Iterator[Guard]:
    """Tell of nodes that don't restart now and read the new values whenever they do."""
    if situation.scope is not Scope.CLUSTER:
        return
    touched = [
        facts for facts in situation.others if _reads_other(situation, facts, situation.keys)
    ]
    if not touched:
        return
    names = listed(str(facts.node.name) for facts in touched)
    text = f"the ConfigMap is every node's: {names} read the new value at their next start"
    yield warned("config-map-for-all", text)
    for facts in touched:
        view = situation.next(facts)
        before = {str(fit.name) for fit in situation.now(facts).next_start.maps if fit.is_too_small}
        for fit in view.next_start.maps:
            if fit.is_too_small and fit.max_next < fit.max_now and str(fit.name) not in before:
                change = f"{fit.max_now:,} → {fit.max_next:,}, {fit.wanted:,} wanted"
                text = f"{view.name}: its next start would make {fit.name} {change}"
                yield blocked("others-too-small", text, facts.node.uid, loses=True)
        for reason in view.next_start.blockers:
            if reason not in situation.now(facts).next_start.blockers:
                text = f"{view.name}: would not start any more: {reason}"
                yield blocked("others-would-not-start", text, facts.node.uid)


def _reads_other(situation: Situation, facts: NodeFacts, keys: frozenset[str]) -> bool:
    planned = situation.planned(facts)
    held = situation.now(facts).cluster.facts.config_map.value
    if held is None:
        return True
    for key in keys:
        layer = planned.winner.get(key)
        is_ours = layer is not None and str(layer.source) == situation.own_source
        if is_ours and str(held.values.get(key)) != str(situation.values.get(key)):
            return True
        if layer is None and key in held.values:
            return True
    return False


def turns_on(situation: Situation, facts: NodeFacts) -> bool:
    """Tell whether the next start has hostns-only on."""
    return (situation.planned(facts).value(HOSTNS_ONLY) or "").strip().lower() in _TRUE


def was_on(situation: Situation, view: NodeView) -> bool:
    """Tell whether hostns-only runs now, or may, where it is turned off."""
    runs = view.flag(HOSTNS_ONLY)
    return bool(runs) or (runs is None and situation.values.get(HOSTNS_ONLY) != "true")


def _flip(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    view, uid = situation.now(facts), facts.node.uid
    if turns_on(situation, facts):
        yield from _needs(view)
        yield from _headroom(view)
        yield noted("pinned-sockets", f"{view.name}: {pinned(view)}", uid)
    elif was_on(situation, view):
        text = (
            f"{view.name}: connections that pods opened to Services meanwhile can break: the"
            " translation they rely on is no longer compiled in"
        )
        yield warned("connections-break", text, uid)


def _needs(view: NodeView) -> Iterator[Guard]:
    """What the option needs: socket-LB (log K8), and netns cookies until 1.17 (log K7)."""
    uid = view.facts.node.uid
    if view.socket_lb is False:
        text = f"{view.name}: socket load balancing is off: {HOSTNS_ONLY} takes no effect"
        yield blocked("socket-lb-off", text, uid)
    elif view.socket_lb is None:
        text = f"{view.name}: whether socket load balancing is on is not known"
        yield warned("socket-lb-unknown", text, uid)
    release = next_release(view)
    if release is not None and release.at_least(1, 18):
        return
    cookies = has_netns_cookie(view)
    if cookies is False:
        text = (
            f"{view.name}: kernel {view.facts.node.kernel_release} has no network namespace"
            f" cookies: the agent switches {HOSTNS_ONLY} off again"
        )
        yield blocked("no-netns-cookies", text, uid)
    elif cookies is None:
        text = f"{view.name}: whether the kernel has network namespace cookies is not known"
        yield warned("netns-cookies-unknown", text, uid)


def _headroom(view: NodeView) -> Iterator[Guard]:
    """Each connection of a pod to a Service takes one conntrack entry more from then on."""
    uid, unread = view.facts.node.uid, True
    for usage in tracking_maps(view):
        if usage.ratio is None:
            continue
        unread = False
        if usage.ratio > CROWDED_RATIO:
            text = (
                f"{view.name}: {usage.name} is {usage.ratio:.0%} full; hostns-only adds an entry"
                " for each connection from a pod to a Service"
            )
            yield warned("ct-headroom", text, uid)
    if unread:
        yield warned("ct-headroom", f"{view.name}: how full conntrack is is not known", uid)


def pinned(view: NodeView) -> str:
    """Return what becomes of the sockets that are connected already."""
    known = view.cluster.service_of_backend
    sockets = view.host.sockets
    count = (
        0 if sockets is None else sum(peer.count for peer in sockets.peers if peer.address in known)
    )
    seen = f" ({count} UDP sockets to backends seen)" if count else ""
    return f"sockets connected before keep their backend{seen}: restart their clients"


def _already(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    """Tell of a node that runs what is asked for: its restart would change nothing."""
    view = situation.now(facts)
    if situation.intent.kind is OperationKind.UNDO or not situation.values:
        return
    if all(_runs(view, key, value) for key, value in situation.values.items()):
        text = f"{view.name}: runs with {_assigned(situation.values)} already"
        yield warned("already-so", text, facts.node.uid)


def _runs(view: NodeView, key: str, value: str | None) -> bool:
    if value is None:
        return False
    if key == HOSTNS_ONLY:
        running = view.facts.config.value is not None
        return running and view.flag(key) is (value.lower() in _TRUE)
    sizes = {usage.max_entries for usage in view.maps.values() if is_balancing(usage)}
    return sizes == {int(value)} if value.isdecimal() else False


def _assigned(values: Mapping[str, str | None]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())
