"""Where the broker is and as whom to go there; no text of it shows a secret."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from tui.config import Config
from tui.errors import ConfigError
from tui.safety.secret import Secret

_PORTS: Mapping[str, int] = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_WEBSOCKET_PATH = "/mqtt"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's place and the credentials for it."""

    scheme: str
    """`mqtt`, `mqtts`, `ws` or `wss`."""
    host: str
    """A name or an IP address, IPv6 without brackets."""
    port: int
    path: str = ""
    """Of a WebSocket; empty for the others."""
    user: str | None = None
    password: Secret | None = None
    password_file: Path | None = None
    """Read at each connect, so that a renewed password needs no restart."""
    ca: Path | None = None
    """None: the authorities that the system trusts."""
    certificate: Path | None = None
    key: Path | None = None
    """None: it is in the certificate's file."""

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("mqtts", "wss")

    @property
    def uses_websocket(self) -> bool:
        """Whether MQTT goes through a WebSocket."""
        return self.scheme in ("ws", "wss")

    @property
    def host_and_port(self) -> str:
        """As in a URL: IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.rstrip(".").lower() == "localhost"

    @property
    def warning(self) -> str:
        """What is risky about it, or nothing."""
        if self.uses_tls or self.is_loopback or not (self.password or self.password_file):
            return ""
        safe = "wss" if self.uses_websocket else "mqtts"
        return f"the password goes over the network unencrypted: use {safe}://"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host_and_port}{self.path}"

    def read_password(self) -> str | None:
        """Return the password; the one place that gives it out.

        Raises:
            ConfigError: its file can't be read or is empty.
        """
        if self.password is not None:
            return self.password.reveal()
        if self.password_file is None:
            return None
        try:
            text = self.password_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            what = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            raise ConfigError(f"mqtt-password-file {self.password_file}: {what}") from None
        # `echo secret > file` and editors end it with a line feed that belongs to no password.
        password = text.removesuffix("\n").removesuffix("\r")
        if not password:
            raise ConfigError(f"mqtt-password-file {self.password_file}: is empty")
        return password


def broker_address(config: Config) -> BrokerAddress:
    """Return the broker that the settings name.

    Raises:
        ConfigError: no broker is named, its URL is wrong, or settings don't go together.
    """
    url = config.text("mqtt")
    if url is None:
        raise ConfigError("no broker is named: --mqtt URL, CILTOP_MQTT_URL or mqtt in config.toml")
    origin = config.chosen["mqtt"].origin
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), parts.hostname
    except ValueError as error:
        raise ConfigError(f"{origin}: mqtt {url!r}: {error}") from None
    port = _port(parts, origin)
    if scheme not in _PORTS or not host or port == 0:
        raise ConfigError(
            f"{origin}: mqtt {url!r}: must be mqtt://, mqtts://, ws:// or wss:// and a host, such "
            "as mqtts://broker.example"
        )
    address = BrokerAddress(
        scheme,
        host,
        port or _PORTS[scheme],
        _path(parts, scheme, f"{origin}: mqtt {url!r}"),
        config.text("mqtt-user"),
        config.secret("mqtt-password"),
        _file(config, "mqtt-password-file"),
        _file(config, "mqtt-ca"),
        _file(config, "mqtt-cert"),
        _file(config, "mqtt-key"),
    )
    _check(address)
    return address


def _port(parts: SplitResult, origin: str) -> int | None:
    try:
        return parts.port
    except ValueError:
        # What stands there may be a password whose host was forgotten: it is not repeated.
        raise ConfigError(f"{origin}: mqtt: its port must be a number from 1 to 65535") from None


def _path(parts: SplitResult, scheme: str, where: str) -> str:
    query = f"?{parts.query}" if parts.query else ""
    if scheme in ("ws", "wss"):
        return (parts.path or _WEBSOCKET_PATH) + query
    if parts.path.strip("/") or query or parts.fragment:
        raise ConfigError(f"{where}: only ws:// and wss:// have a path")
    return ""


def _file(config: Config, key: str) -> Path | None:
    text = config.text(key)
    return None if text is None else Path(text).expanduser()


def _check(address: BrokerAddress) -> None:
    """Refuse settings that would be silently without effect."""
    if address.password is not None and address.password_file is not None:
        raise ConfigError("mqtt-password and mqtt-password-file are both set: leave one out")
    has_password = address.password is not None or address.password_file is not None
    if has_password and address.user is None:
        raise ConfigError("a password for the broker, but no mqtt-user")
    if address.key is not None and address.certificate is None:
        raise ConfigError("mqtt-key is set, but mqtt-cert is not")
    files = {"mqtt-ca": address.ca, "mqtt-cert": address.certificate, "mqtt-key": address.key}
    for key, path in files.items():
        if path is None:
            continue
        if not address.uses_tls:
            safe = "wss" if address.uses_websocket else "mqtts"
            raise ConfigError(
                f"{key} is set, but {address.scheme}:// does not encrypt: use {safe}://"
            )
        if not path.is_file():
            raise ConfigError(f"{key} {path}: no such file")
