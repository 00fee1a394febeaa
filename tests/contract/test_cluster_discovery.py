from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.cluster_server import Answer, FakeCluster, fixture, json_answer, status_body
from tui.cluster.discovery import (
    endpoint_slice_path,
    find_cilium,
    kubernetes_version,
    node_config_path,
)
from tui.errors import ApiError, CiliumMissingError, ConnectError, ForbiddenError

ALL_PODS = "/api/v1/pods"
SYSTEM_PODS = "/api/v1/namespaces/kube-system/pods"
SYSTEM_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets"


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    async with FakeCluster() as one:
        yield one


def pods(*owned: tuple[str, str]) -> Answer:
    """Pods as (namespace, owner)."""
    items = [
        {
            "metadata": {
                "name": f"{owner}-{number}",
                "namespace": namespace,
                "ownerReferences": [{"kind": "DaemonSet", "name": owner}],
            }
        }
        for number, (namespace, owner) in enumerate(owned)
    ]
    return json_answer({"kind": "PodList", "metadata": {}, "items": items})


def sets(*names: str, **labelled: str) -> Answer:
    items: list[object] = [
        {"metadata": {"name": name, "namespace": "kube-system"}} for name in names
    ]
    items += [
        {
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {"template": {"metadata": {"labels": {"k8s-app": label}}}},
        }
        for name, label in labelled.items()
    ]
    return json_answer({"kind": "DaemonSetList", "metadata": {}, "items": items})


def denied(resource: str) -> Answer:
    said = f'cannot list resource "{resource}" in API group "" at the cluster scope'
    return json_answer(status_body(403, "Forbidden", said), 403)


async def test_cilium_is_found_in_all_namespaces(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, pods(("kube-system", "cilium"), ("kube-system", "cilium")))
    cluster.reply(SYSTEM_SETS, sets("cilium", "kube-proxy"))
    async with cluster.session() as session:
        found = await find_cilium(session)
    assert found.namespace == "kube-system"
    assert [one.name for one in found.daemonsets] == ["cilium"]
    assert found.other_namespaces == ()
    assert cluster.asked[0].query["labelSelector"] == "k8s-app=cilium"


async def test_several_daemonsets_and_one_without_pods(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, pods(("kube-system", "cilium"), ("kube-system", "cilium-arm")))
    cluster.reply(SYSTEM_SETS, sets("cilium", "cilium-arm", canary="cilium", envoy="cilium-envoy"))
    async with cluster.session() as session:
        found = await find_cilium(session)
    assert {one.name for one in found.daemonsets} == {"cilium", "cilium-arm", "canary"}


async def test_the_usual_namespace_comes_first(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, pods(("a", "cilium"), ("a", "cilium"), ("kube-system", "cilium")))
    cluster.reply(SYSTEM_SETS, sets("cilium"))
    async with cluster.session() as session:
        found = await find_cilium(session)
    assert (found.namespace, found.other_namespaces) == ("kube-system", ("a",))


async def test_recorded_objects(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, Answer(fixture("pods-agents.json")))
    one = fixture("daemonset.json")
    cluster.reply(SYSTEM_SETS, Answer(b'{"kind":"DaemonSetList","metadata":{},"items":[%b]}' % one))
    async with cluster.session() as session:
        found = await find_cilium(session)
    assert (found.daemonsets[0].name, found.daemonsets[0].ready) == ("cilium", 3)


async def test_usual_namespaces_where_all_are_denied(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, denied("pods"))
    cluster.reply(SYSTEM_PODS, pods(("kube-system", "cilium")))
    cluster.reply(SYSTEM_SETS, denied("daemonsets"))
    async with cluster.session() as session:
        found = await find_cilium(session)
    assert found.namespace == "kube-system"
    assert [one.name for one in found.daemonsets] == ["cilium"], "known from its pods"
    assert found.is_daemonset_denied
    assert "list daemonsets" in found.daemonset_error


