"""Converting a column of which some cells may not convert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Cast:
    """Cells after a cast. `failed`: true where a cell's value does not fit the type (null in `values`); None: none."""

    values: pa.Array
    failed: pa.BooleanArray | None = None


Convert: TypeAlias = Callable[[pa.Array], pa.Array]
"""Converts all cells of a column, or raises pa.ArrowInvalid if one of them does not convert."""


def attempt(cells: pa.Array, target: pa.DataType, convert: Convert) -> Cast:
    """Convert all cells at once, or, where that fails, by halves, down to the cells that do not convert."""
    try:
        return Cast(convert(cells))
    except pa.ArrowNotImplementedError:
        return Cast(pa.nulls(len(cells), target), cells.is_valid())
    except pa.ArrowInvalid:
        if len(cells) <= 1:
            return Cast(pa.nulls(len(cells), target), cells.is_valid())
    middle = len(cells) // 2
    halves = [attempt(half, target, convert) for half in (cells[:middle], cells[middle:])]
    return Cast(
        pa.concat_arrays([half.values for half in halves]),
        pa.concat_arrays([no_cells(len(half.values)) if half.failed is None else half.failed for half in halves]),
    )


def attempt_where(fits: pa.BooleanArray, cells: pa.Array, target: pa.DataType, convert: Convert) -> Cast:
    """Convert the cells that look right (`fits`; null for null cells); the others have failed already.

    Looking first keeps a column full of nonsense from being halved down to single cells.
    """
    if pc.all(fits).as_py() is not False:
        return attempt(cells, target, convert)
    result = attempt(pc.if_else(fits, cells, None), target, convert)
    misfit = pc.fill_null(pc.invert(fits), fill_value=False)
    return Cast(result.values, misfit if result.failed is None else pc.or_(misfit, result.failed))


def no_cells(length: int) -> pa.BooleanArray:
    """A mask that selects nothing."""
    return pa.repeat(pa.scalar(value=False), length)
