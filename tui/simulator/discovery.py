"""What a client reads to learn which resources there are."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from tui.simulator.objects import KubeObject
from tui.simulator.paths import split_group_version
from tui.simulator.resources import ApiSurface, Resource


def version_document(surface: ApiSurface) -> KubeObject:
    """Return /version."""
    major, minor = surface.minor
    return {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": surface.kubernetes_version,
        "gitCommit": hashlib.sha1(surface.kubernetes_version.encode()).hexdigest(),  # noqa: S324 - looks like a commit, protects nothing
        "gitTreeState": "clean",
        "buildDate": "2021-01-13T13:20:00Z",
        "goVersion": "go1.22.9",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def discovery_document(surface: ApiSurface, path: str, address: str) -> KubeObject | None:
    """Return what a discovery path answers, or None if it is not one."""
    trimmed = path.rstrip("/")
    if trimmed == "/version":
        return version_document(surface)
    if trimmed == "/api":
        return {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        }
    groups = surface.groups()
    if trimmed == "/apis":
        listed = [_group(name, versions) for name, versions in groups.items()]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
    if trimmed.startswith("/apis/") and trimmed.count("/") == 2:
        name = trimmed.removeprefix("/apis/")
        found = _group(name, groups[name]) if name in groups else None
        return found and {"kind": "APIGroup", "apiVersion": "v1", **found}
    return _resource_list(surface, trimmed)


def _group(name: str, versions: list[str]) -> KubeObject:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(surface: ApiSurface, path: str) -> KubeObject | None:
    place = split_group_version(path)
    if place is None or place[2]:
        return None
    group, version, _ = place
    resources = surface.of_group_version(group, version)
    if not resources:
        return None
    listed: list[KubeObject] = []
    for resource in resources:
        listed.append(_resource(resource))
        listed.extend(_subresources(resource))
    group_version = resources[0].group_version
    # The core group's list has no apiVersion (kubernetes-objects of 1.20.2).
    head = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
    return {**head, "groupVersion": group_version, "resources": listed}


def _resource(resource: Resource) -> KubeObject:
    found: KubeObject = {
        "name": resource.plural,
        "singularName": resource.kind.lower() if resource.is_custom else "",
        "namespaced": resource.is_namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if "list" in resource.verbs:
        digest = hashlib.sha256(f"{resource.group_version}/{resource.kind}".encode()).digest()
        found["storageVersionHash"] = b64encode(digest[:8]).decode()
    return found


def _subresources(resource: Resource) -> list[KubeObject]:
    found: list[KubeObject] = []
    for item in resource.subresources:
        group, _, version = item.group_version.partition("/")
        found.append(
            {
                "name": f"{resource.plural}/{item.name}",
                "singularName": "",
                "namespaced": resource.is_namespaced,
                **({"group": group, "version": version} if item.group_version else {}),
                "kind": item.kind,
                "verbs": list(item.verbs),
            }
        )
    return found
