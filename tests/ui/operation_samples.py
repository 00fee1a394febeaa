"""Hand-made plans, progress and audit records on the sample incident's nodes."""

# sizes: hand-made data, better read in one place

from __future__ import annotations

from dataclasses import replace

from tests.ui import finding_samples as findings
from tests.ui.app_samples import NOW, uid
from tui.model.names import NodeName
from tui.model.operations import (
    ArmingMode,
    ArmingState,
    AuditEvent,
    AuditRecord,
    Guard,
    GuardKind,
    HealthMark,
    Intent,
    NodeProgress,
    NodeState,
    OperationKind,
    OperationPlan,
    OperationProgress,
    OperationState,
    Permission,
    PlannedWrite,
    Scope,
)
from tui.model.snapshot import Snapshot
from tui.safety import CleanText, clean

CONTEXT = "prod-eu-1"
ARMED = ArmingState(ArmingMode.ARMED, NOW + 14 * 60 - 20)
READ_ONLY = ArmingState(ArmingMode.READ_ONLY, reason=clean("--read-only"))

DIFF = """\
--- /dev/null
+++ ciliumnodeconfigs kube-system/zz-ciltop-7f3a
@@ -0,0 +1,12 @@
+apiVersion: cilium.io/v2
+kind: CiliumNodeConfig
+metadata:
+  name: zz-ciltop-7f3a
+  namespace: kube-system
+spec:
+  defaults:
+    bpf-lb-sock-hostns-only: "true"
+  nodeSelector:
+    matchExpressions:
+    - {key: kubernetes.io/hostname, operator: In, values: [node-4]}
"""
CLUSTER_DIFF = """\
--- configmaps kube-system/cilium-config
+++ configmaps kube-system/cilium-config
@@ -3,5 +3,5 @@
   bpf-lb-map-max: "65536"
-  bpf-lb-sock-hostns-only: "false"
+  bpf-lb-sock-hostns-only: "true"
   bpf-map-dynamic-size-ratio: "0.0025"
"""


def diff_text(text: str) -> CleanText:
    """Return lines as a diff holds them: each clean, joined by line feeds."""
    return CleanText("\n".join(clean(line) for line in text.splitlines()))


def shown(**rest: object) -> Snapshot:
    """Return the judged incident of a context whose name can be typed."""
    snapshot = findings.judged()
    cluster = replace(snapshot.cluster, context=clean(CONTEXT))
    return replace(snapshot, cluster=cluster, **rest)  # type: ignore[arg-type]  # names of fields


def names(*numbers: int) -> tuple[NodeName, ...]:
    return tuple(NodeName(f"node-{number}") for number in numbers)


def create_write() -> PlannedWrite:
    return PlannedWrite(
        "w1",
        "create",
        "ciliumnodeconfigs",
        "cilium.io",
        clean("kube-system"),
        clean("zz-ciltop-7f3a"),
        diff=diff_text(DIFF),
        permission=Permission.ALLOWED,
        dry_run=clean("passed"),
        is_dry_run_passed=True,
    )


def pod_write(number: int) -> PlannedWrite:
    return PlannedWrite(
        f"d{number}",
        "delete",
        "pods",
        "",
        clean("kube-system"),
        clean(f"cilium-{number:05x}"),
        uid=f"pod-{number}",
        resource_version="4711",
        permission=Permission.ALLOWED,
        dry_run=clean("passed"),
        is_dry_run_passed=True,
        node_uid=uid(number),
    )


def flip_plan(**rest: object) -> OperationPlan:
    """Return the mock-up's plan: the flip of one node."""
    plan = OperationPlan(
        "7f3a",
        Intent(OperationKind.HOSTNS_ONLY, (uid(4),), is_on=True),
        clean("Set bpf-lb-sock-hostns-only=true on node-4"),
        NOW,
        waves=((uid(4),),),
        node_names=names(4),
        now=(
            clean("agent: Full coverage"),
            clean("ConfigMap: false"),
            clean("CiliumNodeConfig: none"),
            clean("both sources are read"),
        ),
        writes=(create_write(), pod_write(4)),
        guards=(
            Guard(GuardKind.WARNED, "ct-headroom", clean("conntrack TCP is 71 % full"), uid(4)),
            Guard(GuardKind.NOTED, "netns-cookies", clean("the kernel has netns cookies")),
            Guard(GuardKind.NOTED, "bpffs", clean("bpffs is mounted on the host")),
        ),
        interrupts=(
            clean("Existing connections are expected to go on (known exceptions: 2)."),
            clean("New pods, policy changes and DNS policies on node-4 wait for about 40 s."),
            clean("Clients already pinned to dead backends must be restarted themselves."),
        ),
        after=(clean("this restart also activates 0 other pending keys; every map still fits"),),
        undo=clean("one action; connections opened meanwhile can break"),
        can_undo=True,
        commands=(clean("kubectl -n kube-system delete pod cilium-00004"),),
    )
    return replace(plan, **rest)  # type: ignore[arg-type]  # names of fields


