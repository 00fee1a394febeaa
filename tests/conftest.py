"""What every test gets: the same examples each time, and none of the user's own settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.brokers import broker_certificates, mosquitto
from tui.settings import SETTINGS

__all__ = ["broker_certificates", "mosquitto"]

# A run that can't be repeated proves nothing in CI; CILTOP_EXPLORE=1 looks for new examples.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("exploring" if os.environ.get("CILTOP_EXPLORE") else "repeatable")


@pytest.fixture(autouse=True)
def no_user_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's config file, broker, kubeconfig and proxies from the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    for setting in SETTINGS:
        monkeypatch.delenv(setting.environment or "CILTOP_NONE", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
