"""A gate on the simulated cluster, and what the cluster saw of its writes."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.contract.fake_fleet import FakeFleet
from tests.contract.kubectl_runner import FAST
from tui.cluster.access import Access, CredentialSource
from tui.cluster.arming import Arming
from tui.cluster.gate import Gate, WriteRequest
from tui.cluster.session import Session
from tui.safety import clean
from tui.simulator.objects import KubeObject
from tui.simulator.server import SimulatorOptions, SimulatorServer
from tui.simulator.writing import WriteRequest as Received

NAMESPACE = "kube-system"
POD = "cilium-ftrpt"
CONTEXT = clean("simulated")


class GateRig:
    """The gate, its session, and the server behind them; everything that writes is recorded."""

    def __init__(self, server: SimulatorServer, session: Session, arming: Arming) -> None:
        self.server = server
        self.session = session
        self.gate: Gate = session.gate(arming)
        self.received: list[tuple[str, Received]] = []
        self.after_dry_run: Callable[[], object] = lambda: None
        """Called once the server has answered a dry run."""

    def spy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record what reaches the server's storage."""
        writing = self.server.parts.writing
        for verb in ("create", "patch", "delete"):
            monkeypatch.setattr(writing, verb, self._recorded(verb, getattr(writing, verb)))

    def _recorded(self, verb: str, answer: Callable[[Any, Received], Any]) -> Any:
        def recorded(target: Any, request: Received) -> Any:
            self.received.append((verb, request))
            answered = answer(target, request)
            if request.is_dry_run:
                self.after_dry_run()
            return answered

        return recorded

    @property
    def written(self) -> list[str]:
        """The verbs of what was no dry run."""
        return [verb for verb, request in self.received if not request.is_dry_run]

    def stored(self, resource: str, name: str) -> KubeObject | None:
        return self.server.parts.store.get(resource, NAMESPACE, name)

    def found(self, resource: str, name: str) -> KubeObject:
        stored = self.stored(resource, name)
        assert stored is not None
        return stored

    def touch(self, resource: str, name: str) -> None:
        """Have somebody else change an object."""
        obj = copy.deepcopy(self.found(resource, name))
        obj["metadata"].setdefault("annotations", {})["touched"] = "yes"
        self.server.parts.store.apply(resource, obj)

    def replace(self, resource: str, name: str) -> None:
        """Have somebody else delete an object and create one of the same name."""
        obj = copy.deepcopy(self.found(resource, name))
        self.server.parts.store.delete(resource, NAMESPACE, name)
        obj["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
        self.server.parts.store.apply(resource, obj)

    def flip(self) -> WriteRequest:
        metadata = self.found("configmaps", "cilium-config")["metadata"]
        return WriteRequest(
            "patch", "", "v1", "configmaps", NAMESPACE, "cilium-config",
            {"data": {"bpf-lb-sock-hostns-only": "true"}}, "merge",
            metadata["uid"], metadata["resourceVersion"],
        )  # fmt: skip

    def restart(self) -> WriteRequest:
        uid = self.found("pods", POD)["metadata"]["uid"]
        return WriteRequest("delete", "", "v1", "pods", NAMESPACE, POD, uid=uid)

    def node_config(self) -> WriteRequest:
        name = "zz-ciltop-7f3a"
        body = {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNodeConfig",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": "node3"}},
                "defaults": {"bpf-lb-sock-hostns-only": "true"},
            },
        }
        return WriteRequest("create", "cilium.io", "v2", "ciliumnodeconfigs", NAMESPACE, name, body)


def armed() -> Arming:
    return Arming.headless(True, is_read_only=False, reason="", context=CONTEXT)


@asynccontextmanager
async def gate_rig(
    monkeypatch: pytest.MonkeyPatch, arming: Arming | None = None
) -> AsyncIterator[GateRig]:
    async with SimulatorServer(FakeFleet(), options=SimulatorOptions(pace=FAST)) as server:
        bearer = (("Authorization", f"Bearer {server.token}"),)
        access = Access(server.url, "simulated", "simulated", "default", bearer)

        async def load() -> Access:
            return access

        async with Session(CredentialSource(access, load)) as session:
            rig = GateRig(server, session, arming or armed())
            rig.spy(monkeypatch)
            yield rig
