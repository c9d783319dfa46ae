"""The embedded default: one SQLite file per tenant as catalogue, a folder beside it as warehouse."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitStateUnknownException, NamespaceAlreadyExistsError
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool
from typing_extensions import override

from dativo_engine.catalogs.files import make_folder, sync_folder
from dativo_engine.errors import FatalError, RetryableError

CATALOG_NAME = "dativo"
FILE_IO = "dativo_engine.storage.fileio.StorageFileIO"
# How long a process waits while another one writes to the catalogue.
BUSY_SECONDS = 60


class EmbeddedCatalog(SqlCatalog):
    """One tenant's tables in an SQLite file, which many processes may use at once."""

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        # A connection kept open would hold the file after its user is done, and would not survive a fork.
        self.engine.dispose()
        self.engine = create_engine(properties["uri"], poolclass=NullPool)

    @override
    def load_table(self, identifier: str | Identifier) -> Table:
        try:
            return super().load_table(identifier)
        except DBAPIError as error:
            message = f"{self.engine.url.database}: the embedded catalogue can't be read: {error.orig}"
            raise RetryableError(message) from error

    @override
    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        try:
            return super().commit_table(table, requirements, updates)
        except DBAPIError as error:
            message = f"{self.engine.url.database}: the embedded catalogue failed in a commit: {error.orig}"
            raise CommitStateUnknownException(message) from error

    @override
    def create_namespace(self, namespace: str | Identifier, properties: Properties = EMPTY_DICT) -> None:
        try:
            super().create_namespace(namespace, properties)
        except IntegrityError as error:
            message = f"Namespace {namespace} already exists"
            raise NamespaceAlreadyExistsError(message) from error


def open_embedded(file: Path, *, warehouse: str, files: Properties = EMPTY_DICT) -> EmbeddedCatalog:
    """The catalogue in `file`, made if there is none.

    Args:
        warehouse: the location below which tables are created.
        files: settings of its file system (PyIceberg's names).

    Raises:
        RetryableError: it is busy, or its disk is full.
        FatalError: the file is something else, or damaged.
    """
    try:
        if not file.exists():
            _create(file, warehouse)
        return _connect(file, warehouse, files)
    except DatabaseError as error:
        kind = RetryableError if isinstance(error, OperationalError) else FatalError
        raise kind(f"{file}: the embedded catalogue can't be opened: {error.orig}") from error


def _connect(file: Path, warehouse: str, files: Properties = EMPTY_DICT) -> EmbeddedCatalog:
    url = URL.create("sqlite", database=str(file.absolute()), query={"timeout": str(BUSY_SECONDS)})
    return EmbeddedCatalog(
        CATALOG_NAME,
        **{**files, "uri": url.render_as_string(), "warehouse": warehouse, PY_IO_IMPL: FILE_IO},
    )


def _create(file: Path, warehouse: str) -> None:
    """Make the catalogue elsewhere and link it in whole, so that no process ever opens one without its tables."""
    make_folder(file.parent)
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        _connect(draft, warehouse)
        os.link(draft, file)
        sync_folder(file.parent)
    except FileExistsError:
        pass  # another process was first, with the same empty catalogue
    finally:
        draft.unlink(missing_ok=True)
