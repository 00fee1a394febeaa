"""Take the log lines that matter off a source's facts, on their way to the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from tui.model.logs import LogBatch
from tui.model.names import NodeUid
from tui.model.snapshot import Fact, Source


class TeeSource:
    """A source whose log batches are shown to somebody else too."""

    def __init__(self, source: Source, offer: Callable[[LogBatch], None]) -> None:
        self._source = source
        self._offer = offer

    @property
    def name(self) -> str:
        """What to call it on screen."""
        return self._source.name

    async def facts(self) -> AsyncIterator[Fact]:
        """Yield the source's facts, every one of them."""
        facts = self._source.facts()
        async with aclosing(facts) as following:  # type: ignore[type-var]  # sources are async generators
            async for fact in following:
                if isinstance(fact, LogBatch):
                    self._offer(fact)
                yield fact

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Read these nodes first."""
        self._source.focus(chosen, marked)

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Ask for one map to be counted in place now."""
        self._source.request_count(node, map_name)
