"""The loads that are killed: one for each way in which rows get into a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Files = Mapping[str, str]
"""Data files by path below the tenant's data folder."""

KEY = "required: true, primaryKey: true"
PROPERTIES = """\
      - {name: id, logicalType: integer, physicalType: long, KEY}
      - {name: customer, logicalType: string, required: true}
      - {name: amount, logicalType: number, physicalType: "decimal(12, 2)", logicalTypeOptions: {minimum: 0}}
      - {name: pieces, logicalType: integer, physicalType: int}
"""
NEWER = PROPERTIES.replace("physicalType: int}", "physicalType: long}") + (
    "      - {name: channel, logicalType: string, description: where it was ordered}\n"
)
MANY = 3_000
"""Rows of a file of the run that is killed."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A project at three moments: loaded once, about to be loaded by the run that is killed, and a day later.

    Attributes:
        target: the job's `target`, as YAML.
        contract, newer: the contract of the first load and, where it has changed, of the later ones.
        first, killed, later: the files that come with each.
        resumes: whether the run after the killed one goes on where that stopped.
        in_s3: whether its tables lie there.
    """

    name: str
    target: str
    first: Files
    killed: Files
    later: Files
    contract: str
    newer: str
    incremental: bool = True
    resumes: bool = False
    in_s3: bool = False
    objects: Sequence[str] = ("orders",)

    def job(self, connection: str = "") -> str:
        """The job file; `connection` as it stands under `target`, empty: none."""
        target = f"{self.target.removesuffix('}')}, connection: {connection}}}" if connection else self.target
        inputs = ", ".join(f'{{path: "data/acme/{name}/*.csv", object: {name}}}' for name in self.objects)
        lines = [
            "tenant_id: acme",
            "source_connector: csv",
            "source:",
            f"  files: [{inputs}]",
            *(["  incremental: {strategy: file_modified_time}"] if self.incremental else []),
            "asset_path: assets/orders.yaml",
            "target_connector: iceberg",
            "schema_validation_mode: warn",
            f"target: {target}",
        ]
        return "\n".join(lines) + "\n"


def contract(properties: str = PROPERTIES, *, key: bool = True, objects: Sequence[str] = ("orders",)) -> str:
    """A contract whose objects all have the same columns."""
    columns = properties.replace("KEY", KEY if key else "required: true")
    head = ["apiVersion: v3.1.0", "kind: DataContract", "id: orders", "version: 1.0.0", "status: active", "schema:"]
    return "\n".join(head) + "\n" + "".join(f"  - name: {name}\n    properties:\n{columns}" for name in objects)


def orders(ids: Iterable[int], *, amount: str = "1.50", channel: bool = False, bad: Iterable[int] = ()) -> str:
    """A file of orders; the amounts of those in `bad` break the contract."""
    refused = set(bad)
    lines = ["id,customer,amount,pieces" + (",channel" if channel else "")]
    for number in ids:
        price = "-1" if number in refused else amount
        lines.append(f"{number},customer {number % 97},{price},{number % 9}" + (",web" if channel else ""))
    return "\n".join(lines) + "\n"


def in_files(start: int, *, prefix: str = "orders", channel: bool = False) -> dict[str, str]:
    """Four files of new orders, some of them bad, which name some ids twice and some that are stored already."""
    files: dict[str, str] = {}
    for number in range(4):
        ids = range(start + number * MANY, start + (number + 1) * MANY)
        again = range(start + number * MANY - 10, start + number * MANY)
        new = orders(ids, channel=channel, bad=ids[:: MANY // 5])
        # With another amount, so that it can be told which of two rows of one key stayed.
        twice = orders(again, amount="7.00", channel=channel).partition("\n")[2]
        files[f"{prefix}/killed{number}.csv"] = new + twice
    return files


def _appending(name: str, *, key: bool = True, checkpoint: int = 0, in_s3: bool = False) -> Scene:
    plain = contract(key=key)
    return Scene(
        name,
        f"{{mode: append, checkpoint: {{rows: {checkpoint}}}}}" if checkpoint else "{mode: append}",
        first={"orders/first.csv": orders(range(2_000))},
        killed=in_files(2_000),
        later={"orders/later.csv": orders(range(13_900, 14_500), bad=[14_001])},
        contract=plain,
        newer=plain,
        resumes=bool(checkpoint),
        in_s3=in_s3,
    )


def _merging(name: str, *, in_s3: bool = False) -> Scene:
    plain = contract()
    return Scene(
        name,
        '{mode: merge, partitioning: ["bucket(4, id)"]}',
        first={"orders/first.csv": orders(range(4_000))},
        killed={
            "orders/killed0.csv": orders(range(1_000, 6_000), amount="2.50", bad=range(1_000, 6_000, 500)),
            "orders/killed1.csv": orders([*range(5_000, 9_000), *range(10)], amount="3.50"),
        },
        later={"orders/later.csv": orders(range(500), amount="9.00", bad=[3])},
        contract=plain,
        newer=plain,
        in_s3=in_s3,
    )


def _replacing() -> Scene:
    plain = contract()
    return Scene(
        "replace",
        "{mode: replace}",
        first={"orders/first.csv": orders(range(2_000))},
        killed=in_files(2_000),
        later={"orders/later.csv": orders(range(13_900, 14_500), bad=[14_001])},
        contract=plain,
        newer=plain,
        incremental=False,
    )


def _evolving() -> Scene:
    return Scene(
        "evolution",
        '{mode: append, partitioning: ["truncate(1, customer)"]}',
        first={"orders/first.csv": orders(range(2_000))},
        killed=in_files(2_000, channel=True),
        later={"orders/later.csv": orders(range(13_900, 14_500), channel=True)},
        contract=contract(),
        newer=contract(NEWER).replace("version: 1.0.0", "version: 1.1.0"),
    )


def _two_tables() -> Scene:
    both = contract(objects=("orders", "refunds"))
    return Scene(
        "two tables",
        "{mode: append}",
        first={"orders/first.csv": orders(range(2_000)), "refunds/first.csv": orders(range(50))},
        killed=in_files(2_000) | in_files(50, prefix="refunds"),
        later={"orders/later.csv": orders(range(13_900, 14_500)), "refunds/later.csv": orders(range(20_000, 20_010))},
        contract=both,
        newer=both,
        objects=("orders", "refunds"),
    )


SCENES = {
    scene.name: scene
    for scene in (
        _appending("append"),
        _appending("append without a key", key=False),
        _merging("merge"),
        _replacing(),
        _appending("checkpoints", checkpoint=MANY // 2),
        _evolving(),
        _two_tables(),
        _appending("append in S3", in_s3=True),
        _merging("merge in S3", in_s3=True),
        _appending("checkpoints in S3", checkpoint=MANY // 2, in_s3=True),
    )
}
