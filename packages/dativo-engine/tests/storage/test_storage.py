"""Files of tables behave alike on a disk and in S3: there when complete, found, deleted, and nothing left behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, DativoError, FatalError
from dativo_engine.storage import Storage
from dativo_engine.storage.fileio import StorageFileIO
from dativo_engine.storage.upload import PART_BYTES

from tests.chaos.proxy import Trouble, proxy
from tools.services.seaweedfs import S3Server

pytestmark = pytest.mark.xdist_group("s3")
Place = tuple[Storage, str]
LARGE = b"0123456789abcdef" * (3 * PART_BYTES // 16) + b"the end"


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Storage, str]:
    """A storage, and an empty folder in it."""
    if request.param == "disk":
        return Storage({}), f"file://{tmp_path}/with space"
    server: S3Server = request.getfixturevalue("s3")
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    server.make_bucket(bucket)
    return Storage(settings(server)), f"s3://{bucket}/with space"


def settings(server: S3Server, **other: str) -> dict[str, str]:
    keys = {"s3.access-key-id": server.access_key_id, "s3.secret-access-key": server.secret_access_key}
    return {"s3.endpoint": server.endpoint, **keys, **other}


def write(storage: Storage, location: str, content: bytes) -> None:
    file = storage.create(location)
    for start in range(0, len(content), 1_000_003):
        file.sink.write(content[start : start + 1_000_003])
    assert file.sink.tell() == len(content)
    file.finish()
    storage.settle()


def read(storage: Storage, location: str) -> bytes:
    with storage.open(location) as file:
        return file.read()


def found(storage: Storage, folder: str) -> dict[str, int]:
    return {file.location.removeprefix(folder): file.size for file in storage.find(folder)}


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_a_file_is_read_back_as_it_was_written(place: Place, content: bytes) -> None:
    storage, folder = place
    location = f"{folder}/a=1/b%20c/ä.txt"
    write(storage, location, content)
    assert (read(storage, location), storage.size(location)) == (content, len(content))
    assert found(storage, folder) == {"/a=1/b%20c/ä.txt": len(content)}


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_a_file_that_is_not_finished_is_not_there_and_leaves_none(place: Place, content: bytes) -> None:
    storage, folder = place
    file = storage.create(f"{folder}/file")
    file.sink.write(content)
    assert not storage.exists(f"{folder}/file")
    file.discard()
    file.discard()
    assert found(storage, folder) == {}


def test_what_a_killed_process_began_is_found_and_deleted(place: Place) -> None:
    storage, folder = place
    storage.create(f"{folder}/run-1.parquet").sink.write(LARGE)
    [left] = storage.find(folder)
    assert left.name.startswith("run-1.parquet")
    storage.delete([left])
    storage.delete([left])
    assert found(storage, folder) == {}


def test_a_folder_is_found_whole_and_without_its_neighbours(place: Place) -> None:
    storage, folder = place
    for name in ("orders/a", "orders/deep/b", "orders2/c"):
        write(storage, f"{folder}/{name}", b"x")
    assert found(storage, f"{folder}/orders") == {"/a": 1, "/deep/b": 1}
    assert found(storage, f"{folder}/none") == {}


def test_deleting_is_idempotent_and_takes_many_at_once(place: Place) -> None:
    storage, folder = place
    for number in range(3):
        write(storage, f"{folder}/{number}", b"x")
    # More than a store deletes in one request; most of them never were.
    storage.delete(f"{folder}/{number}" for number in range(1, 2_500))
    assert found(storage, folder) == {"/0": 1}


def test_listing_goes_on_behind_the_first_page(s3: S3Server) -> None:
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(bucket)
    storage = Storage(settings(s3))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write(storage, f"s3://{bucket}/t/{number}", b"x"), range(1_050)))
    assert len(list(storage.find(f"s3://{bucket}/t"))) == 1_050


def test_a_file_that_is_not_there_is_told_as_such(place: Place) -> None:
    storage, folder = place
    assert not storage.exists(f"{folder}/none")
    for ask in (storage.open, storage.size):
        with pytest.raises(FileNotFoundError):
            ask(f"{folder}/none")


def test_metadata_is_written_only_where_none_is_and_a_failure_leaves_none(place: Place) -> None:
    storage, folder = place
    io = StorageFileIO(dict(storage.properties))
    with io.new_output(f"{folder}/v1.json").create() as stream:
        stream.write(b"{}")
    with pytest.raises(FileExistsError):
        io.new_output(f"{folder}/v1.json").create()
    with suppress(ZeroDivisionError), io.new_output(f"{folder}/v2.json").create() as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert found(storage, folder) == {"/v1.json": 2}
    assert len(io.new_input(f"{folder}/v1.json")) == 2
    io.delete(f"{folder}/v1.json")
    assert found(storage, folder) == {}


Ask = Callable[[Storage, str], object]
ASKED: list[Ask] = [
    lambda storage, location: storage.open(location),
    lambda storage, location: storage.size(location),
    lambda storage, location: storage.create(location).finish(),
    lambda storage, location: storage.delete([location]),
    lambda storage, location: list(storage.find(location)),
]


@pytest.mark.parametrize("ask", ASKED, ids=["open", "size", "create", "delete", "find"])
@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        ({"s3.secret-access-key": "the-wrong-secret"}, AuthenticationError, "access_key_id"),
        ({"s3.access-key-id": "nobody"}, AuthenticationError, "access_key_id"),
        ({"s3.access-key-id": "powerless"}, AuthenticationError, "403"),
        ({"s3.endpoint": "http://127.0.0.1:9"}, ConnectionFailedError, "127.0.0.1:9 can't be reached"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said_in_one_line(
    s3: S3Server, ask: Ask, wrong: dict[str, str], error: type[DativoError], named: str
) -> None:
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(bucket)
    with pytest.raises(error, match=named) as raised:
        ask(Storage(settings(s3, **wrong)), f"s3://{bucket}/x")
    assert "\n" not in str(raised.value)
    assert "the-wrong-secret" not in str(raised.value)


@pytest.mark.parametrize("ask", ASKED, ids=["open", "size", "create", "delete", "find"])
@pytest.mark.parametrize("words", ["SeaweedFS", "Amazon"])
def test_a_session_token_that_has_expired_is_named_by_its_setting(s3: S3Server, ask: Ask, words: str) -> None:
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(bucket)
    session, trouble = s3.session(), Trouble()
    with proxy(s3.endpoint, trouble) as amazon:
        endpoint = amazon if words == "Amazon" else s3.endpoint
        good, ended = (
            Storage(
                {
                    "s3.endpoint": endpoint,
                    "s3.access-key-id": keys.access_key_id,
                    "s3.secret-access-key": keys.secret_access_key,
                    "s3.session-token": keys.session_token,
                }
            )
            for keys in (session, session if words == "Amazon" else s3.expired(session))
        )
        write(good, f"s3://{bucket}/x", b"there")
        trouble.begin("expired", every=".")
        with pytest.raises(
            FatalError, match=r"target\.connection\.s3\.session_token.*expired|expired.*session_token"
        ) as raised:
            ask(ended, f"s3://{bucket}/x")
    assert "\n" not in str(raised.value)
    assert session.secret_access_key not in str(raised.value)


def test_a_location_of_another_kind_is_refused() -> None:
    with pytest.raises(FatalError, match="file://"):
        Storage({}).open("gs://bucket/x")


@pytest.mark.parametrize("name", ["status=404", "(404)", "SIGNATURES", "AccessDenied", "NoSuchBucket", "ä (301)"])
def test_a_store_that_is_not_there_is_told_as_that_whatever_the_files_are_called(name: str) -> None:
    keys = {"s3.access-key-id": "acme", "s3.secret-access-key": "not much of a secret"}
    storage = Storage({"s3.endpoint": "http://127.0.0.1:9", **keys})
    for ask in (storage.size, storage.open):
        with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:9 can't be reached"):
            ask(f"s3://lake/acme/{name}/part.parquet")
