"""Answers get and list: pages, selectors, Tables, versions that are too old."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from tui.simulator.answers import positive_number, table_wanted
from tui.simulator.objects import KubeObject, ObjectStore, Stored, object_key
from tui.simulator.paths import Target
from tui.simulator.selectors import Predicate, both, field_predicate, label_predicate
from tui.simulator.shapes import head_bytes, item_bytes, object_bytes
from tui.simulator.statuses import ApiFailure, bad_request, expired, not_found
from tui.simulator.tables import TableFormat

MAX_SNAPSHOTS = 16
"""Unfinished paged lists that can still be continued."""

_CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class _Page:
    entries: list[Stored]
    version: int
    next_token: str = ""
    remaining: int = 0


def wanted_predicate(target: Target, query: Mapping[str, str]) -> Predicate | None:
    """Return the test of the request's selectors and its name."""
    fields = query.get("fieldSelector", "")
    if target.name:
        fields = ",".join(part for part in (fields, f"metadata.name={target.name}") if part)
    return both(
        label_predicate(query.get("labelSelector", "")),
        field_predicate(fields, target.resource.shelf_name),
    )


def table_format(target: Target, accept: str, query: Mapping[str, str]) -> TableFormat | None:
    """Return how to print the answer as a Table, or None if objects were asked for."""
    if not table_wanted(accept):
        return None
    return TableFormat(target.resource, query.get("includeObject", "Metadata"))


class Listing:
    """Reads objects for get and list requests."""

    def __init__(self, store: ObjectStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._snapshots: OrderedDict[tuple[str, int], list[Stored]] = OrderedDict()

    def forget_snapshots(self) -> None:
        """Make every unfinished paged list end with 410."""
        self._snapshots.clear()

    def get(self, target: Target, accept: str, query: Mapping[str, str]) -> bytes:
        """Return one object, or a Table of it."""
        stored = self.find(target)
        table = table_format(target, accept, query)
        if table is None:
            return object_bytes(stored, target.resource)
        version = {"resourceVersion": str(stored.version)}
        return msgspec.json.encode(table.table([stored.obj], version, self._clock()))

    def find(self, target: Target) -> Stored:
        """Return the object the path names.

        Raises:
            ApiFailure: there is none.
        """
        resource = target.resource
        shelf = self._store.shelf(resource.shelf_name)
        stored = shelf.entries.get(object_key(target.namespace, target.name))
        if stored is None:
            raise not_found(resource.plural, target.name, resource.group)
        return stored

    def list_page(self, target: Target, accept: str, query: Mapping[str, str]) -> bytes:
        """Return a page of objects, or a Table of them."""
        predicate = wanted_predicate(target, query)
        page = self._page(target, query, predicate)
        metadata: KubeObject = {"continue": ""} if target.resource.is_custom else {}
        metadata["resourceVersion"] = str(page.version)
        if page.next_token:
            metadata["continue"] = page.next_token
            if predicate is None:
                metadata["remainingItemCount"] = page.remaining
        table = table_format(target, accept, query)
        if table is not None:
            rows = [stored.obj for stored in page.entries]
            return msgspec.json.encode(table.table(rows, metadata, self._clock()))
        resource = target.resource
        head = head_bytes(f"{resource.kind}List", resource.group_version)
        items = b",".join([item_bytes(stored, resource) for stored in page.entries])
        return b'%b,"metadata":%b,"items":[%b]}' % (head, msgspec.json.encode(metadata), items)

    def _page(self, target: Target, query: Mapping[str, str], predicate: Predicate | None) -> _Page:
        name = target.resource.shelf_name
        version, start_key, entries = self._entries(name, query)
        prefix = f"{target.namespace}/" if target.namespace else ""
        limit = positive_number(query, "limit")
        found: list[Stored] = []
        for stored in entries:
            if stored.key <= start_key or not stored.key.startswith(prefix):
                continue
            if predicate is None or predicate(stored.obj):
                found.append(stored)
        if limit is None or len(found) <= limit:
            return _Page(found, version)
        self._keep((name, version), entries)
        token = _encode_token(version, found[limit - 1].key)
        return _Page(found[:limit], version, token, len(found) - limit)

    def _entries(self, name: str, query: Mapping[str, str]) -> tuple[int, str, list[Stored]]:
        """Return the version a list shows, the key it goes on behind, and its entries."""
        token = query.get("continue", "")
        if token:
            version, start_key = _decode_token(token)
            entries = self._snapshots.get((name, version))
            if entries is None:
                raise expired(_CONTINUE_TOO_OLD)
            return version, start_key, entries
        shelf = self._store.shelf(name)
        version = self._store.current_version
        wanted = positive_number(query, "resourceVersion")
        if wanted is not None:
            self._check_version(wanted, shelf.version, query.get("resourceVersionMatch", ""))
        return version, "", shelf.ordered()

    def _check_version(self, wanted: int, changed: int, match: str) -> None:
        current = self._store.current_version
        if wanted > current:
            raise ApiFailure(
                504, f"Timeout: Too large resource version: {wanted}, current: {current}"
            )
        if match == "Exact" and wanted < changed:
            raise expired(f"The resourceVersion for the provided list is too old: {wanted}")

    def _keep(self, key: tuple[str, int], entries: list[Stored]) -> None:
        self._snapshots[key] = entries
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > MAX_SNAPSHOTS:
            self._snapshots.popitem(last=False)


def _encode_token(version: int, key: str) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": version, "start": key}
    return urlsafe_b64encode(msgspec.json.encode(token)).decode()


def _decode_token(token: str) -> tuple[int, str]:
    try:
        found = msgspec.json.decode(urlsafe_b64decode(token))
        return int(found["rv"]), str(found["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("continue key is not valid: unexpected start of token") from error
