"""Run `python -m tui` as the `ciltop` command."""

import sys

from tui.cli import main

sys.exit(main())
