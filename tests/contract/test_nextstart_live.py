"""The next start of simulated agents, read as ciltop reads a cluster: what waits, and for whom."""

from __future__ import annotations

from pathlib import Path

from tests.contract.live_rig import LiveRig, running
from tui.checks.config_drift import CHECK
from tui.checks.timeline import timeline
from tui.checks.view import ClusterView, NodeView
from tui.model.findings import FindingSeverity, Verdict
from tui.model.timeline import ChangeKind
from tui.simulator.fleet import SCENARIOS


def _judged(rig: LiveRig) -> list[Verdict]:
    snapshot = rig.snapshot
    cluster = ClusterView(snapshot.cluster, snapshot.taken_at)
    assert CHECK.judge_node is not None
    return [
        min(CHECK.judge_node(NodeView(facts, cluster)), key=lambda one: one.severity.rank)
        for facts in rig.nodes
    ]


async def _until_known(rig: LiveRig) -> None:
    await rig.until_read()
    await rig.until(
        lambda: (
            all(facts.maps.is_known for facts in rig.nodes)
            and rig.snapshot.cluster.node_configs.value is not None
            and bool(rig.snapshot.cluster.daemonsets.value)
        ),
        "maps, CiliumNodeConfigs and DaemonSets",
    )


async def test_shrunk_is_active_where_it_was_read_and_armed_where_it_waits(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, SCENARIOS["shrunk"]) as rig:
        await _until_known(rig)
        first, second, broken = _judged(rig)
        assert [first.severity, second.severity] == [FindingSeverity.ARMED] * 2
        assert "1024 → 64, need 127" in first.remedy.now[0]
        assert [(one.key, one.value) for one in first.remedy.settings] == [
            ("bpf-lb-map-max", "1024")
        ]
        texts = " | ".join(piece.text for piece in first.evidence)
        assert "runs 1024, next start reads 64 from ConfigMap cilium-config" in texts
        assert "written by kubectl-patch" in texts
        assert broken.severity is FindingSeverity.ACTIVE
        assert "5 s after kubectl-patch wrote cilium-config" in broken.summary
        view = NodeView(rig.node(0), ClusterView(rig.snapshot.cluster, 0.0))
        assert [one.key for one in view.next_start.pending] == ["bpf-lb-map-max"]
        after = NodeView(rig.node(2), ClusterView(rig.snapshot.cluster, 0.0))
        assert after.next_start.pending == ()
        newest = [one for one in timeline(rig.snapshot) if one.kind is not ChangeKind.LOG][:2]
        assert [one.kind for one in newest] == [ChangeKind.AGENT, ChangeKind.CONFIG]
        assert "5 s after cilium-config written by kubectl-patch" in newest[0].text


async def test_healthy_waits_for_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, SCENARIOS["healthy"]) as rig:
        await _until_known(rig)
        found = [(str(one.node_name), one.severity, one.summary) for one in _judged(rig)]
        assert [one[1] for one in found] == [FindingSeverity.CLEAR] * 3, found
