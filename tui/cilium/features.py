"""One table of a node's kernel features and kube-proxy-replacement flags, from every source."""

from __future__ import annotations

from tui.cilium.featuresources import FeatureSources
from tui.cilium.kernelfeatures import kernel_features
from tui.cilium.proxyfeatures import proxy_features
from tui.model.features import Feature

__all__ = ["FeatureSources", "features"]


def features(sources: FeatureSources) -> tuple[Feature, ...]:
    """Combine all that was read of one node; what was not read makes its features unknown."""
    return (*kernel_features(sources), *proxy_features(sources))
