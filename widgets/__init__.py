"""Textual widgets: each draws the frozen view-model it declares."""
