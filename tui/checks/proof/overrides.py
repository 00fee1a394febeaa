"""Whether the ConfigMap's value of an option is the whole cluster's."""

from __future__ import annotations

from tui.checks.view import ClusterView


def is_set_elsewhere(cluster: ClusterView, option: str) -> bool:
    """Tell whether a CiliumNodeConfig or an argument of a DaemonSet sets an option, too.

    Both win over the ConfigMap, so that nodes may run with another value than it holds.
    """
    facts = cluster.facts
    if any(option in one.values for one in facts.node_configs.value or ()):
        return True
    flag = f"--{option}"
    args = (arg for one in facts.daemonsets.value or () for arg in one.args)
    return any(arg == flag or arg.startswith(f"{flag}=") for arg in args)
