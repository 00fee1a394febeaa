from __future__ import annotations

import pytest

from tui.bus.receiving import losses
from tui.bus.receiving.losses import Losses, Step
from tui.bus.wire.messages import Envelope
from tui.safety import clean


def envelope(seq: int, sender: str = "c1") -> Envelope:
    return Envelope(clean("prod"), clean(sender), "run", seq, 0.0)


def test_a_jump_of_live_messages_is_a_loss_and_of_kept_ones_none() -> None:
    book = Losses()
    assert book.step("a", envelope(1), is_retained=True) == Step()
    assert book.step("a", envelope(5), is_retained=True) == Step()
    assert book.step("a", envelope(8), is_retained=False) == Step(lost=2)
    assert book.step("a", envelope(8), is_retained=True) == Step(is_old=True)
    assert book.step("a", envelope(1, "c2"), is_retained=False) == Step(is_handover=True)


def test_topics_and_senders_without_end_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "MOST_TOPICS", 3)
    monkeypatch.setattr(losses, "MOST_SENDERS", 3)
    book = Losses()
    for number in range(10):
        book.step(f"topic {number}", envelope(1), is_retained=False)
        book.count(f"c{number}", 1)
    assert book.step("topic 9", envelope(3), is_retained=False) == Step(lost=1)
    assert book.step("topic 0", envelope(3), is_retained=False) == Step()
    assert (book.total, len(book.by_sender)) == (10, 3)
