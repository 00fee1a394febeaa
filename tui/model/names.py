"""Names and identities, as types of their own so that one can't be passed for another."""

from __future__ import annotations

from typing import NewType

NodeName = NewType("NodeName", str)
NodeUid = NewType("NodeUid", str)
PodUid = NewType("PodUid", str)
ContainerId = NewType("ContainerId", str)
