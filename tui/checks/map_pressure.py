"""`map-pressure`: every BPF map that refuses entries, evicts live ones, or soon will.

Thresholds, of the kernel's count:

* hash and LPM maps: full, or not written by the agent (`bpf-map-sync-*`, failing updates) is
  ACTIVE; 90 %, too small for what the Services want, or full within the hour is ARMED; 80 % LATENT.
* LRU maps never refuse, they evict (domain, A.2): conntrack, NAT and reverse_sk at 90 % are ARMED,
  and ACTIVE while packets are dropped for it; the affinity, neighbor and fragment maps fill by
  design, as nothing but eviction empties them, and are LATENT.
* `CT: Map insertion failed` is capacity only where a conntrack map is at 90 %; below it is
  contention, which a larger map does not cure (kernels before 6.15, cilium/cilium#35010).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tui.checks.check import About, Check
from tui.checks.phrases import percent, some_of, span
from tui.checks.proof.conntrack_drops import dropping, judge_contention
from tui.checks.proof.mapfacts import (
    NEARLY_FULL_RATIO,
    RECENT_SECONDS,
    MapFacts,
    count_command,
    count_evidence,
    map_evidence,
    map_facts,
)
from tui.checks.proof.sources import metrics_command, stated
from tui.checks.remedies.map_remedy import remedy_for
from tui.checks.remedies.restarting import LB_RESIZE_INTERRUPTS, is_stale
from tui.checks.view import NodeView
from tui.model.findings import FindingSeverity, MissingEvidence, Remedy, Verdict
from tui.model.maps import MapUsage
from tui.safety import CleanText, clean

_ID = "map-pressure"
FILLING_RATIO = 0.8
SOON_FULL_SECONDS = 3_600.0
HALF_FULL_RATIO = 0.5
"""Below it a short trend is no reason to wake somebody."""
_IMPORTANT = frozenset({"lb-services", "lb-backends", "lb-reverse-nat", "policy"})
"""Maps whose missing count is a finding by itself: when they are full, Services or pods fail."""
_LIVE_STATE = frozenset({"ct-tcp", "ct-any", "nat", "lb-reverse-sk"})
"""LRU maps whose entries a connection that is open needs."""
_HARM_OF_EVICTION = {
    "ct-tcp": "evicts connections that are open",
    "ct-any": "evicts connections that are open",
    "nat": "evicts translations that are in use",
    "lb-reverse-sk": "evicts sockets that are open, which then outlive their backend",
}

ABOUT = About(
    id=_ID,
    title=CleanText("BPF map full, filling or evicting"),
    limitation=CleanText(
        "BPF maps have a fixed size: a full hash map refuses entries, so Services, endpoints or"
        " policies are not programmed; a full LRU map evicts live connections."
    ),
    why=CleanText(
        "What does not fit is missing from this node's datapath while agent and node look healthy,"
        " and error lines are written once, at the start. Only a larger map, or fewer entries,"
        " brings it back."
    ),
    proof=(
        CleanText("the kernel's count of entries against max_entries, counted or accounted"),
        CleanText("a failing controller bpf-map-sync-<map> (1.11 to 1.17)"),
        CleanText("failed updates in the metric cilium_bpf_map_ops_total"),
        CleanText("log lines: the map is full / key too big for map / You can resize it"),
        CleanText("drops `CT: Map insertion failed` with the conntrack maps' fill"),
    ),
    releases=CleanText("Every release. Keys that size one load-balancing map came with 1.12."),
    remedy=Remedy(
        now=(CleanText("raise the map's size and restart the agent of that node alone"),),
        lasting=(CleanText("put the size into the Helm values so that it stays"),),
        needs_restart=True,
        interrupts=LB_RESIZE_INTERRUPTS,
        test=CleanText("bpftool -j -f map show"),
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/network/ebpf/maps/"),
        CleanText("cilium/cilium#28726"),
        CleanText("cilium/cilium#31069"),
        CleanText("cilium/cilium#35010"),
    ),
)

_LEAKED_REMEDY = Remedy(
    now=(CleanText("see backend-leak: it is not too small, copies of other entries fill it"),),
    needs_restart=None,
    interrupts=LB_RESIZE_INTERRUPTS,
)


def _judge_node(view: NodeView) -> Iterable[Verdict]:
    reading = view.facts.maps
    if not reading.value:
        how = view.command("bpftool -j -f map show")
        missing = (view.missing(reading, "the node's BPF maps", how),)
        yield view.verdict(
            _ID, FindingSeverity.UNKNOWN, "no BPF map of this node was read", missing=missing
        )
        return
    every = map_facts(view)
    drops = dropping(view)
    found = [verdict for facts in every if (verdict := _judge(view, facts, drops)) is not None]
    contention = judge_contention(view, _ID, every)
    if contention is not None:
        found.append(contention)
    uncounted = _uncounted(view, every, {one.group for one in found})
    if uncounted is not None:
        found.append(uncounted)
    yield from found or [_clear(view, every)]


def _judge(view: NodeView, facts: MapFacts, drops: Sequence[str]) -> Verdict | None:
    if facts.usage.is_evicting:
        return _judge_evicting(view, facts, drops)
    refusal = facts.refusal
    if refusal is None:
        return _judge_filling(view, facts)
    severity, words = refusal
    usage = facts.usage
    verdict = _cause(usage)
    return view.verdict(
        _ID,
        severity,
        f"{usage.name} is {words}" + (f"; {verdict}" if verdict else ""),
        evidence=map_evidence(view, facts),
        remedy=_remedy(view, usage),
        since=facts.since,
        harm=_harm(usage),
        group=str(usage.name),
    )


def _cause(usage: MapUsage) -> str:
    """Return whether a full map is too small or leaked, as far as copies and wants tell."""
    wanted, copies = usage.wanted_entries, usage.duplicate_entries
    if wanted is not None and _is_too_small(usage):
        text = f"needs {wanted:,}, has {usage.max_entries:,}: too small"
        if copies:
            return f"{text}, and {copies:,} entries are copies of others (see backend-leak)"
        return f"{text}, not leaked" if copies == 0 else text
    if copies:
        return f"{copies:,} entries are copies of others (see backend-leak)"
    if copies == 0 and wanted is not None and usage.is_full:
        return f"no copies, but more entries than the {wanted:,} wanted"
    return ""


def _remedy(view: NodeView, usage: MapUsage) -> Remedy:
    is_leaked = bool(usage.duplicate_entries) and not _is_too_small(usage)
    return _LEAKED_REMEDY if is_leaked else remedy_for(view, usage)


def _is_too_small(usage: MapUsage) -> bool:
    return usage.wanted_entries is not None and usage.wanted_entries > usage.max_entries


def _harm(usage: MapUsage) -> int:
    """Return how many entries can't be held, at least one."""
    return max(1, (usage.wanted_entries or 0) - usage.max_entries)


