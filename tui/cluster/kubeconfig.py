"""Find, read and merge kubeconfig files as kubectl does, and pick one context.

Only YAML is read here: no credential is used and `kubernetes` is not imported, so the command
line can list contexts cheaply. `kubernetes.aio` merges several files differently from kubectl (its
last `current-context` wins, kubectl's first), so the merge is ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tui.errors import KubeconfigError, UnknownContextError
from tui.safety import CleanText, clean

Section = dict[str, object]

_LISTS = {"clusters": "cluster", "contexts": "context", "users": "user"}
_FILE_KEYS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
}


@dataclass(frozen=True, slots=True)
class Contexts:
    """The contexts that the kubeconfig files know."""

    names: tuple[CleanText, ...]
    current: CleanText
    """Empty where no file sets one."""
    paths: tuple[str, ...]
    """The files that were read, first wins."""


@dataclass(frozen=True, slots=True)
class ChosenContext:
    """One context with its cluster and user, file paths made absolute."""

    name: str
    namespace: str
    cluster_name: str
    user_name: str
    cluster: Section
    user: Section
    directory: str
    """Of the file that declares the user: a plugin's relative path starts there."""


@dataclass(frozen=True, slots=True)
class MergedKubeconfig:
    """Every file's entries, the first of a name winning."""

    current_context: str
    contexts: Mapping[str, Section]
    clusters: Mapping[str, Section]
    users: Mapping[str, Section]
    directories: Mapping[str, str]
    """Of the file that declares a user, by the user's name."""
    paths: tuple[str, ...]

    def choose(self, name: str | None) -> ChosenContext:
        """Return the context of this name, or the current one.

        Raises:
            UnknownContextError: there is none; the message lists those there are.
        """
        where = ", ".join(self.paths)
        chosen = name or self.current_context
        known = ", ".join(sorted(self.contexts)) or "none"
        if not chosen:
            raise UnknownContextError(
                f"no current context in {where}: choose one with --context (there are: {known})"
            )
        context = self.contexts.get(chosen)
        if context is None:
            raise UnknownContextError(f"no context {chosen!r} in {where}: choose one of: {known}")
        cluster_name = _text(context, "cluster")
        cluster = self.clusters.get(cluster_name)
        if cluster is None or not _text(cluster, "server"):
            what = "has no server" if cluster is not None else "is not in the file"
            raise KubeconfigError(
                f"context {chosen!r} in {where} names cluster {cluster_name!r}, which {what}"
            )
        user_name = _text(context, "user")
        if user_name and user_name not in self.users:
            raise KubeconfigError(
                f"context {chosen!r} in {where} names user {user_name!r}, which is not in the file"
            )
        return ChosenContext(
            name=chosen,
            namespace=_text(context, "namespace"),
            cluster_name=cluster_name,
            user_name=user_name,
            cluster=cluster,
            user=self.users.get(user_name, {}),
            directory=self.directories.get(user_name, ""),
        )


def kubeconfig_paths(explicit: str | None, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the files kubectl would look at: the flag, else KUBECONFIG, else the default."""
    environ = os.environ if environ is None else environ
    if explicit:
        return [os.path.expanduser(explicit)]
    listed = [path for path in environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    if listed:
        return [os.path.expanduser(path) for path in dict.fromkeys(listed)]
    home = environ.get("HOME") or os.path.expanduser("~")
    return [os.path.join(home, ".kube", "config")]


def read_kubeconfig(paths: Sequence[str]) -> MergedKubeconfig | None:
    """Read and merge those files that exist; None when none does.

    Raises:
        KubeconfigError: a file can't be read or is no kubeconfig; names file and line.
    """
    current_context = ""
    merged: dict[str, dict[str, Section]] = {kind: {} for kind in _LISTS}
    directories: dict[str, str] = {}
    read: list[str] = []
    for path in paths:
        document = _read_document(path)
        if document is None:
            continue
        read.append(path)
        current_context = current_context or _text(document, "current-context")
        directory = os.path.dirname(os.path.abspath(path))
        for kind in _LISTS:
            for name, entry in _entries(document, kind, path):
                if name not in merged[kind]:
                    merged[kind][name] = _absolute(entry, _FILE_KEYS.get(kind, ()), directory)
                    if kind == "users":
                        directories[name] = directory
    if not read:
        return None
    return MergedKubeconfig(
        current_context=current_context,
        contexts=merged["contexts"],
        clusters=merged["clusters"],
        users=merged["users"],
        directories=directories,
        paths=tuple(read),
    )


def contexts(explicit: str | None = None, environ: Mapping[str, str] | None = None) -> Contexts:
    """List the contexts without loading any credential; empty where there is no kubeconfig.

    Raises:
        KubeconfigError: a file can't be read.
    """
    merged = read_kubeconfig(kubeconfig_paths(explicit, environ))
    if merged is None:
        return Contexts((), CleanText(""), ())
    names = tuple(clean(name) for name in merged.contexts)
    return Contexts(names, clean(merged.current_context), merged.paths)


def _read_document(path: str) -> Section | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KubeconfigError(f"can't read kubeconfig {path}: {error.strerror}") from error
    try:
        document: object = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, in C
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "not YAML")
        raise KubeconfigError(f"kubeconfig {path}{line} is not valid YAML: {problem}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise KubeconfigError(f"kubeconfig {path} is no mapping: is it a kubeconfig file?")
    return document


def _entries(document: Section, kind: str, path: str) -> list[tuple[str, Section]]:
    items = document.get(kind) or []
    if not isinstance(items, list):
        raise KubeconfigError(f"kubeconfig {path}: {kind} is not a list")
    found: list[tuple[str, Section]] = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise KubeconfigError(f"kubeconfig {path}: entry {number} of {kind} has no name")
        body = item.get(_LISTS[kind]) or {}
        if not isinstance(body, dict):
            raise KubeconfigError(
                f"kubeconfig {path}: {kind} entry {item['name']!r} is not a mapping"
            )
        found.append((item["name"], body))
    return found


def _absolute(entry: Section, keys: Sequence[str], directory: str) -> Section:
    """Resolve relative file names against the kubeconfig they stand in, as kubectl does."""
    resolved = dict(entry)
    for key in keys:
        value = entry.get(key)
        if isinstance(value, str) and value:
            resolved[key] = os.path.normpath(os.path.join(directory, value))
    return resolved


def _text(section: Section, key: str) -> str:
    value = section.get(key)
    return value if isinstance(value, str) else ""
