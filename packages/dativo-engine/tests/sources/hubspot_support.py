"""An account of the fake, a stream of it, and a copy that runs keep up to date."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_config.models.job import Incremental, RateLimits
from dativo_engine.interfaces import Batch, Cursor, SourceSettings, StreamSettings
from dativo_engine.sources.hubspot.source import HubSpotSource
from dativo_engine.sources.hubspot.spec import MODIFIED, HubSpotCredentials, HubSpotOptions
from dativo_engine.testing.reading import through_json

from tests.fakes.hubspot import TOKEN, FakeHubSpot, Portal, serve

TYPES = {
    "updatedAt": "timestamptz",
    "createdate": "timestamptz",
    "total_revenue": "double",
    "num_associated_deals": "long",
    "date_of_birth": "date",
    "hs_email_optout": "boolean",
    "lifecyclestage": "list",
    "associated_companies": "list",
}
DELETE = 1


def contract(name: str, *columns: str) -> SchemaObject:
    """Columns by their names in the API; those that have no other type are text."""
    element = Property("element", "element", "string", PhysicalType("string"))
    made = [
        Property(item, item, "string", PhysicalType(TYPES.get(item, "string")), items=element)
        if TYPES.get(item) == "list"
        else Property(item, item, "string", PhysicalType(TYPES.get(item, "string")))
        for item in columns
    ]
    return SchemaObject(name, name, tuple(made), primary_key=("id",))


@dataclass(repr=False)
class Copy:
    """One stream of the fake, read run after run.

    Attributes:
        rows: what a merge makes of all that was read, by id.
        read: ids of the upserts of the last run, in read order. `gone`: those of its deletes.
    """

    fake: FakeHubSpot
    url: str
    stream: str = "contacts"
    columns: Sequence[str] = ("id", "updatedAt", "email", "firstname")
    incremental: bool = True
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    credentials: Mapping[str, object] = field(default_factory=lambda: {"access_token": TOKEN})
    rates_folder: Path | None = None
    cursor: Cursor | None = None
    rows: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    read: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])

    @property
    def portal(self) -> Portal:
        return self.fake.portal

    def source(self) -> HubSpotSource:
        return HubSpotSource(self.settings())

    def settings(self) -> SourceSettings:
        return SourceSettings(
            connector="hubspot",
            tenant_id="acme",
            job_name="copy",
            project=Path(),
            streams=(StreamSettings(self.stream, (), contract(self.stream, *self.columns)),),
            options=HubSpotOptions.model_validate({"base_url": self.url, **self.options}),
            credentials=HubSpotCredentials.model_validate(self.credentials),
            incremental=Incremental(strategy=MODIFIED) if self.incremental else None,
            rate_limits=RateLimits(requests_per_second=10_000),
            rates_folder=self.rates_folder,
        )

    def run(self) -> Copy:
        """Read what is new, a second after it became so, and merge it."""
        self.portal.now += 1_000
        self.read, self.gone = [], []
        self.fake.requests.clear()
        merged = dict(self.rows)
        for batch in self.batches():
            for row, gone in zip(batch.records.to_pylist(), _ops(batch), strict=True):
                merged.pop(row["id"], None)
                if gone:
                    self.gone.append(row["id"])
                else:
                    self.read.append(row["id"])
                    merged[row["id"]] = row
        self.rows = merged
        return self

    def batches(self) -> Iterator[Batch]:
        """One run's batches; the cursor is the next run's start once all were taken."""
        source, end = self.source(), self.cursor
        plan = source.plan({self.stream: self.cursor})
        for split in plan.splits:
            for batch in source.read(split):
                end = batch.cursor or end
                yield batch
        plan.close(None)
        self.cursor = through_json(end)


def _ops(batch: Batch) -> list[bool]:
    if batch.op is None:
        return [False] * batch.records.num_rows
    return [op == DELETE for op in batch.op.to_pylist()]


@contextmanager
def serving() -> Generator[Copy]:
    """A fake of its own, and nothing copied of it yet."""
    fake = FakeHubSpot()
    with serve(fake) as url:
        yield Copy(fake, url)
