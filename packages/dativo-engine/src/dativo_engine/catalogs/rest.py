"""Any Iceberg REST catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, NoSuchTableError
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import EMPTY_DICT, Properties
from requests import Session
from typing_extensions import override

from dativo_engine.catalogs.locations import shown_address
from dativo_engine.catalogs.rest_auth import Authorization, Client
from dativo_engine.catalogs.rest_transport import Server, Transport
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.job import RestConnection

CATALOG_NAME = "dativo"
SETTING = "target.connection.rest"
KEYS = ("s3.access-key-id", "s3.secret-access-key", "s3.session-token")
VENDED = {"X-Iceberg-Access-Delegation": "vended-credentials"}


class RemoteCatalog(RestCatalog):
    """PyIceberg's client of a REST catalogue, with our requests.

    Secrets stay out of its properties, which come to lie in tables' file systems and what is made from them.
    """

    def __init__(
        self,
        server: Server,
        *,
        uri: str,
        warehouse: str | None,
        authorization: Authorization,
        headers: Mapping[str, str],
        files: Mapping[str, str],
    ) -> None:
        self._server = server
        self._authorization = authorization
        self._headers = headers
        self._files = files
        named = {} if warehouse is None else {"warehouse": warehouse}
        super().__init__(CATALOG_NAME, uri=uri, **named)
        self.properties = {**self.properties, **files}

    @override
    def _create_session(self) -> Session:
        session = Session()
        self._config_headers(session)
        # A job's own keys are enough; without them the catalogue is asked for some.
        if KEYS[0] in self._files:
            session.headers.pop("X-Iceberg-Access-Delegation", None)
        session.headers.update(self._headers)
        session.auth = self._authorization
        for scheme in ("https://", "http://"):
            session.mount(scheme, Transport(self._server, self._authorization))
        return session

    @override
    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        """What the job says of its store wins over what the catalogue says of it."""
        if KEYS[0] in self._files:
            properties = {name: value for name, value in properties.items() if name not in KEYS}
        return load_file_io({**self.properties, **properties, **self._files}, location)

    @override
    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        try:
            return super().commit_table(table, requirements, updates)
        except NoSuchTableError as error:
            message = f"{'.'.join(table.name())} was dropped while it was written to: {error}"
            raise CommitFailedException(message) from error
        except ValueError as error:
            message = f"{self._server} answered a commit with what is no answer"
            raise CommitStateUnknownException(message) from error


def open_rest(connection: RestConnection, *, files: Mapping[str, str]) -> RemoteCatalog:
    """The catalogue of `target.connection.rest`.

    Raises:
        AuthenticationError: it refuses the credentials.
        ConnectionFailedError, RetryableError: it can't be reached, or is out of order.
        FatalError: there is no such catalogue.
    """
    uri = connection.uri.rstrip("/").removesuffix("/v1")
    client = None
    if connection.credential is not None:
        identity, _, secret = connection.credential.get_secret_value().rpartition(":")
        client = Client(
            setting=f"{SETTING}.credential",
            token_setting=f"{SETTING}.{'oauth2_server_uri' if connection.oauth2_server_uri else 'uri'}",
            token_uri=connection.oauth2_server_uri or f"{uri}/v1/oauth/tokens",
            id=identity,
            secret=secret,
            scope=connection.scope or "catalog",
        )
    token = connection.token.get_secret_value() if connection.token else ""
    return connect(
        Server(SETTING, shown_address(uri), "token" if connection.credential is None else "credential"),
        uri=uri,
        warehouse=connection.warehouse,
        authorization=Authorization(token=token, client=client),
        headers={name: value.get_secret_value() for name, value in connection.headers.items()},
        files=files,
    )


def connect(
    server: Server,
    *,
    uri: str,
    warehouse: str | None,
    authorization: Authorization,
    files: Mapping[str, str],
    headers: Mapping[str, str] = EMPTY_DICT,
    kind: type[RemoteCatalog] = RemoteCatalog,
) -> RemoteCatalog:
    """A catalogue, once it has said how it is to be talked to.

    Raises:
        AuthenticationError, ConnectionFailedError, RetryableError, FatalError: as `open_rest`.
    """
    try:
        return kind(server, uri=uri, warehouse=warehouse, authorization=authorization, headers=headers, files=files)
    except ValueError as error:
        message = f"{server}: what answers there is no Iceberg REST catalogue; check the address"
        raise FatalError(message) from error
