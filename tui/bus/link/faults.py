"""Why a broker is not there for us, in sentences that say what to do."""

from __future__ import annotations

import socket
import ssl
from enum import StrEnum

from tui.bus.link.address import BrokerAddress
from tui.errors import ConfigError


class FaultKind(StrEnum):
    """What a failure means for the next attempt."""

    LOST = "lost"
    """Try again soon."""
    REFUSED = "refused"
    """Somebody has to change something: try again slowly."""
    TOO_OLD = "too-old"
    """The broker says that it knows no MQTT 5."""
    HUNG_UP = "hung-up"
    """It closed the connection before it answered: perhaps it knows no MQTT 5."""
    MUTE = "mute"
    """It took our CONNECT and said nothing: overloaded, or waiting for more of what it takes for
    an older CONNECT, as amqtt 0.12 does."""
    TAKEN_OVER = "taken-over"
    """Another client came with our id: coming back at once would throw that one out."""


class LinkFault(Exception):  # noqa: N818 - a fault of the link, which the program never ends for
    """A connection that did not come about, or that ended."""

    def __init__(self, kind: FaultKind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


def who(address: BrokerAddress) -> str:
    """Name the one that a broker lets in or not."""
    if address.user is not None:
        return f"user {address.user!r}"
    if address.certificate is not None:
        return f"the client certificate {address.certificate}"
    return "a client without user and certificate"


_HUNG_UP = "hung up while TLS was set up; does this port speak TLS?"


def connect_fault(address: BrokerAddress, error: BaseException, names: str = "") -> LinkFault:
    """Tell why no connection came about, from the error that ended the attempt.

    Args:
        address: where it went to.
        error: what was raised.
        names: subject and issuer of the certificate that was refused, where that is known.
    """
    match error:
        case ConfigError():
            return LinkFault(FaultKind.REFUSED, error.message)
        case ssl.SSLCertVerificationError():
            return LinkFault(FaultKind.REFUSED, _untrusted(address, error, names))
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            words = _HUNG_UP
        case ssl.SSLError():
            return LinkFault(FaultKind.REFUSED, _tls_sentence(address, error))
        case socket.gaierror():
            words = f"the name can't be resolved: {error.strerror}"
        case ConnectionRefusedError():
            words = "nothing listens there"
        case ConnectionResetError() if address.uses_tls:
            words = _HUNG_UP
        case TimeoutError():
            words = "does not answer"
        case OSError(strerror=str(words)):
            pass
        case _:
            what = f"a WebSocket for MQTT at {address.path}" if address.path else "an MQTT broker"
            words = f"does not answer as {what} does: {error}"
    return LinkFault(FaultKind.LOST, f"{address}: {words}")


def _untrusted(address: BrokerAddress, error: ssl.SSLCertVerificationError, names: str) -> str:
    """Tell why the broker's certificate was refused; never suggests to go without the proof."""
    by = f"those in {address.ca}" if address.ca else "those that the system trusts"
    reason = (error.verify_message or str(error)).rstrip(".")
    return (
        f"{address}: its certificate was refused: {reason}; authorities: {by}"
        + (f"; {names}" if names else "")
        + ". Name the right authority with mqtt-ca, and the host as the certificate does"
    )


def _tls_sentence(address: BrokerAddress, error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "certificate" in reason and "alert" in reason:
        return client_certificate_sentence(address, reason)
    hint = "; does this port speak TLS?" if "version number" in reason else ""
    return f"{address}: no TLS: {reason}{hint}"


def client_certificate_sentence(address: BrokerAddress, reason: str) -> str:
    """Tell that the broker did not take our certificate, or misses one."""
    if address.certificate is None:
        return f"{address}: wants a client certificate: set mqtt-cert and mqtt-key ({reason})"
    return f"{address}: refuses the client certificate {address.certificate}: {reason}"


_NOT_NOW = {
    136: "is not available now",
    137: "is too busy",
    151: "has reached a quota",
    156: "sends us to another server",
    157: "has moved to another server",
    159: "sees too many connections at once",
}


def connack_fault(address: BrokerAddress, code: int, said: str) -> LinkFault:
    """Tell why the broker refused a connection; codes are those of MQTT 5 §3.2.2.2."""
    if code in (134, 135, 140):
        return LinkFault(
            FaultKind.REFUSED,
            f"{address}: refuses {who(address)} ({said.lower()}): check mqtt-user and its "
            "password, and that the broker lets it connect",
        )
    if code == 132:
        return LinkFault(FaultKind.TOO_OLD, f"{address}: speaks no MQTT 5")
    if code in _NOT_NOW:
        return LinkFault(FaultKind.LOST, f"{address}: {_NOT_NOW[code]}")
    return LinkFault(FaultKind.REFUSED, f"{address}: refuses the connection: {said.lower()}")


def disconnect_fault(address: BrokerAddress, code: int, said: str, client_id: str) -> LinkFault:
    """Tell why the broker ended a connection; codes are those of MQTT 5 §3.14.2.1."""
    if code == 142:
        return LinkFault(
            FaultKind.TAKEN_OVER,
            f"{address}: another client came with our id {client_id!r} and took our place: "
            "give each its own",
        )
    if code in (135, 138, 140):
        return LinkFault(FaultKind.REFUSED, f"{address}: put {who(address)} out ({said.lower()})")
    words = "it is shutting down" if code == 139 else said.lower()
    return LinkFault(FaultKind.LOST, f"{address}: ended the connection: {words}")


def lost_fault(
    address: BrokerAddress, error: BaseException | None, *, had_answer: bool
) -> LinkFault:
    """Tell why a connection broke, from the error that the socket gave, if any."""
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        reason = (error.reason or "").replace("_", " ").lower()
        return LinkFault(FaultKind.REFUSED, client_certificate_sentence(address, reason))
    detail = f": {error}" if error is not None else ""
    if not had_answer:
        return LinkFault(FaultKind.HUNG_UP, f"{address}: hung up before it answered{detail}")
    return LinkFault(FaultKind.LOST, f"{address}: the connection broke{detail}")
