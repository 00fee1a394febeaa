"""Answers access reviews. kubectl sends them as protobuf and takes JSON back."""

from __future__ import annotations

from collections.abc import Iterator

from tui.simulator.answers import PROTOBUF_MAGIC, decode_object
from tui.simulator.managedfields import Writer, with_writer
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.permissions import ANY, DEFAULT_GROUPS, Permissions
from tui.simulator.resources import ApiSurface
from tui.simulator.statuses import bad_request
from tui.simulator.writing import WriteRequest

# Field numbers: generated.proto of k8s.io/apimachinery/pkg/runtime and k8s.io/api/authorization/v1.
_UNKNOWN_RAW = 2
_REVIEW_SPEC = 2
_RESOURCE_ATTRIBUTES = 1
_PATH_ATTRIBUTES = 2
_ATTRIBUTES = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource",
               6: "subresource", 7: "name"}  # fmt: skip
_PATH_NAMES = {1: "path", 2: "verb"}


def review_answer(
    kind: str,
    request: WriteRequest,
    permissions: Permissions,
    surface: ApiSurface,
    now: float,
) -> KubeObject:
    """Return the answer to a review of this kind."""
    if kind == "SelfSubjectReview":
        return _self_review(permissions, now)
    spec = _spec(request, kind)
    api_version = "authorization.k8s.io/v1"
    answer: KubeObject = {
        "kind": kind,
        "apiVersion": api_version,
        "metadata": {"creationTimestamp": None},
        "spec": spec,
    }
    writer = Writer(request.manager, timestamp(now))
    answer = with_writer(None, answer, api_version, writer)
    if kind == "SelfSubjectRulesReview":
        return {**answer, "status": _rules(permissions, surface, str(spec.get("namespace", "")))}
    return {**answer, "status": {"allowed": _is_allowed(spec, permissions)}}


def _is_allowed(spec: KubeObject, permissions: Permissions) -> bool:
    attributes = spec.get("resourceAttributes")
    if attributes is None:
        return True
    resource = str(attributes.get("resource", ""))
    if attributes.get("subresource"):
        resource += f"/{attributes['subresource']}"
    verb = str(attributes.get("verb", ""))
    return permissions.is_allowed(verb, resource, attributes.get("namespace"))


def _rules(permissions: Permissions, surface: ApiSurface, namespace: str) -> KubeObject:
    """Return what `auth can-i --list` prints: one rule for all, or one for each resource."""
    if not permissions.denials:
        rules = [{"verbs": [ANY], "apiGroups": [ANY], "resources": [ANY]}]
    else:
        rules = []
        for resource in surface.resources:
            rights = [(resource.plural, resource.verbs)]
            rights += [(f"{resource.plural}/{s.name}", s.verbs) for s in resource.subresources]
            for name, verbs in rights:
                allowed = [v for v in verbs if permissions.is_allowed(v, name, namespace)]
                if allowed:
                    rules.append(
                        {"verbs": allowed, "apiGroups": [resource.group], "resources": [name]}
                    )
    paths = [{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*"]}]
    return {"resourceRules": rules, "nonResourceRules": paths, "incomplete": False}


def _self_review(permissions: Permissions, now: float) -> KubeObject:
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": timestamp(now)},
        "status": {"userInfo": {"username": permissions.user, "groups": list(DEFAULT_GROUPS)}},
    }


def _spec(request: WriteRequest, kind: str) -> KubeObject:
    if not request.body.startswith(PROTOBUF_MAGIC):
        spec = decode_object(request.body, request.media_type).get("spec")
        return spec if isinstance(spec, dict) else {}
    envelope = dict(_fields(request.body[len(PROTOBUF_MAGIC) :]))
    spec_bytes = dict(_fields(envelope.get(_UNKNOWN_RAW, b""))).get(_REVIEW_SPEC, b"")
    fields = dict(_fields(spec_bytes))
    if kind == "SelfSubjectRulesReview":
        return {"namespace": fields.get(1, b"").decode()}
    if _RESOURCE_ATTRIBUTES in fields:
        return {"resourceAttributes": _named(fields[_RESOURCE_ATTRIBUTES], _ATTRIBUTES)}
    return {"nonResourceAttributes": _named(fields.get(_PATH_ATTRIBUTES, b""), _PATH_NAMES)}


def _named(message: bytes, names: dict[int, str]) -> KubeObject:
    found = {names[number]: text.decode() for number, text in _fields(message) if number in names}
    return {key: value for key, value in found.items() if value}


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the length-delimited fields of a protobuf message; skip the numbers."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 2:
            size, place = _varint(message, place)
            if place + size > len(message):
                raise bad_request("proto: unexpected EOF")
            yield number, message[place : place + size]
            place += size
        elif wire_type == 0:
            _, place = _varint(message, place)
        else:
            raise bad_request(f"proto: illegal wireType {wire_type}")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise bad_request("proto: unexpected EOF")
