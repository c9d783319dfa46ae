"""A real HTTP server in a thread, whose answers a test writes as a function."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.fakes.listening import listening


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    Attributes:
        body: bytes as they are, anything else as JSON.
        cut: how many of the bytes are never sent.
        after: seconds until the answer.
    """

    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: int = 0
    after: float = 0


Answering: TypeAlias = Callable[[Asked], Reply]


class Server:
    """Listens on this machine until the block ends. `asked` are the requests in their order."""

    def __init__(self, answering: Answering, *, certificate: Path | None = None) -> None:
        self.asked: list[Asked] = []
        self._listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answering, self.asked))
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._listening.socket = context.wrap_socket(self._listening.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._listening.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return self._listening.server_port

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown()
        self._thread.join()
        self._listening.server_close()


def _handler(answering: Answering, seen: list[Asked]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 3  # longer than tests have a connection wait
        disable_nagle_algorithm = True
        wbufsize = 256 * 1024

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            params = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, params, headers, body)
            seen.append(asked)
            reply = answering(asked)
            time.sleep(reply.after)
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body, indent=2).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) - reply.cut])
            if reply.cut:
                self.close_connection = True

        do_POST = do_GET  # noqa: N815 - as the base class looks for it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ssl.SSLError):
                self.close_connection = True

    return Handler


class _Tunnel(BaseHTTPRequestHandler):
    """Joins the client to the server it names."""

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: server, server: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    sent = end.recv(65536)
                    if not sent:
                        return
                    ends[end].sendall(sent)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


def tunnel() -> AbstractContextManager[str]:
    """A proxy for encrypted connections, such as companies have before the internet: its URL."""
    return listening(ThreadingHTTPServer(("127.0.0.1", 0), _Tunnel))


def self_signed(folder: Path) -> Path:
    """A certificate for this machine that it signed itself, with its key."""
    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(own, SHA256())
    )
    file = folder / "server.pem"
    key = own.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    file.write_bytes(key + certificate.public_bytes(Encoding.PEM))
    return file
