"""`config-drift`: what a node runs against what its next start would read, and what that breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tui.checks.check import About, Check
from tui.checks.proof import drift_evidence as proof
from tui.checks.proof.bpffs import bpffs_evidence
from tui.checks.proof.cleaning import wipe_evidence, wipe_text
from tui.checks.remedies import drift_remedies as remedies
from tui.checks.remedies.restarting import restart_command
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.cilium.nextstart import running_sizing
from tui.model.cluster import ConfigWrite
from tui.model.findings import (
    Evidence,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.maps import MapKind, MapUsage
from tui.model.nextstart import MapFit, NextStart
from tui.model.node import AgentPhase
from tui.safety import CleanText, clean

ID = "config-drift"
EXPLAINS_SECONDS = 7 * 86_400.0
"""A write this long before an agent's start still explains what that start read."""

_EXACT = frozenset({"ct-tcp", "ct-any", "nat", "lb-services", "lb-backends", "lb-reverse-nat"})
"""Families whose pinned map always has the size that the running agent prints."""

ABOUT = About(
    id=ID,
    title=CleanText("The next agent start reads another configuration"),
    limitation=CleanText(
        "Agents read their configuration at start only: an edited ConfigMap or CiliumNodeConfig"
        " waits for the next restart, and a size that became too small breaks Services then."
    ),
    why=CleanText(
        "The configuration is read at start only, so an edit does nothing until an agent restarts,"
        " for whatever reason, and then does everything at once. A map that shrank below what is"
        " wanted loses Services; a value that the release refuses keeps the agent from starting."
    ),
    proof=(
        CleanText("the size of the pinned map, by the kernel, against what the agent runs with"),
        CleanText(
            "ConfigMap, matching CiliumNodeConfigs and the DaemonSet's arguments, merged as the"
            " agent merges them, against `cilium config -a`"
        ),
        CleanText("the image of the DaemonSet's current revision against the pod's"),
        CleanText("keys that have an init container remove the maps, `clean-cilium-bpf-state`"),
        CleanText("from 1.17: the drift checker's `Mismatch found`"),
    ),
    releases=CleanText("every release; CiliumNodeConfig from 1.13"),
    remedy=Remedy(
        now=(CleanText("do not restart agents before what is pending was looked at"),),
        lasting=(
            CleanText("bring the ConfigMap to what shall run, then restart one node and look"),
        ),
        commands=(remedies.RESTART_ONE,),
        needs_restart=True,
        interrupts=remedies.INTERRUPTS,
        test=CleanText("ciltop check --only config-drift,service-map-drift"),
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/configuration/per-node-config/"),
        CleanText("https://docs.cilium.io/en/stable/network/ebpf/maps/"),
        CleanText("cilium/cilium#31069"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Harm:
    """What is broken now, with its proof."""

    text: str
    evidence: tuple[Evidence, ...]
    remedy: Remedy
    harm: int
    group: str
    since: float | None = None


def judge_node(view: NodeView) -> Iterable[Verdict]:
    """Compare the four layers of one node."""
    start = view.next_start
    harm = _crash_loop(view, start) or _read_too_small(view) or _contradiction(view)
    evidence = tuple(_evidence(view, start))
    if harm is not None:
        yield view.verdict(
            ID,
            FindingSeverity.ACTIVE,
            harm.text,
            evidence=(*harm.evidence, *evidence),
            remedy=harm.remedy,
            harm=harm.harm,
            since=harm.since,
            group=harm.group,
        )
        return
    breaking = _too_small(view, start)
    if start.blockers:
        yield _stops(view, start, evidence)
    if breaking:
        yield _shrinks(view, start, breaking, evidence)
    if start.wipes:
        yield _wipes(view, start, evidence)
    if start.blockers or breaking or start.wipes:
        return
    unread = tuple(one for one in start.unknown if proof.is_layer(one))
    if not start.is_known:
        yield _unknown(view, start.unknown)
    elif start.pending_count or start.maps or start.ignored or proof.mismatches(view):
        yield _latent(view, start, evidence)
    elif unread:
        yield _unknown(view, unread)
    else:
        text = "the next start would read what runs now"
        if start.unknown:
            text += f"; {len(start.unknown)} not compared: {'; '.join(start.unknown[:3])}"
        yield view.verdict(ID, FindingSeverity.CLEAR, text)


def _evidence(view: NodeView, start: NextStart) -> Iterator[Evidence]:
    for reason in start.blockers:
        source = proof.source_path(view, proof.named_source(reason))
        yield view.fact(f"would not start: {reason}", source)
    ordered = sorted(start.maps, key=lambda fit: not _does_not_fit(view, fit))
    yield from proof.fit_evidence(view, ordered[:6])
    yield from proof.pending_evidence(view, start.pending)
    if start.changes_image:
        text = f"image: runs {start.image_now}, next start {start.image_next}"
        yield view.fact(text, proof.source_path(view, "DaemonSet cilium"))
    for one in start.ignored[:4]:
        text = f"{one.source}: {one.key} takes no effect: {one.reason}"
        yield view.fact(text, proof.source_path(view, one.source), key=one.key)
    yield from (*wipe_evidence(view), *proof.log_evidence(view), *bpffs_evidence(view))


def _does_not_fit(view: NodeView, fit: MapFit) -> bool:
    """Whether a map that refuses when full gets too small for what is wanted, or held."""
    if fit.is_too_small:
        return True
    usage = view.maps.get(str(fit.name))
    if fit.wanted is not None or usage is None or usage.is_evicting:
        return False
    return fit.max_next < fit.max_now and (fit.entries or 0) > fit.max_next


def _too_small(view: NodeView, start: NextStart) -> tuple[MapFit, ...]:
    return tuple(
        sorted(
            (fit for fit in start.maps if _does_not_fit(view, fit)),
            key=lambda fit: fit.max_next - (fit.wanted or fit.entries or 0),
        )
    )


def _stops(view: NodeView, start: NextStart, evidence: tuple[Evidence, ...]) -> Verdict:
    reason = start.blockers[0]
    keys = [one for one in start.pending if one.key in reason]
    return view.verdict(
        ID,
        FindingSeverity.ARMED,
        f"the agent would not start again: {reason}",
        evidence=evidence,
        remedy=remedies.restart_stops(view, start),
        harm=1,
        since=next((one.written_at for one in keys), None),
        group=proof.group_of_blocker(reason),
    )


def _shrinks(
    view: NodeView, start: NextStart, breaking: Sequence[MapFit], evidence: tuple[Evidence, ...]
) -> Verdict:
    worst = breaking[0]
    needed = remedies.need(worst)
    text = (
        f"the next start would make {worst.name} {worst.max_now} → {worst.max_next},"
        f" {needed} are needed"
    )
    option = proof.option_of(str(worst.name), start.pending)
    key = next((one for one in start.pending if one.key == option), None)
    return view.verdict(
        ID,
        FindingSeverity.ARMED,
        text,
        evidence=evidence,
        remedy=remedies.restart_shrinks(view, breaking),
        harm=needed - worst.max_next,
        since=None if key is None else key.written_at,
        group=proof.group_of_option(option, "" if key is None else str(key.source)),
    )


def _wipes(view: NodeView, start: NextStart, evidence: tuple[Evidence, ...]) -> Verdict:
    worst = start.wipes[0]
    return view.verdict(
        ID,
        FindingSeverity.ARMED,
        f"a new agent pod would find no maps: {wipe_text(worst)}",
        evidence=evidence,
        remedy=remedies.restart_wipes(view, start),
        harm=1,
        since=worst.written_at,
        group=f"state removed: {worst.key}",
    )


def _crash_loop(view: NodeView, start: NextStart) -> _Harm | None:
    """Tell of an agent that keeps crashing while its configuration is one it refuses."""
    agent = view.facts.agent
    if agent is None or agent.phase is not AgentPhase.CRASH_LOOP or not start.blockers:
        return None
    text = f"the agent does not start: {start.blockers[0]}"
    why = f"{agent.reason or agent.phase}, {agent.restart_count} restarts"
    remedy = remedies.restart_stops(view, start)
    return _Harm(
        text,
        (view.fact(why, f"kubectl -n {agent.namespace} get pod {agent.name}"),),
        replace(
            remedy,
            now=(
                clean(f"change what the agent refuses: {start.blockers[0]}", 600),
                CleanText("then delete the pod: its init container reads the new value"),
            ),
            commands=(*remedy.commands, restart_command(view)),
            needs_restart=True,
            interrupts=CleanText("nothing more: the agent does not run"),
        ),
        harm=1,
        group=proof.group_of_blocker(start.blockers[0]),
    )


def _read_too_small(view: NodeView) -> _Harm | None:
    """Tell of a start that read a size too small, where Services are missing for it now."""
    coverage, agent = view.facts.services.value, view.facts.agent
    missing = coverage.missing_frontends if coverage is not None else 0
    write = _write_before(view, agent.started_at if agent is not None else None)
    if missing <= 0 or write is None or agent is None or agent.started_at is None:
        return None
    short = [usage for usage in view.maps.values() if _is_short(usage)]
    if not short:
        return None
    worst = min(short, key=lambda usage: usage.max_entries - (usage.wanted_entries or 0))
    option = _explicit_option(view, worst)
    if option is None or coverage is None:
        return None
    after = proof.span(max(0.0, agent.started_at - write.at))
    text = (
        f"the agent started {after} after {write.manager or 'somebody'} wrote cilium-config and"
        f" read {option}={worst.max_entries}: {worst.name} needs {worst.wanted_entries},"
        f" {missing} of {coverage.wanted_frontends} frontends are missing"
    )
    evidence = tuple(_evidence_of_start(view, worst, write, option))
    remedy = remedies.regrow(view, worst, option)
    return _Harm(text, evidence, remedy, missing, option, agent.started_at)


def _evidence_of_start(
    view: NodeView, usage: MapUsage, write: ConfigWrite, option: str
) -> Iterator[Evidence]:
    sized = f"{usage.name}: {usage.max_entries} entries, needs {usage.wanted_entries}"
    yield view.evidence(view.facts.maps, sized, ProofKind.MAP, str(usage.name))
    wrote = f"cilium-config written by {write.manager or 'somebody'} at {proof.when(write.at)}"
    path = proof.source_path(view, proof.CONFIG_MAP)
    yield view.fact(wrote, path, write.at, ProofKind.CONFIG, option)
    agent, coverage = view.facts.agent, view.facts.services.value
    if agent is not None:
        started = f"agent started at {proof.when(agent.started_at)}"
        path = f"kubectl -n {agent.namespace} get pod {agent.name} -o yaml"
        yield view.fact(started, path, agent.started_at)
    if coverage is not None:
        gone = f"{coverage.missing_frontends} of {coverage.wanted_frontends} wanted frontends"
        text = f"{gone} are not in the kernel"
        yield view.evidence(view.facts.services, text, ProofKind.SERVICE)


def _is_short(usage: MapUsage) -> bool:
    return usage.kind is MapKind.HASH and (usage.wanted_entries or 0) > usage.max_entries


def _write_before(view: NodeView, started_at: float | None) -> ConfigWrite | None:
    """Return the ConfigMap's last write before the agent started, where it is near enough."""
    held = view.cluster.facts.config_map.value
    if held is None or started_at is None:
        return None
    writes = [write for write in held.writes if write.at <= started_at]
    last = max(writes, key=lambda write: write.at, default=None)
    near = last is not None and started_at - last.at <= EXPLAINS_SECONDS
    return last if near else None


def _explicit_option(view: NodeView, usage: MapUsage) -> str | None:
    """Return the option that gave a map its size, where it is set and says that size."""
    for option in reversed(family_of(str(usage.name)).resized_by.split(", ")):
        setting = view.setting(option) if option else None
        if setting is not None and setting.value.strip() == str(usage.max_entries):
            return option
    return None


def _contradiction(view: NodeView) -> _Harm | None:
    """Tell of a pinned map of another size than the agent, which makes it at start, works with."""
    config, maps = view.facts.config, view.facts.maps
    if config.value is None or maps.value is None or not _is_same_agent(view):
        return None
    sizing = running_sizing(config.value)
    for usage in maps.value:
        size = sizing.of(usage)
        if family_of(str(usage.name)).key not in _EXACT or size is None or size.is_default:
            continue
        if proof.is_of_idle_family(view, str(usage.name)):
            continue
        if size.max_entries == usage.max_entries:
            continue
        text = (
            f"{usage.name} is pinned with {usage.max_entries} entries, the agent runs with"
            f" {size.option}={size.max_entries}"
        )
        evidence = (
            view.evidence(maps, f"{usage.name}: max_entries {usage.max_entries}", ProofKind.MAP),
            view.evidence(
                config, f"{size.option}={size.max_entries}", ProofKind.CONFIG, size.option
            ),
        )
        return _Harm(text, evidence, remedies.repin(view, usage), 1, str(usage.name))
    return None


def _is_same_agent(view: NodeView) -> bool:
    """Whether configuration and maps were read from the container that runs now."""
    origins = (view.facts.config.origin, view.facts.maps.origin)
    containers = {one.container_id for one in origins if one is not None and one.container_id}
    agent = view.facts.agent
    if agent is not None and agent.container_id:
        containers.add(agent.container_id)
    return len(containers) <= 1


def _latent(view: NodeView, start: NextStart, evidence: tuple[Evidence, ...]) -> Verdict:
    parts = []
    if start.pending:
        names = ", ".join(one.key for one in start.pending[:3])
        rest = f" and {len(start.pending) - 3} more" if len(start.pending) > 3 else ""
        count = "1 key" if len(start.pending) == 1 else f"{len(start.pending)} keys"
        parts.append(f"{count} pending: {names}{rest}")
    seen = {one.key for one in start.pending}
    said = [one for one in proof.mismatches(view) if proof.mismatch_key(one) not in seen]
    if said:
        keys = ", ".join(proof.mismatch_text(one) for one in said[:3])
        parts.append(f"the agent's drift checker found {keys}")
    if start.changes_image:
        parts.append(f"another image would start: {start.image_next}")
    if start.maps:
        emptied = [fit for fit in start.maps if _is_tracking(view, fit)]
        text = f"{len(start.maps)} maps would be made anew, empty at first"
        parts.append(text + (", connections are lost with them" if emptied else ""))
    if start.ignored:
        sources = ", ".join(dict.fromkeys(str(one.source) for one in start.ignored))
        parts.append(f"takes no effect: {sources}")
    needs_restart = True if start.pending or said or start.changes_image else None
    remedy = Remedy(
        now=(CleanText("nothing breaks: decide whether what is pending is meant"),),
        lasting=(CleanText("restart one node's agent, look, then the others; or undo the edit"),),
        needs_restart=needs_restart,
        interrupts=remedies.INTERRUPTS
        if start.maps
        else CleanText("what a restart of one agent does"),
        test=CleanText("ciltop check --only config-drift"),
    )
    since = min((one.written_at for one in start.pending if one.written_at), default=None)
    text = "; ".join(parts)
    latent = FindingSeverity.LATENT
    return view.verdict(ID, latent, text, evidence=evidence, remedy=remedy, since=since)


def _is_tracking(view: NodeView, fit: MapFit) -> bool:
    return family_of(str(fit.name)).key in ("ct-tcp", "ct-any", "nat")


def _unknown(view: NodeView, reasons: Sequence[CleanText]) -> Verdict:
    reasons = reasons or (CleanText("configuration and running values"),)
    missing = tuple(MissingEvidence(reason, proof.how_to_read(view, reason)) for reason in reasons)
    text = f"the next start can't be told: {reasons[-1]}"
    return view.verdict(ID, FindingSeverity.UNKNOWN, text, missing=missing)


CHECK = Check(ABOUT, judge_node=judge_node)
