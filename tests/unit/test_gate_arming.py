from __future__ import annotations

import pytest

from tui.cluster.arming import IDLE_SECONDS, Arming
from tui.errors import ArmingError, NotArmedError
from tui.model.operations import ArmingMode, ArmingState
from tui.safety import CleanText, clean

PROD = clean("prod-eu-1")


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def arming(watch: Watch, *, is_read_only: bool = False, context: CleanText = PROD) -> Arming:
    return Arming(is_read_only, "--read-only" if is_read_only else "", context, watch)


def test_a_session_starts_unarmed() -> None:
    made = arming(Watch())
    assert made.state == ArmingState(ArmingMode.UNARMED)
    with pytest.raises(NotArmedError, match=":arm and type prod-eu-1"):
        made.check()


@pytest.mark.parametrize("typed", ["", "prod-eu", "PROD-EU-1", " prod-eu-1", "prod-eu-1\n", "y"])
def test_only_the_contexts_name_arms(typed: str) -> None:
    made = arming(Watch())
    with pytest.raises(ArmingError, match="prod-eu-1"):
        made.arm(typed)
    assert made.state.mode is ArmingMode.UNARMED


def test_a_context_without_a_name_is_not_armed_by_nothing() -> None:
    with pytest.raises(ArmingError):
        arming(Watch(), context=clean("")).arm("")


def test_armed_until_fifteen_idle_minutes_are_over() -> None:
    watch = Watch()
    made = arming(watch)
    made.arm("prod-eu-1")
    assert made.state == ArmingState(ArmingMode.ARMED, 1_000.0 + 900.0)
    watch.now += IDLE_SECONDS - 1
    made.check()
    made.touch()
    watch.now += IDLE_SECONDS - 1
    made.check()
    watch.now += 1
    assert made.state.mode is ArmingMode.UNARMED
    with pytest.raises(NotArmedError):
        made.check()
    made.touch()
    assert made.state.mode is ArmingMode.UNARMED, "a touch arms nothing"


def test_once_disarmed_a_clock_that_goes_back_does_not_arm_again() -> None:
    watch = Watch()
    made = arming(watch)
    made.arm("prod-eu-1")
    watch.now += IDLE_SECONDS
    assert made.state.mode is ArmingMode.UNARMED
    watch.now -= IDLE_SECONDS
    assert made.state.mode is ArmingMode.UNARMED


def test_a_clock_that_was_set_back_disarms() -> None:
    watch = Watch()
    made = arming(watch)
    made.arm("prod-eu-1")
    watch.now -= 1
    assert made.state.mode is ArmingMode.UNARMED


def test_disarming() -> None:
    made = arming(Watch())
    made.arm("prod-eu-1")
    made.disarm()
    with pytest.raises(NotArmedError):
        made.check()


def test_a_running_operation_holds_it_armed() -> None:
    watch = Watch()
    made = arming(watch)
    made.arm("prod-eu-1")
    with made.held():
        watch.now += 10 * IDLE_SECONDS
        assert made.state == ArmingState(ArmingMode.ARMED, None)
        with made.held():
            pass
        watch.now += 10 * IDLE_SECONDS
        made.check()
    assert made.state.disarms_at == watch.now + IDLE_SECONDS
    with made.held():
        made.disarm()
        assert made.state.mode is ArmingMode.UNARMED
    assert made.state.mode is ArmingMode.UNARMED


def test_holding_arms_nothing() -> None:
    watch = Watch()
    made = arming(watch)
    made.arm("prod-eu-1")
    watch.now += IDLE_SECONDS
    with made.held():
        assert made.state.mode is ArmingMode.UNARMED


def test_read_only_cant_be_armed() -> None:
    made = arming(Watch(), is_read_only=True)
    with pytest.raises(ArmingError, match="--read-only"):
        made.arm("prod-eu-1")
    for check in (made.check, made.check_dry_run):
        with pytest.raises(NotArmedError, match="--read-only"):
            check()
    assert made.state == ArmingState(ArmingMode.READ_ONLY, reason=clean("--read-only"))


def test_an_unarmed_session_may_try() -> None:
    arming(Watch()).check_dry_run()


@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.parametrize("is_read_only", [True, False])
def test_a_command_writes_with_yes_only(yes: bool, is_read_only: bool) -> None:
    watch = Watch()
    reason = "contexts.prod-eu-1.read-only"
    made = Arming.headless(yes, is_read_only=is_read_only, reason=reason, context=PROD, clock=watch)
    watch.now += 10 * IDLE_SECONDS
    if yes and not is_read_only:
        made.check()
        assert made.state == ArmingState(ArmingMode.ARMED, None)
        return
    with pytest.raises(NotArmedError, match=reason if is_read_only else "--yes"):
        made.check()
    with pytest.raises(ArmingError):
        made.arm("prod-eu-1")
