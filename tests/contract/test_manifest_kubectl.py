"""What kubectl makes of the collectors' manifest; the simulated API has not all of its kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.contract.kubectl_runner import running_kubectl
from tests.unit.test_manifest_collector import EVERYTHING
from tui.cluster.collector_manifest import collector_manifest

pytestmark = pytest.mark.kubectl

SERVED = {"ServiceAccount", "Deployment"}


async def test_kubectl_reads_what_was_meant(tmp_path: Path) -> None:
    """Go's YAML is not Python's: octal numbers, quoted names and flow maps come out the same."""
    documents = [one for one in yaml.safe_load_all(collector_manifest(EVERYTHING)) if one]
    meant = {one["kind"]: one for one in documents if one["kind"] in SERVED}
    parts = collector_manifest(EVERYTHING).split("\n---\n")
    text = "\n---\n".join(
        part for part in parts if (yaml.safe_load(part) or {}).get("kind") in SERVED
    )
    async with running_kubectl(tmp_path) as kubectl:
        out = await kubectl.ok(
            *("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-"),
            *("-n", EVERYTHING.own_namespace),
            stdin=text.encode(),
        )
    decoder, found, end = json.JSONDecoder(), [], 0
    while end < len(out.rstrip()):
        one, end = decoder.raw_decode(out, end)
        found += one.get("items", [one])
        end += len(out[end:]) - len(out[end:].lstrip())
    assert {one["kind"] for one in found} == SERVED
    for one in found:
        assert one == meant[one["kind"]]
