"""Hand-made rooms: what a broker tells of collectors and clusters, beside the sample incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.ui import finding_samples as findings
from tests.ui.app_samples import NOW
from tui.model.findings import FindingSeverity
from tui.model.room import ClusterSummary, CollectorSeen, Presence, Room
from tui.model.snapshot import Snapshot, SourceHealth, SourceState
from tui.safety import clean

URL = "mqtts://broker.example:8883"
ACTIVE, ARMED = FindingSeverity.ACTIVE, FindingSeverity.ARMED
UNKNOWN, LATENT, CLEAR = FindingSeverity.UNKNOWN, FindingSeverity.LATENT, FindingSeverity.CLEAR


def collector(name: str, presence: Presence = Presence.PRESENT, **rest: object) -> CollectorSeen:
    """Return a collector that fares well."""
    made = CollectorSeen(
        clean(name),
        presence,
        host=clean(f"{name}.kube-system"),
        version=clean("0.5.0"),
        nodes=6 if presence is not Presence.GONE else 0,
        heard_at=NOW - 2,
        interval_seconds=5.0,
        sweep_seconds=1.4,
        sweep_interval_seconds=10.0,
        skew_seconds=0.02,
    )
    return replace(made, **rest)  # type: ignore[arg-type]  # names of fields


def cluster(name: str, counts: Mapping[FindingSeverity, int], **rest: object) -> ClusterSummary:
    """Return a cluster with two collectors."""
    made = ClusterSummary(
        clean(name),
        12,
        (collector(f"{name}-c1"), collector(f"{name}-c2")),
        counts,
        heard_at=NOW - 2,
    )
    return replace(made, **rest)  # type: ignore[arg-type]  # names of fields


def troubled_collectors() -> tuple[CollectorSeen, ...]:
    """Return one that is well, one that is late and one that is gone."""
    return (
        collector(
            "prod-eu-1-c1",
            exec_failures=3,
            lost=41,
            reason=clean("degraded: 3 of 12 execs failed: node-9: container not running"),
        ),
        collector("prod-eu-1-c2", Presence.GONE, heard_at=NOW - 42, skew_seconds=None),
        collector(
            "prod-eu-1-c3", Presence.LATE, heard_at=NOW - 14, skew_seconds=-312.0, dropped=1_204
        ),
    )


def clusters() -> tuple[ClusterSummary, ...]:
    """Return four clusters by name, as a source tells them."""
    return (
        cluster("dev", {CLEAR: 16}),
        cluster(
            "prod-eu-1",
            {ACTIVE: 2, ARMED: 2, UNKNOWN: 1, LATENT: 3, CLEAR: 8},
            collectors=troubled_collectors(),
            worst=(
                clean("The kernel lacks Services that the cluster wants (node-3)"),
                clean("A BPF map is full or filling up (node-3, node-1)"),
                clean("The next agent start would break this node (node-1, node-2 +9)"),
            ),
            is_chosen=True,
        ),
        cluster(
            "prod-us-1",
            {ARMED: 1, CLEAR: 15},
            nodes=4_020,
            worst=(clean("UDP clients stay on backends that are gone (ip-10-1-2-3)"),),
        ),
        cluster(
            "staging",
            {UNKNOWN: 2, CLEAR: 9},
            collectors=(collector("staging-c1", Presence.GONE, heard_at=NOW - 3_700),),
            heard_at=NOW - 3_700,
        ),
    )


def room(**rest: object) -> Room:
    """Return the room of a dashboard that shows `prod-eu-1`."""
    made = Room(
        troubled_collectors(),
        clusters(),
        clean("prod-eu-1"),
        no_acting=clean("no context of the kubeconfig has node UIDs of prod-eu-1"),
    )
    return replace(made, **rest)  # type: ignore[arg-type]  # names of fields


def well() -> tuple[CollectorSeen, ...]:
    """Return two collectors that are well."""
    return (collector("prod-eu-1-c1"), collector("prod-eu-1-c2"))


def two(**rest: object) -> Room:
    """Return two clusters with two well collectors each."""
    names = cluster("prod-eu-1", {CLEAR: 3}), cluster("prod-us-1", {CLEAR: 3})
    room = Room(well(), names, clean("prod-eu-1"))
    return replace(room, **rest)  # type: ignore[arg-type]  # names of fields


def one(**rest: object) -> Room:
    """Return one cluster whose collectors are well."""
    return two(clusters=two().clusters[:1], **rest)


def health(state: SourceState = SourceState.LIVE, reason: str = "", **rest: object) -> SourceHealth:
    """Return how a broker source stands."""
    made = SourceHealth(
        clean("mqtt prod-eu-1"),
        state,
        clean(reason),
        last_good_at=NOW - 2,
        sweep_seconds=1.4,
        sweep_interval_seconds=10.0,
    )
    return replace(made, **rest)  # type: ignore[arg-type]  # names of fields


def brokered(
    shown: Room | None = None, fares: SourceHealth | None = None, **rest: object
) -> Snapshot:
    """Return the judged incident as it comes from a broker."""
    snapshot = replace(findings.judged(), room=shown or room(), health=fares or health())
    return replace(snapshot, **rest)  # type: ignore[arg-type]  # names of fields


def waiting(state: SourceState, reason: str, shown: Room | None = None) -> Snapshot:
    """Return a dashboard that has no node yet."""
    name = clean("mqtt prod-eu-1" if shown is not None and shown.chosen else "mqtt")
    told = SourceHealth(name, state, clean(reason))
    return Snapshot(NOW, 1, health=told, room=shown or Room())
