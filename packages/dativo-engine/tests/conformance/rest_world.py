"""An API with one list, as the source of any API sees it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from dativo_config.models.job import Incremental
from dativo_engine.interfaces import SourceSettings, StreamSettings
from dativo_engine.sources.rest.spec import RestConnection, RestCredentials, RestOptions
from dativo_engine.testing import Damage, SourceWorld
from file_worlds import CONTRACT, make_rows

TOKEN = "tok3n/+secret=="
OPTIONS = {
    "tries": 1,
    "timeout_seconds": 5,
    "endpoints": {
        "orders": {
            "path": "orders",
            "records_path": "data",
            "paginator": {"type": "cursor", "param": "after", "path": "next"},
            "cursor": {"param": "since"},
        }
    },
}


class RestWorld(SourceWorld):
    """Rows in the order in which they were put, 100 on a page; `since` gives those from an id on, that one included."""

    secrets = (TOKEN,)

    def __init__(self, folder: Path) -> None:
        self.rows: list[str] = []
        self._folder = folder
        self._numbers = count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def settings(self, *, incremental: bool, memory_bytes: int) -> SourceSettings:
        return self._asking(TOKEN, "orders", self._server.server_port, incremental, memory_bytes)

    def put(self, rows: int) -> pa.Table:
        table = make_rows(self._numbers, rows)
        self.rows += [json.dumps(row, default=str) for row in table.to_pylist()]
        return table

    def rewrite(self) -> None:
        self.rows[-1] = json.dumps({**json.loads(self.rows[-1]), "note": "rewritten"})

    def put_malformed(self) -> list[str]:
        self.rows += ["[1,2]", '"text"', '{"id":8,"name":"ok"}']
        return ["[1,2]", '"text"']

    def break_it(self, how: Damage) -> SourceSettings:
        if how == "missing":
            return self._asking(TOKEN, "gone", self._server.server_port)
        if how == "refused":
            return self._asking("another", "orders", self._server.server_port)
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
            port = closed.server_port
        return self._asking(TOKEN, "orders", port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _asking(
        self, token: str, path: str, port: int, incremental: bool = False, memory_bytes: int = 1 << 20
    ) -> SourceSettings:
        options = RestOptions.model_validate(OPTIONS)
        endpoint = options.endpoints["orders"].model_copy(update={"path": path})
        return SourceSettings(
            connector="rest",
            tenant_id="acme",
            job_name="orders",
            project=self._folder,
            streams=(StreamSettings("orders", (), CONTRACT, cursor_field="id" if incremental else ""),),
            options=options.model_copy(update={"endpoints": {"orders": endpoint}}),
            credentials=RestCredentials.model_validate({"token": token}),
            connection=RestConnection(base_url=f"http://127.0.0.1:{port}/v1"),
            incremental=Incremental(strategy="cursor_field", cursor_field="id") if incremental else None,
            memory_bytes=memory_bytes,
            rates_folder=self._folder / "rates",
        )


def _handler(world: RestWorld) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 1
        disable_nagle_algorithm = True
        wbufsize = 256 * 1024

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._answer(401, '{"error":{"message":"who are you?"}}')
            elif parts.path != "/v1/orders":
                self._answer(404, '{"error":"no such list"}')
            else:
                rows = world.rows
                if "since" in asked:
                    rows = [row for row in rows if json.loads(row)["id"] >= int(asked["since"])]
                start = int(asked.get("after", 0))
                following = json.dumps(str(start + 100)) if start + 100 < len(rows) else "null"
                self._answer(200, f'{{"data":[{",".join(rows[start : start + 100])}],"next":{following}}}')

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Nothing."""

    return Handler
