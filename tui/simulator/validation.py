"""Refuses objects that the real API server would refuse, where a person is likely to err."""

from __future__ import annotations

import re

from tui.simulator.objects import KubeObject
from tui.simulator.resources import Resource
from tui.simulator.statuses import ApiFailure, bad_request

_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


def validate(obj: KubeObject, resource: Resource) -> None:
    """Check the object's content.

    Raises:
        ApiFailure: a field is missing or of the wrong type.
    """
    if resource.kind == "ConfigMap":
        _validate_strings(obj.get("data"), "ConfigMap.data", resource)
    elif resource.kind == "CiliumNodeConfig":
        _validate_node_config(obj)
    elif resource.kind == "Lease":
        _validate_lease(obj, resource)
    elif resource.kind == "Event":
        _validate_event(obj, resource)


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


def _validate_lease(obj: KubeObject, resource: Resource) -> None:
    """Check a Lease's times and numbers (pkg/apis/coordination/validation of Kubernetes)."""
    spec = obj.get("spec") or {}
    for field in ("acquireTime", "renewTime"):
        _validate_micro_time(spec.get(field), resource)
    seconds = spec.get("leaseDurationSeconds")
    if isinstance(seconds, int) and seconds <= 0:
        problem = f"Invalid value: {seconds}: must be greater than 0"
        raise _invalid(obj, resource, "spec.leaseDurationSeconds", problem)


def _validate_event(obj: KubeObject, resource: Resource) -> None:
    """Check an Event as pkg/apis/core/validation/events.go does: its namespace, the new fields."""
    _validate_micro_time(obj.get("eventTime"), resource)
    namespace = (obj.get("involvedObject") or {}).get("namespace") or ""
    # Of an object without a namespace: in default; one with the new fields in kube-system too.
    allowed = {namespace or "default"}
    if not namespace and obj.get("eventTime"):
        allowed.add("kube-system")
    if obj["metadata"]["namespace"] not in allowed:
        problem = f'Invalid value: "{namespace}": does not match event.namespace'
        raise _invalid(obj, resource, "involvedObject.namespace", problem)
    if resource.group and not obj.get("eventTime"):
        raise _invalid(obj, resource, "eventTime", "Required value")
    if not obj.get("eventTime"):
        return
    controller = "reportingController" if resource.group else "reportingComponent"
    stored = {controller: "reportingComponent"}
    for field in (controller, "reportingInstance", "action", "reason"):
        if not obj.get(stored.get(field, field)):
            raise _invalid(obj, resource, field, "Required value")


def _validate_micro_time(value: object, resource: Resource) -> None:
    """Refuse a moment without exactly six digits: MicroTime is read with its layout alone."""
    if value is None or (isinstance(value, str) and _MICRO_TIME.fullmatch(value)):
        return
    raise bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f'parsing time "{value}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse'
    )


def _invalid(obj: KubeObject, resource: Resource, field: str, problem: str) -> ApiFailure:
    name = obj["metadata"]["name"]
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {"name": name, "kind": resource.kind}
    if resource.group:
        details["group"] = resource.group
    return ApiFailure(422, f'{kind} "{name}" is invalid: {field}: {problem}', details=details)


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
