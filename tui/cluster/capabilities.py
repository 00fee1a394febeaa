"""Everything ciltop may ask of a cluster, in one table: reviews and RBAC manifests come from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tui.errors import ConfigError

CONFIG_MAP = "cilium-config"
LEASE = "ciltop"
"""The Lease that keeps a second operator away; the operator's rights name it."""


class Role(StrEnum):
    """Who needs a right; the words are public interface."""

    OBSERVER = "observer"
    OPERATOR = "operator"
    """Everything that an observer needs, and the writes."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Rights on one resource."""

    what: str
    """What they are for."""
    verbs: tuple[str, ...]
    resource: str
    group: str = ""
    subresource: str = ""
    is_namespaced: bool = False
    """Needed in Cilium's namespace only; else in all of the cluster."""
    role: Role = Role.OBSERVER
    names: tuple[str, ...] = ()
    """The only objects it is needed for; empty for any."""

    @property
    def right(self) -> str:
        """The resource as RBAC rules spell it, such as `pods/exec`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


_READ = ("get", "list", "watch")
_OPERATOR = Role.OPERATOR

CAPABILITIES: tuple[Capability, ...] = (
    Capability("nodes, their conditions and labels", _READ, "nodes"),
    Capability("agents and workloads", _READ, "pods"),
    Capability("what the load balancer should hold", _READ, "services"),
    Capability("what the load balancer should hold", _READ, "endpoints"),
    Capability("Cilium's configuration", _READ, "configmaps"),
    Capability(
        "what the load balancer should hold", _READ, "endpointslices", "discovery.k8s.io"
    ),
    Capability("failed mounts", ("list",), "events"),
    Capability("network volumes", ("list",), "persistentvolumes"),
    Capability("network volumes", ("list",), "volumeattachments", "storage.k8s.io"),
    Capability("Cilium's rollout", _READ, "daemonsets", "apps", is_namespaced=True),
    Capability("past rollouts", _READ, "controllerrevisions", "apps", is_namespaced=True),
    Capability(
        "configuration of single nodes", _READ, "ciliumnodeconfigs", "cilium.io",
        is_namespaced=True,
    ),
    Capability("the agents' logs", ("get",), "pods", subresource="log", is_namespaced=True),
    # A WebSocket exec needs get before Kubernetes 1.35, create from 1.35.
    Capability(
        "what agents and kernels say", ("get", "create"), "pods", subresource="exec",
        is_namespaced=True,
    ),
    Capability(
        "Events on nodes and the DaemonSet", ("create",), "events", role=_OPERATOR
    ),
    Capability(
        "restarting agents", ("delete",), "pods", is_namespaced=True, role=_OPERATOR
    ),
    Capability(
        "settings of the whole cluster", ("patch",), "configmaps", is_namespaced=True,
        role=_OPERATOR, names=(CONFIG_MAP,),
    ),
    Capability(
        "settings of single nodes", ("create", "patch", "delete"), "ciliumnodeconfigs",
        "cilium.io", is_namespaced=True, role=_OPERATOR,
    ),
    # RBAC can't limit a create to names: the name is in the body.
    Capability(
        "one operator at a time", ("create",), "leases", "coordination.k8s.io",
        is_namespaced=True, role=_OPERATOR,
    ),
    Capability(
        "one operator at a time", ("get", "patch", "delete"), "leases", "coordination.k8s.io",
        is_namespaced=True, role=_OPERATOR, names=(LEASE,),
    ),
)  # fmt: skip

_WRITES = frozenset({"create", "patch", "delete"})
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def capabilities_of(role: Role) -> tuple[Capability, ...]:
    """Return what a role needs."""
    return tuple(item for item in CAPABILITIES if role is _OPERATOR or item.role is role)


def write_capability(
    verb: str, group: str, resource: str, name: str = "", subresource: str = ""
) -> Capability | None:
    """Return the table's row that lets this be written; None: ciltop never writes it."""
    wanted = (group, resource, subresource)
    for item in CAPABILITIES:
        if item.role is not _OPERATOR or verb not in _WRITES.intersection(item.verbs):
            continue
        is_named = not item.names or verb == "create" or name in item.names
        if is_named and (item.group, item.resource, item.subresource) == wanted:
            return item
    return None


def rbac_manifest(role: Role, namespace: str) -> str:
    """Return the YAML that gives a role its rights, for a person to edit and apply.

    Raises:
        ConfigError: the namespace's name is none.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigError(f"{namespace!r} is no name of a namespace; use -n NAMESPACE")
    name = f"ciltop-{role.value}"
    subject = (
        "apiGroup: rbac.authorization.k8s.io",
        "kind: Group",
        f"name: {name}",
    )
    documents = role_documents(role, name, namespace, subject)
    return _HEAD.format(role=role.value, namespace=namespace) + "---\n".join(documents)


def role_documents(
    role: Role, name: str, namespace: str, subject: tuple[str, ...]
) -> tuple[str, str, str, str]:
    """Return the YAML of a role's ClusterRole, Role and bindings, which all have one name.

    Args:
        role: whose rights they give.
        name: of the four objects.
        namespace: Cilium's.
        subject: who has them, as lines of a binding's subject.
    """
    needed = capabilities_of(role)
    return (
        _role("ClusterRole", name, "", (item for item in needed if not item.is_namespaced)),
        _binding("ClusterRole", name, "", subject),
        _role("Role", name, namespace, (item for item in needed if item.is_namespaced)),
        _binding("Role", name, namespace, subject),
    )


_HEAD = """\
# What a ciltop {role} needs; Cilium runs in {namespace}.
# Put your own users or groups into the two bindings.
# Whoever may exec into the agents is as powerful as root on the nodes.
"""


def _role(kind: str, name: str, namespace: str, needed: Iterable[Capability]) -> str:
    merged: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Capability]] = {}
    for item in needed:
        merged.setdefault((item.group, item.verbs, item.names), []).append(item)
    lines = [*_head(kind, name, namespace), "rules:"]
    for (group, verbs, names), items in merged.items():
        purposes = dict.fromkeys(item.what for item in items)
        lines += [
            f"  # {'; '.join(purposes)}",
            f'  - apiGroups: ["{group}"]',
            f"    resources: [{', '.join(dict.fromkeys(item.right for item in items))}]",
            *([f"    resourceNames: [{', '.join(names)}]"] if names else []),
            f"    verbs: [{', '.join(verbs)}]",
        ]
    return "\n".join(lines) + "\n"


def _binding(kind: str, name: str, namespace: str, subject: tuple[str, ...]) -> str:
    lines = [
        *_head(f"{kind}Binding", name, namespace),
        "roleRef:",
        "  apiGroup: rbac.authorization.k8s.io",
        f"  kind: {kind}",
        f"  name: {name}",
        "subjects:",
        *(f"{'    ' if number else '  - '}{line}" for number, line in enumerate(subject)),
    ]
    return "\n".join(lines) + "\n"


def as_yaml(name: str) -> str:
    """Return a DNS name as a YAML text: bare, unless it reads as a number or a truth value."""
    is_text = name[:1].isalpha() and name not in _YAML_WORDS
    return name if is_text else f'"{name}"'


_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def _head(kind: str, name: str, namespace: str) -> list[str]:
    return [
        "apiVersion: rbac.authorization.k8s.io/v1",
        f"kind: {kind}",
        "metadata:",
        f"  name: {name}",
        *([f"  namespace: {as_yaml(namespace)}"] if namespace else []),
    ]
