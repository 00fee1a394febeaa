"""The sample incident, judged: verdicts, findings, next starts, and what changed."""

# sizes: hand-made data, better read in one place

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.ui import app_samples as samples
from tests.ui.app_samples import CHANGED_AT, NOW, uid
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    Finding,
    FindingChange,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.names import NodeName, NodeUid
from tui.model.nextstart import MapFit, NextStart, PendingKey
from tui.model.snapshot import Snapshot
from tui.safety import clean

ACTIVE, ARMED = FindingSeverity.ACTIVE, FindingSeverity.ARMED
UNKNOWN, LATENT, CLEAR = FindingSeverity.UNKNOWN, FindingSeverity.LATENT, FindingSeverity.CLEAR

TITLES = {
    "service-map-drift": "The kernel lacks Services that the cluster wants",
    "map-pressure": "A BPF map is full or filling up",
    "config-drift": "The next agent start would break this node",
    "udp-stale-backends": "UDP clients stay on backends that are gone",
    "netns-cookies": "No network namespace cookies",
    "sctp-service": "SCTP Services are not load-balanced",
    "nfs-socket-lb": "The kernel NFS client bypasses socket load balancing",
}
RANKS = {check: rank for rank, check in enumerate(TITLES)}


def evidence(
    number: int | None, text: str, source: str, kind: ProofKind, key: str = "", at: float = NOW - 2
) -> Evidence:
    """Return a piece of proof on a sample node, or of the cluster."""
    return Evidence(
        clean(text),
        clean(source),
        None if number is None else uid(number),
        NodeName("" if number is None else f"node-{number}"),
        at,
        kind,
        key,
    )


def verdict(
    check: str, severity: FindingSeverity, number: int, summary: str, **rest: object
) -> Verdict:
    """Return a verdict on a sample node."""
    made = Verdict(check, severity, clean(summary), uid(number), NodeName(f"node-{number}"))
    return replace(made, **rest)  # type: ignore[arg-type]  # names of fields


RESIZE = Remedy(
    now=(
        clean(
            "Set bpf-lb-map-max to 256 in cilium-config and restart the agent of node-3 alone: the"
            " map comes back empty and is refilled"
        ),
        clean("Do not restart the other 11 agents: their next start would shrink 1024 to 64"),
    ),
    lasting=(clean("Put the size into Helm, so that it stays"),),
    settings=(ConfigSetting("bpf-lb-map-max", clean("256"), "bpf.lbMapMax=256"),),
    commands=(
        clean(
            "kubectl -n kube-system patch configmap cilium-config --type merge"
            """ -p '{"data":{"bpf-lb-map-max":"256"}}'"""
        ),
    ),
    needs_restart=True,
    interrupts=clean("new connections through Services on node-3 fail for seconds"),
    test=clean("kubectl -n kube-system exec cilium-00003 -- curl -m 3 10.96.255.40"),
)


def node_3() -> tuple[Verdict, ...]:  # sizes: data
    """Return what the checks say of the node in the incident."""
    full = evidence(
        3,
        "count of cilium_lb4_backends_v2: 64 of 64 (agent says 75)",
        "bpftool map dump pinned /sys/fs/bpf/tc/globals/cilium_lb4_backends_v2",
        ProofKind.MAP,
        "cilium_lb4_backends_v2",
    )
    return (
        verdict(
            "service-map-drift",
            ACTIVE,
            3,
            "16 of 32 Service frontends are not in the kernel: default/echo, default/load-0 +14",
            evidence=(
                evidence(
                    3,
                    "wanted 32 frontends, held 16",
                    "bpftool map dump pinned cilium_lb4_services_v2",
                    ProofKind.SERVICE,
                    "default/echo",
                ),
            ),
            objects=tuple(
                AffectedObject("Service", clean(name), clean("default"), clean("port 80/TCP"))
                for name in ("echo", *(f"load-{number}" for number in range(15)))
            ),
            since=CHANGED_AT + 10,
            harm=16,
        ),
        verdict(
            "map-pressure",
            ACTIVE,
            3,
            "The backend map is full: needs 95, has 64 (no duplicates: too small, not leaked)",
            evidence=(
                full,
                evidence(
                    3,
                    "controller bpf-map-sync-cilium_lb4_backends_v2: 61 failures in a row",
                    "cilium status -o json",
                    ProofKind.AGENT,
                ),
                evidence(
                    3,
                    "×11 in 1 s: the map is full, please consider resizing it",
                    "kubectl logs",
                    ProofKind.LOG,
                    "1",
                    CHANGED_AT + 10,
                ),
                evidence(
                    None,
                    "cilium-config bpf-lb-map-max is 64, written by kubectl-patch",
                    "GET /api/v1/namespaces/kube-system/configmaps/cilium-config",
                    ProofKind.CONFIG,
                    "bpf-lb-map-max",
                    CHANGED_AT,
                ),
            ),
            remedy=RESIZE,
            since=CHANGED_AT + 10,
            harm=31,
            group="cilium_lb4_backends_v2",
        ),
        verdict("config-drift", CLEAR, 3, "nothing is pending"),
        verdict(
            "udp-stale-backends",
            UNKNOWN,
            3,
            "whether the kernel closes sockets is unknown",
            missing=(
                MissingEvidence(
                    clean("CONFIG_INET_DIAG_DESTROY of the kernel"),
                    clean("zgrep INET_DIAG_DESTROY /proc/config.gz on the node"),
                ),
            ),
        ),
        verdict("netns-cookies", LATENT, 3, "kernel 5.4 has none; nothing needs them"),
        verdict("sctp-service", CLEAR, 3, "no Service uses SCTP"),
        verdict("nfs-socket-lb", CLEAR, 3, "fixed in kernel 6.1.69"),
    )


