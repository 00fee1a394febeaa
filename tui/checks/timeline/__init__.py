"""What changed when, by whom, and which change explains what is ACTIVE."""

from tui.checks.timeline.causes import decisive
from tui.checks.timeline.entries import Timeline, timeline

__all__ = ["Timeline", "decisive", "timeline"]