def _judge_filling(view: NodeView, facts: MapFacts) -> Verdict | None:
    usage = facts.usage
    filling = _filling(facts)
    if filling is None:
        return None
    severity, words = filling
    return view.verdict(
        _ID,
        severity,
        f"{usage.name} {words}",
        evidence=map_evidence(view, facts),
        remedy=_remedy(view, usage),
        harm=_harm(usage) if severity is FindingSeverity.ARMED else 0,
        group=str(usage.name),
    )


def _filling(facts: MapFacts) -> tuple[FindingSeverity, str] | None:
    """Return how bad and in words that a map which still takes entries may soon not."""
    usage, ratio = facts.usage, facts.usage.ratio
    numbers = "" if ratio is None else f"{percent(ratio)} full"
    soon = _soon(usage)
    if _is_too_small(usage):
        words = f"will not hold all: {_cause(usage)}"
        return FindingSeverity.ARMED, f"{words} ({numbers})" if numbers else words
    if ratio is None:
        return None
    cause = _cause(usage)
    words = f"is {numbers}" + (f", {soon}" if soon else "") + (f"; {cause}" if cause else "")
    if soon or ratio >= NEARLY_FULL_RATIO:
        return FindingSeverity.ARMED, words
    if facts.failed_operations:
        return FindingSeverity.ARMED, f"refused updates though it is only {numbers}: see the log"
    return (FindingSeverity.LATENT, words) if ratio >= FILLING_RATIO else None


def _soon(usage: MapUsage) -> str:
    """Return when the map is full, where that is within the hour and at least half is used."""
    left, ratio = usage.trend.seconds_to_full, usage.ratio
    if left is None or left > SOON_FULL_SECONDS or ratio is None or ratio < HALF_FULL_RATIO:
        return ""
    window = usage.trend.window_seconds
    past = f" at the pace of the last {span(window)}" if window else ""
    return f"full in about {span(left)}{past}"


def _judge_evicting(view: NodeView, facts: MapFacts, drops: Sequence[str]) -> Verdict | None:
    usage, ratio = facts.usage, facts.usage.ratio
    if ratio is None:
        return _evicting_by_log(view, facts)
    soon = _soon(usage)
    if ratio < NEARLY_FULL_RATIO and not soon:
        return None
    if facts.key not in _LIVE_STATE:
        words = "it evicts its oldest entries, which are made anew when they are needed"
        return _eviction(view, facts, FindingSeverity.LATENT, words, ())
    evidence = _drop_evidence(view, facts.key, drops)
    harm = _harm_of_eviction(view, facts.key)
    is_full = ratio >= NEARLY_FULL_RATIO
    if is_full and evidence:
        words = f"{harm}, and packets are dropped for it: capacity, not contention"
        return _eviction(view, facts, FindingSeverity.ACTIVE, words, evidence)
    if is_full and _evictions_logged(facts):
        words = f"{harm}, as the log says"
        return _eviction(view, facts, FindingSeverity.ACTIVE, words, ())
    words = harm if is_full else f"{soon}; then it {harm}"
    return _eviction(view, facts, FindingSeverity.ARMED, words, ())