def others(number: int) -> tuple[Verdict, ...]:
    """Return what the checks say of a node beside the incident."""
    return (
        verdict(
            "config-drift",
            ARMED,
            number,
            "the next start would shrink lb4_backends_v2 to 64, and 95 are wanted",
            evidence=(
                evidence(
                    number,
                    "bpf-lb-map-max: runs 1024, next 64",
                    "cilium-dbg config -a -o json",
                    ProofKind.CONFIG,
                    "bpf-lb-map-max",
                ),
            ),
            since=CHANGED_AT,
            harm=1,
            remedy=replace(RESIZE, settings=(), commands=(), test=clean("")),
        ),
        verdict("netns-cookies", CLEAR, number, "the kernel has them"),
        verdict("sctp-service", CLEAR, number, "no Service uses SCTP"),
    )


def shrinking() -> NextStart:
    """Return a next start that breaks the node."""
    return NextStart(
        (
            PendingKey(
                "bpf-lb-map-max",
                clean("1024"),
                clean("64"),
                clean("ConfigMap cilium-config"),
                clean("kubectl-patch"),
                CHANGED_AT,
            ),
        ),
        (MapFit(clean("cilium_lb4_backends_v2"), 95, 1024, 64, 95),),
        is_known=True,
    )


def grouped(verdicts: Iterable[Verdict]) -> tuple[Finding, ...]:
    """Return the findings that verdicts make together."""
    groups: dict[tuple[str, str, FindingSeverity], list[Verdict]] = {}
    for one in verdicts:
        group = "" if one.severity is CLEAR else one.group
        groups.setdefault((one.check_id, group, one.severity), []).append(one)
    found = []
    for (check, group, severity), members in groups.items():
        worst = max(members, key=lambda one: one.harm)
        found.append(
            Finding(
                check,
                clean(TITLES.get(check, check)),
                severity,
                worst.summary,
                clean(
                    "Connections to what is missing fail. The agent does not repair it by itself."
                ),
                tuple(one.node_uid for one in members if one.node_uid is not None),
                tuple(one.node_name for one in members),
                0,
                worst.objects,
                len(worst.objects),
                worst.evidence,
                worst.remedy,
                worst.missing,
                (clean("cilium/cilium#23551"), clean("https://docs.cilium.io/en/v1.11/")),
                min((one.since for one in members if one.since), default=None),
                NOW - 2,
                sum(one.harm for one in members),
                RANKS.get(check, 9),
                group,
            )
        )
    return tuple(sorted(found, key=lambda finding: finding.order))


def with_verdicts(snapshot: Snapshot, verdicts: dict[NodeUid, tuple[Verdict, ...]]) -> Snapshot:
    """Return a snapshot with verdicts and the findings they make."""
    findings = grouped(one for said in verdicts.values() for one in said)
    verdicts = {
        node: tuple(sorted(said, key=lambda one: one.severity.rank))
        for node, said in verdicts.items()
    }
    return replace(snapshot, verdicts=verdicts, findings=findings)


def judged() -> Snapshot:
    """Return the incident with what the checks make of it."""
    snapshot = samples.incident()
    verdicts: dict[NodeUid, tuple[Verdict, ...]] = {uid(3): node_3()}
    for number in range(1, 13):
        if number not in (3, 11):
            verdicts[uid(number)] = others(number)
    verdicts[uid(11)] = tuple(
        verdict(
            check,
            UNKNOWN,
            11,
            "the node can't be read",
            missing=(
                MissingEvidence(
                    clean("the agent's answers"), clean("grant create pods/exec in kube-system")
                ),
            ),
        )
        for check in TITLES
    )
    starts = {uid(number): shrinking() for number in range(1, 13) if number not in (3, 11)}
    starts[uid(3)] = NextStart(is_known=True)
    starts[uid(11)] = NextStart(unknown=(clean("the agent's configuration can't be read"),))
    change = FindingChange(
        CHANGED_AT + 10,
        "map-pressure",
        "cilium_lb4_backends_v2",
        clean(TITLES["map-pressure"]),
        None,
        ACTIVE,
        (NodeName("node-3"),),
        1,
    )
    return replace(with_verdicts(snapshot, verdicts), next_starts=starts, finding_changes=(change,))


def calm() -> Snapshot:
    """Return a cluster in which nothing is ACTIVE or ARMED."""
    snapshot = samples.incident()
    nodes = {uid(number): samples.healthy(number) for number in (2, 4, 5)}
    verdicts: dict[NodeUid, tuple[Verdict, ...]] = {
        uid(number): (
            verdict("netns-cookies", LATENT, number, "nothing needs them"),
            verdict("sctp-service", CLEAR, number, "no Service uses SCTP"),
        )
        for number in (2, 4, 5)
    }
    return with_verdicts(replace(snapshot, nodes=nodes), verdicts)