def wide_plan(**rest: object) -> OperationPlan:
    """Return the restart of four nodes in two waves."""
    plan = OperationPlan(
        "90c1",
        Intent(OperationKind.RESTART, tuple(map(uid, (1, 2, 4, 5))), wave_size=3),
        clean("Restart 4 agents"),
        NOW,
        waves=((uid(1),), (uid(2), uid(4), uid(5))),
        node_names=names(1, 2, 4, 5),
        now=(clean("4 agents of 1.17.5 run"),),
        writes=tuple(map(pod_write, (1, 2, 4, 5))),
        guards=(Guard(GuardKind.WARNED, "lease", clean("no right to a Lease")),),
        interrupts=(clean("Existing connections are expected to go on."),),
        after=(clean("3 pending keys become active: bpf-lb-map-max, enable-ipsec, debug"),),
        undo=clean("a restart has no way back"),
        confirmation=clean(CONTEXT),
    )
    return replace(plan, **rest)  # type: ignore[arg-type]  # names of fields


def cluster_plan() -> OperationPlan:
    """Return the flip of the whole cluster."""
    write = replace(
        create_write(),
        verb="patch",
        resource="configmaps",
        group="",
        name=clean("cilium-config"),
        uid="cm-1",
        diff=diff_text(CLUSTER_DIFF),
    )
    intent = Intent(OperationKind.HOSTNS_ONLY, tuple(map(uid, (1, 2))), Scope.CLUSTER, is_on=True)
    return wide_plan(
        id="c0de",
        intent=intent,
        title=clean("Set bpf-lb-sock-hostns-only=true in the whole cluster"),
        writes=(write, pod_write(1), pod_write(2)),
    )


def blocked_plan() -> OperationPlan:
    """Return a restart that must not be: a map would be too small."""
    text = clean("cilium_lb4_services_v2 would shrink to 64, and 127 are wanted: resize first")
    guard = Guard(GuardKind.BLOCKED, "map-too-small", text, uid(1), is_data_loss=True)
    return wide_plan(
        id="b10c",
        intent=Intent(OperationKind.RESTART, (uid(1),)),
        title=clean("Restart the agent of node-1"),
        waves=((uid(1),),),
        node_names=names(1),
        writes=(pod_write(1),),
        guards=(guard,),
        confirmation=clean(""),
    )


def denied_plan() -> OperationPlan:
    """Return a plan whose user may not delete pods."""
    write = replace(
        pod_write(4),
        permission=Permission.DENIED,
        dry_run=clean('pods is forbidden: User "dev" cannot delete'),
        is_dry_run_passed=False,
    )
    return flip_plan(writes=(create_write(), write))


MARKS = (
    ("pod-ready", "pod Ready"),
    ("agent-ok", "agent says Ok"),
    ("controllers", "no failing controller"),
    ("endpoints", "all endpoints ready"),
    ("frontends", "missing frontends 0, baseline 16"),
    ("drops", "drops per second 0.0, baseline 0.2"),
    ("node-ready", "node Ready"),
    ("errors", "no new ERROR line"),
)


def marks(met: int, failed: int = 0) -> tuple[HealthMark, ...]:
    """Return the marks, so many of them met and the next so many failed."""
    return tuple(
        HealthMark(
            mark_id,
            clean(text),
            True if place < met else False if place < met + failed else None,
            NOW - 40 + place * 4 if place < met else None,
        )
        for place, (mark_id, text) in enumerate(MARKS)
    )


def node_progress(number: int, wave: int, state: NodeState, **rest: object) -> NodeProgress:
    made = NodeProgress(uid(number), NodeName(f"node-{number}"), wave, state)
    return replace(made, **rest)  # type: ignore[arg-type]  # names of fields


def running(**rest: object) -> OperationProgress:
    """Return the restart of four nodes in its second wave."""
    progress = OperationProgress(
        wide_plan(),
        OperationState.RUNNING,
        (
            node_progress(
                1,
                0,
                NodeState.DONE,
                text=clean("verified"),
                marks=marks(8),
                started_at=NOW - 180,
                ended_at=NOW - 100,
            ),
            node_progress(
                2,
                1,
                NodeState.VERIFYING,
                text=clean("waits for endpoints: 3 of 31 regenerate"),
                marks=marks(3),
                started_at=NOW - 40,
            ),
            node_progress(
                4,
                1,
                NodeState.RESTARTING,
                text=clean("cilium-00004 is gone, its successor is pulled"),
                marks=marks(0),
                started_at=NOW - 38,
            ),
            node_progress(5, 1, NodeState.WAITING),
        ),
        clean("wave 2 of 2: verifying"),
        NOW - 185,
    )
    return replace(progress, **rest)  # type: ignore[arg-type]  # names of fields


