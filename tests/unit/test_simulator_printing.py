from __future__ import annotations

import pytest

from tui.simulator.objects import KubeObject
from tui.simulator.paths import Target, find_target
from tui.simulator.podcells import pod_reason
from tui.simulator.printing import human_age
from tui.simulator.resources import ApiSurface


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (312, "5m12s"), (600, "10m"),
        (10_799, "179m"), (10_800, "3h"), (11_100, "3h5m"), (28_800, "8h"), (172_799, "47h"),
        (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"), (63_072_000, "2y"),
        (64_000_000, "2y10d"), (252_288_000, "8y"),
    ],
)  # fmt: skip
def test_ages_are_written_as_kubectl_does(seconds: float, text: str) -> None:
    assert human_age(seconds) == text


def pod(*states: KubeObject, **status: object) -> KubeObject:
    containers = [{"name": str(i), "state": state} for i, state in enumerate(states)]
    return {
        "metadata": {"name": "p"},
        "spec": {"initContainers": [{"name": "i"}]},
        "status": {"phase": "Running", "containerStatuses": containers, **status},
    }


@pytest.mark.parametrize(
    ("obj", "reason"),
    [
        (pod({"running": {}}), "Running"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
        (pod({"terminated": {"exitCode": 137}}), "ExitCode:137"),
        (pod({"terminated": {"signal": 9}}), "Signal:9"),
        (pod({"running": {}}, reason="Evicted"), "Evicted"),
        (pod(initContainerStatuses=[{"state": {"running": {}}}]), "Init:0/1"),
        (
            pod(
                initContainerStatuses=[
                    {"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}
                ]
            ),
            "Init:Error",
        ),
        (
            pod(
                {"running": {}}, initContainerStatuses=[{"state": {"terminated": {"exitCode": 0}}}]
            ),
            "Running",
        ),
    ],
)
def test_pod_reasons(obj: KubeObject, reason: str) -> None:
    assert pod_reason(obj) == reason
    ending = {**obj, "metadata": {"deletionTimestamp": "2026-11-22T07:26:57Z"}}
    assert pod_reason(ending) == "Terminating"


SURFACE = ApiSurface("v1.31.4", [(1, 17)])


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/api/v1/pods", ("pods", "list", None, "", "")),
        ("GET", "/api/v1/namespaces/a/pods/b/log", ("pods", "get", "a", "b", "log")),
        ("POST", "/api/v1/namespaces/a/pods/b/exec", ("pods", "create", "a", "b", "exec")),
        ("GET", "/api/v1/namespaces/a", ("namespaces", "get", None, "a", "")),
        ("DELETE", "/api/v1/namespaces/a/pods", ("pods", "deletecollection", "a", "", "")),
        ("PATCH", "/apis/apps/v1/namespaces/a/daemonsets/c/status",
         ("daemonsets", "patch", "a", "c", "status")),
        ("GET", "/api/v1/nodes/n", ("nodes", "get", None, "n", "")),
    ],
)  # fmt: skip
def test_paths_name_their_target(
    method: str, path: str, wanted: tuple[str, str, str | None, str, str]
) -> None:
    found = find_target(SURFACE, method, path, {})
    assert isinstance(found, Target)
    assert (
        found.resource.plural, found.verb, found.namespace, found.name, found.subresource,
    ) == wanted  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/api/v1", "/apis/nope/v1/x", "/api/v1/namespaces/a/nodes/n",
     "/api/v1/namespaces/a/pods/b/portforward", "/api/v1/namespaces/a/pods/b/log/more"],
)  # fmt: skip
def test_other_paths_name_nothing(path: str) -> None:
    assert find_target(SURFACE, "GET", path, {}) is None
