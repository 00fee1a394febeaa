"""`ciltop manifest`: what runs ciltop in a cluster, as YAML on standard output.

Only the standard library is imported here, so that `--help` answers at once. No setting is read
either: the same command line prints the same YAML on every machine, and a broker's password in
somebody's environment can't get into it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

Commands = argparse._SubParsersAction  # argparse has no public name for it

_EPILOG = """\
Nothing is applied; pipe it to `kubectl apply -f -`. The Secret with the broker's address and
credentials is only shown as an example: make it first. See docs/collector.md.
"""


def add_manifest(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command `manifest`."""
    manifest = commands.add_parser(
        "manifest",
        help="print the YAML that runs collectors in the cluster",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    manifest.add_argument("what", choices=("collector",), help="what shall run")
    manifest.add_argument(
        "--replicas", type=int, metavar="N", help="collectors, which share the nodes; default: 2"
    )
    manifest.add_argument("--image", metavar="IMAGE", help="your own: none is published")
    manifest.add_argument(
        "-n", "--namespace", metavar="NAME", help="of the Cilium agents; default: kube-system"
    )
    manifest.add_argument(
        "--collector-namespace", metavar="NAME", help="of the collectors; default: the agents'"
    )
    manifest.add_argument("--cluster", metavar="NAME", help="in topics; default: Cilium's own")
    manifest.add_argument(
        "--metrics-port", type=int, metavar="PORT", help="of metrics and probes; default: 9878"
    )
    _add_broker(manifest)
    _add_network(manifest)


def _add_broker(manifest: argparse.ArgumentParser) -> None:
    group = manifest.add_argument_group("broker")
    group.add_argument(
        "--mqtt", metavar="URL", help="the broker; default: the key url of the Secret"
    )
    group.add_argument("--broker-secret", metavar="NAME", help="the Secret; default: ciltop-broker")
    group.add_argument(
        "--broker-ca", action="store_true", help="the Secret has the broker's CA, ca.crt"
    )
    group.add_argument(
        "--broker-certificate",
        action="store_true",
        help="the Secret has a client certificate, tls.crt and tls.key",
    )


def _add_network(manifest: argparse.ArgumentParser) -> None:
    group = manifest.add_argument_group(
        "independence", "what the collectors need not rely on while the load balancer is broken"
    )
    group.add_argument(
        "--api-server",
        metavar="HOST[:PORT]",
        help="reach the API server there, not by its ClusterIP",
    )
    group.add_argument(
        "--host-network",
        action="store_true",
        help="use the node's network and name servers, not the pods'",
    )


def run_manifest(arguments: argparse.Namespace) -> int:
    """Print the manifest.

    Raises:
        ConfigError: a name, number or address that can't be used.
    """
    from tui.cluster.collector_manifest import collector_manifest
    from tui.cluster.collector_options import CollectorOptions

    broker = "" if arguments.mqtt is None else _broker(arguments)
    usual = CollectorOptions()

    def given(name: str, value: str | int) -> str | int:
        flag: str | int | None = getattr(arguments, name)
        return value if flag is None else flag

    asked = CollectorOptions(
        replicas=int(given("replicas", usual.replicas)),
        image=str(given("image", usual.image)),
        namespace=str(given("namespace", usual.namespace)),
        home=str(given("collector_namespace", "")),
        secret=str(given("broker_secret", usual.secret)),
        has_ca=arguments.broker_ca,
        has_certificate=arguments.broker_certificate,
        cluster=str(given("cluster", "")),
        broker=broker,
        metrics_port=int(given("metrics_port", usual.metrics_port)),
        api_server=str(given("api_server", "")),
        has_host_network=arguments.host_network,
    )
    sys.stdout.write(collector_manifest(asked))
    return 0


def _broker(arguments: argparse.Namespace) -> str:
    """Return the broker's URL as it will be used.

    Raises:
        ConfigError: it is none, holds a user or password, or does not fit the other flags.
    """
    from tui.bus.link.address import broker_address
    from tui.config import load_config
    from tui.errors import ConfigError

    address = broker_address(load_config(Path(os.devnull), {"mqtt": arguments.mqtt}, {}))
    if address.user is not None:
        raise ConfigError("--mqtt: the user belongs into the Secret, as its key user")
    for flag, is_set in (
        ("--broker-ca", arguments.broker_ca),
        ("--broker-certificate", arguments.broker_certificate),
    ):
        if is_set and not address.uses_tls:
            raise ConfigError(f"{flag}: {address.scheme}:// does not encrypt: use mqtts or wss")
    return str(address)
