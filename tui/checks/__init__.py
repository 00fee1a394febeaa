"""The checks: one module for each known issue or limitation, each a pure function of facts."""
