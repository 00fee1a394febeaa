"""What an agent would read and run at its next start, against what it runs now."""

from tui.cilium.nextstart.simulate import next_start, running_sizing

__all__ = ["next_start", "running_sizing"]
