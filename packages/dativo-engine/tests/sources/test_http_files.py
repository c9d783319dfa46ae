"""Files on web servers, read from a real one in this process."""

import contextlib
import gzip
import hashlib
import io
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, FatalError, RetryableError
from dativo_engine.interfaces import Cursor
from pyarrow import parquet
from source_support import STREAM, MakeJob, contract

A = contract(a="long")
MODIFIED = "Thu, 29 Feb 2024 10:00:00 GMT"


class Site:
    """What the server answers, by path."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.refuses_head = False
        self.tells_versions = True
        self.requests: list[tuple[str, str]] = []

    def put(self, path: str, content: bytes) -> str:
        self.files[path] = content
        return self.address + path


@pytest.fixture
def site() -> Generator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if site.refuses_head:
                self.send_error(405)
            else:
                self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            site.requests.append((self.command, self.path))
            if path in site.answers:
                site.answers[path](self)
                return
            content = site.files.get(path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            if site.tells_versions:
                self.send_header("ETag", hashlib.sha256(content).hexdigest())
                self.send_header("Last-Modified", MODIFIED)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def answer(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    return send


def test_a_url_is_a_file(site: Site, make_job: MakeJob) -> None:
    url = site.put("/x.csv", b"a\n1\n")
    loaded = make_job("csv", url, schema=A).read()
    assert loaded.rows == [{"a": 1}]
    assert loaded.files == [url]
    assert sum(batch.bytes_read for batch in loaded.batches) == 4


def test_a_packed_file_and_a_large_one(site: Site, make_job: MakeJob) -> None:
    site.put("/x.csv.gz", gzip.compress(b"a\n" + b"7\n" * 3_000_000))
    assert len(make_job("csv", site.address + "/x.csv.gz", schema=A).read().column("a")) == 3_000_000


def test_parquet_is_copied_to_a_file_first(site: Site, make_job: MakeJob) -> None:
    content = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, 2]}), content)
    url = site.put("/x.parquet", content.getvalue())
    assert make_job("parquet", url).read().column("a") == [1, 2]


def test_a_server_that_refuses_head_is_asked_by_get(site: Site, make_job: MakeJob) -> None:
    url = site.put("/x.csv", b"a\n1\n")
    site.refuses_head = True
    assert make_job("csv", url, schema=A).read().rows == [{"a": 1}]


def test_a_file_is_read_again_when_its_etag_changes(site: Site, make_job: MakeJob) -> None:
    job = make_job("csv", site.put("/x.csv", b"a\n1\n"), schema=A, incremental=True, rereads=True)
    end = job.read().end
    assert job.read(end).rows == []
    site.put("/x.csv", b"a\n2\n")
    assert job.read(end).column("a") == [2]


def test_without_etag_and_time_changes_cannot_be_seen(site: Site, make_job: MakeJob) -> None:
    site.tells_versions = False
    url = site.put("/x.csv", b"a\n1\n")
    assert make_job("csv", url, schema=A).read().rows == [{"a": 1}]
    with pytest.raises(FatalError, match=r"neither ETag nor Last-Modified.*leave out source\.incremental"):
        make_job("csv", url, schema=A, incremental=True).read()


def test_redirects_are_followed_but_not_for_ever(site: Site, make_job: MakeJob) -> None:
    site.put("/x.csv", b"a\n1\n")
    site.answers["/old.csv"] = answer(302, Location="/x.csv")
    site.answers["/loop.csv"] = answer(302, Location="/loop.csv")
    assert make_job("csv", site.address + "/old.csv", schema=A).read().rows == [{"a": 1}]
    with pytest.raises(FatalError, match="more than 5 redirects"):
        make_job("csv", site.address + "/loop.csv").read()


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest/x.csv", "http://[fe80::1]/x.csv"])
def test_the_clouds_metadata_addresses_are_never_asked(site: Site, make_job: MakeJob, address: str) -> None:
    site.answers["/moved.csv"] = answer(302, Location=address)
    for url in (address, site.address + "/moved.csv"):
        with pytest.raises(FatalError, match="never asked"):
            make_job("csv", url, schema=A).read()


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, AuthenticationError, "answered 401"),
        (403, AuthenticationError, "answered 403"),
        (404, FatalError, "there is no such file"),
        (500, RetryableError, "answered 500"),
    ],
)
def test_refusals(site: Site, make_job: MakeJob, status: int, error: type[Exception], told: str) -> None:
    site.answers["/x.csv"] = answer(status)
    with pytest.raises(error, match=told):
        make_job("csv", site.address + "/x.csv").source().check()


def test_a_server_that_asks_for_patience_is_believed(site: Site, make_job: MakeJob) -> None:
    site.answers["/x.csv"] = answer(429, Retry_After="17")
    with pytest.raises(RetryableError) as told:
        make_job("csv", site.address + "/x.csv").read()
    assert told.value.retry_after == 17


def test_a_body_that_breaks_off_is_worth_another_try(site: Site, make_job: MakeJob) -> None:
    def break_off(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(b"a\n1\n")
        request.close_connection = True

    site.answers["/x.csv"] = break_off
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:\d+ can't be reached or hung up"):
        make_job("csv", site.address + "/x.csv", schema=A).read()


def test_a_server_that_is_not_there_is_named_within_seconds(make_job: MakeJob) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError, match=rf"127\.0\.0\.1:{port} can't be reached"):
        make_job("csv", f"http://127.0.0.1:{port}/x.csv").source().check()
    assert time.monotonic() - began < 10


def test_what_is_no_url_is_told(make_job: MakeJob) -> None:
    with pytest.raises(FatalError, match="a URL can't be read"):
        make_job("csv", "http://[bad/x.csv").source().check()


def test_a_password_that_breaks_its_url_is_not_quoted(make_job: MakeJob) -> None:
    with pytest.raises(FatalError, match=r"percent-encode .* `/` as %2F") as failed:
        make_job("csv", "http://ada:open/sesame@127.0.0.1/x.csv").source().check()
    assert "open" not in str(failed.value)


def test_a_host_without_tls_is_told(site: Site, make_job: MakeJob) -> None:
    url = site.put("/x.csv", b"a\n").replace("http://", "https://")
    with pytest.raises(ConnectionFailedError, match="can't be reached or hung up"):
        make_job("csv", url).source().check()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed, nothing makes a certificate")
def test_a_certificate_that_is_not_trusted_is_told(make_job: MakeJob, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run(["openssl", *request.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=shake_hands, args=(listener, context))
        thread.start()
        with pytest.raises(FatalError, match=rf"the TLS certificate of 127\.0\.0\.1:{port} is not trusted"):
            make_job("csv", f"https://127.0.0.1:{port}/x.csv").source().check()
        thread.join()


def shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Take one connection as a TLS server; the other side hangs up."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        context.wrap_socket(connection, server_side=True).close()


def test_passwords_and_signatures_of_a_url_reach_no_cursor_split_or_message(site: Site, make_job: MakeJob) -> None:
    site.put("/x.csv", b"a\n1\n")
    host = site.address.removeprefix("http://")
    url = f"http://user:hunter22@{host}/x.csv?X-Amz-Signature=s3cr3tsignature&sig=an0thersecret"
    job = make_job("csv", url, schema=A, incremental=True)
    loaded = job.read()
    splits = list(job.source().plan({STREAM: None}).splits)
    site.answers["/x.csv"] = answer(404)
    with pytest.raises(FatalError) as told:
        job.read()
    seen = f"{loaded.end} {splits} {loaded.batches[0].position} {told.value}"
    assert loaded.rows == [{"a": 1}]
    assert not any(secret in seen for secret in ("hunter22", "s3cr3tsignature", "an0thersecret"))


def test_what_the_http_client_logs_tells_no_signature(
    site: Site, make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    url = site.put("/a.csv", b"a\n1\n")
    with caplog.at_level("DEBUG"):
        make_job("csv", f"{url}?signature=s3cret", schema=A).read()
    assert "/a.csv" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_new_signature_makes_no_new_file_but_another_query_does(site: Site, make_job: MakeJob) -> None:
    site.put("/x.csv", b"a\n1\n")
    end = make_job("csv", site.address + "/x.csv?page=1&sig=one", schema=A, incremental=True).read().end
    assert isinstance(end, Cursor)
    again = make_job("csv", site.address + "/x.csv?page=1&sig=two", schema=A, incremental=True).read(end)
    other = make_job("csv", site.address + "/x.csv?page=2&sig=two", schema=A, incremental=True).read(end)
    assert (again.rows, other.rows) == ([], [{"a": 1}])
