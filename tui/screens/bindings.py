"""Textual's bindings, made from the registry of keys."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tui.keymap import KeyEntry, Scope, bound


def bindings_of(*scopes: Scope) -> list[BindingType]:
    """Return Textual's bindings for the registry's keys of some scopes."""
    return [_binding(entry) for entry in bound(*scopes)]


def _binding(entry: KeyEntry) -> Binding:
    return Binding(
        ",".join(entry.keys),
        entry.target,
        entry.label,
        show=False,
        key_display=entry.shown,
        id=f"ciltop.{entry.id}",
        tooltip=entry.description,
        priority=entry.moves_focus,
    )
