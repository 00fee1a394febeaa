"""Know audit records again that come twice: as they happen, and kept for whoever comes late."""

from __future__ import annotations

from collections import OrderedDict

from tui.model.operations import AuditRecord

SLACK_SECONDS = 3.0
"""By so much the time of a record without id differs on its two ways, each with its own clocks."""

MOST_RECORDS = 5_000
MOST_TIMES = 50
"""Of records without id that say the same, such as of each arming of one session."""

_Told = tuple[object, ...]


class AuditBook:
    """The records that came, by their ids; those of older releases by all they say but the time.

    No time tells two records with ids apart or makes one of them: the clocks of those who tell
    them may differ by hours, and a record that is told again was moved to another clock.
    """

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._times: OrderedDict[_Told, list[float]] = OrderedDict()

    def is_new(self, record: AuditRecord) -> bool:
        """Remember a record; return whether it did not come before."""
        return self._is_new_id(record.id) if record.id else self._is_new_text(record)

    def _is_new_id(self, id_: str) -> bool:
        if id_ in self._ids:
            return False
        self._ids[id_] = None
        if len(self._ids) > MOST_RECORDS:
            self._ids.popitem(last=False)
        return True

    def _is_new_text(self, record: AuditRecord) -> bool:
        told = (
            *(record.event, record.context, record.user, record.host, record.operation_id),
            *(record.kind, record.text, record.target, record.path, record.target_uid),
            *(record.result, record.node_name),
        )
        times = self._times.setdefault(told, [])
        if any(abs(record.at - at) <= SLACK_SECONDS for at in times):
            return False
        times.append(record.at)
        del times[:-MOST_TIMES]
        if len(self._times) > MOST_RECORDS:
            self._times.popitem(last=False)
        return True
