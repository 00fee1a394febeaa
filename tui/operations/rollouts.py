"""Guard rails on a rollout of the agents' DaemonSet: it and the operation must not add up."""

from __future__ import annotations

from collections.abc import Iterator

from tui.model.cluster import CiliumDaemonSet
from tui.model.operations import Guard
from tui.operations.situation import Situation, blocked, daemonset_on, warned
from tui.operations.surroundings import is_well
from tui.operations.waves import max_unavailable

ROLLOUT = "rollout-under-way"
DOUBLED = "rollout-doubled"


def rollout_guards(situation: Situation) -> Iterator[Guard]:
    """Yield what speaks against restarting agents that their DaemonSet is replacing as well.

    A restarted agent is of the newest revision. The controller keeps within maxUnavailable by
    itself; a pod that somebody else deletes comes on top of those that it has away.
    """
    known = (daemonset_on(situation.now(facts)) for facts in situation.targets)
    for daemonset in {str(one.name): one for one in known if one is not None}.values():
        text = rollout_of(daemonset)
        if not text:
            continue
        allowed, away = max_unavailable(daemonset), _away(situation, daemonset)
        if away >= allowed:
            name, place = daemonset.name, daemonset.namespace
            more = (
                f"{text}; {away} of its agents are away and maxUnavailable is {allowed}: wait"
                f" until `kubectl rollout status ds/{name} -n {place}` says that it is done"
            )
            yield blocked(DOUBLED, more)
        else:
            yield warned(ROLLOUT, f"{text}; an agent that restarts runs the newest revision")


def rollout_of(daemonset: CiliumDaemonSet) -> str:
    """Return that a DaemonSet is replacing its agents, and how far it is, or the empty text."""
    if not daemonset.is_observed:
        return f"DaemonSet {daemonset.name} was changed a moment ago and is about to be rolled out"
    updated, desired = daemonset.updated, daemonset.desired
    if daemonset.update_strategy == "OnDelete" or updated is None or updated >= desired:
        return ""
    return (
        f"a rollout of DaemonSet {daemonset.name} is under way: {updated} of {desired} agents are"
        " of its newest revision"
    )


def _away(situation: Situation, daemonset: CiliumDaemonSet) -> int:
    """Return how many agents of a DaemonSet are away, but for those that are to be restarted."""
    return sum(
        not is_well(facts) and daemonset_on(situation.now(facts)) == daemonset
        for facts in situation.others
    )
