"""The table of all settings; flags, the file's keys and the environment are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its key in the file, its flag, its type, its default and what it does."""

    key: str
    kind: type[str] | type[int] | type[float] | type[bool]
    default: Value | None
    description: str
    flags: tuple[str, ...] = ()
    """Command line spellings, kubectl's where kubectl has one; empty for file-only settings."""
    metavar: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unset: str = "unset"
    """What `ciltop config` prints for no value."""
    environment: str = ""
    """Variable that sets it: wins over the file, loses against the flag."""
    is_secret: bool = False
    """Never a flag, since everybody can read a process's arguments; never printed."""
    is_of_broker: bool = False
    """Commands that never speak to a broker have no such flag."""


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "kubeconfig",
        str,
        None,
        "Path of the kubeconfig; KUBECONFIG may name several, as for kubectl.",
        ("--kubeconfig",),
        "FILE",
        unset="$KUBECONFIG, else ~/.kube/config, else the pod's service account",
    ),
    Setting(
        "context",
        str,
        None,
        "Context of the kubeconfig.",
        ("--context",),
        "NAME",
        unset="the kubeconfig's current context",
    ),
    Setting(
        "namespace",
        str,
        None,
        "Namespace of the Cilium agents.",
        ("-n", "--namespace"),
        "NAME",
        unset="found, else kube-system",
    ),
    Setting(
        "selector",
        str,
        "k8s-app=cilium",
        "Label selector of the agent pods.",
        ("-l", "--selector"),
        "LABELS",
    ),
    Setting("container", str, "cilium-agent", "Container of the agent.", ("--container",), "NAME"),
    Setting(
        "interval",
        float,
        None,
        "Seconds between two sweeps over all nodes.",
        ("--interval",),
        "SECONDS",
        minimum=1,
        maximum=3600,
        unset="10 s at up to 100 nodes, more with more nodes",
    ),
    Setting(
        "max-execs",
        int,
        8,
        "Execs at the same time; the API server does not throttle them for us.",
        ("--max-execs",),
        "N",
        minimum=1,
        maximum=20,
    ),
    Setting(
        "read-only",
        bool,
        False,
        "Never write to the cluster; can also stand in [contexts.NAME].",
        ("--read-only",),
    ),
    Setting("log-file", str, None, "Write ciltop's own log here.", ("--log-file",), "FILE"),
    Setting(
        "screenshots",
        str,
        "screenshots",
        "Folder for pictures saved with ctrl+s.",
        ("--screenshots",),
        "FOLDER",
    ),
    Setting("theme", str, "textual-dark", "Textual theme of the screens.", ("--theme",), "NAME"),
    Setting(
        "symbols",
        str,
        "auto",
        "Symbols on screen; auto looks at the locale and the terminal.",
        ("--symbols",),
        "SET",
        choices=("auto", "unicode", "ascii"),
    ),
    Setting(
        "mqtt",
        str,
        None,
        "Broker: mqtt://, mqtts://, ws:// or wss://HOST[:PORT][/PATH]; a password in it is refused "
        "on the command line.",
        ("--mqtt",),
        "URL",
        environment="CILTOP_MQTT_URL",
        is_of_broker=True,
    ),
    Setting(
        "mqtt-user",
        str,
        None,
        "User at the broker.",
        ("--mqtt-user",),
        "NAME",
        unset="the certificate's, or anonymous",
        environment="CILTOP_MQTT_USER",
        is_of_broker=True,
    ),
    Setting(
        "mqtt-password",
        str,
        None,
        "Password at the broker; the file that holds it must be readable by its owner only.",
        environment="CILTOP_MQTT_PASSWORD",
        is_secret=True,
        is_of_broker=True,
    ),
    Setting(
        "mqtt-password-file",
        str,
        None,
        "File with the password at the broker, read again at each connect.",
        ("--mqtt-password-file",),
        "FILE",
        environment="CILTOP_MQTT_PASSWORD_FILE",
        is_of_broker=True,
    ),
    Setting(
        "mqtt-ca",
        str,
        None,
        "Certificates (PEM) of the authorities that the broker's certificate may come from.",
        ("--mqtt-ca",),
        "FILE",
        unset="the system's",
        environment="CILTOP_MQTT_CA",
        is_of_broker=True,
    ),
    Setting(
        "mqtt-cert",
        str,
        None,
        "Client certificate (PEM) for the broker.",
        ("--mqtt-cert",),
        "FILE",
        environment="CILTOP_MQTT_CERT",
        is_of_broker=True,
    ),
    Setting(
        "mqtt-key",
        str,
        None,
        "Key (PEM, not encrypted) of the client certificate.",
        ("--mqtt-key",),
        "FILE",
        unset="in the certificate's file",
        environment="CILTOP_MQTT_KEY",
        is_of_broker=True,
    ),
    Setting(
        "cluster",
        str,
        None,
        "Name of the cluster in the broker's topics.",
        ("--cluster",),
        "NAME",
        unset="collect: Cilium's cluster name; dashboard: chosen on screen",
        environment="CILTOP_CLUSTER",
        is_of_broker=True,
    ),
    Setting(
        "collector-id",
        str,
        None,
        "This collector's id; no two collectors of a cluster may have the same.",
        ("--collector-id",),
        "ID",
        unset="the host's name and a short suffix",
        environment="CILTOP_COLLECTOR_ID",
        is_of_broker=True,
    ),
    Setting(
        "presence-interval",
        float,
        5.0,
        "Seconds between two signs of life of a collector; its nodes move after two.",
        ("--presence-interval",),
        "SECONDS",
        minimum=1,
        maximum=60,
        is_of_broker=True,
    ),
    Setting(
        "metrics-port",
        int,
        None,
        "Port for Prometheus metrics of the collector itself.",
        ("--metrics-port",),
        "PORT",
        minimum=1,
        maximum=65535,
        unset="no metrics",
        is_of_broker=True,
    ),
)
BY_KEY: Mapping[str, Setting] = {setting.key: setting for setting in SETTINGS}
PER_CONTEXT = ("read-only", "namespace", "selector", "container", "interval", "max-execs", "theme")
"""Keys that a `[contexts.NAME]` section may override."""
