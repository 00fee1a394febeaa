"""Frozen facts, `Reading`, `Snapshot` and the `Source` protocol: what every layer speaks."""
