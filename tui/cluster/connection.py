"""Open a `Session` from what the user chose."""

from __future__ import annotations

from collections.abc import Mapping

from tui.cluster.access import Access, ConnectionSettings, CredentialSource, load_access
from tui.cluster.session import Session

__all__ = ["ConnectionSettings", "connect"]


async def connect(
    settings: ConnectionSettings, environ: Mapping[str, str] | None = None
) -> Session:
    """Load the credentials and return a session; no request is sent yet.

    The first call imports `kubernetes`, which takes most of a second of CPU: call it on the
    collector's loop, after the first paint.

    Raises:
        KubeconfigError: there is no usable kubeconfig, context or service account.
        CredentialError: a credential plugin or a token refresh failed.
    """

    async def load() -> Access:
        return await load_access(settings, environ)

    return Session(CredentialSource(await load(), load))
