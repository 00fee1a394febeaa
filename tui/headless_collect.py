"""The collector without screens: one cluster read, and what is known of it sent to a broker."""

from __future__ import annotations

import argparse

from tui.config import Config
from tui.errors import ConfigError


def run_collect(config: Config, arguments: argparse.Namespace) -> int:
    """Collect and publish until told to stop; return the exit code.

    Raises:
        ConfigError: a setting that can't be used.
        KubeconfigError: there is no kubeconfig, it can't be read, or has no such context.
        BrokerError: the broker refused the very first connection.
    """
    raise ConfigError("collecting to a broker is not there yet")
