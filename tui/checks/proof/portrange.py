"""The NodePort range that a node's agent works with, and where it is known from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tui.checks.view import NodeView, Setting
from tui.model.findings import Evidence, ProofKind

DEFAULT_LOW = 30_000
DEFAULT_HIGH = 32_767
"""`NodePortMinDefault` and `NodePortMaxDefault` (pkg/option, every release read: 1.11 to 1.19)."""

_RANGE = re.compile(r"\s*(\d{1,5})\s*[,\s-]\s*(\d{1,5})\s*")


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports from `low` to `high`, both included."""

    low: int = DEFAULT_LOW
    high: int = DEFAULT_HIGH
    is_of_status: bool = False
    """Whether the agent's status says so."""
    setting: Setting | None = None
    """The configuration that says so; with neither, it is the default."""

    def __contains__(self, port: int) -> bool:
        return self.low <= port <= self.high

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"

    def evidence(self, view: NodeView) -> Evidence:
        """Return where the range comes from."""
        if self.is_of_status:
            text = f"portMin {self.low}, portMax {self.high}"
            return view.evidence(view.facts.status, text, ProofKind.FEATURE, "node-port-range")
        if self.setting is not None:
            text = f"NodePort range {self} in the configuration"
            return view.fact(
                text, self.setting.source, self.setting.at, ProofKind.CONFIG, "node-port-range"
            )
        text = f"NodePort range {self}: the default, for neither status nor configuration name one"
        return view.fact(text, "default of node-port-range")


def node_port_range(view: NodeView) -> PortRange:
    """Return the range: as the status has it, else the configuration, else Cilium's default."""
    node_port = view.kpr.node_port if view.kpr is not None else None
    if node_port is not None and node_port.port_min and node_port.port_max:
        return PortRange(node_port.port_min, node_port.port_max, is_of_status=True)
    low, high = view.setting("node-port-min"), view.setting("node-port-max")
    if low is not None and high is not None:
        found = _parsed(f"{low.value},{high.value}", low)
        if found is not None:
            return found
    setting = view.setting("node-port-range")
    found = _parsed(setting.value, setting) if setting is not None else None
    return found if found is not None else PortRange()


def _parsed(text: str, setting: Setting) -> PortRange | None:
    found = _RANGE.fullmatch(text.strip("[]\"' "))
    if found is None:
        return None
    low, high = int(found.group(1)), int(found.group(2))
    return PortRange(low, high, setting=setting) if 0 < low <= high < 65_536 else None
