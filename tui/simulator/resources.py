"""The resources the simulated API server knows, and which of them a Kubernetes version serves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)
STATUS_VERBS = ("get", "patch", "update")
NO_LIMIT = (99, 99)


@dataclass(frozen=True, slots=True)
class Subresource:
    """Something below an object, such as pods/exec."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group_version: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object in one version of its group."""

    group: str
    version: str
    plural: str
    kind: str
    is_namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    is_custom: bool = False
    """Defined by a CustomResourceDefinition: no strategic merge patch, items carry their kind."""
    since: tuple[int, int] = (1, 0)
    """First Kubernetes minor that serves it."""
    until: tuple[int, int] = NO_LIMIT
    """First Kubernetes minor that no longer serves it."""
    store_name: str = ""
    """Where its objects are kept, when it shows another resource's objects in another shape."""

    @property
    def group_version(self) -> str:
        """The apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def shelf_name(self) -> str:
        """The plural its objects are stored under."""
        return self.store_name or self.plural


_STATUS = "status"
_EXEC = Subresource("exec", "PodExecOptions", ("create", "get"))
_POD_SUBRESOURCES = (
    Subresource("attach", "PodAttachOptions", ("create", "get")),
    Subresource("eviction", "Eviction", CREATE_ONLY, "policy/v1"),
    _EXEC,
    Subresource("log", "Pod", ("get",)),
    Subresource(_STATUS, "Pod", STATUS_VERBS),
)


def _status(kind: str) -> tuple[Subresource, ...]:
    return (Subresource(_STATUS, kind, STATUS_VERBS),)


def _core(plural: str, kind: str, *short: str, namespaced: bool = True) -> Resource:
    return Resource("", "v1", plural, kind, namespaced, tuple(short))


def _apps(plural: str, kind: str, *short: str) -> Resource:
    return Resource(
        "apps", "v1", plural, kind, True, tuple(short), ("all",), subresources=_status(kind)
    )


def _cilium(
    plural: str, kind: str, *short: str, namespaced: bool = True, version: str = "v2"
) -> Resource:
    return Resource(
        "cilium.io", version, plural, kind, namespaced, tuple(short), ("cilium",), is_custom=True
    )


def _review(group: str, plural: str, kind: str, since: tuple[int, int] = (1, 0)) -> Resource:
    return Resource(group, "v1", plural, kind, False, verbs=CREATE_ONLY, since=since)


RESOURCES: tuple[Resource, ...] = (
    _core("configmaps", "ConfigMap", "cm"),
    _core("endpoints", "Endpoints", "ep"),
    _core("events", "Event", "ev"),
    _core("namespaces", "Namespace", "ns", namespaced=False),
    Resource("", "v1", "nodes", "Node", False, ("no",), subresources=_status("Node")),
    Resource(
        "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",),
        subresources=_status("PersistentVolumeClaim"),
    ),
    Resource(
        "", "v1", "persistentvolumes", "PersistentVolume", False, ("pv",),
        subresources=_status("PersistentVolume"),
    ),
    Resource(
        "", "v1", "pods", "Pod", True, ("po",), ("all",), ALL_VERBS, subresources=_POD_SUBRESOURCES
    ),
    _core("secrets", "Secret"),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    Resource(
        "", "v1", "services", "Service", True, ("svc",), ("all",), subresources=_status("Service")
    ),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    _apps("daemonsets", "DaemonSet", "ds"),
    _apps("deployments", "Deployment", "deploy"),
    _apps("replicasets", "ReplicaSet", "rs"),
    _apps("statefulsets", "StatefulSet", "sts"),
    Resource("events.k8s.io", "v1", "events", "Event", True, ("ev",), since=(1, 19)),
    _review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", (1, 28)),
    _review("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", since=(1, 21)),
    Resource(
        "discovery.k8s.io", "v1beta1", "endpointslices", "EndpointSlice", since=(1, 17),
        until=(1, 25),
    ),
    Resource(
        "storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", False,
        subresources=_status("VolumeAttachment"),
    ),
    _cilium("ciliumendpoints", "CiliumEndpoint", "cep", "ciliumep"),
    _cilium("ciliumidentities", "CiliumIdentity", "ciliumid", namespaced=False),
    _cilium("ciliumnetworkpolicies", "CiliumNetworkPolicy", "cnp", "ciliumnp"),
    _cilium(
        "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy", "ccnp",
        namespaced=False,
    ),
    _cilium("ciliumnodes", "CiliumNode", "cn", "ciliumn", namespaced=False),
    _cilium("ciliumnodeconfigs", "CiliumNodeConfig", version="v2"),
    _cilium("ciliumnodeconfigs", "CiliumNodeConfig", version="v2alpha1"),
)  # fmt: skip

NODE_CONFIG_VERSIONS = {"v2alpha1": ((1, 13), (1, 20)), "v2": ((1, 16), NO_LIMIT)}
"""Cilium minors that register CiliumNodeConfig in this version: first, and first without it.

Source: pkg/k8s/apis/cilium.io/client/crds of v1.13, v1.16 and main.
"""

_MINOR = re.compile(r"v?(\d+)\.(\d+)")


def minor_of(version: str) -> tuple[int, int]:
    """Return (major, minor) of a version text such as `v1.20.2`; (0, 0) if it is none."""
    match = _MINOR.search(version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


class ApiSurface:
    """The resources that a cluster of these versions serves, by group, version and name."""

    def __init__(self, kubernetes_version: str, cilium_minors: Sequence[tuple[int, int]]) -> None:
        self.kubernetes_version = kubernetes_version
        self.minor = minor_of(kubernetes_version)
        self._newest_cilium = max(cilium_minors, default=(0, 0))
        self.resources = tuple(item for item in RESOURCES if self._is_served(item))
        self._by_path = {(item.group, item.version, item.plural): item for item in self.resources}
        self._by_kind = {(item.group_version, item.kind): item for item in RESOURCES}

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the resource behind a path, or None if this cluster has no such thing."""
        return self._by_path.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of an object, whether it is served in that version or not."""
        return self._by_kind.get((api_version, kind))

    def of_group_version(self, group: str, version: str) -> list[Resource]:
        """Return the resources of one version of a group."""
        return [item for item in self.resources if (item.group, item.version) == (group, version)]

    def groups(self) -> dict[str, list[str]]:
        """Return the named groups with their versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for item in self.resources:
            versions = found.setdefault(item.group, [])
            if item.group and item.version not in versions:
                versions.append(item.version)
        found.pop("", None)
        return found

    def _is_served(self, resource: Resource) -> bool:
        if resource.plural == "ciliumnodeconfigs":
            since, until = NODE_CONFIG_VERSIONS[resource.version]
            return since <= self._newest_cilium < until
        if resource.is_custom:
            return bool(self._newest_cilium > (0, 0))
        return resource.since <= self.minor < resource.until
