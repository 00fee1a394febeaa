"""TLS to the broker: its certificate and its name are always proved, there is no way around."""

from __future__ import annotations

import contextlib
import ssl
import time
from socket import create_connection

from tui.bus.link.address import BrokerAddress
from tui.errors import ConfigError

_EXPLAIN_SECONDS = 3.0
_SLICE_SECONDS = 0.003


class FairSocket(ssl.SSLSocket):
    """A TLS socket that lets others on the event loop have their turn, and leaves nothing open.

    aiomqtt 2.5 reads on as long as TLS holds decrypted bytes: with a stream of messages, whose ends
    are not those of TLS records, that is as long as the stream lasts. This one takes no further
    record after 3 ms; the loop comes back for it, as it still lies in the kernel.
    """

    _began_at: float | None = None

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Return bytes of this turn.

        Raises:
            ssl.SSLWantReadError: there are none, or it is another's turn.
        """
        if self.gettimeout() == 0 and not self.pending():
            now = time.monotonic()
            if self._began_at is None:
                self._began_at = now
            elif now - self._began_at > _SLICE_SECONDS:
                self._began_at = None
                raise ssl.SSLWantReadError
        try:
            return super().recv(buflen, flags)
        except ssl.SSLWantReadError:
            self._began_at = None
            raise

    def do_handshake(self, block: bool = False) -> None:
        """Prove the broker; paho would leave the socket of one that is refused to the collector."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(address: BrokerAddress) -> ssl.SSLContext:
    """Return the context for a broker; reads the files anew, so that renewed ones are used.

    Raises:
        ConfigError: a file can't be read or does not hold what it should.
    """
    try:
        context = ssl.create_default_context(cafile=address.ca and str(address.ca))
    except OSError as error:
        raise ConfigError(f"mqtt-ca {address.ca}: {_why(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = FairSocket
    if address.certificate is not None:
        _load_certificate(context, address)
    return context


def _load_certificate(context: ssl.SSLContext, address: BrokerAddress) -> None:
    def ask() -> str:
        # Without this OpenSSL would ask on the terminal, which is the screen's.
        raise ConfigError(f"{address.key or address.certificate}: the key is encrypted")

    if address.certificate is None:
        return
    try:
        context.load_cert_chain(address.certificate, address.key, password=ask)
    except OSError as error:
        files = f"{address.certificate}" + (f" with mqtt-key {address.key}" if address.key else "")
        raise ConfigError(f"mqtt-cert {files}: {_why(error)}") from None


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"holds no usable certificate or key in PEM: {error.reason or error}"
    return error.strerror or str(error)


def names_of_certificate(address: BrokerAddress) -> str:
    """Return subject and issuer of the certificate that the broker shows, for a message.

    It fetches the certificate and proves it against itself; no byte of MQTT is sent. Empty where
    it can't be told, such as for an expired one.
    """
    with contextlib.suppress(OSError, ValueError):
        place = (address.host, address.port)
        pem = ssl.get_server_certificate(place, timeout=_EXPLAIN_SECONDS)
        context = ssl.create_default_context(cadata=pem)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with (
            create_connection(place, timeout=_EXPLAIN_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=address.host) as wrapped,
        ):
            shown = wrapped.getpeercert() or {}
        return f"it is for {_name(shown.get('subject'))}, issued by {_name(shown.get('issuer'))}"
    return ""


def _name(parts: object) -> str:
    """Return a name as `CN=broker, O=example` of the nested tuples that `ssl` gives."""
    if not isinstance(parts, tuple):
        return "nobody"
    pairs = [pair for part in parts if isinstance(part, tuple) for pair in part]
    short = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU"}
    return ", ".join(f"{short.get(key, key)}={value}" for key, value in pairs) or "nobody"
