"""What a connector offers (its spec), and the recipe file that points at one with defaults. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from dativo_config.models.job import Engine, Model, RateLimits

Role = Literal["source", "target"]
Capability = Literal["resumable", "parallel", "malformed_records", "remote"]


@dataclass(frozen=True, slots=True)
class ConnectorSpec:
    """What one connector takes and can do: pure data, filled by the connector's `spec.py`.

    Attributes:
        name: what a job writes as `source_connector` or `target_connector`.
        options: the model of `source.options`; every field has a description.
        credentials: the model of `source.credentials`; None: the connector takes none.
        connection: the model of `source.connection`; None: the connector takes none.
        inputs: which list of the job names the streams: `objects`, `files`, `tables` or `sheets`.
        suffixes: how the names of its files end, compression aside.
        objects: what `source.objects` may name; empty: what the service has.
        incremental_strategies: what `incremental.strategy` may be, the default first; empty: full reads only.
        strategy_objects: strategy -> those of `objects` that can be read by it; a strategy that is not there reads all.
        revising_strategies: those of them by which rows come again, changed or deleted: not for append.
        incremental_notes: strategy -> what a run reads by it, as `dativo explain` tells it.
        missed: stream -> changes that runs by a revising strategy do not find, as `dativo explain` tells them.
        describe: from options and credentials, whose secrets may still be references, what a job reads, for `dativo
            explain` and `dativo check`: versions, accounts, never a secret.
        cursor_field: whether a strategy needs one: strategies that do.
        local_paths: whether inputs may be paths on this machine (checked against the tenant's walls).
        allowed_in_cloud: whether `--mode cloud` takes it.
        reports_deletes: whether its batches can carry deletes.
        capabilities: what else it can do, each proven by the conformance kit: `resumable` (a split is read on from a
            batch's cursor), `parallel` (a stream has several splits, read in any order), `malformed_records` (what
            is no row comes with its raw text), `remote` (it reads over a network).
        natural_key: streams whose primary key the connector knows, stream -> columns.
        extra: the pip extra that installs its driver; empty: none is needed.
        environment: vendor variables read in a project of one tenant, variable -> `credentials` field.
    """

    name: str
    summary: str
    roles: tuple[Role, ...] = ("source",)
    category: str = "files"
    options: type[BaseModel] | None = None
    credentials: type[BaseModel] | None = None
    connection: type[BaseModel] | None = None
    inputs: Literal["objects", "files", "tables", "sheets", ""] = "files"
    suffixes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    incremental_strategies: tuple[str, ...] = ()
    strategy_objects: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    revising_strategies: tuple[str, ...] = ()
    incremental_notes: dict[str, str] = field(default_factory=dict[str, str])
    missed: dict[str, str] = field(default_factory=dict[str, str])
    describe: Callable[[BaseModel | None, BaseModel | None], tuple[str, ...]] | None = None
    cursor_field: tuple[str, ...] = ()
    local_paths: bool = False
    allowed_in_cloud: bool = True
    reports_deletes: bool = False
    capabilities: tuple[Capability, ...] = ()
    natural_key: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    extra: str = ""
    environment: dict[str, str] = field(default_factory=dict[str, str])


class RecipeCredentials(Model):
    """Where the recipe's users keep their credentials."""

    type: str | None = Field(
        default=None, description="The field of `source.credentials` that the one variable of from_env holds."
    )
    from_env: str | list[str] | dict[str, str] | None = Field(
        default=None, description="Variables that hold them: one, several, or credential -> variable."
    )
    file_template: str | None = Field(
        default=None, description="A file that holds them; `{tenant}` is the tenant's id."
    )


class RecipeIncremental(Model):
    """Defaults for jobs that name no incremental strategy of their own."""

    strategy: str | None = Field(default=None, description="The strategy.")
    cursor_field_default: str | None = Field(default=None, description="What it compares.")
    lookback_days_default: float | None = Field(
        default=None, ge=0, description="How far before the last value a run reads again."
    )


class Recipe(Model):
    """A connector recipe file: a connector's name and the defaults for the jobs that point at it."""

    schema_: str | None = Field(default=None, alias="$schema", description="For editors.")
    name: str = Field(description="The recipe's name.")
    type: str = Field(description="The connector it is for.")
    roles: list[Role] = Field(default=["source"], description="Whether it reads or writes.")
    default_engine: Engine | None = Field(default=None, description="native is the only one.")
    credentials: RecipeCredentials | None = Field(default=None, description="Where credentials are found.")
    incremental: RecipeIncremental | None = Field(default=None, description="Defaults for jobs that name no strategy.")
    rate_limits: RateLimits | None = Field(default=None, description="Bounds on requests for jobs that set none.")
    connection_template: dict[str, JsonValue] = Field(
        default={}, description="Defaults of `source.connection`; in the recipe of a target, of `target.connection`."
    )
    options: dict[str, JsonValue] = Field(default={}, description="Defaults of `source.options`.")
    catalog: str | None = Field(default=None, description="Default of `target.catalog`.")
    file_format: Literal["parquet"] | None = Field(default=None, description="Default of `target.file_format`.")
    partitioning_default: list[str] | None = Field(default=None, description="Default of `target.partitioning`.")
