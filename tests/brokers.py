"""Real Mosquitto brokers on loopback, and their certificates."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.broker_proxy import Proxy
from tui.bus.link.address import BrokerAddress
from tui.safety.secret import Secret

__all__ = [
    "DYNAMIC_SECURITY", "PROGRAM", "Certificates", "Mosquitto", "MosquittoFactory", "Options",
    "Proxy", "broker_certificates", "configure", "free_port", "mosquitto",
]  # fmt: skip

PROGRAM = shutil.which("mosquitto", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin")
DYNAMIC_SECURITY = next(
    iter(sorted(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))), None
)
"""The plugin that answers SUBSCRIBE with a refusal; an ACL file grants it and stays silent."""


@dataclass(frozen=True)
class Certificates:
    """A CA, what it signed, and a CA that signed nothing here."""

    ca: Path
    wrong_ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


class Mosquitto:
    """One broker; the ports stay the same over restarts."""

    def __init__(self, folder: Path, certificates: Certificates | None = None) -> None:
        self.folder = folder
        self.certificates = certificates
        self.ports: dict[str, int] = {}
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it, and return when it listens."""
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, "-c", str(self.folder / "mosquitto.conf"), "-v"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, running))
        self._reader.start()
        running.wait(20)
        if self._process.poll() is not None or not running.is_set():
            self.stop()
            raise RuntimeError("mosquitto did not start:\n" + "\n".join(self.lines[-20:]))

    def _read(self, process: subprocess.Popen[str], running: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                with self._said:
                    self.lines.append(line.rstrip("\n"))
                    del self.lines[:-2000]
                    self._said.notify_all()
                if line.rstrip().endswith(" running"):
                    running.set()
        running.set()

    def wait_for_line(self, words: str, seconds: float = 30) -> None:
        """Wait until its log has said something since its start; blocks."""
        with self._said:
            said = self._said.wait_for(
                lambda: any(words in line for line in self.lines), timeout=seconds
            )
        assert said, f"mosquitto never said {words!r}"

    def stop(self) -> None:
        """Stop it in good order; nothing where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it: sessions and retained messages are gone."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop its time: it holds its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def proceed(self) -> None:
        """Let its time go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """Have it read passwords and ACL again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._reader is None:
            return
        self._process.send_signal(signal.SIGCONT)
        # Between its word "running" and its main loop Mosquitto forgets that it was told to end.
        for _ in range(10):
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
                break
        self._reader.join(20)
        self._process = None

    def address(
        self,
        scheme: str = "mqtt",
        *,
        user: str | None = None,
        password: str | None = None,
        has_client_certificate: bool = False,
        ca: Path | None = None,
        port: int | None = None,
    ) -> BrokerAddress:
        """Return how to reach it; TLS trusts its own CA unless another one is given."""
        own = self.certificates if scheme in ("mqtts", "wss") else None
        return BrokerAddress(
            scheme,
            "127.0.0.1",
            port or self.ports[scheme],
            "/mqtt" if scheme.startswith("ws") else "",
            user,
            None if password is None else Secret(password),
            None,
            ca or (own.ca if own else None),
            own.client if own and has_client_certificate else None,
            own.client_key if own and has_client_certificate else None,
        )

    def publish(self, topic: str, payload: str, *flags: str) -> None:
        """Publish with `mosquitto_pub`; flags such as `-r` and `-q 1`."""
        subprocess.run(
            [
                *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.ports["mqtt"])),
                *("-t", topic, "-m", payload, *flags),
            ],
            check=True,
            timeout=30,
        )


MosquittoFactory = Callable[..., Mosquitto]


@dataclass(frozen=True)
class Options:
    """What a broker shall be like."""

    has_tls: bool = False
    needs_client_certificate: bool = False
    has_websockets: bool = False
    users: Mapping[str, str] = field(default_factory=dict)
    """Passwords by name; none: everybody may come."""
    acl: str | None = None
    """Text of an ACL file; what it does not name is denied."""
    denies_by_plugin: Sequence[str] | None = None
    """With the dynamic security plugin: topics that everybody may use, all others are refused."""
    lines: Sequence[str] = ()
    """More lines of mosquitto.conf, such as `max_queued_messages 10`."""


@pytest.fixture
def mosquitto(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MosquittoFactory]:
    """Start brokers on free loopback ports: `mosquitto(has_tls=True, users={"a": "b"})`.

    The keywords are those of `Options`.
    """
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto mosquitto-clients")
    brokers: list[Mosquitto] = []

    def make(**keywords: object) -> Mosquitto:
        options = Options(**keywords)  # type: ignore[arg-type]  # the factory's keywords are Options'
        certificates = request.getfixturevalue("broker_certificates") if options.has_tls else None
        folder = tmp_path / f"mosquitto-{len(brokers)}"
        folder.mkdir()
        broker = Mosquitto(folder, certificates)
        brokers.append(broker)
        configure(broker, options)
        broker.start()
        return broker

    yield make
    for broker in brokers:
        broker.stop()


def configure(broker: Mosquitto, options: Options) -> None:
    """Write a broker's configuration and choose its ports."""
    # Started as root it would become a user that can't read pytest's folders.
    lines = ["user root", "per_listener_settings false", "log_type all", *options.lines]
    if options.users:
        path = broker.folder / "passwords"
        path.touch(0o600)
        for user, password in options.users.items():
            subprocess.run(["mosquitto_passwd", "-b", str(path), user, password], check=True)
        lines.append(f"password_file {path}")
    if options.acl is not None:
        path = broker.folder / "acl"
        path.write_text(options.acl, encoding="utf-8")
        path.chmod(0o600)
        lines.append(f"acl_file {path}")
    if options.denies_by_plugin is not None:
        lines += _dynamic_security(broker.folder, options.denies_by_plugin)
    is_open = not options.users and not options.needs_client_certificate
    lines.append(f"allow_anonymous {str(is_open).lower()}")
    for scheme in ("mqtt", "mqtts", "ws", "wss"):
        if scheme.endswith("s") and scheme != "ws" and not options.has_tls:
            continue
        if scheme.startswith("ws") and not options.has_websockets:
            continue
        broker.ports[scheme] = free_port()
        lines += _listener(broker, scheme, options)
    (broker.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _listener(broker: Mosquitto, scheme: str, options: Options) -> Iterator[str]:
    yield f"listener {broker.ports[scheme]} 127.0.0.1"
    if scheme.startswith("ws"):
        yield "protocol websockets"
    if scheme in ("mqtts", "wss"):
        assert broker.certificates is not None
        yield f"cafile {broker.certificates.ca}"
        yield f"certfile {broker.certificates.server}"
        yield f"keyfile {broker.certificates.server_key}"
        if options.needs_client_certificate:
            yield "require_certificate true"
            yield "use_identity_as_username true"


def _dynamic_security(folder: Path, allowed: Sequence[str]) -> list[str]:
    if DYNAMIC_SECURITY is None:
        pytest.skip("mosquitto's dynamic security plugin is not installed")
    kinds = ("publishClientSend", "publishClientReceive", "subscribePattern")
    acls = [{"acltype": kind, "topic": topic, "allow": True} for topic in allowed for kind in kinds]
    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", b"secret", salt, 101)
    state = {
        "defaultACLAccess": dict.fromkeys(
            ("publishClientSend", "publishClientReceive", "subscribe"), False
        )
        | {"unsubscribe": True},
        "anonymousGroup": "all",
        "clients": [
            {
                "username": "somebody",
                "password": base64.b64encode(digest).decode(),
                "salt": base64.b64encode(salt).decode(),
                "iterations": 101,
                "roles": [],
            }
        ],
        "groups": [{"groupname": "all", "roles": [{"rolename": "allowed"}]}],
        "roles": [{"rolename": "allowed", "acls": acls}],
    }
    path = folder / "dynamic-security.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    return [f"plugin {DYNAMIC_SECURITY}", f"plugin_opt_config_file {path}"]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_EXTENSIONS = """\
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@pytest.fixture(scope="session")
def broker_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make a CA, a broker's and a client's certificate, and a CA that signed none of them."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("broker-certificates")
    (folder / "extensions").write_text(_EXTENSIONS, encoding="utf-8")
    for name, section in (("ca", "ca"), ("wrong-ca", "ca"), ("server", "server"), ("c", "client")):
        _certificate(folder, name, section)
    return Certificates(
        folder / "ca.pem",
        folder / "wrong-ca.pem",
        folder / "server.pem",
        folder / "server.key",
        folder / "c.pem",
        folder / "c.key",
    )


def _certificate(folder: Path, name: str, section: str) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, cwd=folder, capture_output=True)

    subject = {"server": "/CN=broker.test", "client": "/CN=responder"}.get(section, f"/CN={name}")
    openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject),
    )
    signer = (
        ("-signkey", f"{name}.key")
        if section == "ca"
        else ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    )
    openssl(
        *("x509", "-req", "-in", f"{name}.csr", *signer, "-days", "30", "-sha256"),
        *("-extfile", "extensions", "-extensions", section, "-out", f"{name}.pem"),
    )
