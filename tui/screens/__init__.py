"""Screens: they turn facts into the widgets' view-models."""
