from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.contract.api_client import CONFIG, MERGE, POD, Client, recorded_answer, running_client
from tests.contract.kubectl_runner import running_kubectl
from tui.simulator.faults import Fault
from tui.simulator.objects import KubeObject

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
EVENTS = "/api/v1/namespaces/{}/events"
OTHER_UID = "00000000-0000-0000-0000-000000000000"
_SOON = aiohttp.ClientTimeout(total=0.3)
CILTOP = {"User-Agent": "ciltop/1.2.3"}


def lease(**spec: object) -> KubeObject:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ciltop", "namespace": "kube-system"},
        "spec": {"holderIdentity": "me", "leaseDurationSeconds": 30, **spec},
    }


def event(namespace: str, about: KubeObject, **fields: object) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "ciltop-", "namespace": namespace},
        "involvedObject": about,
        "reason": "AgentRestarted",
        "message": "restarted",
        "type": "Normal",
        **fields,
    }


def stored(client: Client, resource: str, name: str) -> KubeObject:
    found = client.store.get(resource, "kube-system", name)
    assert found is not None
    return found


def options(**preconditions: str) -> dict[str, Any]:
    return {"json": {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}}


async def test_delete_holds_its_preconditions() -> None:
    async with running_client() as client:
        pod = await client.json(POD)
        uid, version = pod["metadata"]["uid"], pod["metadata"]["resourceVersion"]
        other = await client.json(POD, "DELETE", 409, **options(uid=OTHER_UID))
        assert other["reason"] == "Conflict"
        assert other["message"] == (
            f'Operation cannot be fulfilled on Pod "cilium-ftrpt": the UID in the precondition'
            f" ({OTHER_UID}) does not match the UID in record ({uid}). The object might have been"
            " deleted and then recreated"
        )
        old = await client.json(POD, "DELETE", 409, **options(uid=uid, resourceVersion="1"))
        assert old["message"] == (
            'Operation cannot be fulfilled on Pod "cilium-ftrpt": the ResourceVersion in the'
            f" precondition (1) does not match the ResourceVersion in record ({version}). The"
            " object might have been modified"
        )
        assert "deletionTimestamp" not in stored(client, "pods", "cilium-ftrpt")["metadata"]
        gone = await client.json(POD, "DELETE", **options(uid=uid, resourceVersion=version))
        assert gone["metadata"]["deletionTimestamp"]


async def test_a_dry_run_returns_what_would_be_and_changes_nothing() -> None:
    async with running_client() as client:
        before = client.store.current_version
        ending = await client.json(f"{POD}?dryRun=All", "DELETE")
        assert ending["metadata"]["deletionGracePeriodSeconds"] == 1
        in_options: dict[str, Any] = {
            "json": {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}
        }
        assert (await client.json(CONFIG, "DELETE", 200, **in_options))["status"] == "Success"
        query = "dryRun=All&fieldManager=ciltop"
        made = await client.json(f"{LEASES}?{query}", "POST", 201, json=lease())
        assert made["metadata"]["uid"]
        assert "resourceVersion" not in made["metadata"]
        patch = {"data": {"bpf-lb-sock-hostns-only": "true"}}
        patched = await client.json(f"{CONFIG}?{query}", "PATCH", json=patch, headers=MERGE)
        recorded, _ = recorded_answer("patch-dryrun.http")
        assert patched["data"]["bpf-lb-sock-hostns-only"] == "true"
        ours, theirs = (
            {**found["metadata"]["managedFields"][-1], "time": ""} for found in (patched, recorded)
        )
        assert ours == theirs
        assert (
            patched["metadata"]["resourceVersion"]
            == (stored(client, "configmaps", "cilium-config")["metadata"]["resourceVersion"])
        )
        assert client.store.current_version == before


async def test_a_stale_patch_conflicts_and_another_uid_is_refused() -> None:
    async with running_client() as client:
        stale = {"metadata": {"resourceVersion": "1"}, "data": {"a": "1"}}
        answer = await client.json(CONFIG, "PATCH", 409, json=stale, headers=MERGE)
        recorded, _ = recorded_answer("patch-conflict-409.http")
        assert answer == recorded
        other = {"metadata": {"uid": OTHER_UID}, "data": {"a": "1"}}
        refused = await client.json(CONFIG, "PATCH", 422, json=other, headers=MERGE)
        assert refused["message"] == (
            f'ConfigMap "cilium-config" is invalid: metadata.uid: Invalid value: "{OTHER_UID}":'
            " field is immutable"
        )
        put = {"metadata": {"name": "cilium-config", "uid": OTHER_UID}, "data": {}}
        lost = await client.json(CONFIG, "PUT", 409, json=put)
        assert "Precondition failed: UID in precondition: " + OTHER_UID in lost["message"]


async def test_an_object_replaced_by_somebody_has_another_uid() -> None:
    async with running_client() as client:
        before = await client.json(CONFIG)
        await client.fault(replace=["configmaps", "kube-system", "cilium-config"])
        after = await client.json(CONFIG)
        assert after["data"] == before["data"]
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        unknown = {"replace": ["configmaps", "kube-system", "nope"]}
        await client.json("/__ciltop/faults", "POST", 400, json=unknown)


async def test_managers_come_from_the_query_or_the_user_agent() -> None:
    async with running_client() as client:
        for query, value in (("", "1"), ("?fieldManager=somebody", "2")):
            patch = {"data": {"a": value}}
            await client.json(CONFIG + query, "PATCH", json=patch, headers={**MERGE, **CILTOP})
            entries = stored(client, "configmaps", "cilium-config")["metadata"]["managedFields"]
            assert entries[-1]["manager"] == ("somebody" if query else "ciltop")
            assert entries[-1]["fieldsV1"] == {"f:data": {"f:a": {}}}


