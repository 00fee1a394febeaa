"""`backend-leak`: copies of backends in the backend map, which 1.11.0 to 1.11.14 left behind.

Graceful termination (1.11.0, b79a4a5370) lost backends that were terminating when their Service
was deleted, and gave them new ids later. The copies survive upgrades: 1.13 migrates them into
`cilium_lb4_backends_v3`. Releases by commit: 68ac1f07ac (1.11.15) stops making them; 5311f81505
(1.11.16, 1.12.9, 1.13.2, 1.14.0) removes copies at start; ec8d3ced8e (1.12.10, 1.13.3, 1.14.0)
those that no Service uses too; 1.18 prunes the map every 30 minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from tui.checks.check import About, Check
from tui.checks.phrases import is_rising, percent
from tui.checks.proof.bpffs import pinned
from tui.checks.proof.mapfacts import MapFacts, count_command, map_evidence, map_facts
from tui.checks.proof.sources import log_lines, version_evidence
from tui.checks.remedies.map_remedy import remedy_for
from tui.checks.remedies.restarting import LB_RESIZE_INTERRUPTS, RESTART_INTERRUPTS, restart_step
from tui.checks.view import NodeView
from tui.cilium.releases import Release
from tui.model.findings import Evidence, FindingSeverity, Remedy, Verdict
from tui.model.maps import MapUsage
from tui.model.reading import Reading
from tui.safety import CleanText, clean

_ID = "backend-leak"
_FAMILY = "lb-backends"
FILLING_RATIO = 0.8
_LOGGED = ("L12", "L13", "L14", "L11")
_UNEXPLAINED = 64
"""So many entries beyond those wanted are left to backends that are ending, hostPorts and local
redirects."""

ABOUT = About(
    id=_ID,
    title=CleanText("Backend entries leaked"),
    limitation=CleanText(
        "Cilium 1.11.14 and earlier can leak Service backends in the BPF maps; copies of them can"
        " fill cilium_lb4_backends_v2 (_v3 from 1.13), also after an upgrade."
    ),
    why=CleanText(
        "Copies take the room of backends that are needed: once the map is full, new backends are"
        " refused and Services keep old ones or have none. The agent's own counts do not show it"
        " up to 1.17, as they count its cache."
    ),
    proof=(
        CleanText("a dump of the live backend map: two ids for one address, port and protocol"),
        CleanText("the kernel's count of the map against what the Services want"),
        CleanText("log lines of the clean-up: unable to delete leaked backend"),
    ),
    releases=CleanText(
        "Made by 1.11.0 to 1.11.14. Removed at start by 1.11.16, 1.12.9, 1.13.2 and 1.14, with"
        " those that no Service uses by 1.12.10, 1.13.3 and 1.14; pruned by 1.18 as it"
        " runs."
    ),
    remedy=Remedy(
        now=(
            CleanText(
                "give the map another size (bpf-lb-map-max) and restart the agent of that node"
                " alone: the map comes back empty and only what is wanted is filled in again"
            ),
            CleanText("never delete ids with bpftool: an id that a Service still uses breaks it"),
        ),
        lasting=(CleanText("upgrade to 1.12.10, 1.13.3 or any 1.14 and later"),),
        needs_restart=True,
        interrupts=LB_RESIZE_INTERRUPTS,
        test=CleanText("cilium-dbg bpf lb list --backends"),
    ),
    references=(
        CleanText("cilium/cilium#23551"),
        CleanText("cilium/cilium#23858"),
        CleanText("cilium/cilium#24681"),
        CleanText("cilium/cilium#24770"),
    ),
)


class _Cure(Enum):
    """What a release does about copies."""

    MAKES = "makes them"
    KEEPS = "keeps inherited ones"
    REMOVES_USED = "removes those that a Service uses, at start"
    REMOVES = "removes them at start"
    PRUNES = "prunes the map every 30 minutes"
    UNKNOWN = "unknown release"


_MANY_SHARE = 0.1
"""Of the map's size: fewer copies are a few."""

_REMOVES_USED = {11: 16, 12: 9, 13: 2}
"""First patch of a minor release that removes copies at start."""
_REMOVES_ALL = {11: 17, 12: 10, 13: 3}
"""1.11.17 by the pattern of the others."""
_UPGRADES = {11: "1.11.17, or better 1.12.10 or 1.13.3", 12: "1.12.10", 13: "1.13.3"}


