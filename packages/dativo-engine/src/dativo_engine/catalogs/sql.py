"""A catalogue in a PostgreSQL database, one for all tenants: their namespaces keep them apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, ProgrammingError
from typing_extensions import override

from dativo_engine.catalogs.database import CATALOG_NAME, DatabaseCatalog, cause
from dativo_engine.catalogs.locations import shown_address
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, DativoError, FatalError

if TYPE_CHECKING:
    from dativo_config.models.job import SqlConnection

SETTING = "target.connection.sql.uri"
DRIVER = "postgresql+psycopg"
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
# What libpq is told, unless the address says otherwise: no request waits without an end, for a lock neither.
BOUNDS = {
    "connect_timeout": str(CONNECT_SECONDS),
    "tcp_user_timeout": str(STATEMENT_SECONDS * 1000),
    "options": f"-c statement_timeout={STATEMENT_SECONDS}s",
    "application_name": "dativo",
}
REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "is not permitted to log in",
)
NOT_THERE = re.compile(r'(database|role) ".*" does not exist')


class PostgresCatalog(DatabaseCatalog):
    """The catalogue, whose failures name the setting."""

    @override
    def explained(self, error: DBAPIError) -> DativoError:
        return _explained(error, self.engine.url)


def open_sql(connection: SqlConnection, *, warehouse: str, files: Mapping[str, str]) -> DatabaseCatalog:
    """The catalogue of `target.connection.sql`; its tables are made on demand.

    Raises:
        AuthenticationError: the database refuses user or password.
        ConnectionFailedError: it can't be reached.
        FatalError: there is no such database, the user may not make tables in it, or the driver is not installed.
    """
    url = _address(connection.uri.get_secret_value() if connection.uri else "")
    properties = {**files, "uri": url.render_as_string(hide_password=False), "warehouse": warehouse}
    try:
        try:
            return PostgresCatalog(CATALOG_NAME, **properties)
        except (IntegrityError, ProgrammingError):
            # Another process made the tables at the same time.
            return PostgresCatalog(CATALOG_NAME, **properties)
    except ModuleNotFoundError as error:
        message = f"{SETTING}: the driver of PostgreSQL is missing: pip install 'dativo-engine[sql]'"
        raise FatalError(message) from error
    except DBAPIError as error:
        raise _explained(error, url) from error


def shown_database(uri: str) -> str:
    """A database's address as messages may show it: without user, password and parameters."""
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        return shown_address(uri)
    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def _address(uri: str) -> URL:
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        # Without the cause, which tells the address, password and all.
        message = f"{SETTING}: is no address; write postgresql://user:password@host:5432/database"
        raise FatalError(message) from None
    return url.set(drivername=DRIVER).update_query_dict(
        {key: value for key, value in BOUNDS.items() if key not in url.query}
    )


def _explained(error: DBAPIError, url: URL) -> AuthenticationError | ConnectionFailedError | FatalError:
    said, place = cause(error), f"{SETTING}: the database {url.database} at {url.host}:{url.port or 5432}"
    if any(refusal in said for refusal in REFUSALS):
        return AuthenticationError(f"{place} refuses the user {url.username}: {said}; check user and password")
    if NOT_THERE.search(said):
        return FatalError(f"{place} is not there: {said}")
    if isinstance(error, OperationalError):
        return ConnectionFailedError(f"{place} can't be reached: {said}")
    return FatalError(f"{place} can't hold the catalogue: {said}")
