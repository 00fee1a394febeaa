"""Faults of the simulated cluster, set at run time by tests or over the loopback interface.

A fault applies to requests whose path and query match its regular expression and whose verb fits:
an API verb (get list watch create update patch delete exec log) or `*`. With `count` it wears off
after so many requests. Kinds, and the fields they use:

| kind | what happens |
|---|---|
| `latency` | the answer comes `seconds` later |
| `status` | a Status with code `status`, and `message`, `retry_after_seconds` if set |
| `html` | the answer is a proxy's HTML page with code `status` (default 502) |
| `half-open` | the request is read and never answered |
| `reset` | the connection is reset; with `after_bytes`, so far into the answer |
| `truncate` | the answer ends `after_bytes` in, with the connection, though more was announced |
| `stall` | nothing more is sent `after_bytes` into the answer; the connection stays open |
| `split-utf8` | exec output is cut into frames inside its multi-byte characters |

`stall`, `reset` and `truncate` also hit watches, followed logs and exec streams.
`Conditions` is what is always a little wrong: latency with jitter, a rate of errors, slow nodes,
nodes where exec is forbidden, watches that end every so often; a scenario brings its own.
`drop_watches()` ends all watches cleanly; `expire()` makes every older resource version and
continue token answer 410.

Another process on the same machine sets them at `/__ciltop/faults`, which needs no token:

    GET     the faults, conditions and denials that are set
    DELETE  clear everything
    POST    {"kind": "status", "status": 503, "path": "/pods", "verb": "list", "count": 3}
            {"conditions": {"latency_seconds": 0.1, "slow_nodes": {"node-3": 4.0}}}
            {"drop_watches": true}      {"expire": true}
            {"deny": [["get", "pods/exec"]]}     (verb, resource[, namespace])
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec


class FaultKind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    STATUS = "status"
    HTML = "html"
    HALF_OPEN = "half-open"
    RESET = "reset"
    TRUNCATE = "truncate"
    STALL = "stall"
    SPLIT_UTF8 = "split-utf8"


STREAM_KINDS = frozenset({FaultKind.RESET, FaultKind.TRUNCATE, FaultKind.STALL})


class Fault(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """One fault and the requests it hits."""

    kind: FaultKind
    path: str = ""
    """Regular expression, searched in the path with its query; the empty one fits all."""
    verb: str = "*"
    count: int | None = None
    """Requests still to be hit; None until it is cleared."""
    status: int = 0
    message: str = ""
    seconds: float = 0.0
    after_bytes: int = 0
    retry_after_seconds: int | None = None

    def fits(self, verb: str, path: str) -> bool:
        """Return whether the fault hits this request."""
        return self.verb in {"*", verb} and re.search(self.path, path) is not None


class Conditions(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What is always a little wrong with a cluster."""

    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Up to so much is added to the latency."""
    error_rate: float = 0.0
    """Share of requests answered with 429, 500 or 503."""
    slow_nodes: dict[str, float] = {}
    """Seconds that every exec takes longer, by node name."""
    denied_exec_nodes: list[str] = []
    """Nodes whose pods the user may not exec into, as an admission webhook would have it."""
    watch_drop_seconds: float = 0.0
    """How often all watches end; 0 for never."""


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What a POST to the admin path may ask for, besides one `Fault`."""

    conditions: Conditions | None = None
    drop_watches: bool = False
    expire: bool = False
    deny: list[list[str]] = []


@dataclass(frozen=True, slots=True)
class RequestFaults:
    """The faults that hit one request."""

    latency_seconds: float = 0.0
    answer: Fault | None = None
    """Replaces the answer: status, html or half-open."""
    stream: Fault | None = None
    """Breaks the answer on its way: reset, truncate or stall."""
    has_split_utf8: bool = False


class Faults:
    """The faults that are set now."""

    def __init__(self, conditions: Conditions | None = None) -> None:
        self.rules: list[Fault] = []
        self.conditions = conditions or Conditions()
        self._dice = random.Random(1)  # noqa: S311 - the same errors in every run
        self.on_drop_watches: list[Callable[[], None]] = []
        self.on_expire: list[Callable[[], None]] = []

    @property
    def slow_nodes(self) -> dict[str, float]:
        """Seconds that every exec takes longer, by node name."""
        return self.conditions.slow_nodes

    def add(self, fault: Fault) -> Fault:
        """Set a fault.

        Raises:
            ValueError: its path is no regular expression.
        """
        try:
            re.compile(fault.path)
        except re.error as error:
            raise ValueError(f"path: {error}") from error
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """Take back every fault."""
        self.rules.clear()
        self.conditions = Conditions()

    def drop_watches(self) -> None:
        """End all watches that run now."""
        for end in self.on_drop_watches:
            end()

    def expire(self) -> None:
        """Make every older resource version and continue token too old."""
        for forget in self.on_expire:
            forget()

    def take(self, verb: str, path: str) -> RequestFaults:
        """Return the faults that hit this request, and count it against them."""
        conditions = self.conditions
        latency = conditions.latency_seconds + conditions.jitter_seconds * self._dice.random()
        error = None
        if conditions.error_rate and self._dice.random() < conditions.error_rate:
            error = Fault(FaultKind.STATUS, status=self._dice.choice(_USUAL_ERRORS))
        if not self.rules:
            return RequestFaults(latency, error)
        hits = [rule for rule in self.rules if rule.fits(verb, path)]
        answer = next((rule for rule in hits if rule.kind in _ANSWER_KINDS), None)
        stream = next((rule for rule in hits if rule.kind in STREAM_KINDS), None)
        for rule in hits:
            if rule.kind in _SIDE_KINDS or rule is answer or rule is stream:
                self._use_up(rule)
        latency += sum(rule.seconds for rule in hits if rule.kind is FaultKind.LATENCY)
        return RequestFaults(
            latency,
            answer or error,
            stream,
            any(rule.kind is FaultKind.SPLIT_UTF8 for rule in hits),
        )

    def _use_up(self, rule: Fault) -> None:
        if rule.count is not None:
            rule.count -= 1
            if rule.count <= 0:
                self.rules.remove(rule)


_ANSWER_KINDS = frozenset({FaultKind.STATUS, FaultKind.HTML, FaultKind.HALF_OPEN})
_SIDE_KINDS = frozenset({FaultKind.LATENCY, FaultKind.SPLIT_UTF8})
_USUAL_ERRORS = (429, 500, 503)
