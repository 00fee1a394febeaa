"""Ways out that need working out: sizes to set, restarts that are safe, commands to type."""
