"""Operations on a simulated cluster, from the plan to the verified end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.contract.operations_rig import DONE, operating, over
from tui.model.operations import AuditEvent, Intent, NodeState, OperationKind
from tui.simulator.fleet import SCENARIOS
from tui.simulator.scenarios import NodeGroup

FOUR = replace(
    SCENARIOS["healthy"],
    groups=(NodeGroup("main", 4, "1.17.5", "6.8.0-45-generic"),),
    events=(),
)


async def test_a_restart_of_one_agent_heals_and_tells_every_mark(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        name = str(rig.live.node(0).node.name)
        before = rig.node(name).agent
        plan, ended = await rig.done(Intent(OperationKind.RESTART, (rig.uid(name),)))
        assert ended.state is DONE, over(ended)
        after = rig.node(name).agent
        assert before is not None
        assert after is not None
        assert after.uid != before.uid
        marks = ended.nodes[0].marks
        assert {mark.id for mark in marks} >= {
            "pod-ready", "node-ready", "agent-ok", "controllers", "endpoints", "frontends",
            "drops", "log",
        }  # fmt: skip
        assert all(mark.is_met for mark in marks), marks
        assert all(mark.at is not None for mark in marks)
        events = [one.event for one in rig.snapshot.audit]
        assert events == [
            AuditEvent.CONFIRMED,
            AuditEvent.BEFORE_WRITE,
            AuditEvent.AFTER_WRITE,
            AuditEvent.VERIFIED,
            AuditEvent.ENDED,
        ]
        found = await rig.api("/api/v1/namespaces/default/events")
        said = [one["reason"] for one in found["items"] if one["source"]["component"] == "ciltop"]
        assert said == ["CiltopRestart", "CiltopVerified"]
        lease = await rig.api("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/ciltop")
        assert not lease["spec"]["holderIdentity"]
        assert plan.id in (tmp_path / "state" / "audit.jsonl").read_text()


async def test_waves_restart_four_nodes_one_first_and_never_more_than_the_wave(
    tmp_path: Path,
) -> None:
    async with operating(tmp_path, FOUR) as rig:
        uids = tuple(one.node.uid for one in rig.live.nodes)
        plan, ended = await rig.done(Intent(OperationKind.RESTART, uids, wave_size=2))
        assert ended.state is DONE, over(ended)
        assert next(len(wave) for wave in plan.waves) == 1
        assert plan.confirmation
        assert {node.state for node in ended.nodes} == {NodeState.DONE}
        spans = [(node.wave, node.started_at or 0.0, node.ended_at or 0.0) for node in ended.nodes]
        for wave, started, _ in spans:
            earlier = [end for other, _, end in spans if other < wave]
            assert all(end < started for end in earlier), (
                "a wave began before the last was verified"
            )
        found = await rig.api("/api/v1/namespaces/kube-system/events")
        said = [
            (one["reason"], one["involvedObject"]["kind"])
            for one in found["items"]
            if one["source"].get("component") == "ciltop"
        ]
        assert said == [("CiltopBegan", "DaemonSet"), ("CiltopEnded", "DaemonSet")]
