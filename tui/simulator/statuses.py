"""The API server's failures, word by word as the real one sends them."""

from __future__ import annotations

from dataclasses import dataclass

from tui.simulator.objects import KubeObject

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
MESSAGES = {
    401: "Unauthorized",
    429: "Too many requests, please try again later.",
    500: "Internal error occurred: etcdserver: request timed out",
    503: "apiserver not ready",
    504: "Timeout: request did not complete within the allotted timeout",
}


@dataclass(eq=False)
class ApiFailure(Exception):  # noqa: N818 - `Failure` is the API's own word for it
    """A failure the handler answers with."""

    code: int
    message: str
    reason: str = ""
    details: KubeObject | None = None
    retry_after_seconds: int | None = None

    def status(self) -> KubeObject:
        """Return the Status object."""
        found: KubeObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason or REASONS.get(self.code, "Unknown"),
        }
        if self.details:
            found["details"] = self.details
        found["code"] = self.code
        return found


def plain_failure(
    code: int, message: str = "", retry_after_seconds: int | None = None
) -> ApiFailure:
    """Return the failure that the API server sends with this code by itself."""
    text = message or MESSAGES.get(code, REASONS.get(code, "unknown"))
    details = {"retryAfterSeconds": retry_after_seconds} if retry_after_seconds else None
    return ApiFailure(code, text, details=details, retry_after_seconds=retry_after_seconds)


def unauthorized() -> ApiFailure:
    """Return the answer to missing or wrong credentials."""
    return plain_failure(401)


def no_such_path() -> ApiFailure:
    """Return the answer to a path the server does not serve."""
    return ApiFailure(404, "the server could not find the requested resource", details={})


def not_found(plural: str, name: str, group: str = "") -> ApiFailure:
    """Return the answer to a name that does not exist."""
    return ApiFailure(
        404,
        f'{_qualified(plural, group)} "{name}" not found',
        details=_details(name, group, plural),
    )


def already_exists(plural: str, name: str, group: str = "") -> ApiFailure:
    """Return the answer to a create of what is there."""
    return ApiFailure(
        409,
        f'{_qualified(plural, group)} "{name}" already exists',
        "AlreadyExists",
        _details(name, group, plural),
    )


def conflict(plural: str, name: str, group: str = "") -> ApiFailure:
    """Return the answer to a write with an old resource version."""
    return ApiFailure(
        409,
        f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": the object has '
        "been modified; please apply your changes to the latest version and try again",
        details=_details(name, group, plural),
    )


def forbidden(user: str, verb: str, resource: str, scope: ForbiddenScope) -> ApiFailure:
    """Return the answer to a missing right; `resource` may hold a subresource: pods/exec."""
    plural = resource.partition("/")[0]
    subject = _qualified(plural, scope.group) + (f' "{scope.name}"' if scope.name else "")
    where = f'in the namespace "{scope.namespace}"' if scope.namespace else "at the cluster scope"
    return ApiFailure(
        403,
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
        f'in API group "{scope.group}" {where}',
        details=_details(scope.name, scope.group, plural),
    )


@dataclass(frozen=True, slots=True)
class ForbiddenScope:
    """Where a right is missing."""

    group: str = ""
    namespace: str = ""
    name: str = ""


def denied_by_webhook(webhook: str, message: str, code: int = 403) -> ApiFailure:
    """Return the answer to a write that an admission webhook denies.

    Source: ToStatusErr in k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go; a
    webhook that says nothing but no is quoted so.
    """
    denied = f'admission webhook "{webhook}" denied the request'
    text = f"{denied}: {message}" if message else f"{denied} without explanation"
    return ApiFailure(code, text)


def dry_run_unsupported(webhook: str) -> ApiFailure:
    """Return the answer to a dry run that a webhook with side effects would have to judge."""
    return bad_request(f'admission webhook "{webhook}" does not support dry run')


def expired(message: str) -> ApiFailure:
    """Return the answer to a version that is too old."""
    return ApiFailure(410, message, "Expired")


def bad_request(message: str) -> ApiFailure:
    """Return the answer to a request that makes no sense."""
    return ApiFailure(400, message, "BadRequest")


def internal_error(message: str) -> ApiFailure:
    """Return the answer to something that broke behind the API server."""
    return ApiFailure(
        500, f"Internal error occurred: {message}", details={"causes": [{"message": message}]}
    )


def _qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def _details(name: str, group: str, plural: str) -> KubeObject:
    found = {"name": name} if name else {}
    if group:
        found["group"] = group
    return {**found, "kind": plural}
