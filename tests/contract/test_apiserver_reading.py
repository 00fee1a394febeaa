from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.contract.api_client import (
    CONFIG,
    MERGE,
    POD,
    PODS,
    TABLE,
    recorded_answer,
    running_client,
    shape,
)
from tests.contract.fake_fleet import FIXTURES, FakeFleet
from tui.simulator.execstream import V5
from tui.simulator.objects import KubeObject


def old_fleet() -> FakeFleet:
    """Return a fleet of the versions that the recordings were made with."""
    return FakeFleet(kubernetes_version="v1.20.2", cilium_version="1.11.7")


def fixture(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return document


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/nodes", "nodes.json"),
        (PODS, "pods-agents.json"),
        ("/api/v1/namespaces/default/services", "services.json"),
        ("/api/v1/namespaces/default/endpoints", "endpoints.json"),
        ("/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices", "endpointslices.json"),
        ("/apis/cilium.io/v2/ciliumnodes", "ciliumnodes.json"),
        ("/apis/apps/v1/namespaces/kube-system/daemonsets/cilium", "daemonset.json"),
        ("/apis/apps/v1/controllerrevisions", "controllerrevisions.json"),
        (CONFIG, "configmap.json"),
        ("/version", "version.json"),
    ],
)
async def test_lists_and_objects_have_the_recorded_shape(path: str, name: str) -> None:
    async with running_client(old_fleet()) as client:
        found, wanted = await client.json(path), fixture(name)
        assert shape(found) == shape(wanted)
        assert list(found)[:2] == list(wanted)[:2] or path.endswith("ciliumnodes")
        if "items" in wanted:
            names = [item["metadata"]["name"] for item in wanted["items"]]
            assert [item["metadata"]["name"] for item in found["items"]] == names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api", "api.json"),
        ("/api/v1", "api-v1.json"),
        ("/apis/apps/v1", "apps-v1.json"),
        ("/apis/authorization.k8s.io/v1", "authz.json"),
        ("/apis/cilium.io/v2", "cilium-v2.json"),
    ],
)
async def test_discovery_agrees_with_a_real_server(path: str, name: str) -> None:
    async with running_client(old_fleet()) as client:
        found, wanted = await client.json(path), fixture(name)
        assert list(found) == list(wanted)
        real = {item["name"]: item for item in wanted.get("resources", [])}
        for item in found.get("resources", []):
            if item["name"] not in {"pods/eviction"}:
                expected = real[item["name"]]
                assert (item["kind"], item["namespaced"]) == (
                    expected["kind"],
                    expected["namespaced"],
                )
                assert item.get("shortNames") == expected.get("shortNames")
                assert set(item["verbs"]) >= set(expected["verbs"])


@pytest.mark.parametrize(
    ("path", "name"), [("/api/v1/nodes", "nodes.table.http"), (PODS, "pods-agents.table.http")]
)
async def test_tables_have_the_recorded_columns_and_cells(path: str, name: str) -> None:
    async with running_client(old_fleet()) as client:
        found, wanted = await client.json(path, headers=TABLE), recorded_answer(name)[0]
        columns = [(column["name"], column["priority"]) for column in found["columnDefinitions"]]
        assert columns == [
            (column["name"], column["priority"]) for column in wanted["columnDefinitions"]
        ]
        assert shape(found["columnDefinitions"][0]) == shape(wanted["columnDefinitions"][0])
        age = [name for name, _ in columns].index("Age")
        for row, expected in zip(found["rows"], wanted["rows"], strict=True):
            assert shape(row) == shape(expected)
            assert row["cells"][:age] == expected["cells"][:age]
            assert row["cells"][age + 1 :] == expected["cells"][age + 1 :]


async def test_failures_are_those_of_a_real_server() -> None:
    async with running_client() as client:
        secrets = "/api/v1/namespaces/kube-system/secrets"
        client.server.permissions.user = "viewer"
        client.server.permissions.deny("list", "secrets")
        assert await client.json(secrets, status=403) == recorded_answer("forbidden-403.http")[0]
        assert (
            await client.json(f"{PODS}/nope", status=404) == recorded_answer("notfound-404.http")[0]
        )
        stale = {"metadata": {"resourceVersion": "1"}, "data": {"a": "b"}}
        conflict = await client.json(CONFIG, "PATCH", 409, json=stale, headers=MERGE)
        assert conflict == recorded_answer("patch-conflict-409.http")[0]
        wrong = {"Authorization": "Bearer wrong"}
        expected = recorded_answer("unauthorized-401.http")[0]
        assert await client.json("/api/v1/nodes", status=401, headers=wrong) == expected
        unknown = await client.json("/apis/nope/v1/things", status=404)
        assert unknown["message"] == "the server could not find the requested resource"
        client.server.token = "renewed"
        await client.json("/api/v1/nodes", status=401)


