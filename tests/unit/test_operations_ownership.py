"""Who keeps an object as they want it, by the marks that each leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tui.operations.ownership import owner_guards


@pytest.mark.parametrize(
    ("meta", "owner"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"annotations": {"meta.helm.sh/release-name": "cilium"}}, "Helm"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "infra"}}, "Flux"),
        ({"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}, "the addon manager"),
        ({"labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"}}, ""),
        ({"labels": {"app.kubernetes.io/managed-by": "ciltop"}}, ""),
        ({}, ""),
    ],
)
def test_who_puts_a_change_back_is_told(meta: dict[str, Any], owner: str) -> None:
    found = owner_guards({"kind": "ConfigMap", "metadata": {"name": "cilium-config", **meta}})
    assert [f"kept by {owner} (" in guard.text for guard in found] == ([True] if owner else [])
