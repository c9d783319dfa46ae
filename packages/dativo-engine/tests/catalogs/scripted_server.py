"""A server that answers as it is told to, and otherwise hands on to a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx

Fault = int | Literal["reset", "cut", "hang", "lost"]
"""A status without the request being carried out; or carried out, and the answer lost, cut off or never sent.
`reset`: the connection ends before it is."""


@dataclass
class Script:
    """What the server does.

    Attributes:
        faults: (method, end of path) -> what goes wrong with the next such requests, in their order.
        hands_out: credentials that it adds to the answer to who loads a table, as a catalogue that vends some does.
        seen: method and path of each request, with its headers.
    """

    behind: str
    faults: dict[tuple[str, str], list[Fault]] = field(default_factory=dict[tuple[str, str], list[Fault]])
    seen: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list[tuple[str, str, Mapping[str, str]]])
    hands_out: Mapping[str, str] = field(default_factory=dict[str, str])
    ended: threading.Event = field(default_factory=threading.Event)
    uri: str = ""

    def fail(self, method: str, path: str, *faults: Fault) -> None:
        """Let the next requests fail."""
        self.faults[method, path] = list(faults)

    def count(self, method: str, path: str) -> int:
        """How many such requests came."""
        return sum(seen[0] == method and seen[1].endswith(path) for seen in self.seen)

    def with_credentials(self, answer: httpx.Response) -> bytes:
        """What the real server said, with the credentials that this one hands out."""
        if not self.hands_out or answer.request.method != "GET" or "/tables/" not in answer.request.url.path:
            return answer.content
        return json.dumps(
            {**answer.json(), "storage-credentials": [{"prefix": "s3://", "config": self.hands_out}]}
        ).encode()

    def next_fault(self, method: str, path: str) -> Fault | None:
        """What goes wrong with this request."""
        for (wanted, end), faults in self.faults.items():
            if method == wanted and path.partition("?")[0].endswith(end) and faults:
                return faults.pop(0)
        return None


@contextmanager
def scripted(behind: str) -> Generator[Script]:
    """The server, in front of the real one at `behind`."""
    script = Script(behind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    script.uri = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield script
    finally:
        script.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.seen.append((self.command, self.path, dict(self.headers)))
            fault = script.next_fault(self.command, self.path)
            if isinstance(fault, int):
                self.say(fault, b'{"error": {"message": "as it was told to", "type": "Scripted", "code": 0}}')
            elif fault == "reset":
                self.close_connection = True
            else:
                self.hand_on(body, fault)

        def hand_on(self, body: bytes, fault: Fault | None) -> None:
            dropped = {"host", "connection", "accept-encoding"}
            headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
            answer = httpx.request(self.command, script.behind + self.path, content=body, headers=headers, timeout=30)
            if fault == "lost":
                self.close_connection = True
            elif fault == "hang":
                script.ended.wait(20)
                self.close_connection = True
            else:
                self.say(answer.status_code, script.with_credentials(answer), cut=fault == "cut")

        def say(self, status: int, content: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = self.close_connection or cut

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

        do_GET = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815 - http.server's names

    return Handler
