"""The commands that write: what the flags mean, what is printed, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import NOW, UID
from tests.unit.report_facts import judged_snapshot
from tui.cli import build_parser
from tui.commands.operations import (
    EXIT_DENIED,
    EXIT_DONE,
    EXIT_FAILED,
    Countdown,
    Operating,
    _fail_if_ended,
    check_flags,
)
from tui.errors import ConfigError, ConnectError
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeName
from tui.model.operations import (
    Guard,
    GuardKind,
    HealthMark,
    Intent,
    NodeProgress,
    NodeState,
    OperationKind,
    OperationPlan,
    OperationProgress,
    OperationState,
    Permission,
    PlannedWrite,
    Scope,
)
from tui.model.reading import Reading
from tui.model.snapshot import Snapshot
from tui.report.plan_text import plan_text
from tui.safety import clean

WRITE = PlannedWrite(
    "w1", "delete", "pods", "", clean("kube-system"), clean("cilium-node-1"),
    permission=Permission.ALLOWED, dry_run=clean("passed"), is_dry_run_passed=True,
    diff=clean("-spec"), node_uid=UID,
)  # fmt: skip


def read_snapshot() -> Snapshot:
    """Return a cluster of which every part was read."""
    base = judged_snapshot()
    reason: Reading[Any] = Reading.unknown(clean("not in this test"))
    cluster = ClusterFacts(
        context=clean("prod"),
        kubernetes_version=base.cluster.kubernetes_version,
        daemonsets=reason, config_map=reason, services=reason, node_configs=reason,
        revisions=reason, workloads=reason, mount_failures=reason, unmirrored=reason,
    )  # fmt: skip
    return replace(base, cluster=cluster)


def plan_of(intent: Intent, **parts: object) -> OperationPlan:
    base = OperationPlan(
        "7f3a", intent, clean("Restart the agent of node-1"), NOW, waves=((UID,),),
        node_names=(NodeName("node-1"),), writes=(WRITE,), undo=clean("none is needed"),
    )  # fmt: skip
    return replace(base, **parts)  # type: ignore[arg-type]  # fields of OperationPlan


class HandActs:
    """Plans what the test says, and lets an operation go on with each look."""

    def __init__(self, *states: OperationState, **parts: object) -> None:
        self.snapshot = read_snapshot()
        self.parts = parts
        self.states = list(states)
        self.intents: list[Intent] = []
        self.carried_out: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.finished: list[tuple[str, bool]] = []

    def plan(self, intent: Intent) -> Future[OperationPlan]:
        self.intents.append(intent)
        return _done(plan_of(intent, **self.parts))

    def plan_finish(
        self, operation_id: str, *, accepts_data_loss: bool = False
    ) -> Future[OperationPlan]:
        self.finished.append((operation_id, accepts_data_loss))
        return self.plan(Intent(OperationKind.RESTART, (UID,)))

    def begin(self, plan: OperationPlan, typed: str) -> Future[None]:
        self.carried_out.append((plan.id, typed))
        return _done(None)

    def abort(self) -> None:
        self.said.append("abort")

    def look(self) -> Snapshot:
        if not self.carried_out or not self.states:
            return self.snapshot
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        mark = HealthMark("pod-ready", clean("the pod is Ready"), is_met=True, at=NOW)
        node = NodeProgress(UID, NodeName("node-1"), 0, NodeState.VERIFYING, marks=(mark,))
        progress = OperationProgress(
            plan_of(self.intents[0]), state, (node,), clean(f"it is {state.value}"), undo_id="7f3a"
        )
        return replace(self.snapshot, operations=(progress,))


def _done(value: object) -> Future:  # type: ignore[type-arg]  # of whatever it is given
    future: Future[object] = Future()
    future.set_result(value)
    return future


def flags(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(words)


def run(acts: HandActs, *words: str) -> int:
    times = iter(range(10_000))
    operating = Operating(
        acts,
        acts.look,
        sleep=lambda _: None,
        clock=lambda: float(next(times)),
        say=acts.said.append,
    )
    return operating.run(flags(*words))


def test_without_yes_the_plan_is_printed_and_nothing_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    acts = HandActs()
    assert run(acts, "restart", "--node", "node-1") == EXIT_DONE
    assert acts.carried_out == []
    assert acts.intents == [Intent(OperationKind.RESTART, (UID,))]
    printed = capsys.readouterr().out
    assert "Restart the agent of node-1 (operation 7f3a)" in printed
    assert "delete pods kube-system/cilium-node-1: allowed, dry run passed" in printed
    assert "--yes carries it out" in acts.said[-1]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((OperationState.RUNNING, OperationState.DONE), EXIT_DONE),
        ((OperationState.RUNNING, OperationState.FAILED), EXIT_FAILED),
        ((OperationState.ABORTED,), EXIT_FAILED),
    ],
)
def test_the_exit_code_says_how_it_ended(states: tuple[OperationState, ...], code: int) -> None:
    acts = HandActs(*states)
    assert run(acts, "restart", "--node", "node-1", "--yes") == code
    assert acts.carried_out == [("7f3a", "")]
    assert "node-1 ok: the pod is Ready" in acts.said
    assert "undo: ciltop undo 7f3a" in acts.said


def test_a_countdown_is_told_each_ten_seconds_and_other_words_at_once() -> None:
    countdown = Countdown()
    told = [
        second
        for second in range(60)
        if countdown.is_news(f"soak: {60 - second} s until the next wave", float(second))
    ]
    assert told == [0, 10, 20, 30, 40, 50]
    assert countdown.is_news("wave 2 of 3", 60.0)
    assert countdown.is_news("soak: 60 s until the next wave", 60.5)
    assert not countdown.is_news("soak: 60 s until the next wave", 99.0)


def test_what_is_blocked_is_not_begun_though_yes_was_given() -> None:
    guard = Guard(GuardKind.BLOCKED, "map-too-small", clean("would shrink"), is_data_loss=True)
    acts = HandActs(guards=(guard,))
    assert run(acts, "restart", "--node", "node-1", "--yes") == EXIT_FAILED
    assert acts.carried_out == []


def test_accepting_data_loss_overrides_what_may_be_overridden() -> None:
    guard = Guard(GuardKind.BLOCKED, "map-too-small", clean("would shrink"), is_data_loss=True)
    acts = HandActs(OperationState.DONE, guards=(guard,))
    words = ("restart", "--node", "node-1", "--yes", "--accept-data-loss")
    assert run(acts, *words) == EXIT_DONE
    assert acts.carried_out


def test_what_is_denied_is_not_begun_and_names_the_manifest() -> None:
    guard = Guard(GuardKind.BLOCKED, "denied", clean("no right to delete pods"))
    acts = HandActs(writes=(replace(WRITE, permission=Permission.DENIED),), guards=(guard,))
    assert run(acts, "restart", "--node", "node-1", "--yes") == EXIT_DENIED
    assert acts.carried_out == []
    assert "ciltop rbac operator" in acts.said[-1]


def test_what_cannot_be_read_is_no_failure_of_the_operation() -> None:
    guard = Guard(GuardKind.BLOCKED, "unreadable", clean("ConfigMap cilium-config can't be read"))
    acts = HandActs(guards=(guard,))
    assert run(acts, "hostns-only", "on", "--cluster", "--yes") == EXIT_DENIED
    assert acts.carried_out == []


def test_a_collector_that_ended_ends_the_command() -> None:
    class Ended:
        error = None
        is_alive = False

    with pytest.raises(ConnectError, match="collecting ended"):
        _fail_if_ended(Ended())()


@pytest.mark.parametrize(
    ("words", "intent"),
    [
        (
            ("restart", "--all", "--wave", "2"),
            Intent(OperationKind.RESTART, (), scope=Scope.CLUSTER, wave_size=2),
        ),
        (
            ("hostns-only", "on", "--node", "node-1"),
            Intent(OperationKind.HOSTNS_ONLY, (UID,), is_on=True),
        ),
        (
            ("hostns-only", "off", "--cluster"),
            Intent(OperationKind.HOSTNS_ONLY, (), scope=Scope.CLUSTER, is_on=False),
        ),
        (
            ("resize", "--node", "node-1", "--size", "256"),
            Intent(OperationKind.RESIZE, (UID,), size=256),
        ),
        (("undo", "7f3a"), Intent(OperationKind.UNDO, (), undo_id="7f3a")),
    ],
)
def test_the_flags_become_an_intent(words: tuple[str, ...], intent: Intent) -> None:
    acts = HandActs()
    run(acts, *words)
    assert acts.intents == [intent]


def left_behind(acts: HandActs) -> HandActs:
    """Return a cluster on which an earlier run left operation 5c11 unfinished."""
    plan = replace(plan_of(Intent(OperationKind.RESTART)), id="5c11")
    text = clean("ciltop ended in the middle: 0 of 1 nodes verified, 1 begun and not verified")
    left = OperationProgress(plan, OperationState.UNFINISHED, (), text)
    acts.snapshot = replace(acts.snapshot, operations=(left,))
    return acts


def test_what_was_left_unfinished_is_listed_and_hinted_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    acts = left_behind(HandActs())
    assert run(acts, "finish") == EXIT_DONE
    assert acts.intents == []
    printed = capsys.readouterr().out
    assert printed.startswith("5c11  Restart the agent of node-1: ciltop ended in the middle")
    run(acts, "restart", "--node", "node-1")
    assert "operation 5c11 is unfinished: ciltop finish 5c11" in acts.said
    run(HandActs(), "finish")
    assert "no operation was left unfinished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "is_done", "accepts"),
    [((), False, False), (("--yes",), True, False), (("--yes", "--accept-data-loss"), True, True)],
)
def test_finishing_has_the_same_preview_and_the_same_yes(
    words: tuple[str, ...], is_done: bool, accepts: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    acts = HandActs(OperationState.DONE)
    assert run(acts, "finish", "5c11", *words) == EXIT_DONE
    assert acts.finished == [("5c11", accepts)]
    assert bool(acts.carried_out) is is_done
    assert "delete pods kube-system/cilium-node-1" in capsys.readouterr().out


def test_a_node_that_there_is_not_is_wrong_usage() -> None:
    with pytest.raises(ConfigError, match="no node nowhere"):
        run(HandActs(), "restart", "--node", "nowhere")


def test_a_cluster_that_is_not_read_is_said() -> None:
    acts = HandActs()
    acts.snapshot = Snapshot()
    with pytest.raises(ConnectError, match="was not read"):
        run(acts, "restart", "--node", "node-1")


@pytest.mark.parametrize(
    "words",
    [
        ("restart",),
        ("restart", "--all", "--node", "a"),
        ("hostns-only", "on"),
        ("hostns-only", "on", "--cluster", "--node", "a"),
        ("restart", "--all", "--yes", "--dry-run"),
        ("finish", "--yes"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        check_flags(flags(*words))


def test_an_interrupt_aborts_and_goes_on_telling() -> None:
    acts = HandActs(OperationState.RUNNING, OperationState.ABORTED)
    presses = iter([KeyboardInterrupt])

    def sleep(_: float) -> None:
        press = next(presses, None)
        if press is not None:
            raise press

    clock: Callable[[], float] = iter(range(10_000)).__next__
    operating = Operating(acts, acts.look, sleep=sleep, clock=clock, say=acts.said.append)
    assert operating.run(flags("restart", "--node", "node-1", "--yes")) == EXIT_FAILED
    assert "abort" in acts.said


def test_the_plan_fits_its_columns_but_for_diffs_and_commands() -> None:
    guard = Guard(GuardKind.WARNED, "pending-keys", clean("word " * 40))
    plan = plan_of(
        Intent(OperationKind.RESTART), guards=(guard,), now=(clean("now " * 40),),
        commands=(clean("kubectl rollout restart ds/cilium -n kube-system"),),
    )  # fmt: skip
    text = plan_text(plan, 60, is_ascii=True)
    assert text.isascii()
    assert all(len(line) <= 60 for line in text.splitlines() if "kubectl" not in line)
    assert "! warned: word" in text
