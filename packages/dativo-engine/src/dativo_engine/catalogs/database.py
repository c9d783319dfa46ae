"""A catalogue that is two tables of a database, which many processes may use at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitStateUnknownException, NamespaceAlreadyExistsError
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.pool import NullPool
from typing_extensions import override

from dativo_engine.errors import DativoError, FatalError, RetryableError

CATALOG_NAME = "dativo"


class DatabaseCatalog(SqlCatalog):
    """PyIceberg's catalogue in a database, which says so when the answer to a commit was lost."""

    @override
    def _init_catalog(self) -> None:
        # A connection kept open would hold a file after its user is done, and would not survive a fork.
        self.engine = create_engine(self.properties["uri"], poolclass=NullPool)
        super()._init_catalog()

    @property
    def place(self) -> str:
        """How messages call it."""
        url = self.engine.url
        return f"{url.host}:{url.port or 5432}/{url.database}" if url.host else str(url.database)

    def explained(self, error: DBAPIError) -> DativoError:
        """What the database said, as the error that tells what to do next."""
        kind = FatalError if isinstance(error, ProgrammingError) else RetryableError
        return kind(f"{self.place}: the catalogue failed: {cause(error)}")

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self.explained(error) from error

    @override
    def load_table(self, identifier: str | Identifier) -> Table:
        with self._told():
            return super().load_table(identifier)

    @override
    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        with self._told():
            return super().list_tables(namespace)

    @override
    def list_namespaces(self, namespace: str | Identifier = ()) -> list[Identifier]:
        with self._told():
            return super().list_namespaces(namespace)

    @override
    def namespace_exists(self, identifier: str | Identifier) -> bool:
        with self._told():
            return super().namespace_exists(identifier)

    @override
    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        try:
            return super().commit_table(table, requirements, updates)
        except DBAPIError as error:
            message = f"{self.place}: the catalogue failed in a commit: {cause(error)}"
            raise CommitStateUnknownException(message) from error

    @override
    def create_namespace(self, namespace: str | Identifier, properties: Properties = EMPTY_DICT) -> None:
        with self._told():
            try:
                super().create_namespace(namespace, properties)
            except IntegrityError as error:
                message = f"Namespace {namespace} already exists"
                raise NamespaceAlreadyExistsError(message) from error


def cause(error: DBAPIError) -> str:
    """What the database said, in one line."""
    return " ".join(str(error.orig).split())
