"""Measured budgets: `make bench` prints ratios of commands run side by side in one go.

Nothing here is collected by pytest: a timed test fails on a busy machine and proves nothing.
"""