async def test_dry_run_and_reviews_have_the_recorded_shape() -> None:
    async with running_client() as client:
        patch = {"data": {"debug": "true"}}
        query = {"dryRun": "All", "fieldManager": "kubectl-patch"}
        found = await client.json(CONFIG, "PATCH", json=patch, params=query, headers=MERGE)
        wanted = recorded_answer("patch-dryrun.http")[0]
        assert list(found) == list(wanted)
        entry, expected = (x["metadata"]["managedFields"][-1] for x in (found, wanted))
        assert list(entry) == list(expected)
        assert found["data"]["debug"] == "true"
        assert (await client.json(CONFIG))["data"]["debug"] == "false"

        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        attributes = {"namespace": "kube-system", "verb": "create", "resource": "pods",
                      "subresource": "exec"}  # fmt: skip
        ask = {"spec": {"resourceAttributes": attributes}}
        allowed = await client.json(path, "POST", 201, json=ask)
        wanted = recorded_answer("ssar-allowed.http")[0]
        assert shape(allowed) == shape(wanted)
        assert allowed["metadata"]["managedFields"][0]["fieldsV1"].keys() == {"f:spec"}
        client.server.permissions.deny("create", "pods/exec")
        denied = await client.json(path, "POST", 201, json=ask)
        assert denied["status"] == recorded_answer("ssar-denied.http")[0]["status"]


async def test_pages_show_one_moment_and_expire() -> None:
    async with running_client() as client:
        first = await client.json(PODS, params={"limit": "2"})
        assert first["metadata"]["remainingItemCount"] == 1
        query = {"limit": "2", "continue": first["metadata"]["continue"]}
        client.store.delete("pods", "kube-system", "cilium-ptdwj")
        second = await client.json(PODS, params=query)
        assert [item["metadata"]["name"] for item in second["items"]] == ["cilium-ptdwj"]
        assert second["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}
        await client.fault(expire=True)
        gone = await client.json(PODS, status=410, params=query)
        assert gone["reason"] == "Expired"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"fieldSelector": "spec.nodeName=node3"}, ["cilium-nfsrt"]),
        ({"fieldSelector": "metadata.name!=cilium-nfsrt,status.phase=Running"},
         ["cilium-ftrpt", "cilium-ptdwj"]),
        ({"labelSelector": "k8s-app in (cilium, other),!absent"},
         ["cilium-ftrpt", "cilium-nfsrt", "cilium-ptdwj"]),
        ({"labelSelector": "k8s-app notin (cilium)"}, []),
        ({"labelSelector": "k8s-app!=cilium"}, []),
        ({"labelSelector": "k8s-app,pod-template-generation=4"},
         ["cilium-ftrpt", "cilium-nfsrt", "cilium-ptdwj"]),
    ],
)  # fmt: skip
async def test_selectors(query: dict[str, str], names: list[str]) -> None:
    async with running_client() as client:
        found = await client.json(PODS, params=query)
        assert [item["metadata"]["name"] for item in found["items"]] == names


async def test_unknown_fields_and_versions_are_refused() -> None:
    async with running_client() as client:
        wrong = await client.json(PODS, status=400, params={"fieldSelector": "spec.foo=1"})
        assert wrong["message"] == 'field label not supported: "spec.foo"'
        await client.json(PODS, status=400, params={"labelSelector": "a b"})
        await client.json(PODS, status=400, params={"continue": "nonsense"})
        future = await client.json(PODS, status=504, params={"resourceVersion": "999999999"})
        assert "Too large resource version" in future["message"]


@pytest.mark.parametrize(
    ("version", "served"), [("v1.20.2", {"v1beta1"}), ("v1.24.0", {"v1", "v1beta1"}),
                            ("v1.31.4", {"v1"})]
)  # fmt: skip
async def test_slices_come_in_the_versions_of_the_cluster(version: str, served: set[str]) -> None:
    async with running_client(FakeFleet(version)) as client:
        for name in ("v1", "v1beta1"):
            path = f"/apis/discovery.k8s.io/{name}/namespaces/default/endpointslices/echo-c6c8x"
            if name not in served:
                await client.json(path, status=404)
                continue
            endpoint = (await client.json(path))["endpoints"][0]
            assert ("nodeName" in endpoint) == (name == "v1")
            assert ("topology" in endpoint) == (name == "v1beta1")


async def test_get_and_head_of_events_in_both_groups() -> None:
    async with running_client() as client:
        core = await client.json("/api/v1/namespaces/kube-system/events")
        new = await client.json("/apis/events.k8s.io/v1/namespaces/kube-system/events")
        assert [item["message"] for item in core["items"]] == [
            item["note"] for item in new["items"]
        ]
        assert "regarding" in new["items"][0]


async def test_a_lost_kubelet_answers_neither_exec_nor_logs() -> None:
    async with running_client() as client:
        node = client.store.get("nodes", None, "node1")
        assert node is not None
        client.store.apply("nodes", lost(node))
        answer = await client.json(f"{POD}/log", status=500)
        assert "dial tcp 10.77.0.11:10250: i/o timeout" in answer["message"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
            await client.session.ws_connect(f"{POD}/exec?command=true", protocols=[V5])
        assert failure.value.status == 500


def lost(node: KubeObject) -> KubeObject:
    conditions = [
        {**item, "status": "Unknown"} if item["type"] == "Ready" else item
        for item in node["status"]["conditions"]
    ]
    return {**node, "status": {**node["status"], "conditions": conditions}}
