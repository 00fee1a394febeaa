"""How large each map would be made, and which option says so.

Limits are those of `calculateBPFMapSizes` and `Validate` in pkg/option/config.go: load-balancing
maps above 0, conntrack, NAT and reverse_sk 1024 to 16777216, fragments 256 to 65536, policy maps
clamped to 256 to 65536. What `bpf-map-dynamic-size-ratio` sizes depends on the node's memory and
is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tui.cilium.map_catalogue import family_of
from tui.cilium.releases import Release
from tui.model.maps import MapKind, MapUsage

Numbers = Callable[[str], int | None]
"""Option -> its whole number, or None where it is not set or is none."""

LB_ALL = "bpf-lb-map-max"
TABLE_MIN, TABLE_MAX = 1 << 10, 1 << 24
POLICY_MIN, POLICY_MAX = 1 << 8, 1 << 16
LB_DEFAULT = 65536
NAT_DEFAULT = 524288

_SINGLE: Mapping[str, str] = MappingProxyType(
    {
        "lb-services": "bpf-lb-service-map-max",
        "lb-backends": "bpf-lb-service-backend-map-max",
        "lb-reverse-nat": "bpf-lb-rev-nat-map-max",
        "lb-affinity-match": "bpf-lb-affinity-map-max",
        "lb-affinity": "bpf-lb-affinity-map-max",
        "lb-source-range": "bpf-lb-source-range-map-max",
        "lb-maglev": "bpf-lb-maglev-map-max",
    }
)
"""Hidden flags of 1.12 and later; 0 inherits `bpf-lb-map-max`."""


@dataclass(frozen=True, slots=True)
class _Table:
    option: str
    default: int | None
    """None where it follows from something that is not known here."""
    is_dynamic: bool = False


_TABLES: Mapping[str, _Table] = MappingProxyType(
    {
        "ct-tcp": _Table("bpf-ct-global-tcp-max", 524288, is_dynamic=True),
        "ct-any": _Table("bpf-ct-global-any-max", 262144, is_dynamic=True),
        "nat": _Table("bpf-nat-global-max", NAT_DEFAULT, is_dynamic=True),
        "neighbors": _Table("bpf-neigh-global-max", None, is_dynamic=True),
        "lb-reverse-sk": _Table("bpf-sock-rev-map-max", 262144, is_dynamic=True),
        "fragments": _Table("bpf-fragments-map-max", 8192),
        "policy": _Table("bpf-policy-map-max", 16384),
        "auth": _Table("bpf-auth-map-max", 524288),
        "egress-gateway": _Table("egress-gateway-policy-map-max", 16384),
    }
)
SIZE_OPTIONS = frozenset({LB_ALL, *_SINGLE.values(), *(one.option for one in _TABLES.values())})


@dataclass(frozen=True, slots=True)
class Sized:
    """The size that an option gives a map."""

    max_entries: int
    option: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Sizing:
    """Everything that sizes maps at one start."""

    number: Numbers
    release: Release | None
    is_dynamic: bool | None
    """Whether what is not set is sized by the node's memory; None where it can't be told."""
    rounds_lru: bool = False
    """`bpf-distributed-lru` (1.17): LRU maps are rounded up to a multiple of the CPUs."""
    pinned: Mapping[str, int] = field(default_factory=dict)
    """Size by family of the maps that are there: what memory sizes stays as it is."""

    def of(self, usage: MapUsage) -> Sized | None:
        """Return the size of a map, or None where it can't be known here."""
        family = family_of(str(usage.name)).key
        if self.rounds_lru and usage.kind is MapKind.LRU_HASH:
            return None
        if family in _SINGLE:
            return self._load_balancing(_SINGLE[family])
        table = _TABLES.get(family)
        return None if table is None else self._table(family, table)

    def _load_balancing(self, single: str) -> Sized | None:
        own = self.number(single)
        has_single = self.release is None or self.release.at_least(1, 12)
        if own is not None and own > 0 and has_single:
            return Sized(own, single, is_default=False)
        every = self.number(LB_ALL)
        if every is None:
            return Sized(LB_DEFAULT, LB_ALL, is_default=True)
        return Sized(every, LB_ALL, is_default=False) if every > 0 else None

    def _table(self, family: str, table: _Table) -> Sized | None:
        number = self.number(table.option)
        if number is None or number <= 0:
            if table.default is None or (table.is_dynamic and self.is_dynamic is not False):
                return None
            number = table.default
            is_default = True
        else:
            is_default = False
        if family == "policy":
            number = min(max(number, POLICY_MIN), POLICY_MAX)
        if family == "nat":
            number = self._capped_nat(number)
        return Sized(number, table.option, is_default)

    def _capped_nat(self, number: int) -> int:
        """A NAT size of the default gives way to conntrack's: two thirds of it."""
        tracked = self.conntrack_entries
        if number == NAT_DEFAULT and tracked is not None and number > tracked:
            return tracked * 2 // 3
        return number

    @property
    def conntrack_entries(self) -> int | None:
        """The size of both conntrack maps of a family, where both are known."""
        found = []
        for key in ("ct-tcp", "ct-any"):
            size = self._table(key, _TABLES[key])
            by_memory = self.pinned.get(key) if self.is_dynamic else None
            found.append(by_memory if size is None else size.max_entries)
        known = [size for size in found if size is not None]
        return sum(known) if len(known) == len(found) else None


def whole_number(text: str | None) -> int | None:
    """Read a size; None where there is none."""
    if text is None:
        return None
    plain = text.strip()
    return int(plain) if plain.lstrip("+-").isdecimal() and len(plain) <= 18 else None


def is_dynamic(ratio: str | None, release: Release | None, *, knows_all: bool) -> bool | None:
    """Tell whether maps are sized by the node's memory.

    The chart always writes the ratio; the agent's own default was 0 in 1.11 and is 0.0025 in 1.19,
    and between those it is not known here.
    """
    if ratio is not None:
        try:
            return float(ratio) > 0
        except ValueError:
            return None
    if knows_all and release is not None and not release.at_least(1, 12):
        return False
    return None
