"""What the broker's side of `:gaps` says: the link, the collectors, and what did not arrive."""

from __future__ import annotations

from tui.model.room import CollectorSeen, Presence
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.room.words import START_ONE, broker_trouble, presence_mark
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.tones import Span, Tone

MOST_COLLECTORS = 64


def broker_lines(board: Board) -> list[DetailLine]:
    """Return how the broker and the chosen cluster's collectors fare."""
    room, health = board.snapshot.room, board.snapshot.health
    lines = [
        heading("Broker"),
        value("source", health.name or "mqtt"),
        value("state", health.state.value),
    ]
    trouble = broker_trouble(board.snapshot, board.now) or health.reason
    if trouble:
        lines.append(sentence(trouble, Tone.WARNING))
    if health.last_good_at is not None:
        lines.append(value("last message", wording.ago(board.now - health.last_good_at)))
    lines += [
        _number("lost", room.lost, "messages that did not arrive, as their numbers prove"),
        _number("rejected", room.rejected, "messages that were not what they have to be"),
        _number("reconnects", room.reconnects, "since ciltop started"),
    ]
    if room.no_acting:
        lines.append(value("writing", f"not from here: {room.no_acting}"))
    lines += [empty_line(), heading("Collectors (C opens them)")]
    lines += [_collector(one, board.now) for one in room.collectors[:MOST_COLLECTORS]]
    hidden = len(room.collectors) - MOST_COLLECTORS
    if hidden > 0:
        lines.append(sentence(f"{wording.counted(hidden, 'more collector')}", Tone.MUTED))
    if not room.collectors:
        lines.append(sentence(f"None is there: {START_ONE}", Tone.WARNING))
    return lines


def _number(label: str, number: int, what: str) -> DetailLine:
    return value(label, Span(wording.count(number), _tone(number)), what)


def _tone(number: int) -> Tone:
    return Tone.WARNING if number else Tone.NORMAL


def _collector(one: CollectorSeen, now: float) -> DetailLine:
    mark = presence_mark(one.presence)
    parts = [wording.counted(one.nodes, "node")]
    if one.heard_at is not None and one.presence is not Presence.PRESENT:
        parts.append(f"heard {wording.ago(now - one.heard_at)}")
    for number, word in (
        (one.exec_failures, "execs failed"),
        (one.dropped, "messages dropped"),
        (one.lost, "lost"),
    ):
        if number:
            parts.append(f"{wording.count(number)} {word}")
    text = (Span(f"{mark.text} {one.presence.value}", mark.tone), Span(f": {', '.join(parts)}"))
    return value(wording.cut(one.id, 40), text, one.reason)
