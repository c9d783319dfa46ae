"""A job with everything it points at, defaults filled in and checked: what the engine and the commands work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.contract import Contract, SchemaObject
from dativo_config.models.job import (
    AuditLevel,
    CatalogKind,
    Checkpoint,
    Connection,
    Incremental,
    Job,
    Mode,
    NessieConnection,
    Publish,
    RateLimits,
    RestConnection,
    RetryConfig,
    SqlConnection,
)
from dativo_config.project import Project
from dativo_config.tenancy import Tenant
from dativo_config.walls import Walls


@dataclass(frozen=True, slots=True)
class TableName:
    """`<namespace>.<table>`; a namespace may have several levels."""

    namespace: tuple[str, ...]
    table: str

    def __str__(self) -> str:
        return ".".join((*self.namespace, self.table))

    @property
    def quarantine(self) -> TableName:
        """The table that keeps what the contract rejected."""
        return TableName(self.namespace, f"{self.table}__rejected")


@dataclass(frozen=True, slots=True)
class ResolvedStream:
    """One stream of a job: what is read, the contract it must keep, and the table it feeds.

    Attributes:
        name: the source's name for it (an object, a database table); for files the object they were declared for.
        inputs: paths, globs, folders or URLs as resolved against the project; empty for other connectors.
        cursor_field: what the incremental strategy compares; empty where it needs none.
        schema: the contract's object, None only for `discover` without a contract.
    """

    name: str
    contract: Contract
    schema: SchemaObject
    table: TableName
    inputs: tuple[str, ...] = ()
    cursor_field: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedTarget:
    """How and where the streams' rows are written, every default filled in.

    Attributes:
        connection: the catalogue and the store; None: both are in the tenant's state folder.
        branch: Nessie's branch; catalogues without branches ignore it.
        warehouse: the location tables are created under, `s3://bucket/folder` without a slash at its end, or a
            local folder; empty: the warehouse in the tenant's state folder.
        partitioning: Iceberg transforms, `day(created)`.
        sort_order: `created desc`, `bucket(16, id)`.
        soft_delete_column: set where `deletes` is `soft(column)`.
        target_file_bytes: size of a full data file as written to disk.
        properties: the table's own, the contract's and the overrides' merged.
        audit: how a run branch is examined before it is merged.
        publish: where the branch is merged on to; None: nowhere.
    """

    mode: Mode
    mode_reason: str
    connection: Connection | None
    branch: str
    warehouse: str
    partitioning: tuple[str, ...]
    sort_order: tuple[str, ...]
    deletes: Literal["hard", "soft", "ignore"]
    soft_delete_column: str
    target_file_bytes: int
    allow_empty: bool
    on_changed_file: Literal["error", "ignore"]
    checkpoint: Checkpoint | None
    properties: Mapping[str, str]
    audit: AuditLevel = "manifests"
    publish: Publish | None = None

    @property
    def catalog(self) -> CatalogKind:
        """Which kind of catalogue holds the tables."""
        return "embedded" if self.connection is None else self.connection.catalog

    @property
    def server(self) -> NessieConnection | RestConnection | SqlConnection | None:
        """Where the catalogue is; None: it is the embedded one."""
        return None if self.connection is None else self.connection.server

    @property
    def nessie(self) -> NessieConnection | None:
        """The server, if it is one that has branches."""
        return None if self.connection is None else self.connection.nessie


@dataclass(frozen=True, slots=True)
class ResolvedJob:
    """One job, ready to run but for its secrets, which are still written `${secret:NAME}` in it.

    Attributes:
        project: the project root paths resolve against.
        path: the job file.
        job: the file itself, after interpolation of variables.
        options, credentials, connection: the connector's own models, validated; None where it takes none.
        retry: the job's own policy, else the runner's, else None (the mode decides).
        timeout_seconds: 6 hours where nothing says otherwise.
        shares_table: whether other jobs of the project load one of its tables.
        digest: a hash of the job and contract as resolved, without secrets: what a checkpoint is valid for.
        opened: folders outside the project that the operator opened to its tenant.
    """

    name: str
    tenant: Tenant
    project: Path
    path: Path
    job: Job
    spec: ConnectorSpec
    options: BaseModel | None
    credentials: BaseModel | None
    connection: BaseModel | None
    streams: tuple[ResolvedStream, ...]
    incremental: Incremental | None
    rate_limits: RateLimits | None
    target: ResolvedTarget
    retry: RetryConfig | None
    timeout_seconds: float
    shares_table: bool
    digest: str
    opened: tuple[Path, ...] = ()

    @property
    def outlived_seconds(self) -> float:
        """How long after it planned, or asked for a commit, a run of the job certainly changes nothing more.

        Twice its time limit: one on its last retry may have been planned long before, and clocks differ.
        """
        return 2 * self.timeout_seconds

    @property
    def walls(self) -> Walls:
        """Which files of this machine it may read; sources ask about each file that a glob finds."""
        project = Project(self.project, self.tenant.state_root, self.tenant.secrets_root)
        return Walls(project, self.tenant.id, self.opened)