async def test_leases_are_taken_by_one() -> None:
    async with running_client() as client:
        moment = "2026-11-22T07:58:26.000000Z"
        made = await client.json(LEASES, "POST", 201, json=lease(renewTime=moment))
        again = await client.json(LEASES, "POST", 409, json=lease())
        assert again["reason"] == "AlreadyExists"
        stale = {**lease(holderIdentity="other")}
        stale["metadata"] = {**made["metadata"], "resourceVersion": "1"}
        lost = await client.json(f"{LEASES}/ciltop", "PUT", 409, json=stale)
        assert 'leases.coordination.k8s.io "ciltop"' in lost["message"]
        short = {"spec": {"renewTime": "2026-11-22T07:58:26Z"}}
        wrong = await client.json(f"{LEASES}/ciltop", "PATCH", 400, json=short, headers=MERGE)
        assert wrong["message"].startswith('Lease in version "v1" cannot be handled as a Lease')
        ended = {"spec": {"leaseDurationSeconds": 0}}
        await client.json(f"{LEASES}/ciltop", "PATCH", 422, json=ended, headers=MERGE)
        await client.json(f"{LEASES}/ciltop", "DELETE", **options(uid=made["metadata"]["uid"]))


async def test_events_stand_in_their_objects_namespace() -> None:
    async with running_client() as client:
        node = {"kind": "Node", "name": "node1"}
        daemon_set = {"kind": "DaemonSet", "name": "cilium", "namespace": "kube-system"}
        system, default = EVENTS.format("kube-system"), EVENTS.format("default")
        refused = await client.json(system, "POST", 422, json=event("kube-system", node))
        assert "does not match event.namespace" in refused["message"]
        made = await client.json(default, "POST", 201, json=event("default", node))
        assert made["metadata"]["name"].startswith("ciltop-")
        await client.json(system, "POST", 201, json=event("kube-system", daemon_set))
        timed = event("kube-system", node, eventTime="2026-11-22T07:58:26.000000Z")
        incomplete = await client.json(system, "POST", 422, json=timed)
        assert "reportingComponent: Required value" in incomplete["message"]
        whole = {**timed, "reportingComponent": "ciltop", "reportingInstance": "a", "action": "Do"}
        await client.json(system, "POST", 201, json=whole)


async def test_rights_are_denied_by_verb_resource_and_namespace() -> None:
    async with running_client() as client:
        await client.fault(deny=[["create", "leases", "kube-system"], ["delete", "pods"]])
        refused = await client.json(LEASES, "POST", 403, json=lease())
        assert refused["message"] == (
            'leases.coordination.k8s.io is forbidden: User "kubernetes-admin" cannot create'
            ' resource "leases" in API group "coordination.k8s.io" in the namespace "kube-system"'
        )
        elsewhere = LEASES.replace("kube-system", "default")
        free = {**lease(), "metadata": {"name": "ciltop"}}
        await client.json(elsewhere, "POST", 201, json=free)
        await client.json(f"{POD}?dryRun=All", "DELETE", 403)


async def test_webhooks_deny_what_they_judge() -> None:
    async with running_client() as client:
        rule = {"kind": "webhook", "webhook": "guard.example.com", "message": "not on a Friday"}
        await client.fault(**rule, resource="configmaps", verb="patch")
        patch: dict[str, Any] = {"json": {"data": {"a": "1"}}, "headers": MERGE}
        denied = await client.json(CONFIG, "PATCH", 403, **patch)
        assert denied["message"] == (
            'admission webhook "guard.example.com" denied the request: not on a Friday'
        )
        await client.json(f"{CONFIG}?dryRun=All", "PATCH", 403, **patch)
        await client.json(LEASES, "POST", 201, json=lease())
        for mode, dry, real in (("pass", 200, 403), ("refuse", 400, 200)):
            await client.json("/__ciltop/faults", "DELETE")
            await client.fault(**rule, dry_run=mode)
            await client.json(f"{CONFIG}?dryRun=All", "PATCH", dry, **patch)
            await client.json(CONFIG, "PATCH", real, **patch)


async def test_answers_get_lost_before_and_after_a_write() -> None:
    async with running_client() as client:
        for kind, is_done in (("half-open", False), ("stall", True)):
            await client.json("/__ciltop/faults", "DELETE")
            await client.fault(kind=kind, verb="patch", count=1)
            body = {"data": {"a": kind}}
            with pytest.raises(TimeoutError):
                async with client.session.patch(
                    CONFIG, json=body, headers=MERGE, timeout=_SOON
                ) as answer:
                    await answer.read()
            found = stored(client, "configmaps", "cilium-config")["data"].get("a")
            assert (found == kind) is is_done


@pytest.mark.kubectl
async def test_kubectl_is_told_the_same(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        rule = {"kind": "webhook", "webhook": "guard.example.com", "resource": "pods"}
        faults = kubectl.server.faults
        faults.add(msgspec.convert(rule, Fault))
        denied = await kubectl("delete", "pod", "cilium-ftrpt")
        assert 'admission webhook "guard.example.com" denied the request without' in denied.err
        faults.clear()
        shown = await kubectl.ok("delete", "pod", "cilium-ftrpt", "--dry-run=server")
        assert "deleted (server dry run)" in shown
        assert await kubectl.ok("get", "pod", "cilium-ftrpt", "-o", "name")
        text = json.dumps(lease())
        await kubectl.ok("create", "-f", "-", stdin=text.encode())
        assert "me" in await kubectl.ok("get", "lease", "ciltop")
        missing = await kubectl("create", "-f", "-", stdin=text.encode())
        assert 'leases.coordination.k8s.io "ciltop" already exists' in missing.err
