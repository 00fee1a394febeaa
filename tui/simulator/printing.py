"""How `kubectl get` prints ages, names and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from tui.simulator.objects import KubeObject, seconds_of

Cell: TypeAlias = str | int

NONE = "<none>"
_STEPS: tuple[tuple[int, int, str, int, str], ...] = (
    (600, 60, "m", 1, "s"),
    (10_800, 60, "m", 0, ""),
    (28_800, 3_600, "h", 60, "m"),
    (172_800, 3_600, "h", 0, ""),
    (691_200, 86_400, "d", 3_600, "h"),
    (63_072_000, 86_400, "d", 0, ""),
    (252_288_000, 31_536_000, "y", 86_400, "d"),
)
"""Below so many seconds: the unit and its name, the smaller unit and its name.

Source: HumanDuration in k8s.io/apimachinery/pkg/util/duration.
"""


def human_age(seconds: float) -> str:
    """Return a duration as kubectl writes it: 8s, 5m12s, 32m, 3h5m, 4d2h, 40d, 2y10d."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    for below, unit, name, small_unit, small_name in _STEPS:
        if whole < below:
            rest = whole % unit // small_unit if small_unit else 0
            return f"{whole // unit}{name}" + (f"{rest}{small_name}" if rest else "")
    return f"{whole // 31_536_000}y"


def since(text: str | None, now: float) -> str:
    """Return how long ago a timestamp was, or `<unknown>`."""
    seconds = seconds_of(text)
    return "<unknown>" if seconds is None else human_age(now - seconds)


def age_of(obj: KubeObject, now: float) -> str:
    """Return how long ago the object was made."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def name_of(obj: KubeObject) -> str:
    """Return the object's name."""
    return str(obj["metadata"]["name"])


def joined_labels(labels: Mapping[str, str] | None) -> str:
    """Return labels as one cell: a=b,c=d."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE
