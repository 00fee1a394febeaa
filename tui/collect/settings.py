"""What the user may choose about collecting, with the caps that protect the cluster."""

from __future__ import annotations

from dataclasses import dataclass

MOST_EXECS = 20
"""The API server throttles no exec for us (API Priority and Fairness leaves streams out)."""


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """How the live source reads a cluster."""

    interval_seconds: float | None = None
    """Shortest time between two sweeps; None for 10 s, stretched with the number of nodes."""
    max_execs: int = 8
    """Execs at once, 20 at most."""
    selector: str = "k8s-app=cilium"
    """Labels of the agent pods."""
    namespace: str | None = None
    """Where the agents run; None to find it."""
    container: str = "cilium-agent"
    collector_id: str = ""
    only_nodes: frozenset[str] = frozenset()
    """Names of the only nodes to read; empty for all."""
    is_once: bool = False
    """Read each node to the end at once, second looks included, for one judgement of the cluster;
    otherwise second looks come with the next sweep."""

    @property
    def exec_slots(self) -> int:
        """Execs at once, within the cap."""
        return max(1, min(MOST_EXECS, self.max_execs))
