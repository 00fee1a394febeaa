from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tui.cluster.access import ConnectionSettings, load_access
from tui.cluster.kubeconfig import contexts, kubeconfig_paths, read_kubeconfig
from tui.cluster.proxies import proxy_for
from tui.errors import KubeconfigError, UnknownContextError


def entry(
    name: str,
    server: str = "https://10.0.0.1:6443",
    user: Mapping[str, object] | None = None,
    cluster: Mapping[str, object] | None = None,
) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [
            {
                "name": name,
                "context": {"cluster": f"{name}-c", "user": f"{name}-u", "namespace": "ns"},
            }
        ],
        "clusters": [{"name": f"{name}-c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": f"{name}-u", "user": {"token": "secret"} if user is None else user}],
    }


def write(path: Path, content: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return str(path)


def settings(path: str | None = None, context: str | None = None) -> ConnectionSettings:
    return ConnectionSettings(kubeconfig=path, context=context)


def test_where_kubeconfigs_are_looked_for() -> None:
    home = {"HOME": "/home/jane"}
    assert kubeconfig_paths(None, home) == ["/home/jane/.kube/config"]
    assert kubeconfig_paths(None, {**home, "KUBECONFIG": ":/a::/b:/a"}) == ["/a", "/b"]
    assert kubeconfig_paths("/x:y", {**home, "KUBECONFIG": "/a"}) == ["/x:y"]


def test_first_file_wins_as_in_kubectl(tmp_path: Path) -> None:
    first = entry("one")
    second = entry("two")
    clash = entry("one", server="https://other")
    second["clusters"] = [*clash["clusters"], *second["clusters"]]  # type: ignore[misc]  # lists
    paths = [
        write(tmp_path / "a", first),
        str(tmp_path / "missing"),
        write(tmp_path / "b", second),
    ]
    environ = {"KUBECONFIG": ":".join(paths)}
    known = contexts(None, environ)
    assert known.names == ("one", "two")
    assert known.current == "one"
    assert known.paths == (paths[0], paths[2])
    merged = read_kubeconfig(paths)
    assert merged is not None
    assert merged.choose(None).cluster["server"] == "https://10.0.0.1:6443"
    assert merged.choose("two").user == {"token": "secret"}


def test_current_context_of_a_later_file_counts_where_the_first_has_none(tmp_path: Path) -> None:
    first = {**entry("one"), "current-context": ""}
    paths = [write(tmp_path / "a", first), write(tmp_path / "b", entry("two"))]
    assert contexts(None, {"KUBECONFIG": ":".join(paths)}).current == "two"


def test_relative_files_belong_to_their_kubeconfig(tmp_path: Path) -> None:
    content = entry("one", user={"client-certificate": "pki/c.pem", "tokenFile": "/abs/token"})
    path = write(tmp_path / "deep" / "config", content)
    merged = read_kubeconfig([path])
    assert merged is not None
    user = merged.choose(None).user
    assert user["client-certificate"] == str(tmp_path / "deep" / "pki" / "c.pem")
    assert user["tokenFile"] == "/abs/token"


def test_no_kubeconfig_has_no_contexts(tmp_path: Path) -> None:
    assert contexts(None, {"HOME": str(tmp_path)}).names == ()


def test_listing_contexts_imports_no_kubernetes(tmp_path: Path) -> None:
    path = write(tmp_path / "config", entry("one"))
    program = (
        "import sys; from tui.cluster.kubeconfig import contexts; "
        f"assert contexts({path!r}).current == 'one'; "
        "import tui.cluster.connection, tui.cluster.discovery, tui.cluster.session; "
        "assert not {'kubernetes', 'aiohttp', 'textual'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clusters: [\n  {a: b\nusers: x", r"config:\d.* is not valid YAML"),
        ("a: b: c", "config:1 is not valid YAML"),
        ("just words", "is no mapping"),
        ("contexts: 5", "contexts is not a list"),
        ("contexts: [{context: {}}]", "entry 1 of contexts has no name"),
        ("users: [{name: x, user: [1]}]", "'x' is not a mapping"),
        ("\x00\x01", "is not valid YAML"),
        ("a: \x1b[2J", "is not valid YAML"),
    ],
)
async def test_broken_kubeconfig_names_file_and_line(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path / "config", text)
    with pytest.raises(KubeconfigError, match=says) as caught:
        await load_access(settings(path), {})
    assert path in caught.value.message


async def test_unreadable_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="Is a directory"):
        await load_access(settings(str(tmp_path)), {})


async def test_missing_kubeconfig_says_where_it_was_looked_for(tmp_path: Path) -> None:
    environ = {"KUBECONFIG": f"{tmp_path}/a:{tmp_path}/b"}
    with pytest.raises(KubeconfigError) as caught:
        await load_access(settings(), environ)
    for part in (f"{tmp_path}/a", f"{tmp_path}/b", "--kubeconfig"):
        assert part in caught.value.message
    with pytest.raises(KubeconfigError, match="/nowhere/config"):
        await load_access(settings("/nowhere/config"), {"KUBERNETES_SERVICE_HOST": "x"})


async def test_unknown_context_lists_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "config", entry("production"))
    with pytest.raises(UnknownContextError, match=r"'staging'.*choose one of: production"):
        await load_access(settings(path, "staging"), {})


