"""What proves that configuration and running state differ, and how to set it right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tui.checks.proof.sources import of_running_agent
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.cilium.nextstart.images import daemonset_of, images_of
from tui.cilium.nextstart.layers import plan
from tui.model.findings import ConfigSetting, Evidence, ProofKind
from tui.model.logs import LogEntry
from tui.model.nextstart import MapFit, PendingKey
from tui.safety import CleanText, clean

PENDING_SHOWN = 8
CONFIG_MAP = "ConfigMap cilium-config"
_HELM = {
    "bpf-lb-map-max": "bpf.lbMapMax",
    "bpf-ct-global-tcp-max": "bpf.ctTcpMax",
    "bpf-ct-global-any-max": "bpf.ctAnyMax",
    "bpf-nat-global-max": "bpf.natMax",
    "bpf-policy-map-max": "bpf.policyMapMax",
    "bpf-neigh-global-max": "bpf.neighMax",
}
_NAMED = re.compile(r"[a-z0-9-]+=\S* \(((?:ConfigMap|CiliumNodeConfig|DaemonSet|Node) [^)]+)\)")
_OPTION = re.compile(r"([a-z0-9-]+)=")
_IP_FAMILY = re.compile(r"_(?:lb|ct|ct_any|snat_v)([46])_")
_LOG_MEANINGS = ("L17", "L18", "G1")


def is_layer(reason: str) -> bool:
    """Tell whether a whole source of configuration was not read, and not just one option."""
    return "not known" in reason or "is not read" in reason


def is_of_idle_family(view: NodeView, name: str) -> bool:
    """Tell whether a map is of an IP family that is off: agents leave some of its maps pinned."""
    found = _IP_FAMILY.search(name)
    return found is not None and view.flag(f"enable-ipv{found.group(1)}") is False


def when(at: float | None) -> str:
    """Return a moment as UTC text, or nothing."""
    if at is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return ""


def written(pending: PendingKey) -> str:
    """Tell who wrote the object of a pending key last, and when."""
    by = f" by {pending.written_by}" if pending.written_by else ""
    at = f" at {when(pending.written_at)}" if when(pending.written_at) else ""
    return f", written{by}{at}" if by or at else ""


def pending_text(one: PendingKey) -> str:
    """Tell of one pending key: what runs, what comes, from where and from whom."""
    following = "nothing" if one.next is None else one.next or "(empty)"
    running = "without it" if one.running is None else one.running or "(empty)"
    source = f" from {one.source}" if one.source else ""
    return f"{one.key}: runs {running}, next start reads {following}{source}{written(one)}"


def pending_evidence(view: NodeView, pending: Sequence[PendingKey]) -> Iterator[Evidence]:
    """Yield a piece for each pending key, bounded."""
    for one in pending[:PENDING_SHOWN]:
        source = source_path(view, one.source)
        yield view.fact(pending_text(one), source, one.written_at, ProofKind.CONFIG, one.key)
    if len(pending) > PENDING_SHOWN:
        rest = ", ".join(one.key for one in pending[PENDING_SHOWN:])
        more = len(pending) - PENDING_SHOWN
        yield view.fact(f"{more} more pending: {rest}", "cilium config -a -o json")


def named_source(reason: str) -> str:
    """Return the layer that a blocker's sentence names, behind the value it is about."""
    found = _NAMED.search(reason)
    return CONFIG_MAP if found is None else found.group(1)


def group_of_blocker(reason: str) -> str:
    """Return what blockers of one kind have in common: the option they are about first."""
    found = _OPTION.search(reason)
    return f"start refused: {found.group(1)}" if found is not None else "start refused"


def group_of_option(option: str, source: str) -> str:
    """Return what drifts of one kind have in common: the option, and where its value is from."""
    is_plain = not source or source == CONFIG_MAP or source.startswith("no layer")
    return option if is_plain else f"{option} from {source}"


def source_path(view: NodeView, source: str) -> str:
    """Return where a layer can be read: the reading's own source, else a command."""
    cluster = view.cluster.facts
    namespace = cluster.cilium_namespace or "kube-system"
    kind, _, name = (CONFIG_MAP if source.startswith("no layer") else source).partition(" ")
    origins = {
        "ConfigMap": cluster.config_map.origin,
        "CiliumNodeConfig": cluster.node_configs.origin,
        "DaemonSet": cluster.daemonsets.origin,
    }
    origin = origins.get(kind)
    if origin is not None:
        return origin.source
    short = name.partition(",")[0] or "cilium-config"
    return f"kubectl -n {namespace} get {kind.lower() or 'configmap'} {short} -o yaml"


def fit_evidence(view: NodeView, fits: Sequence[MapFit]) -> Iterator[Evidence]:
    """Yield a piece for each map that would be made anew."""
    reading = view.facts.maps
    for fit in fits:
        yield view.evidence(reading, fit_text(fit), ProofKind.MAP, str(fit.name))


