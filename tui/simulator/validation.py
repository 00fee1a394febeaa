"""Refuses objects that the real API server would refuse, where a person is likely to err."""

from __future__ import annotations

from tui.simulator.objects import KubeObject
from tui.simulator.resources import Resource
from tui.simulator.statuses import ApiFailure, bad_request


def validate(obj: KubeObject, resource: Resource) -> None:
    """Check the object's content.

    Raises:
        ApiFailure: a field is missing or of the wrong type.
    """
    if resource.kind == "ConfigMap":
        _validate_strings(obj.get("data"), "ConfigMap.data", resource)
    elif resource.kind == "CiliumNodeConfig":
        _validate_node_config(obj)


def _validate_strings(values: object, field: str, resource: Resource) -> None:
    if values is None:
        return
    if not isinstance(values, dict):
        raise _unmarshal_error(values, field, "map[string]string", resource)
    for value in values.values():
        if not isinstance(value, str):
            raise _unmarshal_error(value, field, "string", resource)


def _unmarshal_error(value: object, field: str, wanted: str, resource: Resource) -> ApiFailure:
    found = {bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f"json: cannot unmarshal {found.get(type(value), 'string')} into Go struct field {field} "
        f"of type {wanted}"
    )


def _validate_node_config(obj: KubeObject) -> None:
    """Check the required fields: spec, and in it defaults and nodeSelector.

    Source: ciliumnodeconfigs.yaml in pkg/k8s/apis/cilium.io/client/crds of Cilium 1.13.
    """
    name = obj["metadata"]["name"]
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        raise _invalid_node_config(name, "spec: Required value")
    for field in ("defaults", "nodeSelector"):
        if not isinstance(spec.get(field), dict):
            raise _invalid_node_config(name, f"spec.{field}: Required value")
    for key, value in spec["defaults"].items():
        if not isinstance(value, str):
            raise _invalid_node_config(
                name, f'spec.defaults.{key}: Invalid value: "{type(value).__name__}": '
                f"spec.defaults.{key} in body must be of type string"
            )  # fmt: skip


def _invalid_node_config(name: str, message: str) -> ApiFailure:
    return ApiFailure(
        422,
        f'CiliumNodeConfig.cilium.io "{name}" is invalid: {message}',
        details={"name": name, "group": "cilium.io", "kind": "CiliumNodeConfig"},
    )
