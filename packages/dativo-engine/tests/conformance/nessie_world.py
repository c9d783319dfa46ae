"""A project whose tables are on a branch of a real Nessie, in the hands of the checks of a commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from dativo_config.models.job import Connection, NessieConnection, ObjectStore
from dativo_engine.catalogs import open_catalog
from dativo_engine.catalogs.locations import canonical
from dativo_engine.catalogs.nessie_api import NessieApi
from dativo_engine.commits.branches import Branched
from dativo_engine.commits.iceberg import IcebergCommitter
from dativo_engine.commits.reachable import files_of, states
from dativo_engine.errors import CommitStateUnknownError
from dativo_engine.events import Events
from dativo_engine.testing.commit_world import ORDERS, CommitWorld, LostAnswers, Silence
from pydantic import SecretStr
from typing_extensions import override

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob, TableName
    from dativo_engine.catalogs.nessie_wire import Branch, Key
    from dativo_engine.interfaces import Committer

    from tools.services.nessie import NessieServer
    from tools.services.seaweedfs import S3Server


class ForgetfulNessie(NessieApi):
    """Nessie, whose first answers to a merge get lost."""

    def __init__(self, connection: NessieConnection, lost: LostAnswers) -> None:
        super().__init__(connection)
        self._lost = lost

    @override
    def merge(self, source: Branch, into: Branch, *, message: str, properties: Mapping[str, str]) -> tuple[Key, ...]:
        ask = partial(super().merge, source, into, message=message, properties=properties)
        return self._lost.ask(ask, CommitStateUnknownError)

    @override
    def unmerged(self, source: Branch, into: Branch) -> tuple[Key, ...]:
        return self._lost.see(partial(super().unmerged, source, into))


@dataclass(frozen=True)
class NessieWorld(CommitWorld):
    """Each has a branch and a folder of the warehouse for itself.

    Attributes:
        events: what its runs tell.
    """

    events: Events = field(default_factory=Silence)
    at_once: ClassVar[bool] = True

    @override
    def open_committer(
        self, job: ResolvedJob, *, run_id: str, attempt: int = 1, lost: LostAnswers | None = None
    ) -> Committer:
        api = ForgetfulNessie(self.nessie, lost or LostAnswers())
        publication = Branched(job, api, run_id=run_id, attempt=attempt, events=self.events)
        return IcebergCommitter(job, publication, run_id=run_id, attempt=attempt, events=self.events)

    @override
    def snapshots(self, name: TableName = ORDERS) -> int:
        history = self.api.history(self.head)
        return sum((*name.namespace, name.table) in [table.key for table in commit.tables] for commit in history)

    @override
    def leftovers(self) -> list[str]:
        branches = self.api.branches(self.job().tenant.run_branches())
        return [*super().leftovers(), *(branch.name for branch in branches)]

    @override
    def named(self, name: TableName) -> set[str]:
        key = (*name.namespace, name.table)
        ever = dt.datetime.min.replace(tzinfo=dt.UTC)
        found = states(self.api, [self.head], since=ever, wanted=lambda state: state.key == key)
        return (
            {canonical(path) for path in files_of(found, open_catalog(self.job()).load_table(key).io)}
            if found
            else set()
        )

    @property
    def nessie(self) -> NessieConnection:
        """The server."""
        assert self.connection is not None
        assert self.connection.nessie is not None
        return self.connection.nessie

    @property
    def api(self) -> NessieApi:
        """Asks it."""
        return NessieApi(self.nessie)

    @property
    def head(self) -> Branch:
        """The branch as it is now."""
        return self.api.tenant_branch(self.branch)


def nessie_world(folder: Path, nessie: NessieServer, s3: S3Server) -> NessieWorld:
    """A world in a folder of its own."""
    store = ObjectStore(
        bucket=nessie.bucket,
        endpoint=s3.endpoint,
        access_key_id=SecretStr(s3.access_key_id),
        secret_access_key=SecretStr(s3.secret_access_key),
    )
    name = uuid4().hex
    return NessieWorld(
        folder,
        Connection(nessie=NessieConnection(uri=nessie.uri), s3=store),
        f"s3://{nessie.bucket}/{name}",
        f"acme__{name}",
    )
