"""The command `collect`: one cluster read, and what is known of it sent to a broker."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import ExitStack

from tui.config import Config


def run_collect(config: Config, arguments: argparse.Namespace) -> int:
    """Collect and publish until told to stop; return the exit code.

    Raises:
        ConfigError: a setting that can't be used.
        KubeconfigError: there is no kubeconfig, it can't be read, or has no such context.
        BrokerError: the broker refused the very first connection.
    """
    from tui.bus.link.address import broker_address
    from tui.collector.identity import CollectorSlot, collector_id
    from tui.collector.notices import Notices
    from tui.collector.running import Collecting
    from tui.launch import chosen_context
    from tui.report.prometheus import MetricsServer

    address = broker_address(config)
    context = chosen_context(config)
    config = config.for_context(context)
    notices = Notices(arguments.quiet)
    if address.warning:
        notices.say("address", address.warning)
    with ExitStack() as stack:
        own_id = config.text("collector-id")
        if own_id is None:
            slot = CollectorSlot()
            stack.callback(slot.close)
            own_id = collector_id(slot.number)
        collecting = Collecting(config, address, context, own_id, notices)
        port = config.number("metrics-port")
        if port is not None:
            server = MetricsServer(collecting.status, int(port), arguments.metrics_address)
            stack.callback(server.close)
        return asyncio.run(collecting.run())
