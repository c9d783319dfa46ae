"""Stripe, as its source sees it: the fake over HTTP."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pyarrow as pa
from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_config.models.job import Incremental
from dativo_engine.interfaces import SourceSettings, StreamSettings
from dativo_engine.sources.stripe.spec import StripeCredentials, StripeOptions
from dativo_engine.testing import Damage, SourceWorld

from tests.fakes.stripe import TEST_KEY, FakeStripe, serve

WRONG_KEY = "sk_test_51WrongWrongWrongWrong000000"
COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("balance", pa.int64()),
        ("created", pa.timestamp("us", "UTC")),
        ("description", pa.string()),
        ("livemode", pa.bool_()),
    ]
)
CONTRACT = SchemaObject(
    "customers",
    "customers",
    (
        Property("id", "id", "string", PhysicalType("string"), required=True),
        Property("balance", "balance", "integer", PhysicalType("long")),
        Property("created", "created", "timestamp", PhysicalType("timestamptz")),
        Property("description", "description", "string", PhysicalType("string")),
        Property("livemode", "livemode", "boolean", PhysicalType("boolean")),
    ),
)


class StripeWorld(SourceWorld):
    """Customers. Lists begin with the newest, so what is put behind all others has to be older than they are."""

    secrets = (TEST_KEY, WRONG_KEY)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fake = FakeStripe()
        self._account = self._fake.account()
        self._numbers = count(1)
        self._made: list[str] = []
        self._running = ExitStack()
        self._url = self._running.enter_context(serve(self._fake))

    def settings(self, *, incremental: bool, memory_bytes: int) -> SourceSettings:
        return self._reading(incremental=incremental, memory_bytes=memory_bytes)

    def put(self, rows: int) -> pa.Table:
        self._fake.clock.advance(3600)
        made = [self._make(next(self._numbers)) for _ in range(rows)]
        seconds = [row["created"] for row in made]
        columns = {
            "id": [row["id"] for row in made],
            "balance": [row["balance"] for row in made],
            "created": pa.array(seconds, pa.timestamp("s", "UTC")),
            "description": [row["description"] for row in made],
            "livemode": [False] * rows,
        }
        self._made += [str(row["id"]) for row in made]
        return pa.table(columns).cast(COLUMNS)

    def rewrite(self) -> None:
        self._fake.clock.advance(3600)
        self._account.edit("customers", self._made[-1], {"description": "another"})

    def delete(self, rows: int) -> pa.Table:
        self._fake.clock.advance(3600)
        gone, self._made = self._made[:rows], self._made[rows:]
        for key in gone:
            self._account.delete("customers", key)
        return pa.table({"id": gone})

    def break_it(self, how: Damage) -> SourceSettings:
        if how == "missing":
            return self._reading(stream="customerz")
        if how == "unreachable":
            with socket.create_server(("127.0.0.1", 0)) as server:
                port = server.getsockname()[1]
            return self._reading(url=f"http://127.0.0.1:{port}")
        return self._reading(key=WRONG_KEY)

    def close(self) -> None:
        self._running.close()

    def _make(self, number: int) -> dict[str, object]:
        return dict(
            self._account.create(
                "customers",
                {
                    "balance": number,
                    "created": 1_780_000_000 - number,
                    "description": None if number % 7 == 0 else f"of {number} {'x' * 1200}",
                },
            )
        )

    def _reading(
        self,
        *,
        stream: str = "customers",
        url: str = "",
        key: str = TEST_KEY,
        incremental: bool = False,
        memory_bytes: int = 1 << 20,
    ) -> SourceSettings:
        return SourceSettings(
            connector="stripe",
            tenant_id="acme",
            job_name="customers",
            project=self._folder,
            streams=(StreamSettings(stream, (), CONTRACT),),
            options=StripeOptions(base_url=url or self._url),
            credentials=StripeCredentials.model_validate({"api_key": key}),
            incremental=Incremental(strategy="events") if incremental else None,
            memory_bytes=memory_bytes,
        )
