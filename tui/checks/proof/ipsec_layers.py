"""The configuration's layers as far as IPsec and BPF NodePort meet in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from tui.checks.view import NodeView
from tui.cilium.config import find_flag, find_value
from tui.cilium.nextstart.images import daemonset_of, images_of
from tui.cilium.nextstart.layers import CONFIG_MAP, Planned, plan
from tui.model.findings import Evidence, ProofKind
from tui.model.nextstart import PendingKey
from tui.safety import CleanText, clean

_OPTIONS = ("enable-ipsec", "kube-proxy-replacement", "enable-node-port")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer of the configuration says of the two features."""

    ipsec: bool
    mode: str
    node_port: bool

    @property
    def conflict(self) -> str:
        """Why up to 1.15 they don't go together; empty where they do."""
        if not self.ipsec:
            return ""
        if self.mode in ("strict", "true", "probe"):
            return f"enable-ipsec=true with kube-proxy-replacement={self.mode}"
        # `disabled` switches NodePort off whatever its own key says.
        if self.node_port and self.mode != "disabled":
            return "enable-ipsec=true with enable-node-port=true"
        return ""

    @property
    def legal(self) -> str:
        """Why they go together."""
        if not self.ipsec:
            return "IPsec is off"
        mode = self.mode or "not set"
        return f"kube-proxy-replacement={mode} without BPF NodePort goes with IPsec"


def running_layer(view: NodeView) -> Layer | None:
    """Return what the agent runs with; None where it does not say."""
    config = view.facts.config.value
    if config is None:
        return None
    mode = find_value(config, "kube-proxy-replacement") or ""
    return Layer(
        bool(find_flag(config, "enable-ipsec")),
        mode.lower(),
        bool(find_flag(config, "enable-node-port")),
    )


def planned_layer(view: NodeView) -> Layer | None:
    """Return what the next start would read of all layers, of an agent that is down too."""
    if view.cluster.facts.config_map.value is None:
        return running_layer(view) if _has_conflict(running_layer(view)) else None
    planned = _planned(view)
    ipsec, mode, node_port = ((planned.value(key) or "").strip().lower() for key in _OPTIONS)
    return Layer(ipsec == "true", mode, node_port == "true")


_KEPT: WeakKeyDictionary[NodeView, Planned] = WeakKeyDictionary()
"""The check asks several times within one judgement."""


def _planned(view: NodeView) -> Planned:
    found = _KEPT.get(view)
    if found is None:
        facts, cluster = view.facts, view.cluster.facts
        daemonset = daemonset_of(facts.agent, cluster)
        images = images_of(facts.agent, daemonset, cluster)
        found = _KEPT[view] = plan(facts.node, daemonset, images, cluster)
    return found


def _has_conflict(layer: Layer | None) -> bool:
    return layer is not None and bool(layer.conflict)


def pending_layers(view: NodeView) -> dict[str, PendingKey]:
    """Return what the next start would change of the options, by option."""
    return {one.key: one for one in view.next_start.pending if one.key in _OPTIONS}


def layer_evidence(view: NodeView) -> Iterator[Evidence]:
    """Yield the options as the next start would read them, then as the agent runs them."""
    held = view.cluster.facts.config_map
    config = view.facts.config
    pending = pending_layers(view)
    for option, one in pending.items():
        writer = f", written by {one.written_by}" if one.written_by else ""
        yield _planned_evidence(view, option, one.next, one.source, writer, one.written_at)
    overridden = set(pending)
    for option in _OPTIONS:
        layer = None if held.value is None else _planned(view).winner.get(option)
        if layer is None or option in pending or layer.source == f"ConfigMap {CONFIG_MAP}":
            continue
        overridden.add(option)
        yield _planned_evidence(view, option, layer.values[option], layer.source)
    for option in _OPTIONS:
        if held.value is not None and option in held.value.values and option not in overridden:
            text = f"{option}={held.value.values[option]} (ConfigMap)"
            yield view.cluster.evidence(held, text, ProofKind.CONFIG, option)
        running = find_value(config.value, option) if config.value is not None else None
        if running is not None:
            text = f"{option}={running} (running)"
            yield view.evidence(config, text, ProofKind.CONFIG, option)


def _planned_evidence(
    view: NodeView,
    option: str,
    value: str | None,
    source: str,
    writer: str = "",
    at: float | None = None,
) -> Evidence:
    text = f"{option}={value or 'not set'} at the next start ({source or 'its default'}{writer})"
    kind, name = _resource(source)
    command = f"kubectl -n {_namespace(view)} get {kind} {name} -o yaml"
    return view.fact(text, command, at, ProofKind.CONFIG, option)


def switch_off(view: NodeView) -> CleanText:
    """Return the command that takes `enable-ipsec` back where the next start would read it."""
    held = view.cluster.facts.config_map.value
    layer = None if held is None else _planned(view).winner.get("enable-ipsec")
    kind, name = _resource("" if layer is None else layer.source)
    if kind == "daemonset":
        return clean(f"kubectl -n {_namespace(view)} edit {kind} {name}  # --enable-ipsec=false")
    value = '{"enable-ipsec":"false"}'
    body = f'{{"data":{value}}}' if kind == "configmap" else f'{{"spec":{{"defaults":{value}}}}}'
    return clean(f"kubectl -n {_namespace(view)} patch {kind} {name} --type merge -p '{body}'", 600)


def _resource(source: str) -> tuple[str, str]:
    kind, _, name = source.partition(" ")
    if kind in ("CiliumNodeConfig", "DaemonSet") and name:
        return kind.lower(), name.split()[0].strip(",")
    return "configmap", "cilium-config"


def _namespace(view: NodeView) -> str:
    return view.cluster.facts.cilium_namespace or "kube-system"
