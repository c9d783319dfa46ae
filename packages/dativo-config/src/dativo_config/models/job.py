"""The job file: what a user writes, after interpolation. Data only; unknown keys are problems."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator, model_validator

Mode = Literal["append", "merge", "replace"]
CatalogKind = Literal["embedded", "nessie", "rest", "sql"]
AuditLevel = Literal["manifests", "full"]


class Model(BaseModel):
    """The root of every model of a file: immutable, and strict about what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class FileInput(Model):
    """One entry of `source.files`: a path, glob, folder or URL, and the object its rows belong to."""

    path: str | None = Field(default=None, description="Path, glob, folder or URL.")
    file_id: str | None = Field(default=None, description="Google Drive file.")
    id: str | None = Field(default=None, description="Google Drive file, by its older name.")
    object: str | None = Field(
        default=None, description="The contract's object that the rows belong to; default: the contract's only one."
    )


class Sheet(Model):
    """One entry of `source.sheets` (Google Sheets)."""

    spreadsheet_id: str = Field(description="The document.")
    sheet_id: str | int | None = Field(default=None, description="The sheet in it; default: the first.")
    object: str | None = Field(default=None, description="The contract's object that the rows belong to.")


class SourceTable(Model):
    """One entry of `source.tables` (databases)."""

    name: str = Field(description="The table, `schema.table`.")
    object: str | None = Field(default=None, description="The contract's object that the rows belong to.")
    cursor_field: str | None = Field(default=None, description="The column whose greatest value a run goes on from.")


class Incremental(Model):
    """How a stream is read from where the last run ended. The strategies are the connector's to name."""

    strategy: str = Field(description="How changes are found; `dativo connectors` lists each connector's strategies.")
    cursor_field: str | None = Field(
        default=None, description="What the strategy compares; required by strategies that compare a column."
    )
    lookback_days: float | None = Field(
        default=None,
        ge=0,
        description="How far before the last value a run reads again, for rows that came late. Not with append.",
    )
    state_path: str | None = Field(
        default=None, description="Where the older format kept its state; refused: it is in the table."
    )


class RateLimits(Model):
    """A bound on requests, shared by all jobs of one tenant and credential."""

    requests_per_second: float | None = Field(default=None, gt=0, description="Requests in a second, on average.")
    requests_per_minute: float | None = Field(default=None, gt=0, description="Requests in a minute, on average.")
    burst_size: int | None = Field(default=None, ge=1, description="Requests at once.")
    burst: int | None = Field(default=None, ge=1, description="Requests at once, by its older name.")

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        if self.burst is not None and self.burst_size is not None:
            raise ValueError("has both burst_size and its older name burst; keep one")
        return self


class Engine(Model):
    """Which process reads the source; only `native` is available in this version."""

    type: Literal["native", "airbyte", "meltano", "singer"] = Field(
        default="native", description="native is the only one."
    )
    options: dict[str, JsonValue] = Field(default={}, description="Settings of other engines.")


class Source(Model):
    """Where rows come from. `options`, `connection` and `credentials` are checked by the connector's own spec."""

    objects: list[str] | None = Field(default=None, description="Objects of the service to read.")
    files: list[FileInput] | None = Field(default=None, description="Files to read.")
    sheets: list[Sheet] | None = Field(default=None, description="Sheets to read.")
    tables: list[SourceTable] | None = Field(default=None, description="Tables to read.")
    incremental: Incremental | None = Field(
        default=None, description="How to read only what is new; default: everything, each run."
    )
    rate_limits: RateLimits | None = Field(default=None, description="Bounds on requests.")
    engine: Engine | None = Field(default=None, description="Which process reads.")
    options: dict[str, JsonValue] = Field(default={}, description="The connector's own options.")
    connection: dict[str, JsonValue] = Field(default={}, description="Where the source is.")
    credentials: dict[str, JsonValue] = Field(default={}, description="What it asks for; write `${secret:NAME}`.")
    dsn: SecretStr | None = Field(default=None, description="Where a database is, with its credentials.")
    custom_reader: str | None = Field(default=None, description="A reader of your own.")


class NessieConnection(Model):
    """A Nessie server, on whose branches the tables are."""

    uri: str = Field(
        default="", description="The server: its root, `/api/v2` or `/iceberg`; default: the variable NESSIE_URI."
    )
    warehouse: str | None = Field(default=None, description="The server's name for the warehouse; default: its own.")
    token: SecretStr | None = Field(default=None, description="Bearer token.")


class ObjectStore(Model):
    """S3 or what speaks its protocol. Without keys the SDK's default chain finds some: profile, role, token."""

    bucket: str | None = Field(default=None, description="The bucket; default: the variable S3_BUCKET.")
    endpoint: str | None = Field(
        default=None, description="URL of the server; default: the variable S3_ENDPOINT, else AWS."
    )
    prefix: str | None = Field(default=None, description="Folder in the bucket.")
    region: str | None = Field(
        default=None, description="The bucket's region; default: the variable AWS_REGION, else it is asked for."
    )
    access_key_id: SecretStr | None = Field(default=None, description="The access key's id.")
    secret_access_key: SecretStr | None = Field(default=None, description="The secret that belongs to it.")
    session_token: SecretStr | None = Field(default=None, description="The session token of temporary keys.")
    path_style_access: bool | None = Field(
        default=None,
        description="Bucket in the path (true) or in the host name (false); default: in the path where there is an "
        "endpoint.",
    )

    @property
    def location(self) -> str:
        """Bucket and prefix as one location, without a slash at its end."""
        return "/".join(part for part in (f"s3://{self.bucket}", (self.prefix or "").strip("/")) if part)


