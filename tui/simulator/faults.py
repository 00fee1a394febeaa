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
| `webhook` | the webhook named `webhook` denies writes of `resource` in `namespace` (`message`) |

A denied write is answered with 403, or with `status`. A webhook is asked after credentials,
rights, preconditions and validation, so that its fault fits the resource (pods, pods/eviction;
empty for all) and not the path, and dry runs too, unless `dry_run` says otherwise: `deny` (as it
does writes), `pass` (only the write itself is denied) or `refuse` (the webhook has side effects:
every dry run fails, writes pass).
`reset` and `stall` break the answer of a write that was done, `half-open` one that was not.
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
            {"quirk": {"node": "node-3", "kind": "never-ready", "values": {"starts": 1}}}
            {"cure": ["node-3", "never-ready"]}
            {"replace": ["configmaps", "kube-system", "cilium-config"]}

The last three change the cluster, so that DELETE does not take them back: a quirk of a node from
now on (`QuirkKind` in `scenarios.py` says which and how), no longer that one, and an object that
somebody deleted and created again: same name and content, new UID.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from tui.simulator.paths import Target
from tui.simulator.statuses import denied_by_webhook, dry_run_unsupported


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
    WEBHOOK = "webhook"


class DryRun(StrEnum):
    """What a denying webhook does with dry runs."""

    DENY = "deny"
    PASS = "pass"  # noqa: S105 - no password
    REFUSE = "refuse"


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
    webhook: str = "policy.example.com"
    """The name of the webhook that denies."""
    resource: str = ""
    """What it judges, such as pods or pods/eviction; empty for everything."""
    namespace: str = ""
    """Where; empty for everywhere."""
    dry_run: DryRun = DryRun.DENY

    def judges(self, target: Target) -> bool:
        """Return whether the webhook is asked about writes of this target."""
        return (
            self.verb in {"*", target.verb}
            and self.resource in {"", target.right}
            and self.namespace in {"", target.namespace}
        )

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


class QuirkOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Something that shall be wrong with a node from now on."""

    node: str
    kind: str
    values: dict[str, float] = {}
    text: str = ""


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What a POST to the admin path may ask for, besides one `Fault`."""

    conditions: Conditions | None = None
    drop_watches: bool = False
    expire: bool = False
    deny: list[list[str]] = []
    quirk: QuirkOrder | None = None
    cure: list[str] = []
    """A node and the kind of its quirk."""
    replace: list[str] = []
    """Resource, namespace (may be empty) and name."""


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
        asked = (rule for rule in self.rules if rule.kind is not FaultKind.WEBHOOK)
        hits = [rule for rule in asked if rule.fits(verb, path)]
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

    def admit(self, target: Target, is_dry_run: bool) -> None:
        """Ask the webhooks about a write, and count it against the one that denies it.

        Raises:
            ApiFailure: one denies it, or can't take part in a dry run.
        """
        for rule in self.rules:
            if rule.kind is not FaultKind.WEBHOOK or not rule.judges(target):
                continue
            if _PASSED.get(rule.dry_run) is is_dry_run:
                continue
            self._use_up(rule)
            if rule.dry_run is DryRun.REFUSE:
                raise dry_run_unsupported(rule.webhook)
            raise denied_by_webhook(rule.webhook, rule.message, rule.status or 403)

    def _use_up(self, rule: Fault) -> None:
        if rule.count is not None:
            rule.count -= 1
            if rule.count <= 0:
                self.rules.remove(rule)


_PASSED = {DryRun.PASS: True, DryRun.REFUSE: False}
"""Which requests a webhook lets through: dry runs (True) or writes (False)."""
_ANSWER_KINDS = frozenset({FaultKind.STATUS, FaultKind.HTML, FaultKind.HALF_OPEN})
_SIDE_KINDS = frozenset({FaultKind.LATENCY, FaultKind.SPLIT_UTF8})
_USUAL_ERRORS = (429, 500, 503)
