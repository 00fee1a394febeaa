"""Say why no answer came at all: the network, TLS, a proxy, or silence."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tui.cluster.access import Access
from tui.errors import ClusterError, ConnectError, DeadlineError, TlsError

if TYPE_CHECKING:
    import aiohttp

CONNECT_SECONDS = 10.0


def connection_error(error: Exception, access: Access, asked: str) -> ClusterError:
    """Return the error for an exception of aiohttp, TLS or the operating system."""
    import aiohttp

    where = f"{access.server} (context {access.context})"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return _timeout(error, where, asked)
    cause = tls_cause(error)
    if cause is not None:
        return TlsError(f"no trusted connection to {where}: {cause}")
    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return _proxy(error, access, where)
    return ConnectError(_sentence(error, access, where, asked))


def never_left(cause: BaseException | None) -> bool:
    """Tell whether a request can't have reached the server: there was no connection for it."""
    import aiohttp

    return isinstance(
        cause,
        aiohttp.ClientConnectorError
        | aiohttp.ConnectionTimeoutError
        | aiohttp.ClientHttpProxyError
        | aiohttp.InvalidURL,
    )


def tls_cause(error: Exception) -> str | None:
    """Say what is wrong with the certificates, or None where the failure is another."""
    # aiohttp's TLS errors are SSLErrors without reason; the one with a reason is inside.
    seen = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if not isinstance(seen, ssl.SSLError):
        return None
    if isinstance(seen, ssl.SSLCertVerificationError):
        return f"{seen.verify_message}; {_certificate_hint(seen.verify_message)}"
    reason = seen.reason or str(seen)
    if reason == "WRONG_VERSION_NUMBER":
        return "the server speaks no TLS: should the address begin with http:// ?"
    return f"{reason}; is a client certificate missing, or a proxy in between?"


def reason_of(error: Exception) -> str:
    """Return the operating system's words where there are some."""
    inner = getattr(error, "os_error", None)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(error) or type(error).__name__


def _sentence(error: Exception, access: Access, where: str, asked: str) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError):
        return (
            f"can't connect to {where}: {reason_of(error)}; "
            "is the cluster up, and the address in the kubeconfig right?"
        )
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"{asked}: no WebSocket from {where}: {error.message}"
    if isinstance(error, aiohttp.InvalidURL):
        return f"{access.server!r} is no server address"
    hint = ""
    if isinstance(error, aiohttp.ServerDisconnectedError) and access.server.startswith("https"):
        # With TLS 1.3 a missing client certificate shows only as an end without an answer.
        hint = "; may it want a client certificate?"
    return f"{asked}: the connection to {where} broke: {reason_of(error)}{hint}"


def _timeout(error: aiohttp.ServerTimeoutError, where: str, asked: str) -> ClusterError:
    import aiohttp

    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectError(
            f"nothing answers at {where} within {CONNECT_SECONDS:g} s: "
            "is the address right, and are network, VPN and firewall open?"
        )
    return DeadlineError(f"{asked}: {where} fell silent")


def _proxy(error: aiohttp.ClientError, access: Access, where: str) -> ConnectError:
    import aiohttp

    parts = urlsplit(access.proxy or "")
    name = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        said = f"{error.status} {error.message}"
        return ConnectError(f"the proxy {name} refuses the way to {where}: {said}")
    return ConnectError(
        f"the proxy {name} does not answer: {reason_of(error)}; "
        "check proxy-url, HTTPS_PROXY and NO_PROXY"
    )


def _certificate_hint(message: str) -> str:
    lowered = message.lower()
    if "mismatch" in lowered or "not valid for" in lowered:
        return "check the address, or set tls-server-name in the kubeconfig"
    if "expired" in lowered or "not yet valid" in lowered:
        return "renew it, and check this machine's clock"
    return "check certificate-authority(-data) in the kubeconfig: it must be the cluster's own CA"
