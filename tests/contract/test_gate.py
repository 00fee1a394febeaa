"""Writes that pass the gate, and writes that its doors stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web

from tests.contract.cluster_server import FakeCluster, json_answer
from tests.contract.gate_rig import CONTEXT, NAMESPACE, POD, GateRig, armed, gate_rig
from tui import __version__
from tui.cluster.arming import Arming
from tui.cluster.gate import WriteRequest
from tui.errors import (
    AdmissionError,
    BlockedError,
    DeniedError,
    IdentityError,
    NotArmedError,
    RefusedError,
    WriteConflictError,
)
from tui.model.operations import Permission
from tui.simulator.faults import Fault, FaultKind

WRITES: list[Callable[[GateRig], WriteRequest]] = [
    GateRig.node_config,
    GateRig.flip,
    GateRig.restart,
]
RIGHTS = [("create", "ciliumnodeconfigs"), ("patch", "configmaps"), ("delete", "pods")]


async def test_a_patch_is_tried_then_written_under_ciltops_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with gate_rig(monkeypatch) as rig:
        written = await rig.gate.write(rig.flip())
        assert written["data"]["bpf-lb-sock-hostns-only"] == "true"
        config = rig.found("configmaps", "cilium-config")
        assert config["data"]["bpf-lb-sock-hostns-only"] == "true"
        mine = config["metadata"]["managedFields"][-1]
        assert (mine["manager"], mine["operation"]) == ("ciltop", "Update")
        assert mine["fieldsV1"] == {"f:data": {"f:bpf-lb-sock-hostns-only": {}}}
        tried, kept = (request for _, request in rig.received)
        assert (tried.is_dry_run, kept.is_dry_run) == (True, False)
        assert tried.body == kept.body
        for request in (tried, kept):
            assert request.query["fieldManager"] == "ciltop"
            assert request.user_agent == f"ciltop/{__version__}"
            assert request.media_type == "application/merge-patch+json"


async def test_a_json_patch_carries_the_identity_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch) as rig:
        steps = [{"op": "add", "path": "/data/debug", "value": "true"}]
        await rig.gate.write(replace(rig.flip(), body=steps, patch_type="json"))
        assert rig.found("configmaps", "cilium-config")["data"]["debug"] == "true"
        stale = replace(rig.flip(), body=steps, patch_type="json", resource_version="1")
        with pytest.raises(WriteConflictError, match="modified"):
            await rig.gate.dry_run(stale)


async def test_a_node_config_is_created_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch) as rig:
        made = await rig.gate.write(rig.node_config())
        stored = rig.found("ciliumnodeconfigs", "zz-ciltop-7f3a")
        assert stored["metadata"]["uid"] == made["metadata"]["uid"]
        assert stored["metadata"]["managedFields"][0]["manager"] == "ciltop"
        assert rig.received[-1][1].query["fieldValidation"] == "Strict"
        with pytest.raises(WriteConflictError, match="already exists"):
            await rig.gate.write(rig.node_config())
        gone = WriteRequest(
            "delete", "cilium.io", "v2", "ciliumnodeconfigs", NAMESPACE, "zz-ciltop-7f3a",
            uid=made["metadata"]["uid"], resource_version=made["metadata"]["resourceVersion"],
        )  # fmt: skip
        assert (await rig.gate.write(gone))["status"] == "Success"
        assert rig.stored("ciliumnodeconfigs", "zz-ciltop-7f3a") is None


async def test_a_pod_is_deleted_by_uid_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch) as rig:
        request = rig.restart()
        version = rig.found("pods", POD)["metadata"]["resourceVersion"]
        await rig.gate.write(request)
        tried, kept = (json.loads(received.body) for _, received in rig.received)
        assert kept["preconditions"] == {"uid": request.uid, "resourceVersion": version}
        # A server ignores the query of a DELETE with a body: the body must say it.
        assert tried == {**kept, "dryRun": ["All"]}
        pod = rig.stored("pods", POD)
        assert pod is None or pod["metadata"]["deletionTimestamp"]


@pytest.mark.parametrize("make", WRITES)
async def test_a_dry_run_changes_nothing(
    make: Callable[[GateRig], WriteRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    unarmed = Arming(False, "", CONTEXT)
    async with gate_rig(monkeypatch, unarmed) as rig:
        request = make(rig)
        before = rig.stored(request.resource, request.name)
        assert (await rig.gate.dry_run(request))["metadata"]["name"] == request.name
        assert rig.written == []
        assert rig.stored(request.resource, request.name) == before


@pytest.mark.parametrize("make", WRITES)
async def test_unarmed_nothing_is_sent(
    make: Callable[[GateRig], WriteRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate_rig(monkeypatch, Arming(False, "", CONTEXT)) as rig:
        with pytest.raises(NotArmedError, match="type simulated"):
            await rig.gate.write(make(rig))
        assert rig.received == []


async def test_read_only_not_even_a_dry_run_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch, Arming(True, "--read-only", CONTEXT)) as rig:
        for send in (rig.gate.write, rig.gate.dry_run):
            with pytest.raises(NotArmedError, match="read-only \\(--read-only\\)"):
                await send(rig.flip())
        assert rig.received == []


async def test_disarmed_while_the_dry_run_was_out(monkeypatch: pytest.MonkeyPatch) -> None:
    arming = armed()
    async with gate_rig(monkeypatch, arming) as rig:
        rig.after_dry_run = arming.disarm
        with pytest.raises(NotArmedError):
            await rig.gate.write(rig.flip())
        assert rig.written == []


@pytest.mark.parametrize(("make", "right"), list(zip(WRITES, RIGHTS, strict=True)))
async def test_a_denied_right_stops_before_anything_is_sent(
    make: Callable[[GateRig], WriteRequest],
    right: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with gate_rig(monkeypatch) as rig:
        assert await rig.gate.may(make(rig)) is Permission.ALLOWED
        rig.server.permissions.deny(*right)
        assert await rig.gate.may(make(rig)) is Permission.DENIED
        with pytest.raises(DeniedError) as denied:
            await rig.gate.write(make(rig))
        assert (denied.value.verb, denied.value.resource) == right
        assert denied.value.exit_code == 3
        assert rig.received == []


@pytest.mark.parametrize(("make", "right"), list(zip(WRITES, RIGHTS, strict=True)))
async def test_a_right_that_cant_be_asked_for_is_unknown_and_tried(
    make: Callable[[GateRig], WriteRequest],
    right: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with gate_rig(monkeypatch) as rig:
        rig.server.permissions.deny("create", "selfsubjectaccessreviews")
        assert await rig.gate.may(make(rig)) is Permission.UNKNOWN
        rig.server.permissions.deny(*right)
        with pytest.raises(DeniedError, match="kubernetes-admin") as denied:
            await rig.gate.write(make(rig))
        assert (denied.value.verb, denied.value.resource) == right
        assert rig.written == []


async def test_without_the_right_to_look_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with gate_rig(monkeypatch) as rig:
        rig.server.permissions.deny("get", "configmaps")
        with pytest.raises(DeniedError) as denied:
            await rig.gate.write(rig.flip())
        assert (denied.value.verb, denied.value.resource) == ("get", "configmaps")
        assert rig.received == []


@pytest.mark.parametrize("make", [GateRig.flip, GateRig.restart])
async def test_another_object_of_the_name_is_left_alone(
    make: Callable[[GateRig], WriteRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate_rig(monkeypatch) as rig:
        request = make(rig)
        rig.replace(request.resource, request.name)
        with pytest.raises(IdentityError) as other:
            await rig.gate.write(request)
        assert request.uid in other.value.message
        assert other.value.found_uid == "11111111-2222-3333-4444-555555555555"
        assert other.value.found_uid in other.value.message
        assert rig.received == []
        with pytest.raises(IdentityError):
            await rig.gate.dry_run(request)


async def test_a_changed_object_is_left_alone_a_pods_status_counts_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with gate_rig(monkeypatch) as rig:
        flip, restart = rig.flip(), rig.restart()
        rig.touch("configmaps", "cilium-config")
        rig.touch("pods", POD)
        with pytest.raises(IdentityError, match="was changed meanwhile"):
            await rig.gate.write(flip)
        assert rig.received == []
        await rig.gate.write(restart)


async def test_a_gone_object_and_one_that_is_going(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch) as rig:
        restart = rig.restart()
        await rig.gate.write(restart)
        if rig.stored("pods", POD) is not None:
            with pytest.raises(IdentityError, match="being deleted already"):
                await rig.gate.write(restart)
        rig.server.parts.store.delete("pods", NAMESPACE, POD)
        with pytest.raises(IdentityError, match="gone"):
            await rig.gate.write(restart)
        with pytest.raises(IdentityError, match="not there"):
            await rig.gate.dry_run(restart)
        assert rig.written == ["delete"]


@pytest.mark.parametrize("make", [GateRig.flip, GateRig.restart])
@pytest.mark.parametrize("change", [GateRig.touch, GateRig.replace])
async def test_a_change_between_dry_run_and_write_is_a_conflict(
    make: Callable[[GateRig], WriteRequest],
    change: Callable[[GateRig, str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with gate_rig(monkeypatch) as rig:
        request = make(rig)
        rig.after_dry_run = lambda: change(rig, request.resource, request.name)
        with pytest.raises(IdentityError, match="plan again"):
            await rig.gate.write(request)
        stored = rig.found(request.resource, request.name)
        assert "deletionTimestamp" not in stored["metadata"]
        assert "bpf-lb-sock-hostns-only" not in stored.get("data", {})


async def test_what_the_server_finds_wrong_is_refused_dry(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch) as rig:
        wrong = replace(rig.flip(), body={"data": {"a": 1}})
        with pytest.raises(RefusedError, match=r"dry run of patch configmaps .*422|400"):
            await rig.gate.write(wrong)
        assert rig.written == []


async def test_a_webhook_is_no_missing_right(monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'admission webhook "no.example" denied the request: \x1b[31mnot\ntoday'
    async with gate_rig(monkeypatch) as rig:
        rig.server.faults.add(Fault(FaultKind.STATUS, verb="delete", status=403, message=said))
        with pytest.raises(AdmissionError, match="denied the request: not today") as denied:
            await rig.gate.write(rig.restart())
        assert denied.value.by == "no.example"
        assert "\x1b" not in denied.value.message
        assert rig.written == []


async def test_only_what_the_table_lists_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gate_rig(monkeypatch) as rig:
        uid = rig.flip().uid
        for request in (
            replace(rig.flip(), name="kube-root-ca.crt"),
            replace(rig.restart(), resource="nodes", namespace=""),
            WriteRequest("delete", "", "v1", "configmaps", NAMESPACE, "cilium-config", uid=uid),
            replace(rig.restart(), subresource="eviction"),
        ):
            for send in (rig.gate.write, rig.gate.dry_run):
                with pytest.raises(BlockedError, match="never"):
                    await send(request)
        assert rig.received == []


@pytest.mark.parametrize("make", WRITES)
async def test_a_review_asks_for_the_very_object(
    make: Callable[[GateRig], WriteRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's role allows one ConfigMap by name: asked without it, the answer is no."""
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json())["spec"]["resourceAttributes"])
        return json_answer({"status": {"allowed": True}}, 201).response()

    async with gate_rig(monkeypatch) as rig, FakeCluster() as cluster, cluster.session() as session:
        write = make(rig)
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        cluster.on(path, answer, "POST")
        assert await session.gate(armed()).may(write) is Permission.ALLOWED
    wanted = {"verb": write.verb, "resource": write.resource, "namespace": NAMESPACE}
    if write.group:
        wanted["group"] = write.group
    if write.verb != "create":
        wanted["name"] = write.name
    assert asked == [wanted]
