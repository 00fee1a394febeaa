"""The ways out of a configuration that waits for a restart, or that one has read."""

from __future__ import annotations

from collections.abc import Sequence

from tui.checks.proof import drift_evidence as proof
from tui.checks.proof.bpffs import pinned
from tui.checks.remedies.mapsizes import planned_source
from tui.checks.remedies.restarting import restart_step
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.model.findings import ConfigSetting, Remedy
from tui.model.maps import MapUsage
from tui.model.nextstart import MapFit, NextStart
from tui.safety import CleanText, clean

_CLEANING_VALUES = {
    "clean-cilium-state": "cleanState",
    "clean-cilium-bpf-state": "cleanBpfState",
}
INTERRUPTS = CleanText(
    "a restart makes each resized map anew, empty, and refills it within seconds: new connections"
    " to Services may fail meanwhile, and established ones may break; a resized conntrack or NAT"
    " map loses every connection"
)
RESTART_ONE = CleanText(
    "kubectl -n kube-system delete pod -l k8s-app=cilium --field-selector spec.nodeName=NODE"
)


def need(fit: MapFit) -> int:
    """Return how many entries a map has to take."""
    return fit.wanted if fit.wanted is not None else fit.entries or 0


def restart_shrinks(view: NodeView, breaking: Sequence[MapFit]) -> Remedy:
    """Say not to restart, and which size keeps the maps as they are."""
    worst = breaking[0]
    pending = view.next_start.pending
    values: dict[str, int] = {}
    for fit in breaking:
        option = proof.option_of(str(fit.name), pending)
        enough = fit.max_now if fit.max_now >= need(fit) else proof.wanted_size(need(fit))
        values[option] = max(values.get(option, 0), enough)
    sources = {one.key: str(one.source) for one in pending}
    kept = all(fit.max_now >= need(fit) for fit in breaking)
    change = f"{worst.max_now} → {worst.max_next}, need {need(worst)}"
    verb = "shrink" if worst.max_next < worst.max_now else "make"
    stop = f"do NOT restart the agents of these nodes: their next start would {verb} {change}"
    back = ", ".join(f"{option}={value}" for option, value in values.items())
    lasting = f"set {back}, which is what runs: nothing has to restart" if kept else f"set {back}"
    return Remedy(
        now=(clean(stop, 400),),
        lasting=(clean(lasting, 400),),
        settings=tuple(proof.setting_of(key, str(value)) for key, value in values.items()),
        commands=tuple(
            proof.patch_command(view, sources.get(key, proof.CONFIG_MAP), key, str(value))
            for key, value in values.items()
        ),
        needs_restart=not kept,
        interrupts=CleanText("nothing: the value is the one that runs") if kept else INTERRUPTS,
        test=test_command(view, str(worst.name)),
    )


def test_command(view: NodeView, name: str) -> CleanText:
    """Return the command that shows the size of a pinned map."""
    return view.command(f"bpftool map show pinned {pinned(view, name)}")


def restart_stops(view: NodeView, start: NextStart) -> Remedy:
    """Say not to restart an agent that would not start, and what to put back."""
    reason = start.blockers[0]
    stop = f"do NOT restart the agents of these nodes: they would not start: {reason}"
    undo = [one for one in start.pending if one.key in reason and one.running]
    return Remedy(
        now=(clean(stop, 600),),
        lasting=tuple(clean(f"put {one.key}={one.running} back, or upgrade", 300) for one in undo)
        or (CleanText("bring the value to what the release takes, or upgrade first"),),
        settings=tuple(proof.setting_of(one.key, str(one.running)) for one in undo),
        commands=tuple(
            proof.patch_command(view, str(one.source), one.key, str(one.running)) for one in undo
        )
        or (proof.edit_command(view, proof.named_source(reason)),),
        needs_restart=False,
        interrupts=CleanText("nothing: the running agent does not read it"),
        test=CleanText("ciltop check --only config-drift"),
    )


def restart_wipes(view: NodeView, start: NextStart) -> Remedy:
    """Say not to make new agent pods before the keys that remove the maps are off."""
    wiped = "do NOT delete the agent pods of these nodes: their init container removes every map"
    keys = [one for one in start.wipes if one.source == proof.CONFIG_MAP]
    others = [one for one in start.wipes if one.source != proof.CONFIG_MAP]
    back = ", ".join(f"{one.key}=false" for one in start.wipes)
    return Remedy(
        now=(clean(wiped, 400),),
        lasting=(clean(f"set {back}: nothing has to restart; in the Helm values too", 400),),
        settings=tuple(
            ConfigSetting(one.key, CleanText("false"), f"{_CLEANING_VALUES.get(one.key)}=false")
            if one.key in _CLEANING_VALUES
            else proof.setting_of(one.key, "false")
            for one in keys
        ),
        commands=(
            *(proof.patch_command(view, str(one.source), one.key, "false") for one in keys),
            *(proof.edit_command(view, str(one.source)) for one in others),
        ),
        needs_restart=False,
        interrupts=CleanText(
            "nothing: only a new pod reads it, and a container that is started again does not"
        ),
        test=CleanText("ciltop check --only config-drift"),
    )


def regrow(view: NodeView, usage: MapUsage, option: str) -> Remedy:
    """Say which size to set on a node whose start read one too small."""
    size = str(proof.wanted_size(usage.wanted_entries or 0))
    sized = {
        str(one.name)
        for one in view.maps.values()
        if option in family_of(str(one.name)).resized_by.split(", ")
    }
    step, restart = restart_step(view, "then look at its Services", resized=sized)
    source = planned_source(view, option)
    first = proof.patch_command(view, source, option, size)
    where = "" if source == proof.CONFIG_MAP else f" in {source}, which wins over cilium-config"
    return Remedy(
        now=(
            clean(
                f"set {option}={size}{where} (needs {usage.wanted_entries}, twice and a power of"
                " two)"
            ),
            step,
        ),
        lasting=(clean(f"keep {option}={size} in the Helm values, else an upgrade undoes it"),),
        settings=(proof.setting_of(option, size),),
        commands=(first, *restart),
        needs_restart=True,
        interrupts=INTERRUPTS,
        test=test_command(view, str(usage.name)),
    )


def repin(view: NodeView, usage: MapUsage) -> Remedy:
    """Say how a pinned map gets the size its agent works with."""
    step, restart = restart_step(view)
    return Remedy(
        now=(
            CleanText("look at the log of the agent's start: the map could not be made anew"),
            step,
        ),
        commands=(*restart, test_command(view, str(usage.name))),
        needs_restart=True,
        interrupts=INTERRUPTS,
        test=test_command(view, str(usage.name)),
    )