def _cure(release: Release | None) -> _Cure:
    if release is None:
        return _Cure.UNKNOWN
    if release.at_least(1, 18):
        return _Cure.PRUNES
    if release.at_least(1, 14) or not release.at_least(1, 11):
        return _Cure.REMOVES
    if release.patch >= _REMOVES_ALL[release.minor]:
        return _Cure.REMOVES
    if release.patch >= _REMOVES_USED[release.minor]:
        return _Cure.REMOVES_USED
    return _Cure.MAKES if not release.at_least(1, 11, 15) else _Cure.KEEPS


def _judge_node(view: NodeView) -> Iterable[Verdict]:
    cure = _cure(view.release)
    if view.facts.maps.value is None:
        yield _uncounted(view, cure, None)
        return
    backends = [facts for facts in map_facts(view) if facts.key == _FAMILY]
    if not backends:
        text = "this node has no backend map: nothing translates Services in BPF"
        yield view.verdict(_ID, FindingSeverity.CLEAR, text)
        return
    leaking = [facts for facts in backends if facts.usage.duplicate_entries]
    if leaking:
        yield from (_with_copies(view, cure, facts) for facts in leaking)
        return
    unread = [facts for facts in backends if facts.usage.duplicate_entries is None]
    yield _uncounted(view, cure, unread[0].usage) if unread else _without(view, cure, backends)


def _with_copies(view: NodeView, cure: _Cure, facts: MapFacts) -> Verdict:
    usage = facts.usage
    copies = usage.duplicate_entries or 0
    severity, state = _severity(facts, cure)
    return view.verdict(
        _ID,
        severity,
        f"{_copies(usage)} repeat another{state}; {_release_words(view, cure)}",
        evidence=(*map_evidence(view, facts), *_evidence(view)),
        remedy=_remedy(view, cure, usage),
        since=facts.since,
        harm=copies,
        group=str(usage.name),
    )


def _copies(usage: MapUsage) -> str:
    copies = usage.duplicate_entries or 0
    whole = "" if usage.entries is None else f"the {usage.entries:,} "
    return f"{copies:,} of {whole}entries of {usage.name}"


def _severity(facts: MapFacts, cure: _Cure) -> tuple[FindingSeverity, str]:
    usage = facts.usage
    ratio = usage.ratio
    refusal = facts.refusal
    if refusal is not None and refusal[0] is FindingSeverity.ACTIVE:
        return FindingSeverity.ACTIVE, f", and it is {refusal[1]}"
    if ratio is not None and ratio >= FILLING_RATIO:
        return FindingSeverity.ARMED, f", and it is {percent(ratio)} full"
    is_made = cure in (_Cure.MAKES, _Cure.UNKNOWN)
    if is_made and is_rising(usage.trend.ratios):
        return FindingSeverity.ARMED, ", and their number grows"
    share = "" if ratio is None else f", {percent(ratio)} of it is used"
    copied = (usage.duplicate_entries or 0) / max(1, usage.max_entries)
    is_kept = cure not in (_Cure.REMOVES, _Cure.PRUNES)
    if is_kept and copied >= _MANY_SHARE:
        return FindingSeverity.ARMED, f"{share}, {percent(copied)} by copies"
    return FindingSeverity.LATENT, share


def _release_words(view: NodeView, cure: _Cure) -> str:
    words = {
        _Cure.MAKES: f"{view.release} makes more of them (fixed in 1.11.15)",
        _Cure.KEEPS: f"{view.release} makes none and removes none",
        _Cure.REMOVES_USED: f"{view.release} removes only those that a Service uses, at its start",
        _Cure.REMOVES: f"{view.release} removes them at its start",
        _Cure.PRUNES: f"{view.release} prunes the map every 30 minutes: look again",
        _Cure.UNKNOWN: "the agent's release is not known",
    }
    return words[cure]


def _evidence(view: NodeView) -> tuple[Evidence, ...]:
    version = version_evidence(view)
    return (version, *log_lines(view, view.logged(*_LOGGED)))


