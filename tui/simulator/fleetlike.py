"""What the API server needs of the simulated agents; `Fleet` fulfils it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tui.simulator.objects import KubeObject, ObjectReaderWriter


class CommandAnswer(Protocol):
    """What a command in a simulated container printed, and how long it takes."""

    @property
    def stdout(self) -> bytes:
        """Standard output."""
        ...

    @property
    def stderr(self) -> bytes:
        """Standard error."""
        ...

    @property
    def exit_code(self) -> int:
        """0 for success."""
        ...

    @property
    def seconds(self) -> float:
        """Wall time that a real command would take."""
        ...


class WrittenLine(Protocol):
    """One line of a container's log, without its line ending."""

    @property
    def time(self) -> float:
        """When it was written, in seconds since the epoch."""
        ...

    @property
    def text(self) -> bytes:
        """The line as the container wrote it."""
        ...


class FleetLike(Protocol):
    """The simulated agents of a cluster."""

    @property
    def kubernetes_version(self) -> str:
        """What the API server claims to be, such as `v1.31.4`."""
        ...

    @property
    def faults(self) -> Mapping[str, object]:
        """What is always a little wrong with the API server: the fields of `Conditions`."""
        ...

    def seed_objects(self) -> list[KubeObject]:
        """Return all objects that exist at the start, each with its kind and apiVersion."""
        ...

    def attach(self, objects: ObjectReaderWriter) -> None:
        """Give the agents the API server they read their configuration from."""
        ...

    def exec(
        self, pod_name: str, container: str, argv: Sequence[str], stdin: bytes
    ) -> CommandAnswer:
        """Run a command in a container of the model; no program of this machine is started."""
        ...

    def log(self, pod_name: str, container: str, previous: bool) -> Sequence[WrittenLine]:
        """Return all lines so far; it grows.

        Raises:
            LookupError: there is no such container, or no previous one.
        """
        ...

    def advance(self, now: float) -> None:
        """Let the time of the model run on to this moment."""
        ...

    def misbehave(self, node_name: str, kind: str, values: Mapping[str, float], text: str) -> None:
        """Let something be wrong with a node from now on.

        Raises:
            LookupError: there is no such node.
            ValueError: there is no such thing to be wrong.
        """
        ...

    def cure(self, node_name: str, kind: str) -> None:
        """Let that no longer be wrong with the node; what its agent does now stays.

        Raises:
            LookupError: there is no such node.
        """
        ...

    def replace_pod(self, old_pod: KubeObject) -> KubeObject:
        """Start a new agent on the node of a deleted pod and return its pod as it will settle."""
        ...
