"""What a person can choose of the collectors' manifest, and what Kubernetes would refuse of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tui import __version__
from tui.errors import ConfigError

IMAGE = f"registry.example/ciltop:{__version__}"
"""No image is published; `.example` is nobody's (RFC 2606), so that nothing strange is pulled."""

CILIUM_NAMESPACE = "kube-system"
SECRET = "ciltop-broker"  # noqa: S105 - the name of an object
METRICS_PORT = 9878
API_SERVER_PORT = 6443
MOST_REPLICAS = 256
"""As many collectors of one cluster are believed (`tui.bus.sharing.membership`)."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,510}")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True)
class CollectorOptions:
    """What a person can choose of the manifest."""

    replicas: int = 2
    image: str = IMAGE
    namespace: str = CILIUM_NAMESPACE
    """Cilium's: the agents there are what the collectors exec into."""
    home: str = ""
    """The collectors' own namespace; Cilium's where it is empty."""
    secret: str = SECRET
    """Where the broker's address and credentials are."""
    has_ca: bool = False
    """The Secret holds the broker's CA."""
    has_certificate: bool = False
    """The Secret holds a client certificate for the broker."""
    cluster: str = ""
    """In the broker's topics; Cilium's own name where it is empty."""
    broker: str = ""
    """URL without user and password; where it is empty, the Secret has it."""
    metrics_port: int = METRICS_PORT
    api_server: str = ""
    """HOST[:PORT] in place of the ClusterIP."""
    has_host_network: bool = False

    @property
    def own_namespace(self) -> str:
        """Where the collectors run."""
        return self.home or self.namespace


def check_options(asked: CollectorOptions) -> None:
    """Refuse what can't be.

    Raises:
        ConfigError: a name, number or address that Kubernetes would refuse.
    """
    for flag, name in (
        ("--namespace", asked.namespace),
        ("--collector-namespace", asked.own_namespace),
    ):
        if not _LABEL.fullmatch(name):
            raise ConfigError(f"{flag}: {name!r} is no name of a namespace (a DNS label)")
    if len(asked.secret) > 253 or not _SUBDOMAIN.fullmatch(asked.secret):
        raise ConfigError(f"--broker-secret: {asked.secret!r} is no name of a Secret (a DNS name)")
    if not 1 <= asked.replicas <= MOST_REPLICAS:
        raise ConfigError(f"--replicas: must be from 1 to {MOST_REPLICAS}, not {asked.replicas}")
    # A process that is not root may not listen on the first 1023.
    if not 1024 <= asked.metrics_port <= 65535:
        raise ConfigError(
            f"--metrics-port: must be from 1024 to 65535, not {asked.metrics_port}: "
            "the collector does not run as root"
        )
    if not _IMAGE.fullmatch(asked.image):
        raise ConfigError(f"--image: {asked.image!r} is no name of an image")
    if not asked.cluster.isprintable() or len(asked.cluster) > 253:
        raise ConfigError(f"--cluster: {asked.cluster[:80]!r} is no name that can be shown")
    if asked.api_server:
        host_and_port(asked.api_server)


def host_and_port(text: str) -> tuple[str, int]:
    """Take HOST[:PORT] apart.

    Raises:
        ConfigError: it is none.
    """
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?", text)
    port = int(found[2] or API_SERVER_PORT) if found else 0
    if found is None or not _HOST.fullmatch(found[1]) or not 1 <= port <= 65535:
        raise ConfigError(
            f"--api-server: {text!r} must be HOST[:PORT], such as 192.0.2.10:6443 or "
            "[2001:db8::10]:6443"
        )
    return found[1].strip("[]"), port
