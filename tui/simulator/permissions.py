"""What the simulated user may do: everything but the denied rules."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_USER = "kubernetes-admin"
DEFAULT_GROUPS = ("system:masters", "system:authenticated")
ANY = "*"


@dataclass(frozen=True, slots=True)
class Denial:
    """A denied right; `resource` is a plural, a plural with a subresource, or `*`."""

    verb: str
    resource: str
    namespace: str = ANY

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        """Return whether the right falls under this rule."""
        return (
            self.verb in {ANY, verb}
            and self.resource in {ANY, resource}
            and self.namespace in {ANY, namespace}
        )


class Permissions:
    """The rights of the one user; requests and access reviews obey the same rules."""

    def __init__(self, user: str = DEFAULT_USER) -> None:
        self.user = user
        self.denials: list[Denial] = []

    def deny(self, verb: str, resource: str, namespace: str = ANY) -> None:
        """Take a right away, such as ("get", "pods/exec")."""
        self.denials.append(Denial(verb, resource, namespace))

    def clear(self) -> None:
        """Allow everything again."""
        self.denials.clear()

    def is_allowed(self, verb: str, resource: str, namespace: str | None) -> bool:
        """Return whether the user may do this; the resource may hold a subresource."""
        return not any(rule.covers(verb, resource, namespace or "") for rule in self.denials)
