"""Turn a kubeconfig context, or a pod's service account, into what a request needs.

`kubernetes.aio`'s loader and `Configuration` do the reading of certificates, tokens and OIDC;
what they get wrong (merging, plugins, expiry) is done before they see the context.
"""

from __future__ import annotations

import asyncio
import functools
import math
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tui.cluster.credential_plugin import run_plugin
from tui.cluster.kubeconfig import ChosenContext, Section, kubeconfig_paths, read_kubeconfig
from tui.cluster.proxies import proxy_for
from tui.errors import ClusterError, CredentialError, KubeconfigError

if TYPE_CHECKING:
    from kubernetes.aio.client.configuration import Configuration

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_FILE_SECONDS = 60.0
"""A token in a file is read again this often, as client-go does: kubelet rotates it in place."""
EXPIRY_MARGIN_SECONDS = 60.0
"""A credential is renewed this long before it ends."""
RELOAD_PAUSE_SECONDS = 5.0
"""Refusals this soon after a renewal do not load again: five hundred execs may fail at once."""


@dataclass(frozen=True, slots=True)
class Access:
    """All that a request needs, and whose it is."""

    server: str
    """Base URL without a trailing slash."""
    context: str
    user: str
    namespace: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: ssl.SSLContext | bool = True
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    """Seconds since the epoch; None where the credential does not say."""

    def proves_like(self, other: Access) -> bool:
        """Tell whether both show the server the same credentials."""
        return self.headers == other.headers and self.tls is other.tls


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """What the user chose; None means kubectl's default."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    """The Cilium namespace; None to find it."""
    credential_seconds: float = 30.0
    """Deadline of a credential plugin or of an OIDC refresh."""
    service_account: str = SERVICE_ACCOUNT
    """Directory with token, ca.crt and namespace, inside a pod."""


async def load_access(
    settings: ConnectionSettings, environ: Mapping[str, str] | None = None
) -> Access:
    """Read the kubeconfig, or the pod's service account where there is none.

    Raises:
        KubeconfigError: neither is there, or what is there can't be used.
        CredentialError: a plugin or a token refresh failed.
    """
    environ = os.environ if environ is None else environ
    paths = kubeconfig_paths(settings.kubeconfig, environ)
    merged = read_kubeconfig(paths)
    if merged is not None:
        return await _from_context(merged.choose(settings.context), settings, environ)
    looked = ", ".join(paths)
    if settings.kubeconfig or settings.context:
        raise KubeconfigError(f"no kubeconfig at {looked}: check --kubeconfig or KUBECONFIG")
    if not environ.get("KUBERNETES_SERVICE_HOST"):
        raise KubeconfigError(
            f"no kubeconfig: looked for {looked}, and this is no pod with a service account; "
            "set KUBECONFIG or give --kubeconfig FILE"
        )
    return _from_service_account(settings, environ, looked)


class CredentialSource:
    """Hold the current `Access` and renew it before it expires or when it is refused."""

    def __init__(
        self,
        access: Access,
        load: Callable[[], Awaitable[Access]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._clock = clock
        self._lock = asyncio.Lock()
        self._renewed_at = -math.inf
        self._adopt(access)

    @property
    def latest(self) -> Access:
        """The access last loaded, fresh or not."""
        return self._access

    async def current(self) -> Access:
        """Return an access that is fresh; the old one while renewing fails but it still holds."""
        access = self._access
        if self._clock() < self._renew_at:
            return access
        try:
            return await self.renew(access)
        except ClusterError:
            if access.expires_at is not None and self._clock() < access.expires_at:
                return access
            raise

    async def renew(self, refused: Access) -> Access:
        """Load the credentials again; one load serves all who were refused with the same.

        What comes back `proves_like` the refused one when nothing changed: a retry is in vain.
        """
        async with self._lock:
            is_current = self._access is refused
            if is_current and self._clock() - self._renewed_at >= RELOAD_PAUSE_SECONDS:
                self._adopt(await self._load())
                self._renewed_at = self._clock()
            return self._access

    def _adopt(self, access: Access) -> None:
        now = self._clock()
        self._access = access
        self._renew_at = math.inf
        if access.expires_at is not None:
            margin = min(EXPIRY_MARGIN_SECONDS, (access.expires_at - now) / 5)
            self._renew_at = access.expires_at - max(0.0, margin)


async def _from_context(
    chosen: ChosenContext, settings: ConnectionSettings, environ: Mapping[str, str]
) -> Access:
    user = dict(chosen.user)
    expires_at: float | None = None
    if "exec" in user:
        credential = await run_plugin(chosen, settings.credential_seconds, environ)
        user = {key: value for key, value in user.items() if key.startswith("as")}
        user.update(credential.user)
        expires_at = credential.expires_at
    provider = user.get("auth-provider")
    if isinstance(provider, dict) and provider.get("name") != "oidc":
        raise CredentialError(
            f"user {chosen.user_name!r}: auth-provider {provider.get('name')!r} was removed from "
            "Kubernetes clients in 1.26; use the provider's exec credential plugin"
        )
    configuration = await _configuration(chosen, user, settings.credential_seconds)
    if expires_at is None and user.get("tokenFile") and not user.get("token"):
        expires_at = time.time() + TOKEN_FILE_SECONDS
    return Access(
        server=configuration.host,
        context=chosen.name,
        user=chosen.user_name,
        namespace=chosen.namespace or "default",
        headers=(*_authorization(configuration), *_impersonation(user)),
        tls=_tls(configuration),
        tls_server_name=configuration.tls_server_name,
        proxy=proxy_for(configuration.host, configuration.proxy or "", environ),
        expires_at=expires_at,
    )


async def _configuration(
    chosen: ChosenContext, user: Section, deadline_seconds: float
) -> Configuration:
    """Let the official loader read one context whose plugin has already been run."""
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.config import ConfigException, load_kube_config_from_dict

    document = {
        "current-context": chosen.name,
        "contexts": [
            {
                "name": chosen.name,
                "context": {"cluster": chosen.cluster_name, "user": chosen.user_name},
            }
        ],
        "clusters": [{"name": chosen.cluster_name, "cluster": chosen.cluster}],
        "users": [{"name": chosen.user_name, "user": user}],
    }
    if not chosen.user_name:
        # The loader fails on an https cluster without any user; an empty one is anonymous.
        document["contexts"] = [
            {"name": chosen.name, "context": {"cluster": chosen.cluster_name, "user": "-"}}
        ]
        document["users"] = [{"name": "-", "user": {}}]
    configuration = Configuration()
    try:
        async with asyncio.timeout(deadline_seconds):
            await load_kube_config_from_dict(  # type: ignore[no-untyped-call]  # has no annotations
                document, context=chosen.name, client_configuration=configuration
            )
    except TimeoutError as error:
        raise CredentialError(
            f"context {chosen.name!r}: no fresh token within {deadline_seconds:g} s"
        ) from error
    except (ConfigException, ValueError, KeyError, TypeError, OSError) as error:
        raise KubeconfigError(f"context {chosen.name!r} can't be used: {error}") from error
    return configuration


def _from_service_account(
    settings: ConnectionSettings, environ: Mapping[str, str], looked: str
) -> Access:
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.config import ConfigException
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader

    directory = Path(settings.service_account)
    configuration = Configuration()
    try:
        InClusterConfigLoader(  # type: ignore[no-untyped-call]  # has no annotations
            token_filename=str(directory / "token"),
            cert_filename=str(directory / "ca.crt"),
            try_refresh_token=False,
            environ=environ,
        ).load_and_set(configuration)
        namespace = (directory / "namespace").read_text("utf-8").strip()
    except FileNotFoundError:
        namespace = "default"
    except (ConfigException, OSError) as error:
        raise KubeconfigError(
            f"no kubeconfig at {looked}, and the pod's service account in {directory} "
            f"can't be used: {error}"
        ) from error
    return Access(
        server=configuration.host,
        context="in-cluster",
        user="service account",
        namespace=namespace,
        headers=_authorization(configuration),
        tls=_tls(configuration),
        proxy=proxy_for(configuration.host, "", environ),
        expires_at=time.time() + TOKEN_FILE_SECONDS,
    )


def _authorization(configuration: Configuration) -> tuple[tuple[str, str], ...]:
    """Return the Authorization header; tokens read from a file end in a newline."""
    value = str(configuration.api_key.get("BearerToken") or "")
    scheme, _, secret = value.partition(" ")
    if not secret.strip():
        return ()
    # The in-cluster loader writes `bearer`; some proxies know only the RFC 6750 spelling.
    scheme = "Bearer" if scheme == "bearer" else scheme
    return (("Authorization", f"{scheme} {secret.strip()}"),)


def _impersonation(user: Section) -> tuple[tuple[str, str], ...]:
    """Return kubectl's impersonation headers: dropping them would act with more rights."""
    headers: list[tuple[str, str]] = []
    if isinstance(user.get("as"), str):
        headers.append(("Impersonate-User", str(user["as"])))
    if isinstance(user.get("as-uid"), str):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    groups = user.get("as-groups")
    if isinstance(groups, list):
        headers.extend(("Impersonate-Group", str(group)) for group in groups)
    extra = user.get("as-user-extra")
    if isinstance(extra, dict):
        headers.extend(
            (f"Impersonate-Extra-{quote(str(key).lower(), safe='')}", str(value))
            for key, values in extra.items()
            for value in (values if isinstance(values, list) else [values])
        )
    return tuple(headers)


