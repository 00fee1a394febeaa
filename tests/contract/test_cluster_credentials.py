from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contract.cluster_server import FakeCluster, make_certificate, pod_list, server_tls
from tests.contract.test_cluster_kubeconfig import entry, settings, write
from tui.cluster import kinds
from tui.cluster.access import Access, ConnectionSettings, load_access
from tui.cluster.connection import connect
from tui.errors import ConnectError, CredentialError, KubeconfigError, TlsError

V1 = "client.authentication.k8s.io/v1"
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def plugin(directory: Path, script: str, **spec: object) -> str:
    """A kubeconfig whose user is a plugin made of this shell script."""
    program = directory / "plugin.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    user = {"exec": {"apiVersion": V1, "command": "./plugin.sh", **spec}}
    return write(directory / "config", entry("one", user=user))


def credential(**status: object) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})


async def load(path: str, seconds: float = 10.0) -> Access:
    return await load_access(
        ConnectionSettings(kubeconfig=path, credential_seconds=seconds), ENVIRON
    )


async def test_plugin_gives_a_token_and_its_end(tmp_path: Path) -> None:
    said = credential(token="t1", expirationTimestamp="2030-01-01T00:00:00Z")
    access = await load(plugin(tmp_path, f"echo '{said}'"))
    assert access.headers == (("Authorization", "Bearer t1"),)
    assert access.expires_at == datetime(2030, 1, 1, tzinfo=UTC).timestamp()


async def test_plugin_is_told_what_it_needs(tmp_path: Path) -> None:
    script = (
        f"printf '%s' \"$KUBERNETES_EXEC_INFO\" > {tmp_path}/info; "
        f"echo \"$1 $EXTRA $HOME\" > {tmp_path}/args; echo '{credential(token='t')}'"
    )
    path = plugin(
        tmp_path,
        script,
        args=["get-token"],
        env=[{"name": "EXTRA", "value": "more"}],
        provideClusterInfo=True,
    )
    await load(path)
    info = json.loads((tmp_path / "info").read_text())
    assert info["apiVersion"] == V1
    assert info["spec"]["interactive"] is False
    assert info["spec"]["cluster"]["server"] == "https://10.0.0.1:6443"
    assert (tmp_path / "args").read_text() == "get-token more /nonexistent\n"


async def test_plugin_can_not_reach_the_keyboard(tmp_path: Path) -> None:
    script = (
        f"if read -r line; then echo got > {tmp_path}/stdin; fi; "
        f"if (: < /dev/tty) 2>/dev/null; then echo got > {tmp_path}/tty; fi; "
        f"echo '{credential(token='t')}'"
    )
    await load(plugin(tmp_path, script))
    assert not (tmp_path / "stdin").exists()
    assert not (tmp_path / "tty").exists()


async def test_plugin_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(CredentialError, match=r"nothing within 0\.5 s"):
        await load(plugin(tmp_path, script), seconds=0.5)
    assert not is_alive((tmp_path / "child").read_text().strip())


def is_alive(process: str) -> bool:
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().split()[2] not in {"Z", "X"}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'run: aws \x1b[31msso login' >&2; exit 255", "exit code 255: run: aws sso login"),
        ("exit 3", "exit code 3: nothing on stderr"),
        ("echo hello", "printed no JSON"),
        ("echo '[]'", "no ExecCredential status"),
        (f"echo '{credential()}'", "neither a token nor a certificate"),
        (f"echo '{credential(clientCertificateData='x')}'", "neither a token nor a certificate"),
    ],
)
async def test_plugin_that_fails(tmp_path: Path, script: str, says: str) -> None:
    with pytest.raises(CredentialError, match=says):
        await load(plugin(tmp_path, script))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"command": "no-such-plugin-here", "installHint": "get it"}, "No such file.*get it"),
        ({"command": ""}, "no command"),
        ({"apiVersion": "v9"}, "'v9' is not known"),
        ({"interactiveMode": "Always"}, "wants a terminal"),
        ({"args": "x"}, "args is not a list"),
    ],
)
async def test_plugin_that_can_not_be_run(
    tmp_path: Path, spec: dict[str, object], says: str
) -> None:
    with pytest.raises(CredentialError, match=says):
        await load(plugin(tmp_path, "true", **spec))


def inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


async def ask(config: str) -> None:
    async with await connect(settings(config), ENVIRON) as session:
        await session.list_pages("/api/v1/pods", kinds.Pod)


async def test_authority_as_file_and_inline(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    async with FakeCluster(server_tls(certificate)) as cluster:
        cluster.reply("/api/v1/pods", pod_list("a"))
        as_file = entry("one", cluster.url, cluster={"certificate-authority": "server.pem"})
        await ask(write(tmp_path / "a", as_file))
        as_text = entry(
            "one", cluster.url, cluster={"certificate-authority-data": inline(certificate)}
        )
        await ask(write(tmp_path / "b", as_text))
        blind = entry("one", cluster.url, cluster={"insecure-skip-tls-verify": True})
        await ask(write(tmp_path / "c", blind))
        with pytest.raises(TlsError, match=r"self-signed|self signed"):
            await ask(write(tmp_path / "d", entry("one", cluster.url)))
    assert len(cluster.asked) == 3


async def test_server_name_of_the_kubeconfig_is_used_for_requests_and_exec(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, names="DNS:api.internal")
    cluster_keys: dict[str, object] = {"certificate-authority": "server.pem"}
    async with FakeCluster(server_tls(certificate)) as cluster:
        cluster.reply("/api/v1/pods", pod_list("a"))
        wrong = write(tmp_path / "a", entry("one", cluster.url, cluster=cluster_keys))
        with pytest.raises(TlsError, match="tls-server-name"):
            await ask(wrong)
        cluster_keys["tls-server-name"] = "api.internal"
        right = write(tmp_path / "b", entry("one", cluster.url, cluster=cluster_keys))
        await ask(right)
        async with await connect(settings(right), ENVIRON) as session:
            with pytest.raises(Exception, match="not here"):
                await session.exec("n", "p", "c", ["x"], deadline_seconds=5)


async def test_client_certificates_as_file_inline_and_from_a_plugin(tmp_path: Path) -> None:
    server = make_certificate(tmp_path)
    client = make_certificate(tmp_path, "client")
    key = client.with_suffix(".key")
    keys = {"certificate-authority": "server.pem"}
    (tmp_path / "said.json").write_text(
        credential(clientCertificateData=client.read_text(), clientKeyData=key.read_text())
    )
    program = tmp_path / "plugin.sh"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said.json\n")
    program.chmod(0o755)
    users: list[dict[str, object]] = [
        {"client-certificate": "client.pem", "client-key": "client.key"},
        {"client-certificate-data": inline(client), "client-key-data": inline(key)},
        {"exec": {"apiVersion": V1, "command": "./plugin.sh"}},
    ]
    async with FakeCluster(server_tls(server, client)) as cluster:
        cluster.reply("/api/v1/pods", pod_list("a"))
        for number, user in enumerate(users):
            await ask(write(tmp_path / f"c{number}", entry("one", cluster.url, user, keys)))
        with pytest.raises(ConnectError, match="client certificate"):
            await ask(write(tmp_path / "none", entry("one", cluster.url, {}, keys)))
    assert len(cluster.asked) == 3


def lock_key(key: Path, locked: Path) -> None:
    subprocess.run(
        ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", str(key), "-out", str(locked)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )


async def test_encrypted_client_key_does_not_ask_on_the_terminal(tmp_path: Path) -> None:
    client = make_certificate(tmp_path, "client")
    lock_key(client.with_suffix(".key"), tmp_path / "locked.key")
    user: dict[str, object] = {"client-certificate": "client.pem", "client-key": "locked.key"}
    with pytest.raises(KubeconfigError, match="encrypted"):
        await load(write(tmp_path / "config", entry("one", user=user)))
