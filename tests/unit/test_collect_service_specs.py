"""What a Service object brings for the checks."""

from __future__ import annotations

import msgspec

from tui.cilium.wants import wanted_service
from tui.collect.service_specs import ServiceObject, service_spec


def test_a_services_selector_comes_sorted_and_without_one_it_is_empty() -> None:
    text = b"""{"metadata": {"namespace": "shop", "name": "web"},
      "spec": {"clusterIP": "10.96.0.8", "selector": {"tier": "front", "app": "web"},
               "ports": [{"port": 80}]}}"""
    item = msgspec.json.decode(text, type=ServiceObject)
    found = wanted_service(service_spec(item), ()).service
    assert found.selector == (("app", "web"), ("tier", "front"))
    bare = msgspec.json.decode(text.replace(b"selector", b"other"), type=ServiceObject)
    assert wanted_service(service_spec(bare), ()).service.selector == ()
