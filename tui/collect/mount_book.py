"""Keep the FailedMount events of pods, newest first and no more than a screen can tell of."""

from __future__ import annotations

from tui.cluster.objects import epoch, shared_text
from tui.cluster.workload_kinds import Event, EventSeries, EventSource
from tui.model.names import NodeName
from tui.model.workloads import MountFailure
from tui.safety import clean

MOST_FAILURES = 500
MESSAGE_CHARACTERS = 1_000
"""As long as the API server lets a message be, with room for what an old one kept."""


class MountBook:
    """The events seen so far."""

    def __init__(self) -> None:
        self._newest: list[MountFailure] = []

    def take(self, event: Event) -> None:
        """Take in an event; the oldest ones are dropped when there are too many."""
        about = event.involved_object
        if about is None or not about.name:
            return
        series = event.series or EventSeries()
        host = (event.source or EventSource()).host or event.reporting_instance or ""
        times = (
            series.last_observed_time,
            event.last_timestamp,
            event.event_time,
            event.first_timestamp,
            event.metadata.creation_timestamp,
        )
        self._newest.append(
            MountFailure(
                pod=clean(f"{about.namespace}/{about.name}"),
                node_name=NodeName(shared_text(host)),
                message=clean(event.message or "", MESSAGE_CHARACTERS),
                count=max(1, event.count or 0, series.count),
                last_at=next((at for text in times if (at := epoch(text)) is not None), None),
            )
        )
        if len(self._newest) >= 2 * MOST_FAILURES:
            self._newest = list(self.failures())

    def failures(self) -> tuple[MountFailure, ...]:
        """Return the newest ones, newest first."""
        ordered = sorted(self._newest, key=lambda one: one.last_at or 0.0, reverse=True)
        return tuple(ordered[:MOST_FAILURES])
