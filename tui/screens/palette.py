"""The palette (`ctrl+p`): every action of the registry, by name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.keymap import KEYS, PALETTE_ONLY, KeyEntry, PaletteEntry


class KeyCommands(Provider):
    """Finds actions of the registry."""

    async def discover(self) -> Hits:
        """Yield every action while nothing is typed."""
        for entry in self._entries():
            yield DiscoveryHit(_name(entry), partial(self._run, entry), help=entry.description)

    async def search(self, query: str) -> Hits:
        """Yield the actions whose name or sentence matches."""
        matcher = self.matcher(query)
        for entry in self._entries():
            name = _name(entry)
            score = max(matcher.match(name), matcher.match(entry.description) * 0.5)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(name),
                    partial(self._run, entry),
                    help=entry.description,
                )

    def _entries(self) -> Iterable[KeyEntry | PaletteEntry]:
        """Return the actions that the screen behind the palette has, those without a key last."""
        scopes = getattr(self.screen, "SCOPES", ())
        yield from (entry for entry in KEYS if entry.is_in_palette and entry.scope in scopes)
        if scopes:
            yield from PALETTE_ONLY

    async def _run(self, entry: KeyEntry | PaletteEntry) -> None:
        await self.app.run_action(entry.target, self.screen)


def _name(entry: KeyEntry | PaletteEntry) -> str:
    return f"{entry.label} ({entry.shown})" if isinstance(entry, KeyEntry) else entry.label
