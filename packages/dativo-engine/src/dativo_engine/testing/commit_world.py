"""A project with jobs and tables, in the hands of the checks of a commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, TypeAlias, TypeVar

from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.contract import Contract, PhysicalType, Property, SchemaObject
from dativo_config.models.job import AuditLevel, Connection, Job, Mode
from dativo_config.models.resolved import ResolvedJob, ResolvedStream, ResolvedTarget, TableName
from dativo_config.tenancy import Tenant
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException, NoSuchTableError
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier

from dativo_engine.catalogs import open_catalog, warehouse_location
from dativo_engine.catalogs.locations import canonical, file_location
from dativo_engine.commits.data_files import referenced_paths
from dativo_engine.commits.iceberg import IcebergCommitter
from dativo_engine.commits.publication import Direct, Publication, late_seconds
from dativo_engine.commits.quarantine import Quarantine
from dativo_engine.errors import DativoError
from dativo_engine.interfaces import Committer
from dativo_engine.storage import Storage

ORDERS = TableName(("acme",), "orders")
CUSTOMERS = TableName(("acme",), "customers")

Row: TypeAlias = tuple[int, str]
Answer = TypeVar("Answer")

_SCHEMA = SchemaObject(
    "orders",
    "orders",
    (
        Property("id", "id", "integer", PhysicalType("long"), required=True),
        Property("name", "name", "string", PhysicalType("string")),
    ),
)


@dataclass
class LostAnswers:
    """How many answers to a commit get lost: `before` times with the request, then `after` times without it.

    Attributes:
        meanwhile: is called once, before the first answer to a commit that happened gets lost: what others do then.
        look: what looking ends in once an answer was lost; None: it is answered.
        again: what the next request ends in then.
        late: requests that were lost, and may be on their way.
    """

    before: int = 0
    after: int = 0
    meanwhile: Callable[[], object] = lambda: None
    look: DativoError | None = None
    again: DativoError | None = None
    late: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])
    _lost: bool = False

    def ask(self, request: Callable[[], Answer], lost: type[Exception]) -> Answer:
        """Make a request for a commit, whose answer may get lost: that raises `lost`."""
        if self._lost and self.again is not None:
            raise self.again
        if self.before:
            self.before -= 1
            self.late.append(request)
        else:
            answer = request()
            if not self.after:
                return answer
            self.after -= 1
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()
        self._lost = True
        raise lost

    def see(self, look: Callable[[], Answer]) -> Answer:
        """Look what became of it."""
        if self._lost and self.look is not None:
            raise self.look
        return look()

    def arrive(self) -> None:
        """What was on its way is carried out now, and nothing fails any more."""
        self._lost = False
        for request in self.late:
            request()


class Silence:
    """Events that nobody reads."""

    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        """See `events.Events.emit`."""


@dataclass(frozen=True)
class CommitWorld:
    """A project with a catalogue, in which jobs load tables of ids and names. Picklable: runs in children open it too.

    Subclass it to put another committer, or another catalogue, under test.

    Attributes:
        root: the project; the embedded catalogue and its warehouse lie in its state folder.
        connection: the catalogue; None: the embedded one.
        warehouse: where tables are created; empty: the connection's bucket, or without one the state folder.
        branch: of catalogues that have some.
        at_once: whether all tables of a run become visible in one moment.
    """

    root: Path
    connection: Connection | None = None
    warehouse: str = ""
    branch: str = "acme"
    at_once: ClassVar[bool] = False

    def open_committer(
        self, job: ResolvedJob, *, run_id: str, attempt: int = 1, lost: LostAnswers | None = None
    ) -> Committer:
        """The committer under test; `lost`: what its catalogue answers is lost now and then."""
        return IcebergCommitter(job, self.publication(job, lost), run_id=run_id, attempt=attempt, events=Silence())

    def publication(self, job: ResolvedJob, lost: LostAnswers | None) -> Publication:
        """How the runs of this world become visible: table by table."""
        catalog = open_catalog(job)
        return Direct(catalog if lost is None else lose_answers(catalog, lost), late_seconds(job))

    def job(
        self,
        *,
        name: str = "orders_job",
        mode: Mode = "append",
        tables: Sequence[TableName] = (ORDERS,),
        audit: AuditLevel = "manifests",
    ) -> ResolvedJob:
        """A job that feeds tables from streams called as they are; in merge mode `id` is their key."""
        schema = SchemaObject(
            _SCHEMA.name, _SCHEMA.table, _SCHEMA.properties, primary_key=("id",) if mode == "merge" else ()
        )
        contract = Contract(self.root / "orders.yaml", "orders", "orders", "1.0.0", (schema,))
        return ResolvedJob(
            name=name,
            tenant=Tenant("acme", self.root / "state", self.root / "secrets"),
            project=self.root,
            path=self.root / "jobs" / "acme" / f"{name}.yaml",
            job=Job(tenant_id="acme"),
            spec=ConnectorSpec("kit", "the conformance kit", reports_deletes=True),
            options=None,
            credentials=None,
            connection=None,
            streams=tuple(ResolvedStream(table.table, contract, schema, table) for table in tables),
            incremental=None,
            rate_limits=None,
            target=replace(self._target(mode), audit=audit),
            retry=None,
            timeout_seconds=60,
            shares_table=False,
            digest="",
        )

    def table(self, name: TableName = ORDERS) -> Table | None:
        """A table as it is now; None: it does not exist."""
        try:
            return open_catalog(self.job()).load_table((*name.namespace, name.table))
        except NoSuchTableError:
            return None

    def rows(self, name: TableName = ORDERS) -> list[Row]:
        """What a reader of the table sees, sorted."""
        table = self.table(name)
        found = {} if table is None else table.scan().to_arrow().to_pydict()
        return sorted(zip(found.get("id", ()), found.get("name", ()), strict=True))

    def snapshots(self, name: TableName = ORDERS) -> int:
        """How many snapshots a table has."""
        table = self.table(name)
        return 0 if table is None else len(table.snapshots())

    def rejected(self, job: ResolvedJob) -> list[str]:
        """The records that the job's quarantine shows."""
        batches = Quarantine(job, ORDERS, open_catalog(job)).rows()
        return [record for batch in batches for record in batch.column("record").to_pylist()]

    def leftovers(self) -> list[str]:
        """Data files that no snapshot names, uploads nobody finished, and what jobs noted of their staged files."""
        job = self.job()
        names = [table for name in (ORDERS, CUSTOMERS) for table in (name, name.quarantine)]
        named = {path for name in names for path in self.named(name)}
        staged = file_location(job.tenant.staged_folder("any").parent)
        storage = Storage(open_catalog(job).properties)
        files = {file for folder in (warehouse_location(job), staged) for file in storage.find(folder)}
        return sorted(
            file.location
            for file in files
            if file.upload
            or file.name.endswith((".staged", ".part"))
            or (file.name.endswith(".parquet") and canonical(file.location) not in named)
        )

    def cursor(self, job: ResolvedJob, name: TableName = ORDERS) -> object:
        """Where the job's next run would start."""
        stamp = self.open_committer(job, run_id="look").last()[name]
        return None if stamp is None or name.table not in stamp.cursors else stamp.cursors[name.table].value["at"]

    def named(self, name: TableName) -> set[str]:
        """The data files of a table that readers may see, at any time in its past."""
        table = self.table(name)
        return set() if table is None else {canonical(path) for path in referenced_paths(table.metadata, table.io)}

    def _target(self, mode: Mode) -> ResolvedTarget:
        store = self.connection and self.connection.store
        return ResolvedTarget(
            mode=mode,
            mode_reason="the conformance kit says so",
            connection=self.connection,
            branch=self.branch,
            warehouse=self.warehouse or (store.location if store else ""),
            partitioning=(),
            sort_order=(),
            deletes="hard",
            soft_delete_column="",
            target_file_bytes=128 * 2**20,
            allow_empty=False,
            on_changed_file="error",
            checkpoint=None,
            properties={},
        )


def lose_answers(catalog: Catalog, lost: LostAnswers) -> Catalog:
    """The catalogue, whose first answers get lost."""
    commit, load = catalog.commit_table, catalog.load_table

    def commit_table(
        table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        return lost.ask(lambda: commit(table, requirements, updates), CommitStateUnknownException)

    def load_table(identifier: str | Identifier) -> Table:
        return lost.see(lambda: load(identifier))

    # This object's only.
    catalog.commit_table = commit_table  # pyright: ignore[reportAttributeAccessIssue]
    catalog.load_table = load_table  # pyright: ignore[reportAttributeAccessIssue]
    return catalog
