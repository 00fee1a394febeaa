"""A tiny fleet for tests of the API server: the recorded cluster, and a few commands."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from tui.simulator.objects import KubeObject, ObjectReaderWriter, timestamp

FIXTURES = Path(__file__).parent.parent / "fixtures" / "kubernetes-objects"
AGENT = "cilium-agent"
RECORDED_CILIUM = "1.11.7"


@dataclass(frozen=True)
class Answer:
    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Line:
    time: float
    text: bytes


def recorded(name: str, cilium_version: str = RECORDED_CILIUM) -> list[KubeObject]:
    text = (FIXTURES / f"{name}.json").read_text()
    document = json.loads(text.replace(RECORDED_CILIUM, cilium_version))
    if "items" not in document:
        return [document]
    kind, version = document["kind"].removesuffix("List"), document["apiVersion"]
    return [{"kind": kind, "apiVersion": version, **item} for item in document["items"]]


@dataclass
class FakeFleet:
    kubernetes_version: str = "v1.31.4"
    cilium_version: str = "1.17.5"
    logs: dict[tuple[str, bool], list[Line]] = field(default_factory=dict)
    advanced: int = 0
    replaced: int = 0
    objects: ObjectReaderWriter | None = None
    faults: dict[str, object] = field(default_factory=dict)

    def seed_objects(self) -> list[KubeObject]:
        namespaces: list[KubeObject] = [
            {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name},
             "status": {"phase": "Active"}}
            for name in ("default", "kube-system", "kube-node-lease")
        ]  # fmt: skip
        names = (
            "nodes", "pods-agents", "daemonset", "controllerrevisions", "configmap", "services",
            "endpoints", "endpointslices", "events", "ciliumnodes",
        )  # fmt: skip
        found = [obj for name in names for obj in recorded(name, self.cilium_version)]
        for obj in found:
            if obj["kind"] == "Pod":
                self.add_log(obj["metadata"]["name"], 5)
        return namespaces + found

    def add_log(self, pod_name: str, count: int, is_previous: bool = False) -> None:
        lines = self.logs.setdefault((pod_name, is_previous), [])
        now = time()
        lines += [
            Line(now - 60 + i, b"level=info msg=line%d" % (len(lines) + i)) for i in range(count)
        ]

    def attach(self, objects: ObjectReaderWriter) -> None:
        self.objects = objects

    def exec(self, pod_name: str, container: str, argv: Sequence[str], stdin: bytes) -> Answer:
        if container != AGENT:
            raise LookupError(container)
        match list(argv):
            case ["cat"]:
                return Answer(stdin)
            case ["exit", code]:
                return Answer(b"out\n", b"err\n", int(code))
            case ["print", size]:
                return Answer(("ü" * int(size)).encode())
            case ["sleep", seconds]:
                return Answer(b"slept\n", seconds=float(seconds))
            case _:
                return Answer(" ".join(argv).encode() + b"\n")

    def log(self, pod_name: str, container: str, previous: bool) -> Sequence[Line]:
        return self.logs[pod_name, previous]

    def advance(self, now: float) -> None:
        self.advanced += 1

    def misbehave(self, node_name: str, kind: str, values: Mapping[str, float], text: str) -> None:
        raise LookupError(node_name)

    def cure(self, node_name: str, kind: str) -> None:
        raise LookupError(node_name)

    def replace_pod(self, old_pod: KubeObject) -> KubeObject:
        self.replaced += 1
        pod = copy.deepcopy(old_pod)
        metadata = pod["metadata"]
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"):
            metadata.pop(key, None)
        metadata["name"] = f"cilium-new{self.replaced}"
        metadata["uid"] = f"00000000-0000-0000-0000-{self.replaced:012}"
        metadata["creationTimestamp"] = timestamp(time())
        self.add_log(metadata["name"], 2)
        return pod
