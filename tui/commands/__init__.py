"""The commands without a screen, and the flags of those that have many."""
