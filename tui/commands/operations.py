"""The commands that write: a plan is made and printed, carried out with `--yes`, and verified."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Protocol, TypeVar

from tui.config import Config
from tui.errors import CiltopError, ConfigError, ConnectError

if TYPE_CHECKING:
    from tui.model.names import NodeUid
    from tui.model.operations import Intent, OperationPlan, OperationProgress
    from tui.model.snapshot import Snapshot

T = TypeVar("T")

TICK_SECONDS = 0.2
READ_SECONDS = 120.0
"""Until the cluster must be read far enough to plan."""

PLAN_SECONDS = 120.0
SAME_WORDS_SECONDS = 10.0
"""Between two lines that differ in their numbers only, such as a countdown's."""

_NUMBER = re.compile(r"[0-9]+")

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_DENIED = 3
EXIT_INTERRUPTED = 130


class Acts(Protocol):
    """The collector's part that plans and carries out; its methods may be called from anywhere."""

    def plan(self, intent: Intent) -> Future[OperationPlan]:
        """Make a plan."""
        ...

    def plan_finish(
        self, operation_id: str, *, accepts_data_loss: bool = False
    ) -> Future[OperationPlan]:
        """Plan what finishes an operation that was left half done."""
        ...

    def begin(self, plan: OperationPlan, typed: str) -> Future[None]:
        """Begin what was planned."""
        ...

    def abort(self) -> None:
        """Begin nothing more."""
        ...


def run_operation(config: Config, arguments: argparse.Namespace) -> int:
    """Plan an operation, print the plan, and with `--yes` carry it out; return the exit code.

    Raises:
        ConfigError: a node that there is not, or flags that don't go together.
        ClusterError: the cluster could not be read.
        CiltopError: the operation is blocked, denied or failed to begin.
    """
    from tui.launch import chosen_context, operating_feed

    check_flags(arguments)
    config = config.for_context(chosen_context(config))
    mailbox, collector = operating_feed(
        config, is_confirmed=arguments.yes and not arguments.dry_run
    )
    try:
        collector.start()
        return Operating(collector, lambda: mailbox.latest, _fail_if_ended(collector)).run(
            arguments
        )
    finally:
        collector.stop()


def print_rbac(config: Config, arguments: argparse.Namespace) -> int:
    """Print the manifest of a role.

    Raises:
        ConfigError: the namespace's name is none.
    """
    from tui.cluster.capabilities import Role, rbac_manifest

    namespace = config.text("namespace") or "kube-system"
    sys.stdout.write(rbac_manifest(Role(arguments.role), namespace))
    return EXIT_DONE


def check_flags(arguments: argparse.Namespace) -> None:
    """Refuse flags that don't go together, before anything is read.

    Raises:
        ConfigError: it says which.
    """
    if arguments.dry_run and arguments.yes:
        raise ConfigError("--dry-run and --yes don't go together")
    if arguments.command == "restart" and bool(arguments.node) is arguments.all:
        raise ConfigError("restart: name nodes with --node, or take --all")
    if arguments.command == "hostns-only" and bool(arguments.node) is arguments.cluster:
        raise ConfigError("hostns-only: name nodes with --node, or take --cluster")
    if arguments.command == "finish" and arguments.yes and not arguments.id:
        raise ConfigError("finish: name the operation that --yes is for")


def _fail_if_ended(collector: object) -> Callable[[], None]:
    def check() -> None:
        error = getattr(collector, "error", None)
        if isinstance(error, CiltopError):
            raise error
        if not getattr(collector, "is_alive", True):
            raise ConnectError("collecting ended; the audit file has what was done (--log-file)")

    return check


class Countdown:
    """Which of the words that change all the time are said: a script's log is read by people."""

    def __init__(self) -> None:
        self._said = ""
        self._shape = ""
        self._at = 0.0

    def is_news(self, text: str, now: float) -> bool:
        """Tell whether a text is said: it is another one, or the same with other numbers later."""
        shape = _NUMBER.sub("0", text)
        is_due = text != self._said and now - self._at >= SAME_WORDS_SECONDS
        if shape == self._shape and not is_due:
            return False
        self._said, self._shape, self._at = text, shape, now
        return True


