"""The job file: what a user writes, after interpolation. Data only; unknown keys are problems."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr

Mode = Literal["append", "merge", "replace"]


class Model(BaseModel):
    """The root of every model of a file: immutable, and strict about what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class FileInput(Model):
    """One entry of `source.files`: a path, glob, folder or URL, and the object its rows belong to."""

    path: str | None = None
    file_id: str | None = None
    id: str | None = None
    object: str | None = None


class Sheet(Model):
    """One entry of `source.sheets` (Google Sheets)."""

    spreadsheet_id: str
    sheet_id: str | int | None = None
    object: str | None = None


class SourceTable(Model):
    """One entry of `source.tables` (databases)."""

    name: str
    object: str | None = None
    cursor_field: str | None = None


class Incremental(Model):
    """How a stream is read from where the last run ended. The strategies are the connector's to name."""

    strategy: str
    cursor_field: str | None = None
    lookback_days: float | None = Field(default=None, ge=0)
    state_path: str | None = None


class RateLimits(Model):
    """A bound on requests, shared by all jobs of one tenant and credential."""

    requests_per_second: float | None = Field(default=None, gt=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    burst_size: int | None = Field(default=None, ge=1)
    burst: int | None = Field(default=None, ge=1)


class Engine(Model):
    """Which process reads the source; only `native` is available in this version."""

    type: Literal["native", "airbyte", "meltano", "singer"] = "native"
    options: dict[str, JsonValue] = {}


class Source(Model):
    """Where rows come from. `options`, `connection` and `credentials` are checked by the connector's own spec."""

    objects: list[str] | None = None
    files: list[FileInput] | None = None
    sheets: list[Sheet] | None = None
    tables: list[SourceTable] | None = None
    incremental: Incremental | None = None
    rate_limits: RateLimits | None = None
    engine: Engine | None = None
    options: dict[str, JsonValue] = {}
    connection: dict[str, JsonValue] = {}
    credentials: dict[str, JsonValue] = {}
    dsn: SecretStr | None = None
    custom_reader: str | None = None


class NessieConnection(Model):
    """A Nessie server; `uri` is its root or its Iceberg REST endpoint."""

    uri: str
    token: SecretStr | None = None


class ObjectStore(Model):
    """S3 or what speaks its protocol. Without keys the SDK's default chain finds some."""

    bucket: str | None = None
    endpoint: str | None = None
    prefix: str | None = None
    region: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    path_style_access: bool | None = None


class RestConnection(Model):
    """Any Iceberg REST catalogue."""

    uri: str
    warehouse: str | None = None
    token: SecretStr | None = None
    credential: SecretStr | None = None
    oauth2_server_uri: str | None = None
    scope: str | None = None
    headers: dict[str, SecretStr] = {}


class SqlConnection(Model):
    """A catalogue in a SQL database; `uri` as SQLAlchemy writes it."""

    uri: SecretStr


class Connection(Model):
    """Which catalogue and warehouse. Nothing at all means the embedded catalogue in the state folder."""

    nessie: NessieConnection | None = None
    rest: RestConnection | None = None
    sql: SqlConnection | None = None
    s3: ObjectStore | None = None
    minio: ObjectStore | None = None


class Checkpoint(Model):
    """How often a run leaves a durable resume point; whichever comes first."""

    rows: int | None = Field(default=None, ge=1)
    bytes: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)


class Publish(Model):
    """Where the tenant's branch is merged on to after a run."""

    to: str
    when: Literal["success", "always"] = "success"


class Target(Model):
    """Where rows go and how."""

    mode: Mode | None = None
    catalog: str | None = None
    branch: str | None = None
    namespace: str | None = None
    table: str | None = None
    warehouse: str | None = None
    file_format: Literal["parquet"] = "parquet"
    partitioning: list[str] | None = None
    sort_order: list[str] | None = None
    engine: Engine | None = None
    connection: Connection | None = None
    properties: dict[str, str] = {}
    parquet_target_size_mb: float | None = Field(default=None, gt=0, le=2048)
    allow_empty: bool = False
    append_full: bool = False
    on_changed_file: Literal["error", "ignore"] = "error"
    deletes: str = Field(default="hard", pattern=r"^(hard|ignore|soft\([A-Za-z_][A-Za-z0-9_]*\))$")
    checkpoint: Checkpoint | None = None
    publish: Publish | None = None
    audit: Literal["manifests", "full"] = "manifests"
    markdown_kv_storage: dict[str, JsonValue] | None = None
    custom_writer: str | None = None


class RetryConfig(Model):
    """How often a failed run is tried again. Delays in seconds."""

    max_retries: int = Field(default=3, ge=0, le=100)
    initial_delay_seconds: float = Field(default=1, ge=0)
    max_delay_seconds: float = Field(default=300, ge=0)
    backoff_multiplier: float = Field(default=2.0, ge=1)
    retryable_exit_codes: list[Annotated[int, Field(ge=0, le=255)]] | None = None
    retryable_error_patterns: list[str] | None = None


class Logging(Model):
    """What a run prints."""

    redaction: bool = True
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Job(Model):
    """One job file."""

    schema_: str | None = Field(default=None, alias="$schema")
    name: str | None = None
    tenant_id: str
    environment: str | None = None
    source_connector: str | None = None
    source_connector_path: str | None = None
    target_connector: str | None = None
    target_connector_path: str | None = None
    asset: str | None = None
    asset_path: str | None = None
    source: Source = Source()
    target: Target = Target()
    catalog: dict[str, JsonValue] | None = None
    classification_overrides: dict[str, JsonValue] = {}
    governance_overrides: dict[str, JsonValue] = {}
    finops: dict[str, JsonValue] = {}
    schema_validation_mode: Literal["strict", "warn"] = "strict"
    schema_evolution: Literal["additive", "strict"] = "additive"
    unknown_columns: Literal["warn", "ignore", "error"] = "warn"
    timeout_seconds: float | None = Field(default=None, gt=0)
    retry_config: RetryConfig | None = None
    logging: Logging = Logging()
    plugins: dict[str, JsonValue] | None = None