class RestConnection(Model):
    """Any Iceberg REST catalogue. What it hands out for a table's files is used where the job has no keys."""

    uri: str = Field(default="", description="The catalogue, without `/v1`.")
    warehouse: str | None = Field(default=None, description="The catalogue's name for the warehouse.")
    token: SecretStr | None = Field(default=None, description="Bearer token.")
    credential: SecretStr | None = Field(
        default=None, description="OAuth2 client, `id:secret`: a token is got with it, and again when it expires."
    )
    oauth2_server_uri: str | None = Field(
        default=None, description="Where tokens are got; default: the catalogue's own `/v1/oauth/tokens`."
    )
    scope: str | None = Field(default=None, description="OAuth2 scope; default: catalog.")
    headers: dict[str, SecretStr] = Field(default={}, description="Headers of each request.")


class SqlConnection(Model):
    """A catalogue in a PostgreSQL database."""

    uri: SecretStr | None = Field(
        default=None, description="The database: `postgresql://user:password@host:5432/database`. Required."
    )


class Connection(Model):
    """Which catalogue (one at most) and which store. Nothing at all means both are in the state folder."""

    nessie: NessieConnection | None = Field(default=None, description="A Nessie server.")
    rest: RestConnection | None = Field(default=None, description="An Iceberg REST catalogue.")
    sql: SqlConnection | None = Field(default=None, description="A catalogue in a SQL database.")
    s3: ObjectStore | None = Field(default=None, description="Where table files lie.")
    minio: ObjectStore | None = Field(
        default=None, description="The same, by the name of one such server; defaults: the variables MINIO_*."
    )

    @property
    def catalog(self) -> CatalogKind:
        """Which kind it is of; embedded: no server is named."""
        if self.nessie is not None:
            return "nessie"
        if self.rest is not None:
            return "rest"
        return "embedded" if self.sql is None else "sql"

    @property
    def server(self) -> NessieConnection | RestConnection | SqlConnection | None:
        """Where the catalogue is; None: it is the embedded one."""
        return self.nessie or self.rest or self.sql

    @property
    def store(self) -> ObjectStore | None:
        """Where table files lie, by whichever name; None: it says nothing of that."""
        return self.minio if self.s3 is None else self.s3


class Checkpoint(Model):
    """How often a run leaves a durable resume point; whichever comes first."""

    rows: int | None = Field(default=None, ge=1, description="After so many rows.")
    bytes: int | None = Field(default=None, ge=1, description="After so many bytes read.")
    seconds: float | None = Field(default=None, gt=0, description="After so many seconds.")


class Publish(Model):
    """Where the tenant's branch is merged on to after a run."""

    to: str = Field(description="The branch that is merged on to.")
    when: Literal["success", "always"] = Field(
        default="success", description="After successful runs, or also after those with rejected rows."
    )


class Target(Model):
    """Where rows go and how."""

    mode: Mode | None = Field(
        default=None,
        description="What a run does to the table; default: replace, with `incremental` append or merge (by key).",
    )
    catalog: str | None = Field(
        default=None, description="embedded, nessie, rest or sql; default: the one that `connection` names."
    )
    branch: str | None = Field(default=None, description="Nessie's branch; default: the tenant's id.")
    namespace: str | None = Field(default=None, description="The table's namespace; default: the tenant's id.")
    table: str | None = Field(
        default=None, description="The table's name; default: the contract's `physicalName`, else its object's name."
    )
    warehouse: str | None = Field(
        default=None,
        description="Where tables are created: `s3://bucket/folder`; default: the connection's bucket and prefix, and "
        "without one the state folder.",
    )
    file_format: Literal["parquet"] = Field(default="parquet", description="The format of data files.")
    partitioning: list[str] | None = Field(
        default=None, description="Iceberg transforms: identity, year, month, day, hour, bucket(n, c), truncate(n, c)."
    )
    sort_order: list[str] | None = Field(
        default=None, description="How rows are ordered in files: `created desc`, `bucket(16, id)`."
    )
    engine: Engine | None = Field(default=None, description="Which process writes.")
    connection: Connection | None = Field(
        default=None, description="Catalogue and store; default: the embedded catalogue, on this machine's disk."
    )
    properties: dict[str, str] = Field(default={}, description="Table properties.")
    parquet_target_size_mb: float | None = Field(
        default=None, gt=0, le=2048, description="Size of a full data file as written to disk; default: 160."
    )
    allow_empty: bool = Field(default=False, description="Whether replace may empty a table that has rows.")
    append_full: bool = Field(default=False, description="Whether append may load everything again each run.")
    on_changed_file: Literal["error", "ignore"] = Field(
        default="error", description="In append: what a file that changed after it was loaded is."
    )
    deletes: str = Field(
        default="hard",
        pattern=r"^(hard|ignore|soft\([A-Za-z_][A-Za-z0-9_]*\))$",
        description="What becomes of rows the source reports as deleted: hard, ignore, or soft(column).",
    )
    checkpoint: Checkpoint | None = Field(
        default=None, description="How often a long run leaves a point to resume from."
    )
    publish: Publish | None = Field(default=None, description="Where the tenant's branch is merged on to.")
    audit: AuditLevel = Field(
        default="manifests",
        description="How a run branch is examined before it is merged: its file lists, or every row.",
    )
    markdown_kv_storage: dict[str, JsonValue] | None = Field(default=None, description="Storage of Markdown documents.")
    custom_writer: str | None = Field(default=None, description="A writer of your own.")


