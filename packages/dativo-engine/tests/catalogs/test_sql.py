"""A catalogue in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from dativo_config.models.job import SqlConnection
from dativo_engine.catalogs.database import DatabaseCatalog
from dativo_engine.catalogs.locations import file_location
from dativo_engine.catalogs.sql import open_sql, shown_database
from dativo_engine.catalogs.warehouse import FILE_IO
from dativo_engine.errors import ConnectionFailedError, FatalError, RetryableError
from pydantic import SecretStr
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.schema import Schema
from pyiceberg.table.update import SetPropertiesUpdate

from tools.services.postgres import PostgresServer


def open_at(uri: str, folder: Path) -> DatabaseCatalog:
    return open_sql(SqlConnection(uri=SecretStr(uri)), warehouse=file_location(folder), files=FILE_IO)


def test_many_that_open_an_empty_database_at_once_all_find_the_catalogue(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    uri = postgres.make_database()
    with ThreadPoolExecutor(8) as pool:
        catalogs = list(pool.map(lambda _: open_at(uri, tmp_path), range(8)))
    catalogs[0].create_namespace("acme")
    assert all(catalog.list_namespaces() == [("acme",)] for catalog in catalogs)


def test_a_database_that_dies_ends_a_commit_without_its_password_in_the_reason(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    catalog = open_at(postgres.make_database(), tmp_path)
    catalog.create_namespace("acme")
    table = catalog.create_table(("acme", "orders"), Schema())
    postgres.process.kill()
    try:
        with pytest.raises((CommitStateUnknownException, RetryableError)) as raised:
            catalog.commit_table(table, (), (SetPropertiesUpdate(updates={"mark": "new"}),))
    finally:
        postgres.process.start(postgres.answers)
    assert postgres.password not in str(raised.value)
    assert "mark" not in catalog.load_table(("acme", "orders")).properties


@pytest.mark.parametrize("uri", ["hunter22", "postgresql://u:hunter22@host:port/lake"])
def test_what_is_no_address_is_not_repeated(tmp_path: Path, uri: str) -> None:
    with pytest.raises(FatalError, match=r"target\.connection\.sql\.uri") as raised:
        open_at(uri, tmp_path)
    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://loader:Xy9/kQz7pw@db.example:5432/lake?sslmode=require", "postgresql://db.example:5432/lake"),
        ("postgresql://loader:Xy9?kQz7pw@db.example/lake?password=hunter22", "postgresql://db.example/lake"),
        ("postgresql://loader:Xy9#kQz7pw@db.example:port/lake", "postgresql://***"),
        ("postgresql:///lake?host=db.example&password=hunter22", "postgresql:///lake"),
    ],
)
def test_a_database_is_shown_without_its_password(uri: str, shown: str) -> None:
    assert shown_database(uri) == shown


def asked(catalog: DatabaseCatalog) -> Iterator[Callable[[], object]]:
    """What runs and maintenance ask a catalogue."""
    yield lambda: catalog.load_table(("acme", "orders"))
    yield lambda: catalog.list_tables("acme")
    yield catalog.list_namespaces
    yield lambda: catalog.namespace_exists("acme")
    yield lambda: catalog.create_namespace("globex")


def test_whatever_is_asked_of_a_database_that_died_is_to_be_tried_again(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    catalog = open_at(postgres.make_database(), tmp_path)
    postgres.process.kill()
    try:
        for ask in asked(catalog):
            with pytest.raises(
                ConnectionFailedError, match=r"target\.connection\.sql\.uri: .* can't be reached"
            ) as told:
                ask()
            assert postgres.password not in str(told.value)
    finally:
        postgres.process.start(postgres.answers)


def test_tables_of_the_catalogue_that_are_gone_are_told_with_the_setting(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    uri = postgres.make_database()
    catalog = open_at(uri, tmp_path)
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("DROP TABLE iceberg_tables, iceberg_namespace_properties")
    for ask in asked(catalog):
        with pytest.raises(FatalError, match=r"target\.connection\.sql\.uri: .* can't hold the catalogue"):
            ask()