def failed() -> OperationProgress:
    """Return the same restart, stopped because node-2 did not become healthy."""
    text = clean("not healthy after 300 s: agent says Ok is not true")
    nodes = (
        running().nodes[0],
        node_progress(
            2,
            1,
            NodeState.FAILED,
            text=text,
            marks=marks(1, 1),
            started_at=NOW - 340,
            ended_at=NOW - 40,
        ),
        node_progress(
            4, 1, NodeState.DONE, marks=marks(8), started_at=NOW - 338, ended_at=NOW - 250
        ),
        node_progress(5, 1, NodeState.SKIPPED, text=clean("not begun")),
    )
    return running(
        state=OperationState.FAILED,
        nodes=nodes,
        text=clean("stopped at the first failure: node-2"),
        started_at=NOW - 345,
        ended_at=NOW - 40,
    )


def unfinished() -> OperationProgress:
    """Return what a killed ciltop left behind."""
    return OperationProgress(
        flip_plan(),
        OperationState.UNFINISHED,
        (node_progress(4, 0, NodeState.UNKNOWN, text=clean("the pod was deleted")),),
        clean("the CiliumNodeConfig was created; whether node-4 is healthy was not verified"),
        NOW - 3_600,
        undo_id="7f3a",
    )


def record(seconds_ago: float, event: AuditEvent, text: str, **rest: object) -> AuditRecord:
    made = AuditRecord(
        NOW - seconds_ago,
        event,
        clean(CONTEXT),
        clean("oidc:anna"),
        clean("anna@bastion-2"),
        text=clean(text),
    )
    return replace(made, **rest)  # type: ignore[arg-type]  # names of fields


def audit() -> tuple[AuditRecord, ...]:
    """Return the flip of node-4 as the audit file has it, oldest first."""
    flip = {"operation_id": "7f3a", "kind": "hostns-only"}
    pod = {"target": clean("delete pods kube-system/cilium-00004"), "target_uid": "pod-4"}
    config = {
        "target": clean("create ciliumnodeconfigs kube-system/zz-ciltop-7f3a"),
        "diff": diff_text(DIFF),
    }
    node = {"node_name": NodeName("node-4")}
    return (
        record(700, AuditEvent.ARMED, "armed until idle for 15 minutes"),
        record(640, AuditEvent.CONFIRMED, "Set bpf-lb-sock-hostns-only=true on node-4", **flip),
        record(639, AuditEvent.BEFORE_WRITE, "", **flip, **config),
        record(
            638, AuditEvent.AFTER_WRITE, "", result=clean("created, uid cnc-9"), **flip, **config
        ),
        record(637, AuditEvent.BEFORE_WRITE, "", **flip, **pod, **node),
        record(636, AuditEvent.AFTER_WRITE, "", result=clean("deleted"), **flip, **pod, **node),
        record(590, AuditEvent.VERIFIED, "node-4 is healthy, 8 of 8", **flip, **node),
        record(590, AuditEvent.ENDED, "done and verified", result=clean("done"), **flip),
        record(
            40,
            AuditEvent.FAILED,
            "not healthy after 300 s: agent says Ok is not true",
            operation_id="90c1",
            kind="restart",
            result=clean("failed"),
            node_name=NodeName("node-2"),
        ),
    )


def upkeep() -> tuple[AuditRecord, ...]:
    """Return what the flip of node-4 wrote for itself, oldest first: an Event was refused."""
    flip = {"operation_id": "7f3a", "kind": "hostns-only"}
    lease = {"target": clean("patch leases kube-system/ciltop"), "target_uid": "lease-1"}
    event = {"target": clean("create events default/node-4.ciltop-7f3a-1-6a")}
    before, after = AuditEvent.BEFORE_UPKEEP, AuditEvent.AFTER_UPKEEP
    done = {"result": clean("done")}
    refused = {"result": clean("not done: no right to create events")}
    return (
        record(641, before, "held by desk 7", **flip, **lease),
        record(640.5, after, "held by desk 7", **flip, **lease, **done),
        record(637.5, before, "CiltopRestart on Node node-4 (uid-4)", **flip, **event),
        record(637.2, after, "CiltopRestart on Node node-4 (uid-4)", **flip, **event, **refused),
        record(625, before, "held by desk 7", **flip, **lease),
        record(624, after, "held by desk 7", **flip, **lease, **done),
        record(589, before, "given back", **flip, **lease),
    )
