"""Label and field selectors, as the list and watch requests carry them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tui.simulator.objects import KubeObject
from tui.simulator.statuses import bad_request

Predicate = Callable[[KubeObject], bool]

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^!=<>\s]+)\s*(?P<word>==|!=|=)\s*(?P<value>[^!=<>\s]*)$")
_COMMA = re.compile(r",(?![^(]*\))")

FIELDS: Mapping[str, frozenset[str]] = {
    "pods": frozenset(
        {
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
            "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
        }
    ),
    "events": frozenset(
        {
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
            "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
            "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
        }
    ),
    "nodes": frozenset({"spec.unschedulable"}),
    "namespaces": frozenset({"status.phase"}),
    "secrets": frozenset({"type"}),
    "replicasets": frozenset({"status.replicas"}),
}  # fmt: skip
"""Fields that may be selected by, besides name and namespace.

Source: AddFieldLabelConversionFunc in pkg/apis/*/v1/conversion.go of Kubernetes.
"""


@dataclass(frozen=True, slots=True)
class _Requirement:
    key: str
    values: frozenset[str] | None
    """None: it is enough that the label is there."""
    is_negated: bool

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        holds = value is not None if self.values is None else value in self.values
        return holds is not self.is_negated


def _requirement(text: str) -> _Requirement:
    found = _SET.match(text)
    if found:
        values = frozenset(value.strip() for value in found["values"].split(","))
        return _Requirement(found["key"], values, found["word"] == "notin")
    found = _EQUAL.match(text)
    if found:
        return _Requirement(found["key"], frozenset({found["value"]}), found["word"] == "!=")
    key = text.removeprefix("!").strip()
    if not key or re.search(r"[\s=!<>()]", key):
        raise bad_request(f"unable to parse requirement: found '{text}', expected: identifier")
    return _Requirement(key, None, text.startswith("!"))


def label_predicate(selector: str) -> Predicate | None:
    """Return a test of an object's labels, or None where every object fits.

    Raises:
        ApiFailure: the selector can't be parsed.
    """
    parts = [part.strip() for part in _COMMA.split(selector) if part.strip()]
    if not parts:
        return None
    requirements = [_requirement(part) for part in parts]

    def fits(obj: KubeObject) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement.matches(labels) for requirement in requirements)

    return fits


def field_value(obj: KubeObject, path: str) -> str:
    """Return a field by its dotted path as text; an absent one is empty."""
    found: object = obj
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if path == "source" and isinstance(found, dict):
        found = found.get("component")
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else str(found)


def field_predicate(selector: str, plural: str) -> Predicate | None:
    """Return a test of an object's fields, or None where every object fits.

    Raises:
        ApiFailure: the resource can't be selected by this field.
    """
    terms: list[tuple[str, str, bool]] = []
    for part in (part for part in selector.split(",") if part.strip()):
        found = _EQUAL.match(part.strip())
        if found is None:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        path = found["key"]
        if not (path in {"metadata.name", "metadata.namespace"} or path in FIELDS.get(plural, ())):
            raise bad_request(f'field label not supported: "{path}"')
        terms.append((path, found["value"], found["word"] == "!="))
    if not terms:
        return None

    def fits(obj: KubeObject) -> bool:
        return all((field_value(obj, path) == value) is not no for path, value, no in terms)

    return fits


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """Return the test that needs both; None stands for a test that always holds."""
    if first is None or second is None:
        return first or second
    return lambda obj: first(obj) and second(obj)
