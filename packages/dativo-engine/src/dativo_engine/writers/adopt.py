"""A finished file on this machine that becomes a table's data file as it is: copied, not decoded and written again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import compute_statistics_plan
from pyiceberg.table.locations import load_location_provider

from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.storage import Storage, writing
from dativo_engine.writers.fields import FIELD_ID, leaves
from dativo_engine.writers.statistics import file_statistics

COPIED_BYTES = 4 * 1024 * 1024


def is_adoptable(file: Path, layout: TableLayout) -> bool:
    """Whether the file could be one of the table's: it has its columns, and rows need no partition and no order."""
    if layout.spec.fields or not layout.sort_order.is_unsorted:
        return False
    found = [((field.metadata or {}).get(FIELD_ID.encode()), field.name) for field in pq.read_schema(file)]
    return found == [(str(field.field_id).encode(), field.name) for field in layout.schema.fields]


def adopt(file: Path, staged: StagedFile, layout: TableLayout, *, run_id: str) -> StagedFile:
    """Copy the adoptable `file`, which `staged` describes, to where the table keeps its data.

    Raises:
        RetryableError, FatalError: the file system failed.
    """
    locations = load_location_provider(layout.location, dict(layout.io_properties))
    location = locations.new_data_location(f"{run_id}-{token_hex(4)}.parquet")
    storage = Storage(layout.io_properties)
    with writing(location):
        copy = storage.create(location)
        try:
            with file.open("rb") as source:
                shutil.copyfileobj(source, copy.sink, COPIED_BYTES)
            copy.finish()
        except BaseException:
            copy.discard()
            raise
        storage.settle()
    # The table's properties may ask for other statistics than those the file was written with.
    plan = compute_statistics_plan(layout.schema, dict(layout.io_properties))
    known = file_statistics(pq.read_metadata(file), leaves(layout.schema), plan)
    return replace(
        staged,
        table=layout.table,
        path=location,
        spec_id=layout.spec.spec_id,
        column_sizes=known.column_sizes,
        value_counts=known.value_counts,
        null_value_counts=known.null_value_counts,
        lower_bounds=known.lower_bounds,
        upper_bounds=known.upper_bounds,
    )
