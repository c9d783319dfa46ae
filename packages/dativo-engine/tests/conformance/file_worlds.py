"""Folders of files, as the sources of files see them."""

from __future__ import annotations

import json
import socket
import threading
from abc import abstractmethod
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_config.models.job import Incremental
from dativo_engine.interfaces import SourceSettings, StreamSettings
from dativo_engine.sources.files.spec import S3Connection, S3Credentials
from dativo_engine.testing import Damage, SourceWorld

COLUMNS = pa.schema(
    [("id", pa.int64()), ("name", pa.string()), ("amount", pa.float64()), ("day", pa.date32()), ("note", pa.string())]
)
CONTRACT = SchemaObject(
    "orders",
    "orders",
    (
        Property("id", "id", "integer", PhysicalType("long")),
        Property("name", "name", "string", PhysicalType("string")),
        Property("amount", "amount", "number", PhysicalType("double")),
        Property("day", "day", "date", PhysicalType("date")),
        Property("note", "note", "string", PhysicalType("string")),
    ),
)
PASSWORD = "S3cret/key+with=signs"


def make_rows(numbers: Iterator[int], rows: int) -> pa.Table:
    """Rows with these ids, all different."""
    ids = list(islice(numbers, rows))
    columns = [
        ids,
        [None if row % 7 == 0 else f'Ann, "{row}"' for row in ids],
        [row / 4 for row in ids],
        [date(2024, 1, 1) + timedelta(row % 366) for row in ids],
        [f"of row {row}, {'x' * 1000}" for row in ids],
    ]
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, COLUMNS, strict=True)], schema=COLUMNS)


class Forbidding(BaseHTTPRequestHandler):
    """Refuses every request."""

    def do_GET(self) -> None:
        self.send_error(403)

    do_HEAD = do_GET  # noqa: N815 - as the base class looks for it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


class FileWorld(SourceWorld):
    """A folder with one file a part."""

    connector: ClassVar[str]
    suffix: ClassVar[str]
    secrets = (PASSWORD,)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows = count(1)
        self._parts = 0
        self._server: ThreadingHTTPServer | None = None

    def settings(self, *, incremental: bool, memory_bytes: int) -> SourceSettings:
        return self._reading(str(self.folder / "data"), incremental=incremental, memory_bytes=memory_bytes)

    def put(self, rows: int) -> pa.Table:
        table = make_rows(self._rows, rows)
        self.write(table, self._next_path())
        return table

    def rewrite(self) -> None:
        self.write(make_rows(self._rows, 2), self._path())

    def break_it(self, how: Damage) -> SourceSettings:
        if how == "missing":
            return self._reading(str(self.folder / "gone" / "*.any"))
        if how == "unreachable":
            with socket.create_server(("127.0.0.1", 0)) as server:
                port = server.getsockname()[1]
            return self._reading("s3://lake/x" + self.suffix, endpoint=f"http://127.0.0.1:{port}")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()
        return self._reading(f"http://127.0.0.1:{self._server.server_port}/x{self.suffix}?signature={PASSWORD}")

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @abstractmethod
    def write(self, rows: pa.Table, path: Path) -> None:
        """A file with these rows."""

    def write_text(self, text: str) -> None:
        """A part with this text."""
        self._next_path().write_text(text)

    def _reading(
        self, path: str, *, incremental: bool = False, memory_bytes: int = 1 << 20, endpoint: str | None = None
    ) -> SourceSettings:
        return SourceSettings(
            connector=self.connector,
            tenant_id="acme",
            job_name="orders",
            project=self.folder,
            streams=(StreamSettings("orders", (path,), CONTRACT),),
            credentials=S3Credentials.model_validate({"access_key_id": "AKIA1234", "secret_access_key": PASSWORD}),
            connection=S3Connection(endpoint=endpoint, region="us-east-1"),
            incremental=Incremental(strategy="file_modified_time") if incremental else None,
            rereads_changed_files=True,
            memory_bytes=memory_bytes,
        )

    def _next_path(self) -> Path:
        self._parts += 1
        return self._path()

    def _path(self) -> Path:
        path = self.folder / "data" / f"part-{self._parts:04d}{self.suffix}"
        path.parent.mkdir(exist_ok=True)
        return path


class CsvWorld(FileWorld):
    connector = "csv"
    suffix = ".csv"

    def write(self, rows: pa.Table, path: Path) -> None:
        pa_csv.write_csv(rows, path)

    def put_malformed(self) -> list[str]:
        self.write_text("id,name,amount,day,note\n1,2\n1,2,3,4,5,6,7\n8,ok,1.5,2024-02-29,\n")
        return ["1,2", "1,2,3,4,5,6,7"]


class JsonlWorld(FileWorld):
    connector = "jsonl"
    suffix = ".jsonl"

    def write(self, rows: pa.Table, path: Path) -> None:
        with path.open("w") as file:
            file.writelines(json.dumps(row, default=str) + "\n" for row in rows.to_pylist())

    def put_malformed(self) -> list[str]:
        self.write_text('{"id": 1\n[1, 2]\n{"id": 8, "name": "ok"}\n')
        return ['{"id": 1', "[1, 2]"]


class ParquetWorld(FileWorld):
    connector = "parquet"
    suffix = ".parquet"

    def write(self, rows: pa.Table, path: Path) -> None:
        pq.write_table(rows, path, row_group_size=100_000)
