"""The latest audit records, each once, and which of them are of another cluster.

One record comes several ways: from this machine's audit file, which all sessions here write and
each reads again, and from a broker, live and kept.
"""

from __future__ import annotations

from bisect import insort
from operator import attrgetter

from tui.model.operations import AuditRecord


class AuditLog:
    """Records in the order of time.

    Args:
        most: how many are kept, the latest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_identity: dict[object, AuditRecord] = {}
        self._ordered: list[AuditRecord] = []
        self._elsewhere: set[object] = set()
        self.records: tuple[AuditRecord, ...] = ()
        """Oldest first."""
        self.elsewhere: frozenset[AuditRecord] = frozenset()
        """Those of other clusters."""

    def add(self, record: AuditRecord, *, is_elsewhere: bool) -> None:
        """Take in a record, however often it came.

        Args:
            record: the first to come stays, with its time.
            is_elsewhere: whether it seems to be of another cluster than the one shown, by the name
                of its context; whoever knows it to be of this one is right.
        """
        identity = _identity(record)
        if identity not in self._by_identity:
            self._put(identity, record)
            if is_elsewhere:
                self._elsewhere.add(identity)
                self._tell_elsewhere()
        elif not is_elsewhere and identity in self._elsewhere:
            self._elsewhere.remove(identity)
            self._tell_elsewhere()

    def leave_cluster(self) -> None:
        """Take all that is known for another cluster's, until it is told again."""
        self._elsewhere = set(self._by_identity)
        self._tell_elsewhere()

    def _put(self, identity: object, record: AuditRecord) -> None:
        self._by_identity[identity] = record
        insort(self._ordered, record, key=attrgetter("at"))
        for dropped in self._ordered[: -self._most]:
            del self._by_identity[_identity(dropped)]
        del self._ordered[: -self._most]
        self.records = tuple(self._ordered)

    def _tell_elsewhere(self) -> None:
        self._elsewhere &= self._by_identity.keys()
        self.elsewhere = frozenset(self._by_identity[one] for one in self._elsewhere)


def _identity(record: AuditRecord) -> object:
    """Return what tells a record apart: its id, for a broker's have another clock's time."""
    return record.id or record
