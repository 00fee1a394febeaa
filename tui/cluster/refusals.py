"""Say what a failed write means: no right, a policy, another object, or nobody knows."""

from __future__ import annotations

import re

from tui.errors import (
    AdmissionError,
    ApiError,
    CiltopError,
    ConflictError,
    DeniedError,
    ForbiddenError,
    IdentityError,
    NotFoundError,
    RefusedError,
    UnknownOutcomeError,
    WriteConflictError,
)

_RBAC = re.compile(r'cannot \w+ resource "')
"""k8s.io/apiserver handlers/responsewriters/errors.go: `User "x" cannot delete resource "pods"`."""
_ADMISSION = re.compile(
    r'admission webhook "(?P<webhook>[^"]*)" (?:denied|does not support dry run)'
    r'|failed calling webhook "(?P<unreachable>[^"]*)"'
    r"|ValidatingAdmissionPolicy '(?P<policy>[^']*)'"
)
_REPLACED = re.compile(
    r"the UID in the precondition \([^)]*\) does not match the UID in record \(([^)]*)\)"
    r"|Precondition failed: UID in precondition: [^,]*, UID in object meta: (\S*)"
    r"|metadata\.uid: Invalid value: .*field is immutable"
)
"""A delete's precondition, a storage precondition, and a patch with another UID in it (422).

Source: k8s.io/apiserver/pkg/registry/rest/{delete,update}.go, storage/errors.go.
"""
_WRONG = frozenset({400, 405, 413, 415, 422})
_MAY_BE_DONE = frozenset({408, *range(500, 600)})
"""Such as a timeout towards etcd, or a load balancer that gave up on a server that did not."""


def refusal(error: ApiError, what: str, *, is_dry_run: bool) -> CiltopError:
    """Return the error to raise for an answer that is a failure.

    Args:
        error: the answer.
        what: the write, such as `delete pods kube-system/cilium-abcde`.
        is_dry_run: nothing can have been done, whatever the answer.
    """
    words = f"the dry run of {what}" if is_dry_run else what
    said = error.said or error.message
    policy = _ADMISSION.search(said)
    if policy is not None:
        by = next(name for name in policy.groups() if name is not None)
        return AdmissionError(f"{words} is refused by admission: {said}", by)
    replaced = _REPLACED.search(said)
    if replaced is not None:
        return IdentityError(
            f"{words}: another object has the name by now: {said}; plan again",
            replaced[1] or replaced[2] or "",
        )
    known = _known(error, words, said)
    if known is not None:
        return known
    if error.status in _MAY_BE_DONE and not is_dry_run:
        return UnknownOutcomeError(
            f"{error.message}; it may have been done all the same: read it back first"
        )
    return error


def _known(error: ApiError, words: str, said: str) -> CiltopError | None:
    if isinstance(error, ForbiddenError):
        return _forbidden(error, words, said)
    if isinstance(error, ConflictError):
        return _conflict(error, words, said)
    if isinstance(error, NotFoundError):
        return IdentityError(f"{words}: it is not there: {said}; plan again")
    if error.status in _WRONG:
        return RefusedError(f"{words} is refused ({error.status}): {said}")
    return None


def _forbidden(error: ForbiddenError, words: str, said: str) -> CiltopError:
    if _RBAC.search(said):
        return DeniedError(
            f"no right to {words}: {said}; ask for the verb {error.verb} on {error.resource} "
            "(ciltop rbac operator)",
            error.verb,
            error.resource,
        )
    # Admission plugins (quota, PodSecurity, a terminating namespace) answer with a bare 403 too.
    return AdmissionError(f"{words} is refused by admission: {said}")


def _conflict(error: ConflictError, words: str, said: str) -> CiltopError:
    if error.reason == "AlreadyExists":
        return WriteConflictError(f"{words}: it is there already: {said}; plan again")
    return WriteConflictError(f"{words}: it was changed meanwhile: {said}; plan again")
