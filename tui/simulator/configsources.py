"""What the init container `build-config` of 1.13 and later merges, as its command line says.

Source: cilium-dbg/cmd/build-config.go and pkg/option/resolver: sources in order, later ones
winning; keys of every source but the first pass the allow list, or else the deny list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tui.simulator.objects import KubeObject

NODE_CONFIG = "cilium-node-config"


@dataclass(frozen=True, slots=True)
class ConfigBuilder:
    """The arguments of one DaemonSet's init container."""

    sources: tuple[str, ...] = ("config-map", NODE_CONFIG)
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    @property
    def reads_node_configs(self) -> bool:
        """Whether CiliumNodeConfigs are among the sources."""
        return any(source.partition(":")[0] == NODE_CONFIG for source in self.sources)

    def passed(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """Return the keys that a source after the first may set."""
        return {key: value for key, value in overrides.items() if self._may_set(key)}

    def _may_set(self, key: str) -> bool:
        return key in self.allowed if self.allowed else key not in self.denied


def builder_of(template: KubeObject) -> ConfigBuilder | None:
    """Return what a template's init container merges; None without one: the ConfigMap it is."""
    for container in template["spec"].get("initContainers") or []:
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        if "build-config" in words:
            flags = {name: value for name, value in _flags(words)}
            sources = _listed(flags.get("source", ""))
            return ConfigBuilder(
                sources or ConfigBuilder().sources,
                frozenset(_listed(flags.get("allow-config-keys", ""))),
                frozenset(_listed(flags.get("deny-config-keys", ""))),
            )
    return None


def _flags(words: list[str]) -> Iterator[tuple[str, str]]:
    for place, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            following = words[place + 1 : place + 2]
            yield name, value if equals else "".join(following)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
