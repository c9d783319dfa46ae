"""The flat form of a contract, as files from before the standard have it. Data only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from dativo_config.models.job import Model


class FlatColumn(Model):
    """One column."""

    name: str = Field(min_length=1, description="Its name in the source and in the table.")
    type: str = Field(description="A logical type of the standard, or any database's own spelling.")
    required: bool = Field(default=False, description="Whether rows without a value are rejected.")
    classification: str | None = Field(default=None, description="pii, confidential, ...: masked in messages.")
    description: str | None = Field(default=None, description="What it means.")


class FlatTarget(Model):
    """What the older format said of the table."""

    file_format: Literal["parquet"] | None = Field(default=None, description="parquet.")
    partitioning: list[str] | None = Field(default=None, description="Columns; transforms stand in the job's target.")
    mode: Literal["strict", "merge", "relaxed"] | None = Field(
        default=None, description="How bad rows were met; strict, or schema_validation_mode of the job says it now."
    )


class FlatTeam(Model):
    """Who answers for the data."""

    owner: str = Field(min_length=1, description="A person or a team.")


class FlatQuality(Model):
    """Rules as the standard writes them, each with the `column` it is for; without one it is for the table."""

    rules: list[dict[str, JsonValue]] = Field(default=[], description="The rules.")
    expectations: list[dict[str, JsonValue]] = Field(default=[], description="The rules, by their older name.")


class FlatAsset(Model):
    """One table of one source."""

    schema_uri: str | None = Field(default=None, alias="$schema", description="For editors.")
    api_version: str | None = Field(default=None, alias="apiVersion", description="Not used: the form tells itself.")
    kind: str | None = Field(default=None, description="DataContract, or nothing.")
    id: str | None = Field(default=None, description="Stable id; default: the name.")
    name: str = Field(min_length=1, description="The asset's name.")
    version: str | int | float = Field(description="The contract's own version.")
    status: str | None = Field(default=None, description="active, draft, deprecated, ...")
    domain: str | None = Field(default=None, description="The business domain.")
    data_product: str | None = Field(default=None, alias="dataProduct", description="The data product.")
    tenant: str | None = Field(default=None, description="Whose data it is.")
    description: str | None = Field(default=None, description="What it is for.")
    tags: list[str] | None = Field(default=None, description="Words to find it by.")
    source_type: str | None = Field(default=None, description="The connector that reads it.")
    object: str | None = Field(default=None, description="The source's object; default: the name.")
    target: FlatTarget | None = Field(default=None, description="The table.")
    columns: list[FlatColumn] = Field(alias="schema", min_length=1, description="The columns.")
    data_quality: FlatQuality | list[dict[str, JsonValue]] | None = Field(default=None, description="Rules.")
    team: FlatTeam = Field(description="Who answers for the data.")
    compliance: dict[str, JsonValue] | None = Field(default=None, description="Table properties `governance.*`.")
    change_management: dict[str, JsonValue] | None = Field(
        default=None, description="Table properties `governance.change_management.*`."
    )
    finops: dict[str, JsonValue] | None = Field(default=None, description="Table properties `finops.*`.")
