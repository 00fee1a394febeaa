from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tui.cluster.capabilities import (
    CAPABILITIES,
    Capability,
    Role,
    capabilities_of,
    rbac_manifest,
    write_capability,
)
from tui.errors import ConfigError

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "configuration.md"
Right = tuple[str, str, str, tuple[str, ...]]
"""Group, resource with its subresource, verb, names."""


def rights_of_rules(rules: Iterable[dict[str, Any]]) -> set[Right]:
    return {
        (group, resource, verb, tuple(rule.get("resourceNames", ())))
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def rights_of_table(capabilities: Iterable[Capability]) -> set[Right]:
    return {
        (item.group, item.right, verb, item.names) for item in capabilities for verb in item.verbs
    }


def documents(role: Role, namespace: str = "cilium") -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all(rbac_manifest(role, namespace))}


def documented() -> dict[str, Any]:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    block = re.search(r"## Rights\n+```yaml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    found: dict[str, Any] = yaml.safe_load(block[1])
    return found


def test_the_observer_needs_what_the_documentation_says() -> None:
    told = rights_of_rules(documented()["rules"])
    assert rights_of_table(capabilities_of(Role.OBSERVER)) == told


def test_namespaced_is_what_the_documentation_says_is() -> None:
    text = " ".join(DOCUMENTATION.read_text(encoding="utf-8").split())
    told = re.search(r"All of it as a ClusterRole; (.*?) are needed in Cilium's namespace", text)
    assert told is not None
    names = {item.right for item in capabilities_of(Role.OBSERVER) if item.is_namespaced}
    assert names == set(re.findall(r"`([^`]+)`", told[1]))


@pytest.mark.parametrize("role", Role)
def test_the_manifest_is_the_table(role: Role) -> None:
    found = documents(role)
    assert set(found) == {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    needed = capabilities_of(role)
    everywhere = [item for item in needed if not item.is_namespaced]
    in_namespace = [item for item in needed if item.is_namespaced]
    assert rights_of_rules(found["ClusterRole"]["rules"]) == rights_of_table(everywhere)
    assert rights_of_rules(found["Role"]["rules"]) == rights_of_table(in_namespace)


@pytest.mark.parametrize("role", Role)
def test_the_manifest_binds_its_own_roles_in_the_namespace(role: Role) -> None:
    found = documents(role, "my-cilium")
    name = f"ciltop-{role.value}"
    for kind, document in found.items():
        where = {} if kind.startswith("Cluster") else {"namespace": "my-cilium"}
        assert document["metadata"] == {"name": name, **where}
        assert document["apiVersion"] == "rbac.authorization.k8s.io/v1"
    for kind in ("ClusterRole", "Role"):
        reference = found[f"{kind}Binding"]["roleRef"]
        assert (reference["kind"], reference["name"]) == (kind, name)


def test_observers_write_nothing() -> None:
    writes = {"create", "update", "patch", "delete", "deletecollection"}
    rules = rights_of_table(capabilities_of(Role.OBSERVER))
    assert {(resource, verb) for _, resource, verb, _ in rules if verb in writes} == {
        ("pods/exec", "create")
    }


def test_the_operator_writes_this_and_nothing_else() -> None:
    more = rights_of_table(CAPABILITIES) - rights_of_table(capabilities_of(Role.OBSERVER))
    cilium, leases = "cilium.io", "coordination.k8s.io"
    assert more == {
        ("", "events", "create", ()),
        ("", "pods", "delete", ()),
        ("", "configmaps", "patch", ("cilium-config",)),
        (cilium, "ciliumnodeconfigs", "create", ()),
        (cilium, "ciliumnodeconfigs", "patch", ()),
        (cilium, "ciliumnodeconfigs", "delete", ()),
        (leases, "leases", "create", ()),
        (leases, "leases", "get", ("ciltop",)),
        (leases, "leases", "patch", ("ciltop",)),
        (leases, "leases", "delete", ("ciltop",)),
    }


def test_every_write_can_be_looked_at_before() -> None:
    """The gate reads what it patches or deletes."""
    held = {(group, resource) for group, resource, verb, _ in rights_of_table(CAPABILITIES)
            if verb == "get"}  # fmt: skip
    for item in CAPABILITIES:
        if item.role is Role.OPERATOR and {"patch", "delete"} & set(item.verbs):
            assert (item.group, item.right) in held


@pytest.mark.parametrize(
    ("asked", "is_listed"),
    [
        (("delete", "", "pods", "cilium-x"), True),
        (("delete", "", "pods", "cilium-x", "eviction"), False),
        (("create", "", "pods", "x", "exec"), False),
        (("patch", "", "pods", "x"), False),
        (("patch", "", "configmaps", "cilium-config"), True),
        (("patch", "", "configmaps", "other"), False),
        (("delete", "", "configmaps", "cilium-config"), False),
        (("get", "", "nodes", "x"), False),
        (("create", "coordination.k8s.io", "leases", "ciltop"), True),
        (("patch", "coordination.k8s.io", "leases", "kube-scheduler"), False),
        (("delete", "cilium.io", "ciliumnodeconfigs", "zz-ciltop-1"), True),
        (("delete", "", "ciliumnodeconfigs", "zz-ciltop-1"), False),
        (("delete", "apps", "daemonsets", "cilium"), False),
    ],
)
def test_what_may_be_written(asked: tuple[str, ...], is_listed: bool) -> None:
    assert (write_capability(*asked) is not None) is is_listed


@pytest.mark.parametrize("namespace", ["", "a b", "x\nrules: []", "UPPER", "-a", "a" * 64, "a:"])
def test_no_namespace_no_manifest(namespace: str) -> None:
    with pytest.raises(ConfigError) as error:
        rbac_manifest(Role.OBSERVER, namespace)
    assert error.value.exit_code == 2