class Operating:
    """One operation from its flags to its exit code."""

    def __init__(
        self,
        acts: Acts,
        look: Callable[[], Snapshot],
        check: Callable[[], None] = lambda: None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self._acts = acts
        self._look = look
        self._check = check
        self._sleep = sleep
        self._clock = clock
        self._say = say or _say_error

    def run(self, arguments: argparse.Namespace) -> int:
        """Plan, print, and carry out what the flags ask for."""
        from tui.model.operations import OperationState
        from tui.report.plan_text import plan_text

        snapshot = self._read(frozenset(getattr(arguments, "node", ())))
        left = [one for one in snapshot.operations if one.state is OperationState.UNFINISHED]
        if arguments.command == "finish" and not arguments.id:
            return _list_unfinished(left)
        for one in left if arguments.command not in ("finish", "undo") else ():
            self._say(f"operation {one.plan.id} is unfinished: ciltop finish {one.plan.id}")
        plan = self._wait(self._planned(arguments, snapshot), PLAN_SECONDS)
        is_ascii = "utf" not in (sys.stdout.encoding or "").lower()
        width = shutil.get_terminal_size((100, 24)).columns
        sys.stdout.write(plan_text(plan, width, is_ascii=is_ascii))
        sys.stdout.flush()
        if any(write.permission.value == "denied" for write in plan.writes):
            self._say("denied: nothing was written; `ciltop rbac operator` prints the rights")
            return EXIT_DENIED
        if plan.is_blocked:
            self._say("blocked: nothing was written")
            is_unread = any(guard.id == "unreadable" for guard in plan.blockers)
            return EXIT_DENIED if is_unread else EXIT_FAILED
        if not arguments.yes:
            self._say("nothing was written: --yes carries it out")
            return EXIT_DONE
        self._wait(self._acts.begin(plan, plan.confirmation), PLAN_SECONDS)
        return self._follow(plan)

    def _read(self, names: frozenset[str]) -> Snapshot:
        """Wait until the lists and the named nodes were read.

        Raises:
            ConfigError: the cluster has no such node.
            ConnectError: it was not read in time.
        """
        ends_at = self._clock() + READ_SECONDS
        while self._clock() < ends_at:
            self._check()
            snapshot = self._look()
            known = {str(facts.node.name): facts for facts in snapshot.nodes.values()}
            if snapshot.is_complete and known:
                if absent := sorted(names - known.keys()):
                    raise ConfigError(f"--node: the cluster has no node {', '.join(absent)}")
                if not snapshot.health.nodes_unread and not _unread_parts(snapshot):
                    return snapshot
            self._sleep(TICK_SECONDS)
        snapshot = self._look()
        if snapshot.is_complete:
            self._say(f"not everything was read: {', '.join(_unread_parts(snapshot)) or 'nodes'}")
            return snapshot
        reasons = [snapshot.health.reason, *(gap.reason for gap in snapshot.gaps.values())]
        reason = next((reason for reason in reasons if reason), "it did not answer in time")
        raise ConnectError(f"the cluster was not read: {reason}")

    def _planned(self, arguments: argparse.Namespace, snapshot: Snapshot) -> Future[OperationPlan]:
        accepts = arguments.accept_data_loss
        if arguments.command == "finish":
            return self._acts.plan_finish(arguments.id, accepts_data_loss=accepts)
        return self._acts.plan(self._intent(arguments, snapshot))

    def _intent(self, arguments: argparse.Namespace, snapshot: Snapshot) -> Intent:
        from tui.model.operations import Intent, OperationKind, Scope

        is_wide = getattr(arguments, "all", False) or getattr(arguments, "cluster", False)
        names = frozenset(getattr(arguments, "node", ()))
        chosen: tuple[NodeUid, ...] = tuple(
            uid for uid, facts in snapshot.nodes.items() if str(facts.node.name) in names
        )
        return Intent(
            OperationKind(arguments.command),
            chosen,
            # Naming no node means all that can restart: one that is lost blocks nobody.
            scope=Scope.CLUSTER if is_wide else Scope.NODES,
            is_on={"on": True, "off": False}.get(getattr(arguments, "value", "")),
            size=getattr(arguments, "size", None),
            wave_size=arguments.wave,
            undo_id=getattr(arguments, "id", ""),
            accepts_data_loss=arguments.accept_data_loss,
        )

    def _follow(self, plan: OperationPlan) -> int:
        """Tell what happens until the operation is over."""
        from tui.model.operations import OperationState
        from tui.report.plan_text import progress_lines

        seen: OperationProgress | None = None
        countdown = Countdown()
        while True:
            self._check()
            found = next((one for one in self._look().operations if one.plan.id == plan.id), None)
            if found is not None and found is not seen:
                for line in progress_lines(() if seen is None else seen.nodes, found.nodes):
                    self._say(line)
                if found.text and (found.is_over or countdown.is_news(found.text, self._clock())):
                    self._say(str(found.text))
                seen = found
                if found.is_over:
                    if found.undo_id:
                        self._say(f"undo: ciltop undo {found.undo_id}")
                    is_done = found.state is OperationState.DONE
                    return EXIT_DONE if is_done else EXIT_FAILED
            try:
                self._sleep(TICK_SECONDS)
            except KeyboardInterrupt:
                self._acts.abort()
                self._say("aborting: nothing more is begun; what was begun is verified")

    def _wait(self, future: Future[T], limit_seconds: float) -> T:
        """Return a future's result, an interrupt and the collector's end in mind."""
        ends_at = self._clock() + limit_seconds
        while True:
            self._check()
            try:
                return future.result(timeout=TICK_SECONDS)
            except FutureTimeoutError:
                if future.done() or self._clock() > ends_at:
                    raise ConnectError("the cluster did not answer in time") from None


def _list_unfinished(left: Sequence[OperationProgress]) -> int:
    for one in left:
        sys.stdout.write(f"{one.plan.id}  {one.plan.title}: {one.text}\n")
    if not left:
        sys.stdout.write("no operation was left unfinished\n")
    return EXIT_DONE


def _unread_parts(snapshot: Snapshot) -> list[str]:
    from tui.report.report import unread_parts

    return unread_parts(snapshot)


def _say_error(text: str) -> None:
    sys.stderr.write(f"ciltop: {text}\n")
    sys.stderr.flush()
