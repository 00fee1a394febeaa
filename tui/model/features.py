"""Kernel features and kube-proxy-replacement flags, each with how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tui.safety import CleanText


class Proof(StrEnum):
    """How a feature's value was found."""

    CONFIG_FILE = "config file"
    SYMBOL = "symbol"
    MODULE_LIST = "module list"
    SYSCTL = "sysctl"
    HOOK = "hook"
    HEADER = "header"
    LOG_LINE = "log line"
    STATUS = "status"
    AGENT_CONFIG = "agent config"
    PROBE = "bpf probe"
    KERNEL_RELEASE = "kernel release"
    NODE_OBJECT = "Node object"
    UNKNOWN = "unknown"


class FeatureState(StrEnum):
    """Whether a feature is there; VALUE is for those that are not yes or no."""

    YES = "yes"
    NO = "no"
    VALUE = "value"
    UNKNOWN = "unknown"


class FeatureGroup(StrEnum):
    """Which table a feature stands in."""

    KERNEL = "kernel"
    KUBE_PROXY_REPLACEMENT = "kube-proxy replacement"


@dataclass(frozen=True, slots=True)
class Feature:
    """One kernel feature or kube-proxy-replacement flag of one node."""

    key: str
    """Stable id, such as `inet-diag-destroy`."""
    label: CleanText
    group: FeatureGroup
    state: FeatureState
    value: CleanText
    """What to show: `yes`, `no`, `5.4.0-90`, `SNAT`; the reason's short form when unknown."""
    proof: Proof
    evidence: CleanText = CleanText("")
    """The file, symbol, key or line that proves it, or what was looked for in vain."""
    needed_by: CleanText = CleanText("")
    """What depends on it, in the user's words."""
    is_concern: bool = False
    """Whether this value is one that hurts some limitation of the list."""
