"""Errors the program acts on.

CiltopError
├── ConfigError              config file or flag (exit 2)
├── ParseError               output of a command that is not what it should be
├── OperationError           a change that was not made; only UnknownOutcomeError may have been
│   ├── ArmingError          the session can't be armed like this
│   ├── NotArmedError        writes don't pass: unarmed or read-only
│   ├── BlockedError         a guard rail of ciltop's own forbids it
│   ├── DeniedError          RBAC: a right is missing (exit 3)
│   ├── AdmissionError       a webhook or an admission policy refuses it
│   ├── RefusedError         the API server finds the change itself wrong
│   ├── IdentityError        the target is gone, or no longer the object that was planned on
│   │   └── WriteConflictError  409: it changed between preview and write
│   └── UnknownOutcomeError  sent, but nobody said what came of it: read back, never repeat
├── BrokerError              the broker refused a collector (exit 3)
└── ClusterError             anything on the way to the cluster (exit 3)
    ├── KubeconfigError      no kubeconfig, or one that can't be read
    │   └── UnknownContextError
    ├── CredentialError      an exec credential plugin or token that fails
    ├── ConnectError         nothing answers
    │   └── TlsError
    ├── DeadlineError        answered too late
    ├── ExecError            the exec stream broke before an exit code came
    │   └── CommandMissingError  the container has no such program (no shell)
    ├── CiliumMissingError   no Cilium where it was looked for
    └── ApiError             the API server answered with a failure
        ├── UnauthorizedError
        ├── ForbiddenError
        ├── NotFoundError
        ├── ConflictError
        ├── GoneError        410: the resource version is too old
        └── ThrottledError   429, with the time to wait

Every message says what failed, where, and what to do.
"""

from __future__ import annotations

from tui.safety import CleanText, clean


class CiltopError(Exception):
    """Base of all errors with a message for the user."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message: CleanText = clean(message)


class ConfigError(CiltopError):
    """A config file or flag that can't be used; names file, key and line."""

    exit_code = 2


class ParseError(CiltopError):
    """Output that is not what the command prints; costs its own section only."""


class OperationError(CiltopError):
    """A change that was not made; of `UnknownOutcomeError` alone that is not known."""


class ArmingError(OperationError):
    """The session can't be armed: it is read-only, or something else was typed."""


class NotArmedError(OperationError):
    """Nothing is written: the session is unarmed or read-only."""


class BlockedError(OperationError):
    """A guard rail of ciltop's own forbids the change."""


class DeniedError(OperationError):
    """The user lacks the right to make the change; `verb` and `resource` name it."""

    exit_code = 3

    def __init__(self, message: str, verb: str = "", resource: str = "") -> None:
        super().__init__(message)
        self.verb: CleanText = clean(verb)
        self.resource: CleanText = clean(resource)


class AdmissionError(OperationError):
    """A webhook or an admission policy refuses the change; `by` names it where it is known."""

    def __init__(self, message: str, by: str = "") -> None:
        super().__init__(message)
        self.by: CleanText = clean(by)


class RefusedError(OperationError):
    """The API server finds the change itself wrong, such as an invalid field."""


class IdentityError(OperationError):
    """The target is gone, or is no longer the object that the change was planned on."""

    def __init__(self, message: str, found_uid: str = "", found_version: str = "") -> None:
        super().__init__(message)
        self.found_uid: CleanText = clean(found_uid)
        """Empty where it is gone or not known."""
        self.found_version: CleanText = clean(found_version)


class WriteConflictError(IdentityError):
    """409: somebody changed or made the object between preview and write."""


class UnknownOutcomeError(OperationError):
    """The change was sent and may have been made: read the object back, never just repeat it."""


class BrokerError(CiltopError):
    """The broker refused a collector: credentials, certificate or rights."""

    exit_code = 3


class ClusterError(CiltopError):
    """Something on the way to the cluster failed."""

    exit_code = 3


class KubeconfigError(ClusterError):
    """No kubeconfig was found, or it can't be read."""


class UnknownContextError(KubeconfigError):
    """The kubeconfig has no such context; the message lists those it has."""


class CredentialError(ClusterError):
    """An exec credential plugin failed or gave nothing usable."""


class ConnectError(ClusterError):
    """Nothing answers at the server's address."""


class TlsError(ConnectError):
    """The server's certificate can't be trusted."""


class DeadlineError(ClusterError):
    """The answer did not come in time; an exec's output until then is kept."""

    stdout = b""
    stderr = b""


class ExecError(ClusterError):
    """The exec stream ended before the command's exit code came; its output until then is kept."""

    stdout = b""
    stderr = b""


class CommandMissingError(ExecError):
    """The container has no such program, such as an image without a shell."""


class CiliumMissingError(ClusterError):
    """No Cilium was found; the message says where it was looked for and how to point at it."""


class ApiError(ClusterError):
    """The API server answered with a failure status."""

    said = CleanText("")
    """The server's own words, where it gave some."""

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason: CleanText = clean(reason)


class UnauthorizedError(ApiError):
    """401: the credentials are missing or expired."""


class ForbiddenError(ApiError):
    """403: the user lacks a right; `verb` and `resource` name it."""

    def __init__(self, message: str, verb: str = "", resource: str = "") -> None:
        super().__init__(message, 403, "Forbidden")
        self.verb: CleanText = clean(verb)
        self.resource: CleanText = clean(resource)


class NotFoundError(ApiError):
    """404: no such object, or no such API."""


class ConflictError(ApiError):
    """409: the object changed meanwhile."""


class GoneError(ApiError):
    """410: the resource version is too old; list again."""


class ThrottledError(ApiError):
    """429: the API server asks to wait."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, 429, "TooManyRequests")
        self.retry_after_seconds = retry_after_seconds
