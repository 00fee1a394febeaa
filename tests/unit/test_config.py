from __future__ import annotations

from pathlib import Path

import pytest

from tui.config import SETTINGS, default_path, describe, load_config
from tui.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_value_has_its_origin(tmp_path: Path) -> None:
    path = write(tmp_path, '# mine\ncontext = "prod"\n\nmax_execs = 4\n')
    config = load_config(path, {"interval": 5.0})
    assert config.chosen["context"].origin == f"{path}:2"
    assert config.chosen["max-execs"].origin == f"{path}:4"
    assert config.chosen["interval"].origin == "flag --interval"
    assert config.chosen["selector"].origin == "default"
    printed = describe(config)
    for setting in SETTINGS:
        assert setting.key in printed
    assert f"{path}:4" in printed


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "interval = 30\n"), {"interval": 5.0})
    assert config.number("interval") == 5.0


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    config = load_config(tmp_path / "none.toml", {})
    assert config.text("selector") == "k8s-app=cilium"
    assert "not there" in describe(config)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('\ncontxt = "a"\n', 2, "unknown key 'contxt'; did you mean context?"),
        ("max-execs = 21\n", 1, "from 1 to 20"),
        ("max-execs = true\n", 1, "a whole number"),
        ('interval = "soon"\n', 1, "a number"),
        ('symbols = "emoji"\n', 1, "one of auto, unicode, ascii"),
        ('theme = "x"\n[contexts.prod]\nread_onyl = true\n', 3, "unknown key 'read_onyl'"),
        ("[contexts.prod]\nread-only = 1\n", 2, "true or false"),
    ],
)
def test_a_bad_value_names_file_key_and_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert words in caught.value.message
    assert caught.value.exit_code == 2


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        load_config(write(tmp_path, 'context = "a"\nbroken =\n'), {})


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(path, {})


def test_a_context_can_be_read_only(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "[contexts.prod]\nread_only = true\n"), {})
    assert not config.for_context("dev").flag("read-only")
    assert config.for_context("prod").flag("read-only")


def test_a_context_cannot_lift_read_only(tmp_path: Path) -> None:
    path = write(tmp_path, "read-only = true\n[contexts.dev]\nread-only = false\n")
    assert load_config(path, {}).for_context("dev").flag("read-only")


def test_a_flag_wins_over_a_context(tmp_path: Path) -> None:
    path = write(tmp_path, "[contexts.prod]\ninterval = 60\n")
    config = load_config(path, {"interval": 5.0}).for_context("prod")
    assert config.number("interval") == 5.0


def test_the_path_follows_xdg() -> None:
    assert default_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/ciltop/config.toml")


def test_the_environment_wins_over_the_file_and_loses_against_a_flag(tmp_path: Path) -> None:
    path = write(tmp_path, 'mqtt = "mqtt://file"\ncluster = "file"\ncollector-id = "file"\n')
    environment = {"CILTOP_MQTT_URL": "mqtt://env", "CILTOP_CLUSTER": "env", "CILTOP_MQTT_CA": ""}
    config = load_config(path, {"mqtt": "mqtt://flag"}, environment)
    assert config.text("mqtt") == "mqtt://flag"
    assert config.text("cluster") == "env"
    assert config.chosen["cluster"].origin == "environment CILTOP_CLUSTER"
    assert config.text("collector-id") == "file"
    assert config.text("mqtt-ca") is None
    assert "environment CILTOP_CLUSTER" in describe(config)


def test_a_secret_is_never_shown_and_has_no_flag(tmp_path: Path) -> None:
    config = load_config(tmp_path / "none", {}, {"CILTOP_MQTT_PASSWORD": "hunter2"})
    secret = config.secret("mqtt-password")
    assert secret is not None
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in f"{config} {describe(config)} {config.text('mqtt-password')}"
    assert all(not setting.flags for setting in SETTINGS if setting.is_secret)


@pytest.mark.parametrize("line", ['mqtt-password = "x"', 'mqtt = "mqtt://u:x@broker"'])
def test_a_file_with_a_password_must_be_its_owners_alone(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, line + "\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        load_config(path, {})
    path.chmod(0o600)
    assert load_config(path, {}).secret("mqtt-password") is not None


def test_a_password_that_is_no_text_is_not_printed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, "mqtt-password = 12345\n"), {})
    assert "12345" not in caught.value.message
