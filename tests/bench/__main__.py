"""Print the budgets of the design, measured: `python -m tests.bench [SECTION …]`."""

from __future__ import annotations

import sys

from tests.bench import intake, judging, lbmaps, mqtt, screen, startup, sweep
from tests.bench.measure import say

SECTIONS = {
    "startup": startup.measure,
    "maps": lbmaps.measure,
    "intake": intake.measure,
    "checks": judging.measure,
    "screen": screen.measure,
    "sweep": sweep.measure,
    "mqtt": mqtt.measure,
}


def main() -> None:
    """Measure the sections that were asked for, or all."""
    say("Whole processes and their children; trust the ratios, not the seconds.")
    for name in sys.argv[1:] or SECTIONS:
        SECTIONS[name]()


if __name__ == "__main__":
    main()