def fit_text(fit: MapFit) -> str:
    """Tell of one map: its size now and then, what it holds and what is wanted of it."""
    holds = f", holds {fit.entries}" if fit.entries is not None else ""
    wanted = f", needs {fit.wanted}" if fit.wanted is not None else ""
    return f"{fit.name}: {fit.max_now} → {fit.max_next} entries at the next start{holds}{wanted}"


def mismatches(view: NodeView) -> tuple[LogEntry, ...]:
    """Return what the agent's own drift checker (1.17 on) found, where it still holds.

    It is logged once, when the configuration changes: what was taken back since does not count.
    """
    found: dict[str, LogEntry] = {}
    for entry in of_running_agent(view, "G1"):
        named = _named(entry)
        if "actual" in named and named.get("key"):
            found.setdefault(named["key"], entry)
    if not found:
        return ()
    facts, cluster = view.facts, view.cluster.facts
    daemonset = daemonset_of(facts.agent, cluster)
    planned = plan(facts.node, daemonset, images_of(facts.agent, daemonset, cluster), cluster)
    return tuple(entry for key, entry in found.items() if _still_holds(entry, planned.value(key)))


def _still_holds(entry: LogEntry, planned: str | None) -> bool:
    named = _named(entry)
    return planned is not None and planned == named.get("expectedValue") != named["actual"]


def _named(entry: LogEntry) -> dict[str, str]:
    return {str(name): str(value) for name, value in entry.line.fields}


def mismatch_key(entry: LogEntry) -> str:
    """Return the option that a line of the drift checker is about."""
    return _named(entry).get("key", "")


def mismatch_text(entry: LogEntry) -> str:
    """Tell of one key that the drift checker found."""
    named = _named(entry)
    return f"{named['key']} (runs {named['actual']}, next start {named['expectedValue']})"


def log_evidence(view: NodeView) -> Iterator[Evidence]:
    """Yield the log lines that tell of drift or of maps made anew, newest first."""
    for entry in view.logged(*_LOG_MEANINGS)[:2]:
        yield view.log_evidence(entry)


def option_of(name: str, pending: Sequence[PendingKey]) -> str:
    """Return the option that sizes a map: the one that is pending, else the most general."""
    options = family_of(name).resized_by.split(", ")
    keys = {one.key for one in pending}
    return next((option for option in reversed(options) if option in keys), options[0])


def wanted_size(wanted: int) -> int:
    """Return the size to set: twice what is wanted, as a power of two (design: room to grow)."""
    return 1 << max(8, (2 * max(wanted, 1) - 1).bit_length())


def setting_of(option: str, value: str) -> ConfigSetting:
    """Return a ConfigMap setting with its Helm value; hidden flags go through `extraConfig`."""
    helm = f"{_HELM[option]}={value}" if option in _HELM else f"extraConfig.{option}={value}"
    return ConfigSetting(option, clean(value, 200), helm)


def edit_command(view: NodeView, source: str) -> CleanText:
    """Return the command that opens the object of a layer in an editor."""
    namespace = view.cluster.facts.cilium_namespace or "kube-system"
    kind, _, name = source.partition(" ")
    place = "" if kind == "Node" else f"-n {namespace} "
    return clean(f"kubectl {place}edit {kind.lower()} {name.partition(',')[0]}", 400)


def patch_command(view: NodeView, source: str, option: str, value: str) -> CleanText:
    """Return the command that writes an option where it comes from."""
    namespace = view.cluster.facts.cilium_namespace or "kube-system"
    kind, _, name = source.partition(" ")
    if kind == "DaemonSet":
        daemonset = name.partition(",")[0]
        text = f"kubectl -n {namespace} edit daemonset {daemonset}  # --{option}={value}"
    elif kind == "CiliumNodeConfig":
        patch = json.dumps({"spec": {"defaults": {option: value}}})
        text = f"kubectl -n {namespace} patch ciliumnodeconfig {name} --type merge -p '{patch}'"
    else:
        patch = json.dumps({"data": {option: value}})
        text = f"kubectl -n {namespace} patch configmap cilium-config --type merge -p '{patch}'"
    return clean(text, 600)


def how_to_read(view: NodeView, reason: str) -> CleanText:
    """Return the command that reads the source that a reason says is not known."""
    namespace = view.cluster.facts.cilium_namespace or "kube-system"
    if "ConfigMap" in reason:
        return clean(f"kubectl -n {namespace} get configmap cilium-config -o yaml")
    if "CiliumNodeConfig" in reason:
        return clean(f"allow `list` on ciliumnodeconfigs in {namespace}")
    if "DaemonSet" in reason:
        return clean(f"allow `list` on daemonsets in {namespace}")
    return view.command(f"{view.binary} config -a -o json")


def span(seconds: float) -> str:
    """Return a length of time in its largest unit up to hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} m" if seconds < 7200 else f"{seconds / 3600:.0f} h"