async def test_namespace_and_selector_are_used_as_given(cluster: FakeCluster) -> None:
    cluster.reply("/api/v1/namespaces/net/pods", pods(("net", "agents")))
    cluster.reply("/apis/apps/v1/namespaces/net/daemonsets", sets("agents"))
    async with cluster.session() as session:
        found = await find_cilium(session, namespace="net", selector="app=agent,tier=net")
    assert found.namespace == "net"
    assert cluster.asked[0].query["labelSelector"] == "app=agent,tier=net"
    assert ALL_PODS not in cluster.paths()


async def test_no_cilium_says_where_and_how_to_point_at_it(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, pods())
    async with cluster.session() as session:
        with pytest.raises(CiliumMissingError) as caught:
            await find_cilium(session)
    for part in ("k8s-app=cilium", "all namespaces", cluster.url, "-n ", "-l ", "--context"):
        assert part in caught.value.message


async def test_no_cilium_where_only_some_namespaces_may_be_seen(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, denied("pods"))
    cluster.reply(SYSTEM_PODS, pods())
    for namespace in ("cilium", "default"):
        cluster.reply(f"/api/v1/namespaces/{namespace}/pods", denied("pods"))
    async with cluster.session() as session:
        with pytest.raises(CiliumMissingError, match=r"namespace kube-system of.*list pods"):
            await find_cilium(session)


async def test_all_denied_is_denied(cluster: FakeCluster) -> None:
    for path in (ALL_PODS, SYSTEM_PODS, "/api/v1/namespaces/cilium/pods",
                 "/api/v1/namespaces/default/pods"):  # fmt: skip
        cluster.reply(path, denied("pods"))
    async with cluster.session() as session:
        with pytest.raises(ForbiddenError) as caught:
            await find_cilium(session)
    assert (caught.value.verb, caught.value.resource) == ("list", "pods")


async def test_a_cluster_in_trouble_is_no_missing_cilium(cluster: FakeCluster) -> None:
    cluster.reply(ALL_PODS, Answer(b"", 503))
    async with cluster.session() as session:
        with pytest.raises(ApiError, match="503"):
            await find_cilium(session)
    async with cluster.session(cluster.access(server="http://127.0.0.1:1")) as session:
        with pytest.raises(ConnectError):
            await find_cilium(session)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["v1", "v1beta1"], "/apis/discovery.k8s.io/v1/endpointslices"),
        (["v1beta1", "v1"], "/apis/discovery.k8s.io/v1/endpointslices"),
        (["v1beta1"], "/apis/discovery.k8s.io/v1beta1/endpointslices"),
        (["v1alpha1"], None),
        ([], None),
    ],
)
async def test_version_of_endpoint_slices(
    cluster: FakeCluster, versions: list[str], expected: str | None
) -> None:
    group = {"kind": "APIGroup", "versions": [{"version": version} for version in versions]}
    cluster.reply("/apis/discovery.k8s.io", json_answer(group))
    async with cluster.session() as session:
        assert await endpoint_slice_path(session) == expected


async def test_cluster_without_endpoint_slices(cluster: FakeCluster) -> None:
    async with cluster.session() as session:
        assert await endpoint_slice_path(session) is None


@pytest.mark.parametrize("version", ["v2", "v2alpha1"])
async def test_node_configs_of_either_version(cluster: FakeCluster, version: str) -> None:
    cluster.reply("/apis/cilium.io/v2", json_answer({"resources": [{"name": "ciliumnodes"}]}))
    resources = {"resources": [{"name": "ciliumnodeconfigs"}]}
    cluster.reply(f"/apis/cilium.io/{version}", json_answer(resources))
    async with cluster.session() as session:
        path = f"/apis/cilium.io/{version}/ciliumnodeconfigs"
        assert await node_config_path(session) == path


async def test_cilium_without_node_configs(cluster: FakeCluster) -> None:
    cluster.reply("/apis/cilium.io/v2", Answer(fixture("cilium-v2.json")))
    async with cluster.session() as session:
        assert await node_config_path(session) is None


async def test_version_of_the_server(cluster: FakeCluster) -> None:
    cluster.reply("/version", Answer(fixture("version.json")))
    async with cluster.session() as session:
        assert (await kubernetes_version(session)).startswith("v1.")
