"""Guard rails on the next start: what it would break, lose or bring along."""

from __future__ import annotations

from collections.abc import Iterator

from tui.checks.proof.bpffs import log_text, mount_table, mount_text
from tui.checks.proof.cleaning import wipe_text
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.model.host import MapSurvival
from tui.model.maps import MapKind, MapUsage
from tui.model.names import NodeUid
from tui.model.nextstart import MapFit, PendingKey
from tui.model.operations import Guard, OperationKind
from tui.model.snapshot import NodeFacts
from tui.operations.situation import (
    Situation,
    blocked,
    daemonset_on,
    listed,
    noted,
    warned,
)

_FILLED_BY_TRAFFIC = frozenset({"ct-tcp", "ct-any", "nat"})


def start_guards(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    """Yield what speaks against a node's next start, after the operation's own writes."""
    yield from _stops(situation, facts)
    yield from _sizes(situation, facts)
    yield from _unmounted(situation, facts)
    yield from _cleaned(situation, facts)
    yield from _brought_along(situation, facts)
    yield from _image(situation, facts)


def _stops(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    view = situation.next(facts)
    for reason in view.next_start.blockers:
        yield blocked("would-not-start", f"{view.name}: would not start: {reason}", facts.node.uid)
    if not view.next_start.is_known:
        reasons = "; ".join(view.next_start.unknown[:3]) or "nothing was read yet"
        text = f"{view.name}: what its next start would change can't be told: {reasons}"
        yield warned("next-start-unknown", text, facts.node.uid)


def _sizes(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    view, uid = situation.next(facts), facts.node.uid
    fits = {str(fit.name): fit for fit in view.next_start.maps}
    anew: list[MapFit] = []
    for name, fit in fits.items():
        danger = _danger(fit, view.maps.get(name))
        if danger:
            guard_id = "map-size-unknown" if danger.startswith("nobody") else "map-too-small"
            change = f"{fit.max_now:,} → {fit.max_next:,}"
            yield blocked(guard_id, f"{view.name}: {name} {change}: {danger}", uid, loses=True)
        elif fit.is_too_small:
            text = f"{name} grows to {fit.max_next:,} only, {fit.wanted:,} wanted"
            yield warned("stays-too-small", f"{view.name}: {text}", uid)
        else:
            anew.append(fit)
    if anew:
        yield _recreated(situation, facts, anew)
    for usage in view.maps.values():
        if str(usage.name) not in fits and _is_short(usage):
            text = (
                f"{view.name}: {usage.name} keeps its {usage.max_entries:,} entries,"
                f" {usage.wanted_entries:,} wanted: a restart does not help, a resize does"
            )
            yield warned("stays-too-small", text, uid)


def _danger(fit: MapFit, usage: MapUsage | None) -> str:
    """Return why a map that shrinks must not, or the empty text."""
    if fit.max_next >= fit.max_now:
        return ""
    if fit.wanted is not None:
        return f"{fit.wanted:,} wanted" if fit.is_too_small else ""
    if usage is not None and usage.kind in (MapKind.LRU_HASH, MapKind.ARRAY):
        return ""
    if fit.entries is None:
        if usage is not None and usage.kind is MapKind.LPM_TRIE:
            return ""  # the kernel can't count a trie before 6.8: it would be blocked for ever
        return "nobody counted what it holds, and what is wanted is not known"
    return f"{fit.entries:,} in it" if fit.entries > fit.max_next else ""


def _is_short(usage: MapUsage) -> bool:
    return (
        usage.kind is not MapKind.LRU_HASH
        and usage.wanted_entries is not None
        and usage.wanted_entries > usage.max_entries
    )


def _recreated(situation: Situation, facts: NodeFacts, fits: list[MapFit]) -> Guard:
    """Tell which maps come back empty; a resize is asked for and so is only noted."""
    sizes = listed(f"{fit.name} {fit.max_now:,} → {fit.max_next:,}" for fit in fits)
    lost = any(family_of(str(fit.name)).key in _FILLED_BY_TRAFFIC for fit in fits)
    loss = "; connection state is lost with them" if lost else ""
    text = f"{facts.node.name}: made anew and empty at first: {sizes}{loss}"
    is_meant = situation.intent.kind is OperationKind.RESIZE and not lost
    return (noted if is_meant else warned)("maps-recreated", text, facts.node.uid)


def _unmounted(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    """Block where bpffs is the container's own: maps pinned there die with the pod.

    Two proofs: the mount table of the container, and the agent's log (M25), which rotates away and
    tells of the moment before the agent mounted bpffs itself, on the host too where it could.
    """
    view, uid = situation.now(facts), facts.node.uid
    table = mount_table(view)
    said = next((one for one in view.logged("M25") if not one.is_previous), None)
    if table.survival is MapSurvival.NO:
        yield _wiped(view, uid, mount_text(view, table))
    elif said is not None and table.survival is MapSurvival.UNKNOWN:
        yield _wiped(view, uid, log_text(view, said))
    elif said is not None:
        text = (
            f"{view.name}: its log said at the start that bpffs was not mounted on the host, but it"
            f" is by now: {mount_text(view, table)}"
        )
        yield warned("bpffs-mounted-since", text, uid)
    elif table.survival is MapSurvival.UNKNOWN:
        text = f"{view.name}: whether bpffs is mounted on the host is not known: {table.why}"
        if facts.log_error or not facts.logs:
            text += f"; {facts.log_error or 'its log was not read yet'}"
        yield warned("bpffs-unknown", text, uid)


def _wiped(view: NodeView, uid: NodeUid, proof: str) -> Guard:
    text = (
        f"{view.name}: bpffs is not mounted on the host ({proof}): a restart wipes every map and"
        " cuts connections; mount it first"
    )
    return blocked("bpffs-not-mounted", text, uid, loses=True)


def _cleaned(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    """Block where the new pod's init container removes the maps before the agent starts."""
    view = situation.next(facts)
    for wipe in view.next_start.wipes:
        text = (
            f"{view.name}: {wipe_text(wipe)}: a restart wipes every map and cuts connections;"
            f" set it to false first"
        )
        yield blocked("state-cleaned", text, facts.node.uid, loses=True)


def _brought_along(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    """Tell which other keys the restart would activate."""
    view = situation.next(facts)
    others = [one for one in view.next_start.pending if one.key not in situation.keys]
    if others:
        keys = listed((_words(one) for one in others), 8)
        count = "1 other key" if situation.keys and len(others) == 1 else _counted(len(others))
        text = f"{view.name}: the restart also activates {count}: {keys}"
        yield warned("pending-keys", text, facts.node.uid)


def _counted(number: int) -> str:
    return "1 pending key" if number == 1 else f"{number} pending keys"


def _words(key: PendingKey) -> str:
    by = f", {key.written_by}" if key.written_by else ""
    return f"{key.key} {key.running or 'unset'} → {key.next or 'unset'} ({key.source}{by})"


def _image(situation: Situation, facts: NodeFacts) -> Iterator[Guard]:
    view, uid = situation.next(facts), facts.node.uid
    start = view.next_start
    if start.changes_image:
        text = f"{view.name}: another image starts: {start.image_now} → {start.image_next}"
        yield warned("image-changes", text, uid)
        return
    daemonset, agent = daemonset_on(view), facts.agent
    if daemonset is None or agent is None or not agent.revision:
        return
    revisions = view.cluster.facts.revisions.value or ()
    ours = [one for one in revisions if one.daemonset == daemonset.name]
    current = max(ours, key=lambda one: one.revision, default=None)
    if current is not None and current.hash and current.hash != agent.revision:
        text = (
            f"{view.name}: its pod is of an older revision of DaemonSet {daemonset.name}:"
            f" revision {current.revision} starts"
        )
        yield warned("revision-changes", text, uid)
