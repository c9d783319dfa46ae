"""DuckDB, PyIceberg and Spark see the same rows and statistics in every kind of table that a run writes."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.e2e.project import Project
from tests.readers.view import Reader, TableView

TYPES = """\
apiVersion: v3.1.0
kind: DataContract
id: everything
version: 1.0.0
status: active
schema:
  - name: everything
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - {name: small, logicalType: integer, physicalType: int}
      - {name: flag, logicalType: boolean}
      - {name: ratio, logicalType: number}
      - {name: single, logicalType: number, physicalType: float}
      - {name: price, logicalType: number, physicalType: "decimal(20, 4)"}
      - {name: day, logicalType: date}
      - {name: at, logicalType: timestamp}
      - {name: local, logicalType: timestamp, logicalTypeOptions: {timezone: false}}
      - {name: text, logicalType: string}
      - {name: bytes, logicalType: string, physicalType: binary}
      - name: address
        logicalType: object
        properties:
          - {name: city, logicalType: string}
          - {name: numbers, logicalType: array, items: {name: number, logicalType: integer}}
      - {name: tags, logicalType: array, items: {name: tag, logicalType: string}}
"""
JOB = """\
tenant_id: acme
source_connector: jsonl
source:
  files: [{path: data/acme/everything, object: everything}]
  incremental: {strategy: file_modified_time}
asset_path: assets/everything.yaml
target_connector: iceberg
target: {mode: append, partitioning: [%s], sort_order: ["text desc"]}
"""
ROWS: list[dict[str, object]] = [
    {
        "id": number,
        "small": number - 3 if number % 4 else None,
        "flag": number % 3 == 0,
        "ratio": number / 7,
        "single": number / 2,
        "price": f"{number * 1000003}.0001" if number % 5 else None,
        "day": f"19{60 + number:02d}-0{number % 9 + 1}-01",
        "at": f"20{number:02d}-01-01T00:00:0{number % 10}.12345+02:00",
        "local": f"1969-12-31T23:59:{number:02d}",
        "text": None if number == 7 else f"{'ü' * number}{number}",
        "bytes": "AAEC/w==",
        "address": None if number == 3 else {"city": f"c{number}", "numbers": [number, None, 2]},
        "tags": [] if number == 2 else None if number == 4 else ["a", f"t{number}"],
    }
    for number in range(12)
]
PARTITIONINGS = ['"day(at)", "bucket(3, id)"', '"truncate(2, text)"', '"year(day)", "flag"', '"month(local)"', ""]


def seen(readers: Sequence[Reader], location: str | None) -> TableView:
    """What all of them see."""
    assert location is not None
    views = [reader.read(location) for reader in readers]
    for reader, view in zip(readers, views, strict=True):
        assert view == views[0], reader.name
    return views[0]


@pytest.mark.parametrize("partitioning", PARTITIONINGS)
def test_every_type_under_every_transform(project: Project, readers: tuple[Reader, ...], partitioning: str) -> None:
    (project.root / "assets" / "everything.yaml").write_text(TYPES)
    data = project.root / "data" / "acme" / "everything"
    data.mkdir(parents=True)
    (data / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (project.root / "jobs" / "acme" / "everything.yaml").write_text(JOB % partitioning)

    done = project.dativo("run", "--config", "jobs/acme/everything.yaml")

    assert done.exit_code == 0, done.stderr
    view = seen(readers, project.metadata_location("everything"))
    assert len(view.rows) == len(ROWS)
    assert view.statistics["id"].lowest == 0
    assert view.statistics["price"].nulls == 3


def merge_job(project: Project, contract: str = "assets/orders.yaml", extra: str = "") -> str:
    """A job that merges what is new into the table."""
    file = project.job("orders", append=True)
    text = (project.root / file).read_text().replace("mode: append", "mode: merge")
    (project.root / file).write_text(text.replace("assets/orders.yaml", contract) + extra)
    return file


def test_a_merged_evolved_and_replaced_table_and_its_quarantine(project: Project, readers: tuple[Reader, ...]) -> None:
    project.many_orders("day1.csv", 0, 500)
    job = merge_job(project, extra="schema_validation_mode: warn\n")
    assert project.dativo("run", "--config", job).exit_code == 0
    project.orders("day2.csv", [(7, "new", "1.00"), (499, "new", ""), (900, "new", "2.00"), ("bad", "x", "1.00")])
    assert project.dativo("run", "--config", job).exit_code == 1
    view = seen(readers, project.metadata_location())
    assert len(view.rows) == 501
    assert sum(row[1] == "new" for row in view.rows) == 3
    assert len(seen(readers, project.metadata_location("orders__rejected")).rows) == 1

    contract = (project.root / "assets" / "orders.yaml").read_text()
    newer = contract.replace("decimal(12, 2)", "decimal(18, 2)") + "      - {name: note, logicalType: string}\n"
    (project.root / "assets" / "orders.yaml").write_text(newer)
    (project.data / "day3.csv").write_text("id,customer,amount,note\n7,newer,1234567890123.00,hello\n")
    assert project.dativo("run", "--config", job).exit_code == 0
    view = seen(readers, project.metadata_location())
    assert view.columns == ("id", "customer", "amount", "note")
    assert sum(row[3] is not None for row in view.rows) == 1

    for file in list(project.data.iterdir()):
        file.unlink()
    project.orders("day4.csv", [(1, "only", "1.00")])
    assert project.dativo("run", "--config", job, "--full-refresh", "--yes").exit_code == 0
    assert len(seen(readers, project.metadata_location()).rows) == 1