def _tls(configuration: Configuration) -> ssl.SSLContext | bool:
    if not configuration.host.startswith("https"):
        return True
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    try:
        stamps = tuple(os.stat(path).st_mtime_ns if path else 0 for path in files)
        return _tls_context(*files, bool(configuration.verify_ssl), stamps)
    except (ssl.SSLError, OSError) as error:
        names = ", ".join(path for path in files if path)
        raise KubeconfigError(
            f"the certificates of {configuration.host} can't be used ({names}): {error}"
        ) from error


@functools.lru_cache(maxsize=8)
def _tls_context(
    authority: str | None,
    certificate: str | None,
    key: str | None,
    is_verified: bool,
    stamps: tuple[int, ...],
) -> ssl.SSLContext:
    """Make one context per set of files, so that a renewed token keeps open connections.

    `stamps` are the files' times: a certificate that is rotated in place gets a new context.
    """
    context = ssl.create_default_context(cafile=authority)
    # Python 3.13 demands key identifiers that many cluster CAs lack; kubectl does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        # Without a password callback OpenSSL asks on the terminal, under the screen.
        context.load_cert_chain(certificate, key, password=_refuse_password)
    return context


def _refuse_password() -> str:
    raise KubeconfigError("the client key is encrypted: decrypt it, nobody can be asked here")
