"""The embedded default: one SQLite file per tenant as catalogue, a folder beside it as warehouse."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError, OperationalError

from dativo_engine.catalogs.database import CATALOG_NAME, DatabaseCatalog
from dativo_engine.catalogs.files import make_folder, sync_folder
from dativo_engine.catalogs.warehouse import FILE_IO
from dativo_engine.errors import FatalError, RetryableError

# How long a process waits while another one writes to the catalogue.
BUSY_SECONDS = 60


def open_embedded(file: Path, *, warehouse: str, files: Mapping[str, str] = FILE_IO) -> DatabaseCatalog:
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


def _connect(file: Path, warehouse: str, files: Mapping[str, str] = FILE_IO) -> DatabaseCatalog:
    url = URL.create("sqlite", database=str(file.absolute()), query={"timeout": str(BUSY_SECONDS)})
    return DatabaseCatalog(CATALOG_NAME, **{**files, "uri": url.render_as_string(), "warehouse": warehouse})


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