class RetryConfig(Model):
    """How often a failed run is tried again. Delays in seconds."""

    max_retries: int = Field(default=3, ge=0, le=100, description="Further attempts after the first.")
    initial_delay_seconds: float = Field(default=1, ge=0, description="Wait before the first retry.")
    max_delay_seconds: float = Field(default=300, ge=0, description="The longest wait.")
    backoff_multiplier: float = Field(
        default=2.0, ge=1, description="How much longer each wait is than the one before."
    )
    retryable_exit_codes: list[int] | None = Field(
        default=None, description="`[2]`: retry any failure, the one exit code there is. Default: those that may pass."
    )
    retryable_error_patterns: list[str] | None = Field(
        default=None, description="Regular expressions of further errors to retry."
    )

    @field_validator("retryable_exit_codes")
    @classmethod
    def _are_failures(cls, codes: list[int] | None) -> list[int] | None:
        for code in codes or ():
            if code == 1:
                raise ValueError("1 is rows that were rejected, and would be again; write [2], any failure")
            if code != 2:
                raise ValueError(f"no run that could be tried again ends with {code}; write [2], any failure")
        return codes

    @field_validator("retryable_error_patterns")
    @classmethod
    def _are_patterns(cls, patterns: list[str] | None) -> list[str] | None:
        for pattern in patterns or ():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return patterns

    @model_validator(mode="after")
    def _delays_fit(self) -> Self:
        if self.initial_delay_seconds > self.max_delay_seconds:
            first, longest = self.initial_delay_seconds, self.max_delay_seconds
            raise ValueError(f"initial_delay_seconds ({first:g}) is greater than max_delay_seconds ({longest:g})")
        return self


class Logging(Model):
    """What a run prints."""

    redaction: bool = Field(
        default=True, description="Whether what looks like a secret is masked; values of known secrets always are."
    )
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe events that are told."
    )


class Job(Model):
    """One job file."""

    schema_: str | None = Field(default=None, alias="$schema", description="For editors.")
    name: str | None = Field(
        default=None, description="The job's name, by which its state is kept; default: its file's stem."
    )
    tenant_id: str = Field(description="Whose data it is; equals the folder under `jobs/`.")
    environment: str | None = Field(default=None, description="A label on each line of the log: prod, staging, ...")
    source_connector: str | None = Field(default=None, description="The connector that reads, by name.")
    source_connector_path: str | None = Field(default=None, description="A recipe file instead of a name.")
    target_connector: str | None = Field(default=None, description="The connector that writes, by name.")
    target_connector_path: str | None = Field(default=None, description="A recipe file instead of a name.")
    asset: str | None = Field(default=None, description="The contract, by an older name of asset_path.")
    asset_path: str | None = Field(default=None, description="The contract file.")
    source: Source = Field(default=Source(), description="What is read.")
    target: Target = Field(default=Target(), description="Where it is written, and how.")
    catalog: dict[str, JsonValue] | None = Field(default=None, description="Push to a metadata catalogue.")
    classification_overrides: dict[str, JsonValue] = Field(
        default={}, description="Merged over the contract's, as table properties `classification.*`."
    )
    governance_overrides: dict[str, JsonValue] = Field(
        default={}, description="Merged over the contract's, as table properties `governance.*`."
    )
    finops: dict[str, JsonValue] = Field(
        default={}, description="Merged over the contract's, as table properties `finops.*`."
    )
    schema_validation_mode: Literal["strict", "warn"] = Field(
        default="strict", description="strict: a bad row fails the run. warn: good rows land, bad ones are quarantined."
    )
    schema_evolution: Literal["additive", "strict"] = Field(
        default="additive", description="Whether a newer contract may change the table, or none may."
    )
    unknown_columns: Literal["warn", "ignore", "error"] = Field(
        default="warn", description="What a column is that the contract lacks."
    )
    timeout_seconds: float | None = Field(
        default=None, gt=0, description="How long a run may take; default: the runner's, else 6 hours."
    )
    retry_config: RetryConfig | None = Field(default=None, description="Retries; default: the runner's.")
    logging: Logging = Field(default=Logging(), description="What a run tells.")
    plugins: dict[str, JsonValue] | None = Field(default=None, description="Plugins.")
