"""What the CSV connector takes and can do."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from dativo_config.models.connector import ConnectorSpec
from pydantic import Field, StringConstraints, model_validator

from dativo_engine.sources.files.spec import (
    ENVIRONMENT,
    INCREMENTAL_NOTES,
    INCREMENTAL_STRATEGIES,
    FileOptions,
    S3Connection,
    S3Credentials,
)

Character = Annotated[str, StringConstraints(min_length=1, max_length=1, pattern=r"^[\x01-\x09\x0b\x0c\x0e-\x7f]$")]


class CsvOptions(FileOptions):
    """How the files are written. Types are never guessed: they come from the contract."""

    delimiter: Character = Field(default=",", description="What stands between two cells.")
    quote: Character | None = Field(default='"', description="What encloses cells; null: cells are never quoted.")
    escape: Character | None = Field(
        default=None, description="What makes the next character literal; default: a quote in a cell is doubled."
    )
    header: bool = Field(default=True, description="Whether the first record holds the column names.")
    names: list[str] | None = Field(
        default=None,
        description="The column names, in place of the header's; without a header default: the contract's, in order.",
    )
    encoding: Literal["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"] = Field(
        default="utf-8", description="The files' character encoding; a byte order mark is skipped in any of them."
    )
    skip_rows: int = Field(default=0, ge=0, description="Lines before the header, or before the first record.")
    null_values: list[str] = Field(default=[""], description="Spellings of null, where they are not quoted.")
    quoted_nulls: bool = Field(default=False, description="Whether a quoted null spelling is null in text columns too.")
    true_values: list[str] = Field(default=["true", "True", "TRUE", "1"], description="Spellings of true.")
    false_values: list[str] = Field(default=["false", "False", "FALSE", "0"], description="Spellings of false.")
    decimal_point: Literal[".", ","] = Field(default=".", description="What stands before a number's fraction.")
    date_formats: list[str] = Field(
        default=[], description="Formats of dates as strptime takes them (`%d.%m.%Y`), tried in order, then ISO 8601."
    )
    timestamp_formats: list[str] = Field(
        default=[], description="Formats of timestamps as strptime takes them, tried in order, then ISO 8601."
    )
    trim: bool = Field(default=False, description="Whether blanks around text and column names are dropped.")
    ragged: Literal["reject", "fill"] = Field(
        default="reject", description="What becomes of a record with too few cells: rejected, or filled with nulls."
    )

    @model_validator(mode="after")
    def _characters_differ(self) -> Self:
        used = [character for character in (self.delimiter, self.quote, self.escape) if character is not None]
        if len(set(used)) < len(used):
            message = "delimiter, quote and escape must differ"
            raise ValueError(message)
        return self


SPEC = ConnectorSpec(
    name="csv",
    summary="Delimited text files: local paths, globs, folders, s3:// and http(s)://",
    options=CsvOptions,
    credentials=S3Credentials,
    connection=S3Connection,
    suffixes=(".csv", ".tsv", ".txt"),
    incremental_strategies=INCREMENTAL_STRATEGIES,
    incremental_notes=INCREMENTAL_NOTES,
    local_paths=True,
    capabilities=("resumable", "parallel", "malformed_records", "remote"),
    environment=ENVIRONMENT,
)
