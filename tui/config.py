"""Settings: flags, environment and `config.toml`, each value with where it came from.

The settings are data, so that the flags, the file's keys, `ciltop config` and the documentation
are made from one table.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tui.errors import ConfigError
from tui.safety.secret import HIDDEN, Secret
from tui.settings import BY_KEY, PER_CONTEXT, SETTINGS, Setting, Value

__all__ = [
    "BY_KEY", "PER_CONTEXT", "SETTINGS", "Chosen", "Config", "Setting", "Value",
    "default_path", "describe", "load_config", "state_folder",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chosen:
    """A setting's value and where it came from."""

    value: Value | Secret | None
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting's value with its origin."""

    path: Path
    chosen: Mapping[str, Chosen]
    contexts: Mapping[str, Mapping[str, Chosen]] = field(default_factory=dict)
    """Overrides per kubeconfig context."""

    def for_context(self, context: str | None) -> Config:
        """Return the settings with one context's overrides applied; flags still win."""
        overrides = {
            key: chosen
            for key, chosen in self.contexts.get(context or "", {}).items()
            if not self.chosen[key].origin.startswith(("flag ", "environment "))
        }
        if self.chosen["read-only"].value:
            overrides.pop("read-only", None)
        return Config(self.path, {**self.chosen, **overrides}, self.contexts)

    def text(self, key: str) -> str | None:
        """Return a text setting, or None where it is unset."""
        value = self.chosen[key].value
        return None if value is None else str(value)

    def number(self, key: str) -> float | None:
        """Return a number setting, or None where it is unset."""
        value = self.chosen[key].value
        return None if value is None or isinstance(value, Secret) else float(value)

    def flag(self, key: str) -> bool:
        """Return a yes-or-no setting."""
        return bool(self.chosen[key].value)

    def secret(self, key: str) -> Secret | None:
        """Return a secret setting, or None where it is unset."""
        value = self.chosen[key].value
        return value if isinstance(value, Secret) else None


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the config file is looked for: `$XDG_CONFIG_HOME/ciltop/config.toml`."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "ciltop" / "config.toml"


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return where ciltop keeps what outlives a run: `$XDG_STATE_HOME/ciltop`."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "ciltop"


def load_config(
    path: Path, flags: Mapping[str, Value], environment: Mapping[str, str] | None = None
) -> Config:
    """Combine defaults, the file, the environment and the command line's flags; later ones win.

    Raises:
        ConfigError: the file can't be read, or holds an unknown key, a bad value, or a password
            that others may read; or a password was given as an argument.
    """
    environment = os.environ if environment is None else environment
    chosen = {s.key: Chosen(s.default, "default") for s in SETTINGS}
    table, text = _read(path)
    contexts: dict[str, Mapping[str, Chosen]] = {}
    for key, value in table.items():
        if key == "contexts":
            contexts = _contexts(path, text, value)
            continue
        line = _line_of(text, "", key)
        setting = BY_KEY.get(_hyphenated(key))
        if setting is None:
            raise ConfigError(_unknown(path, line, key, BY_KEY))
        chosen[setting.key] = _chosen(setting, value, f"{path}:{line}")
    for setting in SETTINGS:
        if setting.environment and environment.get(setting.environment):
            chosen[setting.key] = _from_environment(setting, environment[setting.environment])
    for key, value in flags.items():
        setting = BY_KEY[key]
        chosen[key] = Chosen(
            _checked(setting, value, setting.flags[-1]), f"flag {setting.flags[-1]}"
        )
    _part_from_url(chosen)
    _refuse_shared_secrets(path, chosen)
    return Config(path, chosen, contexts)


def _chosen(setting: Setting, value: object, origin: str) -> Chosen:
    if not setting.is_secret:
        return Chosen(_checked(setting, value, origin), origin)
    if not isinstance(value, str):
        raise ConfigError(f"{origin}: {setting.key} must be a text")
    return Chosen(Secret(value), origin)


def _from_environment(setting: Setting, text: str) -> Chosen:
    origin = f"environment {setting.environment}"
    if setting.kind is str:
        return _chosen(setting, text, origin)
    try:
        value: object = setting.kind(text)
    except ValueError:
        value = text
    return _chosen(setting, value, origin)


def _part_from_url(chosen: dict[str, Chosen]) -> None:
    """Take user and password out of the broker's URL, so that it can be shown."""
    url, origin = chosen["mqtt"].value, chosen["mqtt"].origin
    if not isinstance(url, str):
        return
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        # Not with the URL's text: what is wrong may be the password.
        raise ConfigError(f"{origin}: mqtt is not a URL such as mqtts://broker.example") from None
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ConfigError(
            f"{origin}: mqtt has an @ behind its host: in a password, write / ? # @ as "
            "%2F %3F %23 %40, or set CILTOP_MQTT_PASSWORD"
        )
    if user is None and password is None:
        return
    if password and origin.startswith("flag "):
        raise ConfigError(
            "--mqtt: no password on the command line, everybody on this machine can read it there: "
            "set CILTOP_MQTT_PASSWORD or mqtt-password-file"
        )
    for key in ("mqtt-user", *(("mqtt-password", "mqtt-password-file") if password else ())):
        if chosen[key].value is not None:
            raise ConfigError(
                f"user or password of the broker is given twice: in the URL ({origin}) and as "
                f"{key} ({chosen[key].origin}): leave one out"
            )
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    chosen["mqtt"] = Chosen(bare, origin)
    chosen["mqtt-user"] = Chosen(unquote(user) if user else None, origin)
    if password:
        chosen["mqtt-password"] = Chosen(Secret(unquote(password)), origin)