def _remedy(view: NodeView, cure: _Cure, usage: MapUsage) -> Remedy:
    """Return the step that helps this release: a restart cleans, or a resize flushes."""
    never = clean("never delete ids with bpftool: one that a Service still uses breaks it")
    upgrade = _upgrade(view, cure)
    if cure in (_Cure.REMOVES, _Cure.PRUNES):
        step, commands = restart_step(view, "it removes copies at its start")
        return Remedy(
            now=(step, never),
            commands=commands,
            needs_restart=True,
            interrupts=RESTART_INTERRUPTS,
            test=view.command(count_command(view, usage)),
        )
    kept = "the copies that no Service uses" if cure is _Cure.REMOVES_USED else "the copies"
    flush = clean(
        f"a restart alone keeps {kept} on this release: with another size the map comes back"
        " empty, and only what the Services want is filled in again"
    )
    resize = remedy_for(view, usage)
    return replace(resize, now=(flush, *resize.now, never), lasting=(*upgrade, *resize.lasting))


def _upgrade(view: NodeView, cure: _Cure) -> tuple[CleanText, ...]:
    if view.release is None or cure in (_Cure.REMOVES, _Cure.PRUNES):
        return ()
    target = _UPGRADES.get(view.release.minor, "1.14")
    return (clean(f"upgrade to {target}: its start removes the copies"),)


def _uncounted(view: NodeView, cure: _Cure, usage: MapUsage | None) -> Verdict:
    """Judge by the release alone, where it is one that leaves no copies."""
    if cure in (_Cure.REMOVES, _Cure.PRUNES):
        return _clear_by_release(view, cure)
    suffix = "v3" if view.release is not None and view.release.at_least(1, 13) else "v2"
    name = usage.name if usage is not None else f"cilium_lb4_backends_{suffix}"
    how = view.command(f"bpftool -j map dump pinned {pinned(view, name)}")
    reading: Reading[Any] = view.facts.services if usage is not None else view.facts.maps
    missing = view.missing(reading, f"the entries of {name}: ids of the same backend", how)
    return view.verdict(
        _ID,
        FindingSeverity.UNKNOWN,
        f"whether {name} holds copies is not known; {_release_words(view, cure)}",
        missing=(missing,),
    )


def _clear_by_release(view: NodeView, cure: _Cure) -> Verdict:
    does = "prunes the map every 30 minutes" if cure is _Cure.PRUNES else "removes copies at start"
    text = f"fixed: {view.release} makes no copies and {does}"
    if view.release is not None and not view.release.at_least(1, 11):
        text = f"{view.release} is older than the fault, which came with 1.11.0"
    return view.verdict(_ID, FindingSeverity.CLEAR, text)


def _without(view: NodeView, cure: _Cure, backends: Sequence[MapFacts]) -> Verdict:
    """Judge maps without copies: a release that makes them, or entries that nobody wants."""
    if cure in (_Cure.REMOVES, _Cure.PRUNES):
        return _clear_by_release(view, cure)
    evidence = tuple(piece for facts in backends for piece in map_evidence(view, facts)[:1])
    unwanted = max((_unwanted(facts.usage) for facts in backends), default=0)
    if unwanted > _UNEXPLAINED and cure in (_Cure.MAKES, _Cure.KEEPS):
        text = (
            f"no copies, but {unwanted:,} entries more than the Services want: look whether they"
            f" stay; {_release_words(view, cure)}"
        )
        return view.verdict(_ID, FindingSeverity.LATENT, text, evidence=evidence)
    if cure is _Cure.MAKES:
        text = f"no copies yet; {_release_words(view, cure)}"
        return view.verdict(
            _ID,
            FindingSeverity.LATENT,
            text,
            evidence=(*evidence, *_evidence(view)[:1]),
            remedy=Remedy(
                now=(_WATCH,),
                lasting=_upgrade(view, cure),
                needs_restart=True,
                interrupts=RESTART_INTERRUPTS,
            ),
        )
    text = f"no copies in the backend map; {_release_words(view, cure)}"
    return view.verdict(_ID, FindingSeverity.CLEAR, text, evidence=evidence)


_WATCH = CleanText(
    "nothing to do at once; watch the backend map: copies come with deleted Services"
)


def _unwanted(usage: MapUsage) -> int:
    """Return how many entries there are beyond twice of what is wanted."""
    if usage.entries is None or usage.wanted_entries is None:
        return 0
    return max(0, usage.entries - 2 * usage.wanted_entries)


CHECK = Check(ABOUT, judge_node=_judge_node)
