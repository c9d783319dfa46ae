"""HubSpot's contacts, as the project's fake serves them."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import pyarrow as pa
from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_config.models.job import Incremental, RateLimits
from dativo_engine.interfaces import SourceSettings, StreamSettings
from dativo_engine.sources.hubspot.spec import MODIFIED, HubSpotCredentials, HubSpotOptions
from dativo_engine.testing import Damage, SourceWorld
from pydantic import SecretStr

from tests.fakes.hubspot import TOKEN, FakeHubSpot, serve

COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("email", pa.string()),
        ("total_revenue", pa.float64()),
        ("date_of_birth", pa.date32()),
        ("phone", pa.string()),
    ]
)
CONTRACT = SchemaObject(
    "contacts",
    "contacts",
    (
        Property("id", "id", "string", PhysicalType("string")),
        Property("email", "email", "string", PhysicalType("string")),
        Property("total_revenue", "total_revenue", "number", PhysicalType("double")),
        Property("date_of_birth", "date_of_birth", "date", PhysicalType("date")),
        Property("phone", "phone", "string", PhysicalType("string")),
    ),
    primary_key=("id",),
)


class HubSpotWorld(SourceWorld):
    """An account with contacts; each part was created at a second of its own."""

    secrets = (TOKEN,)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = ExitStack()
        self.fake = FakeHubSpot()
        self._url = self._held.enter_context(serve(self.fake))
        self._numbers = count(1)
        self._ids: list[int] = []

    def settings(self, *, incremental: bool, memory_bytes: int) -> SourceSettings:
        return self._settings(incremental=incremental, memory_bytes=memory_bytes)

    def put(self, rows: int) -> pa.Table:
        self.fake.portal.now += 1_000
        numbers = [next(self._numbers) for _ in range(rows)]
        births = [date(1960, 1, 1) + timedelta(days=number % 20_000) for number in numbers]
        told = {
            "email": [f"contact{number}@example.com" for number in numbers],
            "total_revenue": [number / 4 for number in numbers],
            "date_of_birth": births,
            "phone": [f"+49 {number:08d} " + "0123456789" * 200 for number in numbers],
        }
        columns = {name: list(map(str, values)) for name, values in told.items()}
        self._ids = self.fake.portal.create_many(
            "contacts", ({name: values[row] for name, values in columns.items()} for row in range(rows))
        )
        self.fake.portal.now += 1_000
        return pa.table({"id": list(map(str, self._ids)), **told}, COLUMNS)

    def rewrite(self) -> None:
        self.fake.portal.now += 1_000
        self.fake.portal.edit("contacts", self._ids[-1], {"email": "new@example.com"})

    def break_it(self, how: Damage) -> SourceSettings:
        if how == "missing":
            return self._settings(stream="boats")
        if how == "unreachable":
            with socket.create_server(("127.0.0.1", 0)) as server:
                port = server.getsockname()[1]
            return self._settings(url=f"http://127.0.0.1:{port}")
        del self.fake.tokens[TOKEN]
        return self._settings()

    def delete(self, rows: int) -> pa.Table:
        self.fake.portal.now += 1_000
        gone = self._ids[:rows]
        for record_id in gone:
            self.fake.portal.archive("contacts", record_id)
        return pa.table({"id": list(map(str, gone))})

    def close(self) -> None:
        self._held.close()

    def _settings(
        self, *, stream: str = "contacts", url: str = "", incremental: bool = False, memory_bytes: int = 1 << 20
    ) -> SourceSettings:
        return SourceSettings(
            connector="hubspot",
            tenant_id="acme",
            job_name="contacts",
            project=self._folder,
            streams=(StreamSettings(stream, schema=CONTRACT),),
            options=HubSpotOptions(base_url=url or self._url),
            credentials=HubSpotCredentials(access_token=SecretStr(TOKEN)),
            incremental=Incremental(strategy=MODIFIED) if incremental else None,
            rate_limits=RateLimits(requests_per_second=1_000),
            memory_bytes=memory_bytes,
        )
