"""Ages follow from our monotonic clock alone, however wrong the sender's clock is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.bus.receiving.clocks import STEADY_SECONDS, WINDOW_SECONDS, SenderClocks
from tui.bus.wire.messages import Envelope
from tui.bus.wire.post import Incoming
from tui.safety import clean

WALL, MONO = 1_700_000_000.0, 5_000.0
"""Our two clocks at one moment."""


def envelope(at: float, sender: str = "c1", run: str = "r1") -> Envelope:
    return Envelope(clean("prod"), clean(sender), run, 1, at)


def live(received_at: float) -> Incoming:
    return Incoming("t", b"x", is_retained=False, received_at=received_at)


def kept(received_at: float, held: float | None = None) -> Incoming:
    return Incoming("t", b"x", is_retained=True, received_at=received_at, held_seconds=held)


@pytest.mark.parametrize("skew", [0.0, 3_600.0, -3_600.0, 1e8])
def test_a_letter_that_was_kept_is_as_old_as_our_clock_says(skew: float) -> None:
    clocks = SenderClocks()
    clocks.note(envelope(WALL + skew), live(MONO))
    old = envelope(WALL + skew - 40.0)
    held = clocks.held(old, kept(MONO + 2.0), MONO + 2.0)
    assert held.seconds == pytest.approx(42.0)
    assert held.is_known
    shift = clocks.shift(old, kept(MONO + 2.0), WALL + 2.0, MONO + 2.0)
    assert old.at + shift == pytest.approx(WALL - 40.0, abs=STEADY_SECONDS)
    seen = clocks.skew("c1", WALL, MONO)
    assert seen == pytest.approx(skew)


def test_before_anything_came_live_the_brokers_word_counts() -> None:
    clocks, letter = SenderClocks(), envelope(WALL + 777.0)
    told = clocks.held(letter, kept(MONO, 30.0), MONO + 1.0)
    assert (told.seconds, told.is_known) == (31.0, True)
    assert letter.at + clocks.shift(letter, kept(MONO, 30.0), WALL, MONO) == WALL - 30.0
    untold = clocks.held(letter, kept(MONO), MONO + 1.0)
    assert (untold.seconds, untold.is_known) == (1.0, False)
    assert clocks.skew("c1", WALL, MONO) is None


def test_the_quickest_letter_tells_the_clock() -> None:
    clocks = SenderClocks()
    for delay in (3.0, 0.01, 20.0):
        clocks.note(envelope(WALL), live(MONO + delay))
    assert clocks.held(envelope(WALL), live(MONO), MONO + 5.0).seconds == pytest.approx(4.99)


def test_a_clock_that_was_set_back_is_believed_after_a_while() -> None:
    clocks = SenderClocks()
    clocks.note(envelope(WALL), live(MONO))
    now = MONO
    for _ in range(3):
        now += WINDOW_SECONDS + 1.0
        clocks.note(envelope(WALL + now - MONO - 60.0), live(now))
    latest = envelope(WALL + now - MONO - 60.0)
    assert clocks.held(latest, live(now), now).seconds == pytest.approx(0.0)


def test_each_run_has_its_own_clock() -> None:
    clocks = SenderClocks()
    clocks.note(envelope(WALL, run="r1"), live(MONO))
    clocks.note(envelope(WALL + 100.0, run="r2"), live(MONO))
    assert clocks.held(envelope(WALL - 9.0, run="r1"), kept(MONO), MONO).seconds == 9.0
    assert clocks.held(envelope(WALL + 91.0, run="r2"), kept(MONO), MONO).seconds == 9.0
    assert clocks.skew("c1", WALL, MONO) == pytest.approx(100.0)


def test_a_shift_that_hardly_moves_stays() -> None:
    clocks = SenderClocks()
    clocks.note(envelope(WALL - 50.0), live(MONO + 0.2))
    first = clocks.shift(envelope(WALL), live(MONO), WALL + 0.2, MONO + 0.2)
    clocks.note(envelope(WALL - 40.0), live(MONO + 10.05))
    assert clocks.shift(envelope(WALL), live(MONO), WALL + 10.05, MONO + 10.05) == first
    assert clocks.shift(envelope(WALL), live(MONO), WALL + 20.0, MONO + 15.0) != first


def test_a_sender_with_our_own_clock_is_not_shifted_at_all() -> None:
    clocks = SenderClocks()
    clocks.note(envelope(WALL), live(MONO + 0.02))
    assert clocks.shift(envelope(WALL), live(MONO), WALL + 0.02, MONO + 0.02) == 0.0


def test_runs_that_come_and_go_are_forgotten() -> None:
    clocks = SenderClocks()
    for number in range(5_000):
        clocks.note(envelope(WALL, sender=f"c{number}"), live(MONO))
    assert clocks.skew("c0", WALL, MONO) is None
    assert clocks.skew("c4999", WALL, MONO) == pytest.approx(0.0)


@given(st.floats(0, 2e11), st.floats(0, 1e9), st.floats(0, 1e9), st.booleans())
def test_an_age_is_never_negative(at: float, received: float, now: float, is_live: bool) -> None:
    clocks = SenderClocks()
    letter, arrived = envelope(at), live(received) if is_live else kept(received, 0.0)
    clocks.note(letter, arrived)
    assert clocks.held(letter, arrived, now).seconds >= 0.0
