"""Which columns identify and partition rows, in which order, and that no two names meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, cast

from dativo_config.contracts.notes import Notes, Path
from dativo_config.models.contract import JsonValue, Property

Value: TypeAlias = Mapping[str, JsonValue]

_POSITIONS = {"primaryKey": "primaryKeyPosition", "partitioned": "partitionKeyPosition"}
_UNFIT_FOR_KEYS = frozenset({"struct", "list", "map", "float", "double"})
_NESTED = frozenset({"struct", "list", "map"})


def read_order(
    items: Sequence[Value],
    properties: Sequence[Property],
    path: Path,
    mark: Literal["primaryKey", "partitioned"],
    notes: Notes,
) -> tuple[str, ...]:
    """The columns that carry `mark`, ordered by their positions; without any, in the order of the file."""
    position = _POSITIONS[mark]
    marked: list[tuple[int, int]] = []
    for index, item in enumerate(items):
        place = cast("int", item.get(position, -1))
        if item.get(mark) is True:
            _check_type(properties[index], (*path, index, mark), mark, notes)
            marked.append((place, index))
        elif place != -1:
            notes.add((*path, index, position), f"stands without `{mark}: true`", key=True)
    _check_positions(marked, path, position, notes)
    return tuple(properties[index].column for _, index in sorted(marked))


def _check_positions(marked: Sequence[tuple[int, int]], path: Path, position: str, notes: Notes) -> None:
    given = [place for place, _ in marked if place != -1]
    for rank, (place, index) in enumerate(marked):
        if place == -1 and given:
            notes.add((*path, index), f"needs `{position}`, as other columns have one")
        elif place != -1 and place in [other for other, _ in marked[:rank]]:
            notes.add((*path, index, position), f"position {place} is taken by another column")
        elif place != -1 and place < 1:
            notes.add((*path, index, position), f"expected 1 or more, found {place}")


def _check_type(column: Property, path: Path, mark: str, notes: Notes) -> None:
    unfit = _UNFIT_FOR_KEYS if mark == "primaryKey" else _NESTED
    if column.physical_type.name in unfit:
        what = "a primary key" if mark == "primaryKey" else "a partition"
        notes.add(path, f"a column of type {column.physical_type} can't be {what}")


def refuse_same_ids(ids: Sequence[str], path: Path, notes: Notes) -> None:
    """Note ids that two siblings have: a renamed column is recognised by its id."""
    for index, number in enumerate(ids):
        if number and number in ids[:index]:
            notes.add(
                (*path, index, "id"), f"the id `{number}` is here twice", hint="give each property an id of its own"
            )


def refuse_twins(names: Sequence[str], path: Path, what: str, notes: Notes) -> None:
    """Note names that only case tells apart: query engines fold it."""
    seen: set[str] = set()
    first: dict[str, str] = {}
    for index, name in enumerate(names):
        twin = first.setdefault(name.lower(), name)
        if name in seen:
            notes.add((*path, index, "name"), f"the {what} `{name}` is here twice")
        elif twin != name:
            notes.add(
                (*path, index, "name"), f"the {what}s `{twin}` and `{name}` differ only in case", hint="rename one"
            )
        seen.add(name)
