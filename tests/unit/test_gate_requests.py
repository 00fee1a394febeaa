from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tui.cluster.access import Access, CredentialSource
from tui.cluster.answers import failure
from tui.cluster.arming import Arming
from tui.cluster.gate import WriteRequest
from tui.cluster.refusals import refusal
from tui.cluster.session import Session
from tui.errors import (
    AdmissionError,
    ApiError,
    CiltopError,
    DeniedError,
    IdentityError,
    OperationError,
    RefusedError,
    ThrottledError,
    UnauthorizedError,
    UnknownOutcomeError,
    WriteConflictError,
)
from tui.safety import clean

PATCH = WriteRequest(
    "patch", "", "v1", "configmaps", "kube-system", "cilium-config", {"data": {}}, "merge", "u", "7"
)
CREATE = WriteRequest(
    "create", "cilium.io", "v2", "ciliumnodeconfigs", "kube-system", "zz-ciltop-1", {"spec": {}}
)
DELETE = WriteRequest("delete", "", "v1", "pods", "kube-system", "cilium-x", uid="u")
EVENT = WriteRequest("create", "", "v1", "events", "default", "", {"reason": "Restarted"})


@pytest.mark.parametrize(
    ("request_", "path", "title"),
    [
        (
            PATCH,
            "/api/v1/namespaces/kube-system/configmaps/cilium-config",
            "patch configmaps kube-system/cilium-config",
        ),
        (
            CREATE,
            "/apis/cilium.io/v2/namespaces/kube-system/ciliumnodeconfigs",
            "create ciliumnodeconfigs kube-system/zz-ciltop-1",
        ),
        (
            replace(DELETE, subresource="eviction"),
            "/api/v1/namespaces/kube-system/pods/cilium-x/eviction",
            "delete pods/eviction kube-system/cilium-x",
        ),
        (
            EVENT,
            "/api/v1/namespaces/default/events",
            "create events default/(generated name)",
        ),
        (
            replace(DELETE, resource="nodes", namespace="", name="a/../b?x"),
            "/api/v1/nodes/a%2F..%2Fb%3Fx",
            "delete nodes a/../b?x",
        ),
    ],
)
def test_paths_and_titles(request_: WriteRequest, path: str, title: str) -> None:
    assert (request_.path, request_.title) == (path, title)


def test_a_created_object_is_read_back_where_it_will_be() -> None:
    assert CREATE.object_path == f"{CREATE.path}/zz-ciltop-1"


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PATCH, uid=""),
        replace(DELETE, uid=""),
        replace(DELETE, name=""),
        replace(DELETE, body={}),
        replace(PATCH, body=None),
        replace(PATCH, patch_type=""),
        replace(PATCH, patch_type="json"),
        replace(PATCH, body=[]),
        replace(CREATE, body=None),
        replace(CREATE, uid="u"),
        replace(CREATE, resource_version="1"),
    ],
    ids=lambda wrong: f"{wrong.verb} {wrong.body} {wrong.patch_type} {wrong.uid}",
)
def test_a_request_that_does_not_say_what_it_means_is_a_mistake(wrong: WriteRequest) -> None:
    async def load() -> Access:
        raise AssertionError("nothing may be sent")

    async def send() -> None:
        access = Access("http://127.0.0.1:1", "test", "tester", "default")
        arming = Arming.headless(True, is_read_only=False, reason="", context=clean("test"))
        async with Session(CredentialSource(access, load)) as session:
            gate = session.gate(arming)
            for act in (gate.write, gate.dry_run):
                with pytest.raises(ValueError, match=f"^{wrong.verb} "):
                    await act(wrong)

    asyncio.run(send())


def answered(code: int, message: str, reason: str = "") -> ApiError:
    status: dict[str, Any] = {
        "kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code,
    }  # fmt: skip
    return failure(
        code, json.dumps(status).encode(), method="DELETE", path=DELETE.path, server="http://x"
    )


