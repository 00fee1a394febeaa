"""Which HTTP proxy leads to the API server: the kubeconfig's, else the environment's.

Resolved once per connection instead of per request, by the rules of Go's `httpproxy`, which
kubectl follows (Python's own rules know no CIDR and do not spare the loopback).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from tui.errors import KubeconfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(server: str, proxy_url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy to use for the server, or None for a direct connection.

    Raises:
        KubeconfigError: the proxy is of a kind that can't be used.
    """
    if proxy_url:
        return _checked(proxy_url, "proxy-url in the kubeconfig")
    target = urlsplit(server)
    name = "HTTPS_PROXY" if target.scheme == "https" else "HTTP_PROXY"
    value = environ.get(name) or environ.get(name.lower()) or ""
    if not value:
        return None
    excluded = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    port = target.port or (443 if target.scheme == "https" else 80)
    if is_excluded(target.hostname or "", port, excluded):
        return None
    return _checked(value if "://" in value else f"http://{value}", name)


def is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether NO_PROXY spares this host; loopback always is."""
    host = host.lower().rstrip(".")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(
        _matches(entry, host, port, address)
        for entry in (part.strip().lower() for part in no_proxy.split(","))
        if entry
    )


def _matches(entry: str, host: str, port: int, address: Address | None) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _contains(entry, address)
    name, entry_port = _split_port(entry)
    if entry_port not in {None, port}:
        return False
    if address is not None:
        return _address(name) == address
    name = name.removeprefix("*")
    return host.endswith(name if name.startswith(".") else f".{name}") or host == name


def _contains(network: str, address: Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, int(rest[1:]) if rest[1:].isdigit() else None
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and ":" not in name:
        return name, int(port)
    return entry, None


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _checked(url: str, origin: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise KubeconfigError(
            f"{origin}: a {parts.scheme or 'nameless'} proxy can't be used; "
            "give an http:// or https:// proxy"
        )
    return url
