"""Which catalogue and store hold a job's tables: one of each, told whole, inside the tenant's walls."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from dativo_config.draft import Draft
from dativo_config.models.job import Connection, ObjectStore
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem, closest, one_of
from dativo_config.target_connection import CATALOGS, STORES

_KINDS = ("embedded", *CATALOGS)
_CATALOG = ("target", "catalog")
_CONNECTION = ("target", "connection")
_WAREHOUSE = ("target", "warehouse")


def check_catalog(draft: Draft) -> Iterator[Problem]:
    """Everything that says where tables are registered and where their files lie."""
    connection = draft.target_connection or Connection()
    yield from _named(draft, connection)
    for group, what in ((CATALOGS, "catalogues"), (STORES, "stores")):
        found = [kind for kind in group if getattr(connection, kind) is not None]
        for other in found[1:]:
            message = f"names two {what} at once: {found[0]} and {other}"
            yield draft.problem((*_CONNECTION, other), message, hint="keep one of them", key=True)
    yield from _addresses(draft, connection)
    store = connection.store
    if store is not None:
        yield from _store(draft, store, (*_CONNECTION, "s3" if connection.s3 else "minio"))
    yield from _warehouse(draft, connection)


def _named(draft: Draft, connection: Connection) -> Iterator[Problem]:
    """`target.catalog` says the same as the connection."""
    named = draft.named_catalog
    found = connection.catalog
    if named is None:
        return
    if named not in _KINDS:
        hint = closest(named, _KINDS)
        yield draft.problem(_CATALOG, f"expected {one_of(_KINDS)}, found {draft.shown(_CATALOG, named)}", hint=hint)
    elif found == "embedded" and named != found:
        yield draft.problem(_CATALOG, f"is {named}, and nothing says where it is", hint=f"write {_name(named)}.uri")
    elif named != found:
        yield draft.problem(_CATALOG, f"is {named}, and the connection is to {found}", hint="leave out target.catalog")


def _addresses(draft: Draft, connection: Connection) -> Iterator[Problem]:
    for kind in CATALOGS:
        block = getattr(connection, kind)
        at = (*_CONNECTION, kind, "uri")
        if block is None:
            continue
        if kind == "sql":
            uri = block.uri.get_secret_value() if block.uri else ""
            if not uri:
                yield draft.problem(at, "is required and missing", hint="write postgresql://user@host/database")
            elif "${secret:" not in uri and not uri.startswith(("postgresql://", "postgresql+psycopg://")):
                message = "expected the address of a PostgreSQL database"
                yield draft.problem(at, message, hint="write postgresql://user:${secret:NAME}@host:5432/database")
        elif not block.uri:
            variable = ", or set the variable NESSIE_URI" if kind == "nessie" else ""
            yield draft.problem(at, "is required and missing", hint=f"write the address of the server{variable}")
        elif "${secret:" not in block.uri and not _is_http(block.uri):
            yield draft.problem(at, "expected http://host:port or https://host:port")


def _store(draft: Draft, store: ObjectStore, at: ValuePath) -> Iterator[Problem]:
    if (store.access_key_id is None) != (store.secret_access_key is None):
        yield draft.problem(at, "access_key_id and secret_access_key go together; one of them is missing")
    if not store.bucket and not (draft.job.target.warehouse or "").startswith("s3://"):
        yield draft.problem((*at, "bucket"), "is required and missing", hint="write it, or target.warehouse")
    if store.endpoint and "${secret:" not in store.endpoint and not _is_http(store.endpoint):
        yield draft.problem((*at, "endpoint"), "expected http://host:port or https://host:port")
    if store.prefix:
        yield from _folders(draft, (*at, "prefix"), store.prefix)


def _warehouse(draft: Draft, connection: Connection) -> Iterator[Problem]:
    warehouse, kind, store = draft.job.target.warehouse, connection.catalog, connection.store
    if warehouse is None:
        if store is None and kind in ("nessie", "rest"):
            message = "where the tables' files lie is not said"
            hint = "write target.connection.s3.bucket, or target.warehouse: s3://bucket/folder"
            yield draft.problem((*_CONNECTION, kind), message, hint=hint, key=True)
        return
    if warehouse.startswith("s3://"):
        if store is None and kind == "embedded":
            hint = "add target.connection.s3; it may be empty: {}"
            yield draft.problem(_WAREHOUSE, "is in S3, and nothing says how to open it", hint=hint)
        yield from _in_store(draft, warehouse)
        return
    if store is not None or kind == "nessie" or "://" in warehouse:
        shown = draft.shown(_WAREHOUSE, warehouse)
        yield draft.problem(_WAREHOUSE, f"expected s3://bucket/folder, found {shown}")
        return
    folder = draft.tenant.warehouse_folder
    if not draft.project.resolve(warehouse).resolve().is_relative_to(folder.resolve()):
        message = "tables on this machine's disk lie under the tenant's state folder only"
        yield draft.problem(_WAREHOUSE, message, hint="leave it out, or name a folder below it")


def _in_store(draft: Draft, warehouse: str) -> Iterator[Problem]:
    store = draft.job.target.connection and draft.job.target.connection.store
    bucket, _, folders = warehouse.removeprefix("s3://").partition("/")
    if not bucket:
        yield draft.problem(_WAREHOUSE, "names no bucket", hint="write s3://bucket/folder")
    elif store is not None and (store.bucket not in (None, bucket) or store.prefix):
        message = "says otherwise than the connection's bucket and prefix"
        yield draft.problem(_WAREHOUSE, message, hint="write it here or there, not in both")
    yield from _folders(draft, _WAREHOUSE, folders)


def _folders(draft: Draft, at: ValuePath, path: str) -> Iterator[Problem]:
    """A path in a bucket does not lead into what another tenant's tables lie in."""
    for level in path.strip("/").split("/") if path.strip("/") else ():
        if level in ("", ".", ".."):
            yield draft.problem(at, f"{draft.shown(at, path)} holds an empty folder, `.` or `..`")
            return
        owner = level.split("__")[0]
        if not draft.tenant.owns(level) and (owner in draft.project.tenants or level == "_dativo"):
            yield draft.problem(
                at, f"{draft.shown(at, path)} leads into a folder of another tenant or of dativo itself"
            )
            return


def _is_http(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _name(kind: str) -> str:
    return ".".join((*_CONNECTION, kind))
