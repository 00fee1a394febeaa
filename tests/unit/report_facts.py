"""A judged snapshot, for the tests of what is printed of it."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.checks_facts import NOW, UID, node_facts, origin
from tui.model.cluster import ClusterFacts
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    Finding,
    FindingSeverity,
    MissingEvidence,
    Remedy,
)
from tui.model.maps import CountOrigin, MapKind, MapUsage
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.snapshot import Gap, Snapshot
from tui.safety import clean

FULL = MapUsage(
    clean("cilium_lb4_backends_v2"),
    MapKind.HASH,
    64,
    64,
    CountOrigin.COUNTED,
    agent_entries=75,
    wanted_entries=95,
)


def finding(
    check_id: str = "map-pressure",
    severity: FindingSeverity = FindingSeverity.ACTIVE,
    summary: str = "lb4_backends_v2 is full: needs 95, has 64",
    **parts: object,
) -> Finding:
    base = Finding(
        check_id,
        clean("A BPF map is full"),
        severity,
        clean(summary),
        clean("It refuses entries. Services break."),
        nodes=(UID,),
        node_names=(NodeName("node-1"),),
        objects=(AffectedObject("Service", clean("echo"), clean("default")),),
        objects_total=1,
        evidence=(
            Evidence(
                clean("64 of 64 entries"),
                clean("bpftool -j -f map show"),
                UID,
                NodeName("node-1"),
                NOW - 5.0,
            ),
        ),
        remedy=Remedy(
            now=(clean("set bpf-lb-map-max to 256"),),
            lasting=(clean("put it into Helm"),),
            settings=(ConfigSetting("bpf-lb-map-max", clean("256"), "bpf.lbMapMax=256"),),
            commands=(clean("kubectl -n kube-system delete pod cilium-node-1"),),
            needs_restart=True,
            interrupts=clean("new connections fail for seconds"),
            test=clean("curl -m 3 10.96.0.1:443"),
        ),
        references=(clean("cilium/cilium#23551"),),
        first_seen=NOW - 60.0,
        last_seen=NOW,
    )
    return replace(base, **parts)  # type: ignore[arg-type]  # fields of Finding


UNKNOWN = finding(
    "nfs-socket-lb",
    FindingSeverity.UNKNOWN,
    "volumes are not known",
    remedy=Remedy(),
    missing=(MissingEvidence(clean("PersistentVolumes"), clean("allow list on them")),),
)
LATENT = finding("netns-cookies", FindingSeverity.LATENT, "nothing uses it")
CLEAR = finding("ipsec-with-kpr", FindingSeverity.CLEAR, "supported since 1.16.0")


def judged_snapshot(*findings: Finding, gaps: tuple[Gap, ...] = ()) -> Snapshot:
    """Return a cluster of one node that was read, with these findings."""
    facts = replace(node_facts("1.11.7", maps=(FULL,), config={}), swept_at=NOW)
    cluster = ClusterFacts(
        context=clean("prod"),
        kubernetes_version=Reading.known(clean("v1.31.4"), origin("GET /version")),
    )
    return Snapshot(
        taken_at=NOW,
        cluster=cluster,
        nodes={UID: facts},
        gaps={str(number): gap for number, gap in enumerate(gaps)},
        is_complete=True,
        findings=tuple(sorted(findings, key=lambda one: one.order)),
    )