def _refuse_shared_secrets(path: Path, chosen: Mapping[str, Chosen]) -> None:
    """Refuse a config file that holds a password and can be read by others."""
    holds = any(
        isinstance(entry.value, Secret) and entry.origin.startswith(f"{path}:")
        for entry in chosen.values()
    )
    if holds and path.stat().st_mode & 0o077:
        raise ConfigError(
            f"{path}: holds a password, and others may read it: chmod 600 {path}, "
            "or move it to the file that mqtt-password-file names"
        )


def _read(path: Path) -> tuple[dict[str, object], str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error


def _contexts(path: Path, text: str, table: object) -> dict[str, Mapping[str, Chosen]]:
    if not isinstance(table, dict):
        raise ConfigError(f"{path}:{_line_of(text, '', 'contexts')}: contexts must be a table")
    return {str(name): _context(path, text, str(name), body) for name, body in table.items()}


def _context(path: Path, text: str, name: str, body: object) -> dict[str, Chosen]:
    section = f"contexts.{name}"
    if not isinstance(body, dict):
        raise ConfigError(f"{path}: [{section}] must be a table, such as read-only = true")
    chosen = {}
    for key, value in body.items():
        line = _line_of(text, section, key)
        setting = BY_KEY.get(_hyphenated(key))
        if setting is None or setting.key not in PER_CONTEXT:
            raise ConfigError(_unknown(path, line, key, PER_CONTEXT))
        where = f"{path}:{line}"
        chosen[setting.key] = Chosen(_checked(setting, value, where), f"{where} [{section}]")
    return chosen


def _hyphenated(key: str) -> str:
    """Return a key in the table's spelling: `read_only` is the same as `read-only`."""
    return key.replace("_", "-")


def _unknown(
    path: Path, line: int, key: str, known: Mapping[str, Setting] | tuple[str, ...]
) -> str:
    from difflib import get_close_matches

    near = get_close_matches(_hyphenated(key), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
    return f"{path}:{line}: unknown key {key!r}; {hint}"


def _checked(setting: Setting, value: object, where: str) -> Value:
    """Return the value in the setting's type, or raise with the place that holds it."""
    wanted = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = isinstance(value, setting.kind) and (setting.kind is bool or not isinstance(value, bool))
    if setting.kind is float and is_number:
        fits = True
    if not fits or not isinstance(value, str | int | float | bool):
        raise ConfigError(f"{where}: {setting.key} must be {wanted[setting.kind]}, not {value!r}")
    if setting.choices and value not in setting.choices:
        raise ConfigError(
            f"{where}: {setting.key} must be one of {', '.join(setting.choices)}, not {value!r}"
        )
    if isinstance(value, int | float) and not _in_range(setting, value):
        raise ConfigError(
            f"{where}: {setting.key} must be from {setting.minimum:g} to {setting.maximum:g}, "
            f"not {value!r}"
        )
    return float(value) if setting.kind is float else value


def _in_range(setting: Setting, value: float) -> bool:
    low, high = setting.minimum, setting.maximum
    return (low is None or value >= low) and (high is None or value <= high)


def _line_of(text: str, section: str, key: str) -> int:
    """Return the line that sets a key in a section: tomllib does not tell."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$", line)
        if header:
            current = header.group(1).replace('"', "").replace("'", "")
            if current == f"{section}.{key}".lstrip("."):
                return number
        elif current == section and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            return number
    return 1


def describe(config: Config) -> str:
    """Return every setting with its value and origin, one a line, for `ciltop config`."""
    rows = [("SETTING", "VALUE", "ORIGIN")]
    rows += [
        (key, _shown(BY_KEY[key], chosen), chosen.origin) for key, chosen in config.chosen.items()
    ]
    for context, overrides in config.contexts.items():
        rows += [
            (f"contexts.{context}.{key}", _shown(BY_KEY[key], chosen), chosen.origin)
            for key, chosen in overrides.items()
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    found = "read" if config.path.exists() else "not there"
    return "\n".join([*lines, "", f"config file: {config.path} ({found})"])


def _shown(setting: Setting, chosen: Chosen) -> str:
    if chosen.value is None:
        return setting.unset
    if isinstance(chosen.value, Secret):
        return HIDDEN
    if isinstance(chosen.value, bool):
        return "true" if chosen.value else "false"
    if isinstance(chosen.value, float):
        return f"{chosen.value:g}"
    return _safe_url(chosen.value) if setting.key == "mqtt" else str(chosen.value)


def _safe_url(url: object) -> str:
    """Return a broker's URL; what stands where its port should may be a password."""
    scheme, separator, rest = str(url).partition("://")
    place, slash, path = rest.partition("/")
    if not re.fullmatch(r"(\[[^\]]*\]|[^:]*)(:\d+)?", place):
        place = HIDDEN
    return f"{scheme}{separator}{place}{slash}{path}"
