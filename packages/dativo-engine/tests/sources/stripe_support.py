"""An account of the fake, a stream of it, and a copy that runs keep up to date."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_config.models.job import Incremental
from dativo_engine.interfaces import Batch, Cursor, SourceSettings, StreamSettings
from dativo_engine.sources.stripe.source import StripeSource
from dativo_engine.sources.stripe.spec import StripeCredentials, StripeOptions

from tests.fakes.stripe import TEST_KEY, Account, FakeStripe, Request, serve

TYPES = {"created": "timestamptz", "balance": "long", "quantity": "long", "amount": "long", "percent_off": "double"}
DELETE = 1


def contract(name: str, *columns: str) -> SchemaObject:
    """Columns by their names in the API; those that have no other type are text."""
    made = [Property(item, item, "string", PhysicalType(TYPES.get(item, "string"))) for item in columns]
    return SchemaObject(name, name, tuple(made), primary_key=("id",))


@dataclass
class Copy:
    """One stream of the fake, read run after run.

    Attributes:
        rows: what a merge makes of all that was read, by id.
        told: the upserts of the last run, in read order.
        gone: ids of its deletes.
    """

    fake: FakeStripe = field(repr=False)
    url: str
    stream: str = "customers"
    columns: Sequence[str] = ("id", "created", "name", "balance")
    strategy: str | None = "events"
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    key: str = TEST_KEY
    memory_bytes: int = 64 * 1024 * 1024
    cursor: Cursor | None = None
    rows: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    told: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    gone: list[str] = field(default_factory=list[str])

    @property
    def account(self) -> Account:
        return self.fake.account()

    @property
    def read(self) -> list[str]:
        """Ids of the upserts of the last run, in read order."""
        return [str(row["id"]) for row in self.told]

    def source(self) -> StripeSource:
        return StripeSource(self.settings())

    def settings(self) -> SourceSettings:
        return SourceSettings(
            connector="stripe",
            tenant_id="acme",
            job_name="copy",
            project=Path(),
            streams=(StreamSettings(self.stream, (), contract(self.stream, *self.columns)),),
            options=StripeOptions.model_validate({"base_url": self.url, **self.options}),
            credentials=StripeCredentials.model_validate({"api_key": self.key}),
            incremental=Incremental(strategy=self.strategy) if self.strategy else None,
            memory_bytes=self.memory_bytes,
        )

    def run(self) -> Copy:
        """Read what is new, and merge it."""
        self.told.clear()
        self.gone.clear()
        self.fake.requests.clear()
        for batch in self.batches():
            for row, gone in zip(batch.records.to_pylist(), _ops(batch), strict=True):
                self.rows.pop(row["id"], None)
                if gone:
                    self.gone.append(row["id"])
                else:
                    self.rows[row["id"]] = {name: row[name] for name in self.columns}
                    self.told.append(self.rows[row["id"]])
            if batch.cursor is not None:
                self.cursor = Cursor(json.loads(json.dumps(dict(batch.cursor.value))))
        return self

    def batches(self) -> Iterator[Batch]:
        source = self.source()
        for split in source.plan({self.stream: self.cursor}).splits:
            yield from source.read(split)

    def asked(self, beginning: str) -> list[Request]:
        """The last run's requests for paths that begin so."""
        return [request for request in self.fake.requests if request.path.startswith(beginning)]


@contextmanager
def serving() -> Generator[Copy]:
    """A copy of the customers of an empty account."""
    fake = FakeStripe()
    with serve(fake) as url:
        yield Copy(fake, url)


def _ops(batch: Batch) -> list[bool]:
    if batch.op is None:
        return [False] * batch.records.num_rows
    return [op == DELETE for op in batch.op.to_pylist()]
