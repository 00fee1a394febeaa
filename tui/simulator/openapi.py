"""Just enough of OpenAPI v3 for `kubectl create -f`: that the server validates fields itself.

kubectl looks for the query parameter `fieldValidation` in the PATCH operation of the object's kind
before it sends anything; without it, it would validate by itself with schemas it finds nowhere.
"""

from __future__ import annotations

from tui.simulator.objects import KubeObject
from tui.simulator.resources import ApiSurface, Resource

_ROOT = "/openapi/v3"


def openapi_document(surface: ApiSurface, path: str) -> KubeObject | None:
    """Return what an OpenAPI path answers, or None if it is not one."""
    trimmed = path.rstrip("/")
    group_paths = {_group_path(item): item for item in surface.resources}
    if trimmed == _ROOT:
        listed = {name: {"serverRelativeURL": f"{_ROOT}/{name}?hash=1"} for name in group_paths}
        return {"paths": listed}
    found = group_paths.get(trimmed.removeprefix(f"{_ROOT}/"))
    if found is None:
        return None
    resources = surface.of_group_version(found.group, found.version)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": surface.kubernetes_version},
        "paths": {
            f"/{_group_path(item)}/{item.plural}/{{name}}": _path(item) for item in resources
        },
    }


def _group_path(resource: Resource) -> str:
    return f"apis/{resource.group_version}" if resource.group else f"api/{resource.version}"


def _path(resource: Resource) -> KubeObject:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    return {"patch": {"parameters": parameters, "x-kubernetes-group-version-kind": kind}}