def _harm_of_eviction(view: NodeView, key: str) -> str:
    """Return what is lost; agents before 1.15 end no sockets, whatever the map remembers."""
    if key == "lb-reverse-sk" and view.release is not None and not view.release.at_least(1, 15):
        return "evicts sockets that are open, which then see backends in place of the Service"
    return _HARM_OF_EVICTION[key]


def _evictions_logged(facts: MapFacts) -> bool:
    """Tell whether the garbage collection missed entries lately that the kernel evicted (M7)."""
    return any(
        entry.meaning == "M7" and facts.now - (entry.last_time or entry.line.time) <= RECENT_SECONDS
        for entry in facts.logged
    )


def _evicting_by_log(view: NodeView, facts: MapFacts) -> Verdict | None:
    """Judge a conntrack map that nobody counted by the lines on entries that were evicted."""
    if facts.key not in _LIVE_STATE or not _evictions_logged(facts):
        return None
    usage = facts.usage
    return view.verdict(
        _ID,
        FindingSeverity.ARMED,
        f"{usage.name} {_harm_of_eviction(view, facts.key)}, as the log says; it was not counted",
        evidence=map_evidence(view, facts),
        remedy=remedy_for(view, usage),
        missing=(_missing(view, usage),),
        harm=1,
        group=str(usage.name),
    )


def _drop_evidence(view: NodeView, key: str, drops: Sequence[str]) -> tuple[str, ...]:
    """Return the drops that tell of this map."""
    reasons = {
        "ct-tcp": "CT: Map insertion failed",
        "ct-any": "CT: Map insertion failed",
        "nat": "No mapping for NAT masquerade",
    }
    reason = reasons.get(key)
    return () if reason is None else tuple(text for text in drops if text.startswith(reason))


def _eviction(
    view: NodeView, facts: MapFacts, severity: FindingSeverity, words: str, drops: Sequence[str]
) -> Verdict:
    usage = facts.usage
    metrics, command = view.facts.metrics, metrics_command(view)
    seen = [stated(view, metrics, f"drops: {text}", command) for text in drops]
    return view.verdict(
        _ID,
        severity,
        f"{usage.name} is {percent(usage.ratio or 0.0)} full: {words}",
        evidence=(*map_evidence(view, facts), *seen),
        remedy=remedy_for(view, usage),
        harm=0 if severity is FindingSeverity.LATENT else 1,
        group=str(usage.name),
    )


def _uncounted(view: NodeView, every: Sequence[MapFacts], judged: set[str]) -> Verdict | None:
    """Say which of the maps that matter most could not be counted."""
    unknown = [
        facts.usage
        for facts in every
        if facts.usage.entries is None
        and facts.key in _IMPORTANT
        and str(facts.usage.name) not in judged
    ]
    if not unknown:
        return None
    names = some_of((str(usage.name) for usage in unknown), 3)
    return view.verdict(
        _ID,
        FindingSeverity.UNKNOWN,
        f"not counted: {names}",
        missing=tuple(_missing(view, usage) for usage in unknown),
    )


def _missing(view: NodeView, usage: MapUsage) -> MissingEvidence:
    note = f" ({usage.note})" if usage.note else ""
    return MissingEvidence(
        clean(f"the entries of {usage.name}{note}", 400),
        view.command(count_command(view, usage)),
    )


def _clear(view: NodeView, every: Sequence[MapFacts]) -> Verdict:
    origin = view.facts.maps.origin
    at = origin.observed_at if origin is not None else None
    if not view.facts.maps.is_known and is_stale(view, at):
        how = view.command("bpftool -j -f map show")
        missing = (view.missing(view.facts.maps, "a fresh count of the maps", how),)
        text = "no map was in trouble when they were last read, which is too long ago"
        return view.verdict(_ID, FindingSeverity.UNKNOWN, text, missing=missing)
    counted = [facts.usage for facts in every if facts.usage.ratio is not None]
    rest = [facts.usage for facts in every if facts.usage.ratio is None]
    uncounted = tuple(_missing(view, usage) for usage in rest)
    if not counted:
        return view.verdict(
            _ID, FindingSeverity.UNKNOWN, "no map of this node was counted", missing=uncounted
        )
    fullest = max(counted, key=lambda usage: usage.ratio or 0.0)
    text = (
        f"{len(counted)} maps counted, none in trouble: the fullest is {fullest.name}"
        f" ({percent(fullest.ratio or 0.0)})"
    )
    if rest:
        text += f"; {len(rest)} that evict or seldom fill were not counted"
    return view.verdict(
        _ID,
        FindingSeverity.CLEAR,
        text,
        evidence=(count_evidence(view, fullest),),
        missing=uncounted,
    )


CHECK = Check(ABOUT, judge_node=_judge_node)
