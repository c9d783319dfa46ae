"""Files in S3, read from a real server that checks signatures."""

import gzip
import io
import socket
import time
import uuid
from dataclasses import asdict

import pyarrow as pa
import pytest
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, FatalError
from pyarrow import parquet
from source_support import Job, MakeJob, contract

from tests.chaos.proxy import Trouble, proxy
from tools.services.seaweedfs import S3Server

A = contract(a="long")
pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """A bucket with five files."""
    name = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(name)
    for number, key in enumerate(["in/2024-01.csv", "in/2024-02.csv", "in/2025-01.csv", "in/sub/x.csv"]):
        s3.put(name, key, f"a\n{number}\n".encode())
    s3.put(name, "in/2024-03.csv.gz", gzip.compress(b"a\n9\n"))
    return name


def keys(s3: S3Server, **others: object) -> dict[str, object]:
    given = {"access_key_id": s3.access_key_id, "secret_access_key": s3.secret_access_key}
    return {**given, "endpoint": s3.endpoint, "region": "us-east-1", "path_style_access": True, **others}


def job(make_job: MakeJob, s3: S3Server, *inputs: str, **credentials: object) -> Job:
    return make_job("csv", *inputs, schema=A, credentials=keys(s3, **credentials))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/2024-01.csv", [0]),
        ("in/2024*", [0, 1, 9]),
        ("in/", [0, 1, 9, 2, 3]),
        ("in", [0, 1, 9, 2, 3]),
        ("in/**/*.csv", [0, 1, 2, 3]),
        ("i*/2025-??.csv", [2]),
        ("", [0, 1, 9, 2, 3]),
    ],
)
def test_objects_prefixes_and_globs(
    make_job: MakeJob, s3: S3Server, bucket: str, pattern: str, expected: list[int]
) -> None:
    assert job(make_job, s3, f"s3://{bucket}/{pattern}").read().column("a") == expected


def test_only_new_objects_are_read_again(make_job: MakeJob, s3: S3Server, bucket: str) -> None:
    incremental = job(make_job, s3, f"s3://{bucket}/in/2024*")
    incremental.incremental = True
    first = incremental.read()
    s3.put(bucket, "in/2024-04.csv", b"a\n4\n")
    second = incremental.read(first.end)
    assert second.column("a") == [4]
    assert second.files == [f"s3://{bucket}/in/2024-04.csv"]
    s3.put(bucket, "in/2024-04.csv", b"a\n4\n5\n")
    with pytest.raises(FatalError, match=r"in/2024-04\.csv: changed after it was loaded"):
        incremental.read(second.end)


def test_parquet_is_read_by_ranges(make_job: MakeJob, s3: S3Server, bucket: str) -> None:
    content = io.BytesIO()
    parquet.write_table(pa.table({"a": list(range(10_000))}), content, row_group_size=1000)
    s3.put(bucket, "p/x.parquet", content.getvalue())
    loaded = make_job("parquet", f"s3://{bucket}/p/x.parquet", credentials=keys(s3)).read()
    assert loaded.column("a") == list(range(10_000))


def test_wrong_keys_are_named_by_their_setting_and_never_shown(make_job: MakeJob, s3: S3Server, bucket: str) -> None:
    wrong = job(make_job, s3, f"s3://{bucket}/in/", secret_access_key="not-the-secret-of-anyone")
    with pytest.raises(AuthenticationError, match=r"source\.credentials\.access_key_id") as told:
        wrong.source().check()
    assert "not-the-secret" not in str(told.value)
    assert "\n" not in str(told.value)
    unknown = job(make_job, s3, f"s3://{bucket}/in/2024-01.csv", access_key_id="nobody")
    with pytest.raises(AuthenticationError, match=r"source\.credentials\.access_key_id"):
        unknown.source().check()


@pytest.mark.parametrize("pattern", ["in/2024-01.csv", "in/*.csv", "in/"])
@pytest.mark.parametrize("words", ["SeaweedFS", "Amazon"])
def test_temporary_keys_read_and_when_they_end_are_told_so(
    make_job: MakeJob, s3: S3Server, bucket: str, pattern: str, words: str
) -> None:
    session, trouble, location = s3.session(), Trouble(), f"s3://{bucket}/{pattern}"
    with proxy(s3.endpoint, trouble) as amazon:
        endpoint = amazon if words == "Amazon" else s3.endpoint
        assert 0 in job(make_job, s3, location, endpoint=endpoint, **asdict(session)).read().column("a")
        ended = session if words == "Amazon" else s3.expired(session)
        trouble.begin("expired", every=".")
        with pytest.raises(FatalError, match=r"source\.credentials\.session_token, which may have expired") as told:
            job(make_job, s3, location, endpoint=endpoint, **asdict(ended)).source().check()
        trouble.begin("expired", every="GET")
        if words == "Amazon" and pattern == "in/*.csv":
            with pytest.raises(AuthenticationError, match=r"the session token for \S+ has expired"):
                job(make_job, s3, location, endpoint=endpoint, **asdict(ended)).source().check()
    assert session.secret_access_key not in str(told.value)
    assert ended.session_token not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("pattern", ["in/2024-01.csv", "in/*.csv"])
def test_keys_that_may_not_read_are_told_so(make_job: MakeJob, s3: S3Server, bucket: str, pattern: str) -> None:
    powerless = job(make_job, s3, f"s3://{bucket}/{pattern}", access_key_id=s3.powerless_key_id)
    with pytest.raises(AuthenticationError, match=r"forbids it \(403\); check source\.credentials"):
        powerless.source().check()


@pytest.mark.parametrize("pattern", ["x.csv", "in/*.csv", ""])
def test_a_bucket_that_is_not_there_is_named(make_job: MakeJob, s3: S3Server, pattern: str) -> None:
    with pytest.raises(FatalError, match=r"s3://no-such-bucket-here.*(bucket|there is no such file)"):
        job(make_job, s3, f"s3://no-such-bucket-here/{pattern}").source().check()


def test_no_match_names_the_pattern(make_job: MakeJob, s3: S3Server, bucket: str) -> None:
    with pytest.raises(FatalError, match=rf"s3://{bucket}/in/2030\*: no file matches; looked in s3://{bucket}/in"):
        job(make_job, s3, f"s3://{bucket}/in/2030*").read()


def test_a_server_that_is_not_there_is_named_within_seconds(make_job: MakeJob, s3: S3Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError, match=rf"127\.0\.0\.1:{port} can't be reached") as told:
        job(make_job, s3, "s3://lake/in/x.csv", endpoint=f"http://127.0.0.1:{port}").source().check()
    assert time.monotonic() - began < 15
    assert "\n" not in str(told.value)


def test_half_a_pair_of_keys_is_refused(make_job: MakeJob, s3: S3Server) -> None:
    with pytest.raises(FatalError, match="one of them is missing"):
        job(make_job, s3, "s3://lake/x.csv", secret_access_key=None).source().check()
