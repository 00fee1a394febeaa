"""Style sheets and the bundled font."""
