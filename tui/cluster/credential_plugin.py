"""Run a kubeconfig's exec credential plugin so that it can't take the keyboard from the screen.

`kubernetes.aio` lets the plugin inherit stdin, gives it no deadline and only logs its failure,
going on anonymously; here it gets no terminal at all, a deadline, and its failure is an error.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tui.cluster.kubeconfig import ChosenContext, Section
from tui.errors import CredentialError
from tui.safety import clean

_MAX_OUTPUT_BYTES = 1 << 20
_API_VERSIONS = (
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
    "client.authentication.k8s.io/v1alpha1",
)


@dataclass(frozen=True, slots=True)
class PluginCredential:
    """What a plugin gave: kubeconfig user keys, and when they end."""

    user: Section
    expires_at: float | None = None
    """Seconds since the epoch."""

    def __repr__(self) -> str:
        return f"PluginCredential(expires_at={self.expires_at})"


async def run_plugin(
    chosen: ChosenContext, deadline_seconds: float, environ: Mapping[str, str]
) -> PluginCredential:
    """Run the plugin of this context's user and return the credential it prints.

    Raises:
        CredentialError: it is missing, fails, hangs or prints something else.
    """
    spec = chosen.user.get("exec")
    if not isinstance(spec, dict):
        raise CredentialError(f"user {chosen.user_name!r}: exec is not a mapping")
    command = _command(spec, chosen)
    if spec.get("interactiveMode") == "Always":
        raise CredentialError(
            f"credential plugin {command[0]!r} wants a terminal (interactiveMode: Always): "
            "log in with it in a shell first, or use a context whose plugin can run without one"
        )
    stdout = await _run(command, _environment(spec, chosen, environ), deadline_seconds, spec)
    return _credential(stdout, command[0])


def _command(spec: Section, chosen: ChosenContext) -> list[str]:
    command = spec.get("command")
    if not isinstance(command, str) or not command:
        raise CredentialError(f"user {chosen.user_name!r}: exec has no command")
    if os.sep in command and not os.path.isabs(command):
        command = os.path.join(chosen.directory, command)
    arguments = spec.get("args") or []
    if not isinstance(arguments, list):
        raise CredentialError(f"user {chosen.user_name!r}: exec args is not a list")
    return [command, *(str(argument) for argument in arguments)]


def _environment(
    spec: Section, chosen: ChosenContext, environ: Mapping[str, str]
) -> dict[str, str]:
    api_version = spec.get("apiVersion")
    if api_version not in _API_VERSIONS:
        raise CredentialError(
            f"user {chosen.user_name!r}: exec apiVersion {api_version!r} is not known; "
            f"use {_API_VERSIONS[0]}"
        )
    request: dict[str, object] = {"interactive": False}
    if spec.get("provideClusterInfo"):
        request["cluster"] = _cluster(chosen.cluster)
    environment = dict(environ)
    for item in spec.get("env") or []:  # type: ignore[attr-defined]  # YAML: a list of mappings
        if isinstance(item, dict):
            environment[str(item.get("name"))] = str(item.get("value", ""))
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(
        {"apiVersion": api_version, "kind": "ExecCredential", "spec": request}
    )
    return environment


def _cluster(cluster: Section) -> Section:
    """Return `spec.cluster` of ExecCredential; its certificate is always inline."""
    given: Section = {"server": cluster.get("server")}
    for key in ("tls-server-name", "insecure-skip-tls-verify", "proxy-url"):
        if cluster.get(key):
            given[key] = cluster[key]
    authority = cluster.get("certificate-authority-data")
    path = cluster.get("certificate-authority")
    if not authority and isinstance(path, str):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            authority = base64.b64encode(file.read()).decode("ascii")
    if authority:
        given["certificate-authority-data"] = authority
    return given


async def _run(
    command: list[str], environment: dict[str, str], deadline_seconds: float, spec: Section
) -> bytes:
    name = command[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # A session of its own has no controlling terminal: /dev/tty can't be opened either.
            start_new_session=True,
        )
    except OSError as error:
        hint = spec.get("installHint")
        more = f" {hint}" if isinstance(hint, str) else ""
        raise CredentialError(
            f"can't run credential plugin {name!r}: {error.strerror}; "
            f"is it installed and in PATH?{more}"
        ) from error
    try:
        async with asyncio.timeout(deadline_seconds):
            stdout, stderr = await process.communicate()
    except TimeoutError as error:
        raise CredentialError(
            f"credential plugin {name!r} gave nothing within {deadline_seconds:g} s: "
            "run it in a shell to see what it waits for"
        ) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        said = clean(stderr.strip()[-600:]) or "nothing on stderr"
        raise CredentialError(
            f"credential plugin {name!r} failed with exit code {process.returncode}: {said}"
        )
    return stdout[:_MAX_OUTPUT_BYTES]


def _credential(stdout: bytes, name: str) -> PluginCredential:
    try:
        answer: object = json.loads(stdout)
    except ValueError as error:
        raise CredentialError(f"credential plugin {name!r} printed no JSON") from error
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise CredentialError(f"credential plugin {name!r} printed no ExecCredential status")
    user: Section = {}
    if status.get("token"):
        user["token"] = str(status["token"])
    if status.get("clientCertificateData") and status.get("clientKeyData"):
        for key, field in (
            ("client-certificate-data", "clientCertificateData"),
            ("client-key-data", "clientKeyData"),
        ):
            user[key] = base64.b64encode(str(status[field]).encode()).decode("ascii")
    if not user:
        raise CredentialError(
            f"credential plugin {name!r} gave neither a token nor a certificate with its key"
        )
    return PluginCredential(user, _epoch(status.get("expirationTimestamp")))


def _epoch(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