async def test_no_current_context(tmp_path: Path) -> None:
    content = {**entry("production"), "current-context": ""}
    with pytest.raises(UnknownContextError, match=r"--context.*production"):
        await load_access(settings(write(tmp_path / "config", content)), {})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clusters": []}, "cluster 'one-c', which is not in the file"),
        ({"clusters": [{"name": "one-c", "cluster": {}}]}, "has no server"),
        ({"users": []}, "user 'one-u', which is not in the file"),
    ],
)
async def test_context_that_points_nowhere(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    path = write(tmp_path / "config", {**entry("one"), **change})
    with pytest.raises(KubeconfigError, match=says):
        await load_access(settings(path), {})


async def test_token_and_names(tmp_path: Path) -> None:
    access = await load_access(settings(write(tmp_path / "config", entry("one"))), {})
    assert access.headers == (("Authorization", "Bearer secret"),)
    assert (access.context, access.user, access.namespace) == ("one", "one-u", "ns")
    assert access.server == "https://10.0.0.1:6443"
    assert access.expires_at is None
    assert "secret" not in repr(access)


async def test_basic_authentication_and_no_user(tmp_path: Path) -> None:
    basic = entry("one", user={"username": "jane", "password": "pw"})
    access = await load_access(settings(write(tmp_path / "a", basic)), {})
    assert access.headers == (("Authorization", "Basic amFuZTpwdw=="),)
    nobody = entry("one")
    nobody["contexts"] = [{"name": "one", "context": {"cluster": "one-c"}}]
    access = await load_access(settings(write(tmp_path / "b", nobody)), {})
    assert access.headers == ()


async def test_token_file_is_read_again_when_it_rotates(tmp_path: Path) -> None:
    token = write(tmp_path / "token", "first\n")
    path = write(tmp_path / "config", entry("one", user={"tokenFile": token}))
    access = await load_access(settings(path), {})
    assert access.headers == (("Authorization", "Bearer first"),)
    assert access.expires_at is not None
    write(tmp_path / "token", "second\n")
    assert (await load_access(settings(path), {})).headers == (("Authorization", "Bearer second"),)


async def test_impersonation_is_kept(tmp_path: Path) -> None:
    user: dict[str, object] = {
        "token": "t",
        "as": "viewer",
        "as-uid": "7",
        "as-groups": ["a", "b"],
        "as-user-extra": {"Reason": ["x"]},
    }
    access = await load_access(settings(write(tmp_path / "config", entry("one", user=user))), {})
    assert access.headers[1:] == (
        ("Impersonate-User", "viewer"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-reason", "x"),
    )


@pytest.mark.parametrize(
    ("cluster", "says"),
    [
        ({"certificate-authority": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
        ({"certificate-authority-data": "!!!"}, "can't be used"),
        ({"certificate-authority-data": "bm90IGEgY2VydA=="}, "certificates"),
        ({"proxy-url": "socks5://127.0.0.1:1080"}, "socks5"),
    ],
)
async def test_settings_that_can_not_be_used(
    tmp_path: Path, cluster: dict[str, object], says: str
) -> None:
    path = write(tmp_path / "config", entry("one", cluster=cluster))
    with pytest.raises(KubeconfigError, match=says):
        await load_access(settings(path), {})


async def test_removed_auth_provider_says_what_to_use(tmp_path: Path) -> None:
    path = write(tmp_path / "config", entry("one", user={"auth-provider": {"name": "gcp"}}))
    with pytest.raises(Exception, match=r"'gcp' was removed.*credential plugin"):
        await load_access(settings(path), {})


def service_account(directory: Path) -> Path:
    certificate = directory / "ca.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", os.devnull, "-out", str(certificate), "-subj", "/CN=ca"],
        check=True, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    (directory / "token").write_text("pod-token\n")
    (directory / "namespace").write_text("kube-system\n")
    return directory


async def test_service_account_of_a_pod(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "KUBERNETES_SERVICE_HOST": "fd00::1",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    inside = ConnectionSettings(service_account=str(service_account(tmp_path)))
    access = await load_access(inside, environ)
    assert access.server == "https://[fd00::1]:443"
    assert access.headers == (("Authorization", "Bearer pod-token"),)
    assert (access.context, access.namespace) == ("in-cluster", "kube-system")
    assert access.expires_at is not None
    (tmp_path / "token").write_text("rotated")
    renewed = await load_access(inside, environ)
    assert renewed.headers == (("Authorization", "Bearer rotated"),)
    assert renewed.tls is access.tls, "open connections outlive a rotated token"


async def test_service_account_that_is_incomplete(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    with pytest.raises(KubeconfigError, match="service account"):
        await load_access(ConnectionSettings(service_account=str(tmp_path)), environ)


HTTPS = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        (HTTPS, {"https_proxy": "p:1"}, "http://p:1"),
        (HTTPS, {"HTTP_PROXY": "http://p:1"}, None),
        ("http://api.example.com", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        (HTTPS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": "http://p:1", "no_proxy": " .example.com , x"}, None),
        (HTTPS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ample.com"}, "http://p:1"),
        (HTTPS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        (HTTPS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example.com:443"}, "http://p:1"),
        (HTTPS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example.com:6443"}, None),
        ("https://10.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("https://11.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "http://p:1"),
        ("https://10.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "bad/8,10.1.2.3"}, None),
        (
            "https://[fd00::1]:6443",
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "[fd00::1]:6443"},
            None,
        ),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": "http://p:1"}, None),
    ],
)
def test_proxy_of_the_environment(
    server: str, environ: dict[str, str], expected: str | None
) -> None:
    assert proxy_for(server, "", environ) == expected


def test_proxy_of_the_kubeconfig_wins() -> None:
    environ = {"HTTPS_PROXY": "http://other:1", "NO_PROXY": "*"}
    assert proxy_for(HTTPS, "http://mine:2", environ) == "http://mine:2"
