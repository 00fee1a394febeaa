"""What a node's agent would read if it started now, and what that would do."""

from __future__ import annotations

from tui.model.nextstart import MapFit, NextStart, PendingKey
from tui.screens import wording
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.symbols import symbols
from widgets.tones import Span, Tone


def next_start_lines(start: NextStart | None, now: float) -> list[DetailLine]:
    """Return the pending keys, the maps that would change, and what stops the agent."""
    lines = [empty_line(), heading("Next start of the agent")]
    if start is None:
        return [*lines, sentence("not judged yet", Tone.UNKNOWN)]
    lines += [sentence(f"would not start: {why}", Tone.ERROR) for why in start.blockers]
    lines += [
        sentence(f"a new pod removes every map: {one.key}=true ({one.source})", Tone.ERROR)
        for one in start.wipes
    ]
    if start.changes_image:
        words = f"{start.image_now or 'unknown'} {symbols().arrow} {start.image_next}"
        lines.append(value("image", words, "DaemonSet"))
    lines += [_key_line(pending, now) for pending in start.pending]
    lines += [_map_line(fit) for fit in start.maps]
    lines += [
        value(item.key or "ignored", Span(f"has no effect: {item.reason}", Tone.MUTED), item.source)
        for item in start.ignored
    ]
    lines += [sentence(f"? {text}", Tone.UNKNOWN) for text in start.unknown]
    if not start.is_known and not start.unknown:
        lines.append(sentence("configuration and running values can't be compared", Tone.UNKNOWN))
    elif start.is_known and not any((start.pending_count, start.maps, start.blockers, start.wipes)):
        lines.append(sentence("nothing would change", Tone.MUTED))
    return lines


def _key_line(pending: PendingKey, now: float) -> DetailLine:
    running = "unset" if pending.running is None else pending.running or '""'
    coming = "gone" if pending.next is None else pending.next or '""'
    words = f"{wording.cut(running)} {symbols().arrow} {wording.cut(coming)}"
    if not pending.is_certain:
        words = f"? {words} (may be the same)"
    source = str(pending.source)
    if pending.written_by:
        source = f"{source}, by {wording.cut(pending.written_by, 40)}"
    if pending.written_at is not None:
        source = f"{source} {wording.ago(now - pending.written_at)}"
    return value(pending.key, words, source)


def _map_line(fit: MapFit) -> DetailLine:
    sizes = f"{wording.count(fit.max_now)} {symbols().arrow} {wording.count(fit.max_next)}"
    holds = f"holds {wording.count(fit.entries)}"
    wanted = "" if fit.wanted is None else f", {wording.count(fit.wanted)} wanted"
    verdict = ": too small" if fit.is_too_small else ""
    tone = Tone.ERROR if fit.is_too_small else Tone.NORMAL
    words = f"made anew {sizes} ({holds}{wanted}){verdict}"
    return value(wording.short_map(fit.name), Span(words, tone))
