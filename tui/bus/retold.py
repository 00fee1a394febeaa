"""Know audit records again that come twice: as they happen, and kept for whoever comes late."""

from __future__ import annotations

from collections import OrderedDict

from tui.model.operations import AuditRecord

SLACK_SECONDS = 3.0
"""By so much the time of one record differs on its two ways, each with its own clocks."""

MOST_RECORDS = 5_000
MOST_TIMES = 50
"""Of records that say the same, such as of each arming of one session."""

_Told = tuple[object, ...]


class AuditBook:
    """The records that came, by all they say but their time."""

    def __init__(self) -> None:
        self._times: OrderedDict[_Told, list[float]] = OrderedDict()

    def is_new(self, record: AuditRecord) -> bool:
        """Remember a record; return whether it did not come before."""
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
