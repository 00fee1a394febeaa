"""The agent's controllers: which there are, and which fail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tui.simulator.logs import stamp
from tui.simulator.model import Agent, SimNode, uuid_from
from tui.simulator.scenarios import QuirkKind

ZERO_TIME = "0001-01-01T00:00:00.000Z"

_PLAIN: dict[int, tuple[tuple[str, str, float], ...]] = {
    11: (
        ("dns-garbage-collector-job", "1m0s", 60),
        ("endpoint-gc", "5m0s", 300),
        ("ipcache-inject-labels", "", 0),
        ("k8s-heartbeat", "30s", 30),
        ("metricsmap-bpf-prom-sync", "5s", 5),
        ("sync-endpoints-and-host-ips", "1m0s", 60),
        ("sync-lb-maps-with-k8s-services", "", 0),
        ("update-k8s-node-annotations", "", 0),
    ),
    17: (
        ("ct-map-pressure", "30s", 30),
        ("daemon-validate-config", "1m1s", 61),
        ("dns-garbage-collector-job", "1m0s", 60),
        ("endpoint-gc", "5m0s", 300),
        ("endpoint-periodic-regeneration", "2m0s", 120),
        ("ep-bpf-prog-watchdog", "30s", 30),
        ("ipcache-inject-labels", "", 0),
        ("k8s-heartbeat", "30s", 30),
        ("node-neighbor-link-updater", "10s", 10),
        ("sync-lb-maps-with-k8s-services", "", 0),
        ("sync-utime", "1m0s", 60),
    ),
    19: (
        ("ct-map-pressure", "30s", 30),
        ("endpoint-gc", "5m0s", 300),
        ("endpoint-periodic-regeneration", "2m0s", 120),
        ("ipcache-inject-labels", "", 0),
        ("k8s-heartbeat", "30s", 30),
    ),
}
_PER_ENDPOINT: dict[int, tuple[tuple[str, str, float], ...]] = {
    11: (("resolve-identity-{id}", "5m0s", 300), ("sync-policymap-{id}", "1m0s", 60)),
    17: (("resolve-identity-{id}", "5m0s", 300), ("sync-policymap-{id}", "15m0s", 900)),
    19: (("resolve-identity-{id}", "5m0s", 300), ("sync-policymap-{id}", "15m0s", 900)),
}


def controllers(node: SimNode, agent: Agent, now: float) -> list[dict[str, Any]]:
    """Return the controllers as `status -o json` lists them."""
    found = [_healthy(node, agent, row, now) for row in _PLAIN[agent.release.minor]]
    for endpoint in node.endpoints():
        for name, interval, seconds in _PER_ENDPOINT[agent.release.minor]:
            row = (name.format(id=endpoint), interval, seconds)
            found.append(_healthy(node, agent, row, now))
        found.append(_recovery(node, agent, endpoint))
    found.extend(_failing(node, agent, now))
    return sorted(found, key=lambda controller: str(controller["uuid"]))


def _failures(node: SimNode, agent: Agent) -> Iterator[tuple[str, str, float]]:
    """Yield name, message and start of each failing controller."""
    balancer = agent.maps.balancer
    if agent.release.has_map_sync:
        since = agent.failing_since or agent.started_at
        for pin, pending in (
            (agent.release.backends_pin, len(balancer.pending_backends)),
            ("cilium_lb4_services_v2", len(balancer.pending_services)),
        ):
            if pending:
                yield f"bpf-map-sync-{pin}", f"{pending} map sync errors", since
    quirk = node.quirk(QuirkKind.CONTROLLER_FAILING)
    if quirk:
        name, _, message = quirk.text.partition(": ")
        yield name.format(node=node.name), message, agent.started_at + 3600


def _failing(node: SimNode, agent: Agent, now: float) -> Iterator[dict[str, Any]]:
    for name, message, since in _failures(node, agent):
        count = max(1, tries_after(now - since))
        yield {
            "configuration": {"error-retry": True, "interval": "5s"},
            "name": name,
            "status": {
                "consecutive-failure-count": count,
                "failure-count": count,
                "last-failure-msg": message,
                "last-failure-timestamp": stamp(now - 2, 3),
                "last-success-timestamp": ZERO_TIME,
            },
            "uuid": uuid_from(f"{node.variant}/{name}"),
        }


def tries_after(seconds: float) -> int:
    """Return how often a controller has tried in vain.

    It waits one second longer after each failure (pkg/controller `ErrorRetryBaseDuration`).
    """
    return int((math.sqrt(8 * max(seconds, 0.0) + 1) - 1) / 2)


def _recovery(node: SimNode, agent: Agent, endpoint: int) -> dict[str, Any]:
    """Return the controller that has nothing to do unless an endpoint's regeneration fails."""
    configuration: dict[str, Any] = {"error-retry": True, "error-retry-base": "2s"}
    if agent.release.minor > 11:
        configuration["interval"] = "1s"
    name = f"endpoint-{endpoint}-regeneration-recovery"
    return {
        "configuration": configuration,
        "name": name,
        "status": {"last-failure-timestamp": ZERO_TIME, "last-success-timestamp": ZERO_TIME},
        "uuid": uuid_from(f"{node.variant}/{name}"),
    }


def _healthy(
    node: SimNode, agent: Agent, row: tuple[str, str, float], now: float
) -> dict[str, Any]:
    name, interval, seconds = row
    age = max(0.0, now - agent.ready_at)
    runs = int(age / seconds) + 1 if seconds else 1
    last = now - age % seconds if seconds else agent.ready_at
    configuration: dict[str, Any] = {"error-retry": True}
    if interval:
        configuration["interval"] = interval
    return {
        "configuration": configuration,
        "name": name,
        "status": {
            "last-failure-timestamp": ZERO_TIME,
            "last-success-timestamp": stamp(last, 3),
            "success-count": runs,
        },
        "uuid": uuid_from(f"{node.variant}/{name}"),
    }
