"""A small source that can do everything a source can, and its world: what the wrong ones are made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count, islice
from pathlib import Path
from typing import cast

import pyarrow as pa
from dativo_config.models.connector import ConnectorSpec
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, FatalError
from dativo_engine.interfaces import (
    Batch,
    Cursor,
    Malformed,
    Position,
    SourceSettings,
    Split,
    StreamInfo,
    StreamSettings,
)
from dativo_engine.testing import Damage, SourceWorld
from pydantic import BaseModel, SecretStr

STREAM = "entries"
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])
BATCH_LINES = 10
PASSWORD = "opensesame/42"


class LedgerCredentials(BaseModel):
    """Who reads."""

    password: SecretStr


class LedgerConnection(BaseModel):
    """Where the ledger is."""

    host: str = "here"


SPEC = ConnectorSpec(
    name="ledger",
    summary="Numbered pages in a folder; each line is an entry, a deletion or scribble",
    credentials=LedgerCredentials,
    connection=LedgerConnection,
    incremental_strategies=("pages",),
    reports_deletes=True,
    capabilities=("resumable", "parallel", "malformed_records", "remote"),
)


@dataclass(frozen=True)
class LedgerPlan:
    """The pages behind the last one read."""

    pages: tuple[Path, ...]
    ends: Mapping[str, Cursor | None]

    @property
    def splits(self) -> Iterator[Split]:
        for page in self.pages:
            identity = sha256(page.read_bytes()).hexdigest()
            yield Split(page.name, (STREAM,), identity, resumable=True, payload={"page": page.name})

    def close(self, committed: Mapping[str, Cursor] | None) -> None:
        """A ledger need not be told."""


class LedgerSource:
    """The pages of a folder."""

    def __init__(self, settings: SourceSettings) -> None:
        self._folder = settings.project
        self._host = settings.connection.host if isinstance(settings.connection, LedgerConnection) else ""
        credentials = settings.credentials
        self.password = credentials.password.get_secret_value() if isinstance(credentials, LedgerCredentials) else ""

    def check(self) -> None:
        if self._host != "here":
            message = f"{self._host}: nobody answers"
            raise ConnectionFailedError(message)
        if self.password != PASSWORD:
            raise AuthenticationError(self.refusal())
        if not self._folder.exists():
            message = f"{self._folder}: there is no such ledger"
            raise FatalError(message)

    def refusal(self) -> str:
        """What is said of a wrong password."""
        return "the password in credentials.password is wrong"

    def discover(self) -> list[StreamInfo]:
        return [StreamInfo(STREAM, SCHEMA, ("id",))]

    def plan(self, starts: Mapping[str, Cursor | None]) -> LedgerPlan:
        start = starts[STREAM]
        after = "" if start is None else cast("str", start.value["page"])
        pages = tuple(page for page in sorted(self._folder.glob("*.page")) if page.name > after)
        return LedgerPlan(pages, {STREAM: Cursor({"page": pages[-1].name if pages else after})})

    def read(self, split: Split) -> Iterator[Batch]:
        page = cast("str", split.payload["page"])
        start = 0 if split.resume is None else cast("int", split.resume.value["line"])
        with (self._folder / page).open() as file:
            lines = islice(file, start, None)
            while chunk := list(islice(lines, BATCH_LINES)):
                yield _batch(page, start, [line.rstrip("\n") for line in chunk])
                start += len(chunk)


def _batch(page: str, start: int, lines: list[str]) -> Batch:
    entries = [(number, json.loads(line)) for number, line in enumerate(lines, start + 1) if line.startswith("{")]
    scribble = [(number, line) for number, line in enumerate(lines, start + 1) if not line.startswith("{")]
    return Batch(
        STREAM,
        pa.RecordBatch.from_pylist([{"id": entry["id"], "text": entry.get("text")} for _, entry in entries], SCHEMA),
        Position(page, start + 1, pa.array([number for number, _ in entries], pa.int64())),
        op=pa.array([int("text" not in entry) for _, entry in entries], pa.int8()),
        malformed=tuple(Malformed(page, number, number, line, "scribble") for number, line in scribble),
        cursor=Cursor({"line": start + len(lines)}),
    )


class LedgerWorld(SourceWorld):
    """A folder of pages."""

    secrets = (PASSWORD, "sesamopened/43")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = count(1)
        self._pages = 0

    def settings(self, *, incremental: bool, memory_bytes: int) -> SourceSettings:
        return SourceSettings(
            connector=SPEC.name,
            tenant_id="acme",
            job_name="entries",
            project=self._folder,
            streams=(StreamSettings(STREAM),),
            credentials=LedgerCredentials(password=SecretStr(PASSWORD)),
            connection=LedgerConnection(),
            memory_bytes=memory_bytes,
        )

    def put(self, rows: int) -> pa.Table:
        table = self._make(rows)
        self._pages += 1
        self._write([json.dumps(row) for row in table.to_pylist()])
        return table

    def rewrite(self) -> None:
        self._write([json.dumps(row) for row in self._make(3).to_pylist()])

    def put_malformed(self) -> list[str]:
        self._pages += 1
        self._write(["ink", "a stain", *(json.dumps(row) for row in self._make(2).to_pylist())])
        return ["ink", "a stain"]

    def delete(self, rows: int) -> pa.Table:
        self._pages += 1
        keys = list(range(1, rows + 1))
        self._write([json.dumps({"id": key}) for key in keys])
        return pa.table({"id": pa.array(keys, pa.int64())})

    def break_it(self, how: Damage) -> SourceSettings:
        settings = self.settings(incremental=False, memory_bytes=1 << 20)
        if how == "missing":
            return replace(settings, project=self._folder / "gone")
        if how == "unreachable":
            return replace(settings, connection=LedgerConnection(host="there"))
        return replace(settings, credentials=LedgerCredentials(password=SecretStr(self.secrets[1])))

    def _make(self, rows: int) -> pa.Table:
        ids = [next(self._ids) for _ in range(rows)]
        return pa.table({"id": pa.array(ids, pa.int64()), "text": [f"{row} {'x' * 1000}" for row in ids]})

    def _write(self, lines: list[str]) -> None:
        (self._folder / f"{self._pages:04d}.page").write_text("".join(f"{line}\n" for line in lines))
