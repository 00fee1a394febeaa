"""The base of all parts of Kubernetes objects, and the environment of a container."""

from __future__ import annotations

import msgspec


class Entity(msgspec.Struct, frozen=True, rename="camel", gc=False, kw_only=True):
    """Base of all parts: immutable, camelCase on the wire, no cycles to collect."""


class KeyRef(Entity, frozen=True):
    """One key of a ConfigMap."""

    name: str = ""
    key: str = ""


class VariableSource(Entity, frozen=True):
    """Where an environment variable gets its value."""

    config_map_key_ref: KeyRef | None = None


class EnvironmentVariable(Entity, frozen=True):
    """One of a container's environment variables."""

    name: str = ""
    value: str | None = None
    value_from: VariableSource | None = None
