"""Nessie, through its Iceberg REST: a catalogue for each branch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.typedef import Identifier
from typing_extensions import override

from dativo_engine.catalogs.locations import shown_address
from dativo_engine.catalogs.nessie_api import SETTING, server_root
from dativo_engine.catalogs.rest import RemoteCatalog, connect
from dativo_engine.catalogs.rest_auth import Authorization
from dativo_engine.catalogs.rest_transport import Server
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.job import NessieConnection


# How its Iceberg REST answers, with the status of a bad request.
NO_BRANCH = re.compile(r"Named reference '.*' not found")


class BranchCatalog(RemoteCatalog):
    """A branch that may not be there yet, as before the first run: it has no tables then."""

    @override
    def load_table(self, identifier: str | Identifier) -> Table:
        try:
            return super().load_table(identifier)
        except FatalError as error:
            if NO_BRANCH.search(str(error)) is None:
                raise
            message = f"{identifier} does not exist, nor does the branch"
            raise NoSuchTableError(message) from error


def open_branch(connection: NessieConnection, branch: str, *, files: Mapping[str, str]) -> RemoteCatalog:
    """The tables of one branch.

    Raises:
        AuthenticationError: the server refuses the token.
        ConnectionFailedError, RetryableError: it can't be reached, or is out of order.
        FatalError: it has no such warehouse.
    """
    root = server_root(connection.uri)
    reference = branch if connection.warehouse is None else f"{branch}|{connection.warehouse}"
    token = connection.token.get_secret_value() if connection.token else ""
    return connect(
        Server(SETTING, shown_address(root), "token"),
        uri=f"{root}/iceberg/{quote(reference, safe='')}",
        warehouse=None,
        authorization=Authorization(token=token),
        files=files,
        kind=BranchCatalog,
    )
