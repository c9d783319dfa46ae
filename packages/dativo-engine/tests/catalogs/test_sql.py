"""A catalogue in PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dativo_config.models.job import SqlConnection
from dativo_engine.catalogs.database import DatabaseCatalog
from dativo_engine.catalogs.locations import file_location
from dativo_engine.catalogs.sql import open_sql
from dativo_engine.catalogs.warehouse import FILE_IO
from dativo_engine.errors import FatalError, RetryableError
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
