"""A throw-away certificate for the simulated API server, made by the `openssl` command."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tui.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What the server speaks TLS with, and what its clients trust."""

    context: ssl.SSLContext
    pem: bytes


async def make_certificate(host: str) -> ServerCertificate:
    """Return a fresh self-signed certificate for this address.

    Raises:
        ConfigError: there is no `openssl`, or it failed.
    """
    program = shutil.which("openssl")
    if program is None:
        raise ConfigError("TLS for the simulated cluster needs the openssl command: install it")
    with tempfile.TemporaryDirectory(prefix="ciltop-") as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        process = await asyncio.create_subprocess_exec(
            program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=ciltop-simulator",
            "-addext", f"subjectAltName=IP:{host},DNS:localhost",
            "-keyout", str(key), "-out", str(certificate),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
        if process.returncode != 0:
            raise ConfigError(f"openssl could not make a certificate: {errors.decode()}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return ServerCertificate(context, await asyncio.to_thread(certificate.read_bytes))
