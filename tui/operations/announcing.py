"""Kubernetes Events about an operation: a courtesy to whoever looks at the node next."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from tui.cluster.gate import WriteRequest
from tui.errors import CiltopError, ClusterError, DeniedError
from tui.model.node import Node
from tui.model.operations import OperationPlan
from tui.model.snapshot import Snapshot
from tui.operations.timing import Clock
from tui.operations.writer import Reads, Writes
from tui.safety import CleanText

LOG = logging.getLogger("tui.operations.announcing")

MOST_CHARACTERS = 1_000
"""The API server refuses messages of more than 1,024 bytes (events.k8s.io validation)."""


class Announcer:
    """Writes Events while that is allowed; nothing waits for them long, nothing fails by them."""

    def __init__(
        self, session: Reads, gate: Writes, clock: Clock, who: str, most_seconds: float
    ) -> None:
        self._session = session
        self._gate = gate
        self._clock = clock
        self._who = who
        self._most_seconds = most_seconds
        self._count = 0
        self.refusal = CleanText("")
        """Why no Events are written; empty while they are."""

    async def on_node(
        self, plan: OperationPlan, node: Node, reason: str, text: str, *, is_warning: bool = False
    ) -> None:
        """Write an Event on a node."""
        target = {"apiVersion": "v1", "kind": "Node", "name": str(node.name), "uid": str(node.uid)}
        await self._write(plan, "default", target, reason, text, is_warning)

    async def on_daemonsets(
        self, plan: OperationPlan, snapshot: Snapshot, reason: str, text: str
    ) -> None:
        """Write an Event on each DaemonSet whose agents restart, for more than one agent."""
        uids = [uid for wave in plan.waves for uid in wave if uid in snapshot.nodes]
        agents = [agent for uid in uids if (agent := snapshot.nodes[uid].agent) is not None]
        if len(uids) > 1:
            for namespace, name in sorted({(one.namespace, one.daemonset) for one in agents}):
                if name:
                    await self._on_daemonset(plan, namespace, name, reason, text)

    async def _on_daemonset(
        self, plan: OperationPlan, namespace: str, name: str, reason: str, text: str
    ) -> None:
        # `kubectl describe` finds an Event by the UID alone.
        path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"
        try:
            found = await self._session.get_json(path, dict[str, Any])
        except ClusterError as error:
            LOG.info("an Event was not written: %s", error.message)
            return
        uid = str((found.get("metadata") or {}).get("uid", ""))
        target = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "uid": uid}
        await self._write(plan, namespace, {**target, "namespace": namespace}, reason, text, False)

    async def _write(
        self,
        plan: OperationPlan,
        namespace: str,
        target: dict[str, str],
        reason: str,
        text: str,
        is_warning: bool,
    ) -> None:
        if self.refusal:
            return
        self._count += 1
        now = datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = f"{target['name']}.ciltop-{plan.id}-{self._count}-{int(self._clock.time()):x}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name[-253:], "namespace": namespace},
            "involvedObject": target,
            "reason": reason,
            "message": f"{text} (operation {plan.id}, by {self._who})"[:MOST_CHARACTERS],
            "type": "Warning" if is_warning else "Normal",
            "source": {"component": "ciltop"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        request = WriteRequest("create", "", "v1", "events", namespace, name[-253:], body)
        try:
            async with asyncio.timeout(self._most_seconds):
                await self._gate.write(request)
        except DeniedError as error:
            self.refusal = error.message
            LOG.info("no Events are written: %s", error.message)
        except (CiltopError, TimeoutError) as error:
            LOG.info("an Event was not written: %s", error)
