"""What an earlier run left: what the cluster shows of it, and what finishes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_fakes import CONTEXT, NAMESPACE, FakeCluster, Rig, uid_of
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeName
from tui.model.operations import (
    AuditEvent,
    AuditRecord,
    Intent,
    NodeState,
    OperationKind,
    OperationPlan,
    PlannedWrite,
)
from tui.operations.recovery import finishing_intent, is_of, progress_of, settled, wanted_by
from tui.operations.undo import Reversal, UndoFolder, UndoRecord
from tui.safety import clean

NAME = "zz-ciltop-7f3a"
PATH = f"/apis/cilium.io/v2/namespaces/{NAMESPACE}/ciliumnodeconfigs/{NAME}"
BODY: dict[str, Any] = {
    "metadata": {"name": NAME, "namespace": NAMESPACE},
    "spec": {"defaults": {"bpf-lb-sock-hostns-only": "true"}},
}
CREATE = PlannedWrite(
    "config",
    "create",
    "ciliumnodeconfigs",
    "cilium.io",
    clean(NAMESPACE),
    clean(NAME),
    version="v2",
    body=msgspec.json.encode(BODY).decode(),
)
PLAN = OperationPlan(
    "7f3a",
    Intent(OperationKind.HOSTNS_ONLY, (uid_of(1), uid_of(2)), is_on=True, wave_size=2),
    clean("flip"),
    1.0,
    ((uid_of(1),), (uid_of(2),)),
    (NodeName("node-1"), NodeName("node-2")),
    writes=(CREATE,),
    can_undo=True,
)
REVERSAL = Reversal("config", "create", "cilium.io", "v2", "ciliumnodeconfigs", NAMESPACE, NAME)
RECORD = UndoRecord(PLAN, CONTEXT, clean("https://a"), 1.0, (REVERSAL,))


def told(event: AuditEvent, node: str, result: str = "") -> AuditRecord:
    return AuditRecord(
        2.0, event, operation_id="7f3a", node_name=NodeName(node), result=clean(result)
    )


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_write_that_was_under_way_is_read_back(is_there: bool) -> None:
    cluster = FakeCluster(VirtualClock(), 1)
    if is_there:
        metadata = {**BODY["metadata"], "uid": "made-1", "resourceVersion": "2"}
        cluster.objects[PATH] = {**BODY, "metadata": metadata}
    found = await settled(RECORD, cluster)
    assert found.can_undo is is_there
    assert found.reversals[0].uid == ("made-1" if is_there else "")
    finishing = finishing_intent(found, progress_of(found, ()))
    if is_there:
        assert finishing == Intent(OperationKind.RESTART, (uid_of(1), uid_of(2)), wave_size=2)
    else:
        assert finishing == PLAN.intent


def test_the_audit_file_tells_how_far_each_node_came() -> None:
    before, after = AuditEvent.BEFORE_WRITE, AuditEvent.AFTER_WRITE
    cases: list[tuple[list[AuditRecord], NodeState, str]] = [
        ([], NodeState.SKIPPED, "not begun"),
        ([told(before, "node-1")], NodeState.UNKNOWN, "whether it was done is unknown"),
        (
            [told(before, "node-1"), told(after, "node-1", "done")],
            NodeState.UNKNOWN,
            "restarted, not verified",
        ),
        (
            [told(before, "node-1"), told(after, "node-1", "not done: denied")],
            NodeState.FAILED,
            "not done: denied",
        ),
        ([told(AuditEvent.VERIFIED, "node-1", "healthy")], NodeState.DONE, "healthy"),
    ]
    for records, state, text in cases:
        node = progress_of(RECORD, records).nodes[0]
        assert (node.state, text in node.text) == (state, True), records


def test_what_is_left_of_a_written_flip_is_the_restart_of_the_others() -> None:
    done = replace(RECORD, reversals=(replace(REVERSAL, is_written=True, uid="made-1"),))
    progress = progress_of(done, [told(AuditEvent.VERIFIED, "node-1", "healthy")])
    assert finishing_intent(done, progress).nodes == (uid_of(2),)
    assert progress.undo_id == "7f3a"
    assert "1 of 2 nodes verified" in progress.text
    assert wanted_by(done) == {"bpf-lb-sock-hostns-only": "true"}


def test_a_cluster_is_its_context_and_its_server() -> None:
    assert is_of(RECORD, ClusterFacts(context=CONTEXT, server=clean("https://a")))
    assert not is_of(RECORD, ClusterFacts(context=CONTEXT, server=clean("https://b")))
    assert not is_of(RECORD, ClusterFacts(context=clean("x"), server=clean("https://a")))


async def test_what_has_ended_stays_ended_when_the_audit_file_is_rotated(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeCluster(VirtualClock()))
    await rig.begin(1)
    await rig.run_out()
    (tmp_path / "audit.jsonl").unlink()
    again = Rig(tmp_path, rig.cluster)
    await again.operator.recover()
    assert again.look().operations == ()


async def test_what_was_left_as_it_is_can_still_be_undone(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeCluster(VirtualClock(), server="https://a"))
    metadata = {**BODY["metadata"], "uid": "made-1", "resourceVersion": "2"}
    rig.cluster.objects[PATH] = {**BODY, "metadata": metadata}
    UndoFolder(tmp_path / "undo").write(RECORD)
    await rig.operator.recover()
    await rig.operator.dismiss("7f3a")
    left = rig.progress(PLAN)
    assert (left.state.value, left.undo_id) == ("aborted", "7f3a")
    (tmp_path / "audit.jsonl").unlink()
    again = Rig(tmp_path, rig.cluster)
    await again.operator.recover()
    assert again.look().operations == ()