RBAC = (
    'pods "cilium-x" is forbidden: User "bob" cannot delete resource "pods" in API group "" in '
    'the namespace "kube-system"'
)
DELETE_UID = (
    'Operation cannot be fulfilled on Pod "cilium-x": the UID in the precondition (u) does not '
    "match the UID in record (v). The object might have been deleted and then recreated"
)
DELETE_VERSION = (
    'Operation cannot be fulfilled on Pod "cilium-x": the ResourceVersion in the precondition (7) '
    "does not match the ResourceVersion in record (8). The object might have been modified"
)
STORED_UID = (
    "Operation cannot be fulfilled on pods: StorageError: invalid object, Code: 4, "
    "AdditionalErrorMsg: Precondition failed: UID in precondition: u, UID in object meta: v"
)
PATCH_UID = (
    'ConfigMap "cilium-config" is invalid: metadata.uid: Invalid value: "u": field is immutable'
)
POLICY = (
    "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'calm' with binding 'all' denied "
    "request: not during business hours"
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered(403, RBAC, "Forbidden"), DeniedError),
        (answered(403, 'admission webhook "w" denied the request: no'), AdmissionError),
        (answered(400, 'admission webhook "w" denied the request: no'), AdmissionError),
        (answered(409, 'admission webhook "w" denied the request: no'), AdmissionError),
        (answered(400, 'admission webhook "w" does not support dry run'), AdmissionError),
        (answered(500, 'failed calling webhook "w": EOF', "InternalError"), AdmissionError),
        (answered(403, POLICY, "Forbidden"), AdmissionError),
        (answered(422, POLICY, "Invalid"), AdmissionError),
        (answered(403, 'pods "x" is forbidden: exceeded quota: q', "Forbidden"), AdmissionError),
        (answered(409, DELETE_UID, "Conflict"), IdentityError),
        (answered(409, STORED_UID, "Conflict"), IdentityError),
        (answered(422, PATCH_UID, "Invalid"), IdentityError),
        (answered(404, 'pods "cilium-x" not found', "NotFound"), IdentityError),
        (answered(409, DELETE_VERSION, "Conflict"), WriteConflictError),
        (answered(409, 'x "y" already exists', "AlreadyExists"), WriteConflictError),
        (answered(422, 'ConfigMap "x" is invalid: data', "Invalid"), RefusedError),
        (answered(400, "strict decoding error: unknown field", "BadRequest"), RefusedError),
        (answered(415, "unsupported"), RefusedError),
        (answered(408, "slow"), UnknownOutcomeError),
        (answered(500, "etcdserver: request timed out"), UnknownOutcomeError),
        (answered(503, "apiserver not ready"), UnknownOutcomeError),
        (answered(504, "Timeout: request did not complete", "Timeout"), UnknownOutcomeError),
        (answered(429, "Too many requests"), ThrottledError),
        (answered(401, "Unauthorized"), UnauthorizedError),
    ],
)
def test_what_an_answer_means(error: ApiError, kind: type[CiltopError]) -> None:
    found = refusal(error, DELETE.title, is_dry_run=False)
    assert type(found) is kind
    if isinstance(found, OperationError):
        assert error.said in found.message, "the server's own words"
    dry = refusal(error, DELETE.title, is_dry_run=True)
    assert type(dry) is (ApiError if kind is UnknownOutcomeError else kind)
    assert found.exit_code == (3 if isinstance(found, DeniedError | ApiError) else 1)


def test_who_denied_and_what_is_missing() -> None:
    denied = refusal(answered(403, RBAC), DELETE.title, is_dry_run=False)
    assert isinstance(denied, DeniedError)
    assert (denied.verb, denied.resource) == ("delete", "pods")
    policy = refusal(answered(422, POLICY), DELETE.title, is_dry_run=False)
    assert isinstance(policy, AdmissionError)
    assert policy.by == "calm"
    other = refusal(answered(409, DELETE_UID), DELETE.title, is_dry_run=False)
    assert isinstance(other, IdentityError)
    assert other.found_uid == "v"


def test_a_servers_words_are_cleaned() -> None:
    said = 'admission webhook "\x1b[2Jw" denied the request: [/x]\n\n  two\r\nlines\u202e'
    found = refusal(answered(403, said), DELETE.title, is_dry_run=False)
    assert isinstance(found, AdmissionError)
    assert not [c for c in found.message + found.by if ord(c) < 0x20 or c in "\x1b\u202e"]
    assert "two lines" in found.message
