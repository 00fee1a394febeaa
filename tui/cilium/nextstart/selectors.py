"""Label selectors, as Kubernetes evaluates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui.model.cluster import SelectorTerm


def selects(
    match_labels: Mapping[str, str],
    match_expressions: Sequence[SelectorTerm],
    labels: Mapping[str, str],
) -> bool:
    """Tell whether a selector takes an object with these labels; an empty one takes all.

    `NotIn` takes objects without the label too (labels.Requirement.Matches); an operator that is
    not known takes nothing.
    """
    if any(labels.get(key) != value for key, value in match_labels.items()):
        return False
    return all(_fits(term, labels) for term in match_expressions)


def _fits(term: SelectorTerm, labels: Mapping[str, str]) -> bool:
    value = labels.get(term.key)
    match term.operator:
        case "In":
            return value is not None and value in term.values
        case "NotIn":
            return value is None or value not in term.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
