"""Files in S3, or in what speaks its protocol.

Reading goes through Arrow's own client, which takes no Python lock. Everything else goes through botocore, which can
do what Arrow's can't: delete a thousand objects in one request, list page by page, abort an upload, and find uploads
that a killed process left behind.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dativo_engine.storage.files import StoredFile
from dativo_engine.storage.s3_errors import Place, explained, told
from dativo_engine.storage.upload import Upload

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa
    from botocore.client import BaseClient
    from pyarrow.fs import FileSystem

# By this an error that Arrow's client of S3 raises is told apart from one of a disk.
FROM_STORE = "AWS Error"
# Where a server offers to sign requests is told anew for each table, and neither client asks it to.
SIGNING = ("s3.signer", "s3.remote-signing")
CONNECT_SECONDS = 4
READ_SECONDS = 30
ATTEMPTS = 3
DELETED_AT_ONCE = 1000
CONNECTIONS = 16
# Where only an endpoint is given, its server does not ask for a region, but a signature needs one.
ANY_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Connected:
    """The clients of one store."""

    client: BaseClient
    filesystem: FileSystem
    place: Place


class S3Files:
    """See `files.Files`. Safe to use from several threads."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._settings = tuple(
            sorted(
                (name, value)
                for name, value in properties.items()
                if name.startswith(("s3.", "client.")) and not name.startswith(SIGNING)
            )
        )

    def open(self, location: str) -> pa.NativeFile:
        """See `Files.open`."""
        bucket, key = split(location)
        store = self._store(bucket)
        with told(location, store.place):
            return store.filesystem.open_input_file(f"{bucket}/{key}")

    @contextmanager
    def reading(self, location: str) -> Generator[None]:
        """See `Files.reading`."""
        try:
            yield
        except OSError as error:
            if FROM_STORE not in str(error):
                raise
            raise explained(str(error), location, self._store(split(location)[0]).place) from error

    def create(self, location: str) -> Upload:
        """See `Files.create`."""
        bucket, key = split(location)
        store = self._store(bucket)
        return Upload(store.client, bucket=bucket, key=key, location=location, place=store.place)

    def size(self, location: str) -> int:
        """See `Files.size`."""
        bucket, key = split(location)
        store = self._store(bucket)
        with told(location, store.place):
            return store.client.head_object(Bucket=bucket, Key=key)["ContentLength"]

    def find(self, folder: str) -> Iterator[StoredFile]:
        """See `Files.find`."""
        scheme, _, rest = folder.partition("://")
        bucket, _, prefix = rest.rstrip("/").partition("/")
        store, root = self._store(bucket), f"{scheme}://{bucket}/"
        below = f"{prefix}/" if prefix else ""
        with told(folder, store.place):
            for page in store.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below):
                for found in page.get("Contents", ()):
                    if not found["Key"].endswith("/"):  # some clients mark folders so
                        yield StoredFile(root + found["Key"], found["Size"], _nanoseconds(found["LastModified"]))
            for page in store.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=below):
                for found in page.get("Uploads", ()):
                    yield StoredFile(root + found["Key"], 0, _nanoseconds(found["Initiated"]), found["UploadId"])

    def delete(self, files: Iterable[StoredFile | str]) -> None:
        """See `Files.delete`."""
        objects: dict[str, list[str]] = {}
        for file in files:
            location = file if isinstance(file, str) else file.location
            bucket, key = split(location)
            if isinstance(file, StoredFile) and file.upload:
                store = self._store(bucket)
                with told(location, store.place, missing_ok=True):
                    store.client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=file.upload)
            else:
                objects.setdefault(bucket, []).append(key)
        for bucket, keys in objects.items():
            for start in range(0, len(keys), DELETED_AT_ONCE):
                self._delete(bucket, keys[start : start + DELETED_AT_ONCE])

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        store = self._store(bucket)
        with told(f"s3://{bucket}/{keys[0]}", store.place):
            answer = store.client.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        for error in answer.get("Errors", ()):
            if error["Code"] != "NoSuchKey":
                said = f"{error['Code']}: {error.get('Message', '')}"
                raise explained(said, f"s3://{bucket}/{error['Key']}", store.place)

    def _store(self, bucket: str) -> Connected:
        return _connect(self._settings, bucket)


@functools.lru_cache(maxsize=8)
def _connect(settings: tuple[tuple[str, str], ...], bucket: str) -> Connected:
    """The clients for one bucket: they hold threads and connections, and so are made once."""
    from botocore.config import Config
    from botocore.session import Session
    from pyiceberg.io.pyarrow import PyArrowFileIO

    given = dict(settings)
    endpoint = given.get("s3.endpoint")
    if endpoint:
        given["s3.endpoint"] = endpoint = endpoint if "://" in endpoint else f"https://{endpoint}"
        given.setdefault("s3.region", given.get("client.region", ANY_REGION))
    region = given.get("s3.region") or given.get("client.region")
    virtual = given.get("s3.force-virtual-addressing")
    style = "auto" if not endpoint and virtual is None else "virtual" if virtual == "true" else "path"
    session = Session()
    client = session.create_client(
        "s3",
        region_name=region or session.get_config_variable("region") or ANY_REGION,
        endpoint_url=endpoint,
        aws_access_key_id=given.get("s3.access-key-id"),
        aws_secret_access_key=given.get("s3.secret-access-key"),
        aws_session_token=given.get("s3.session-token"),
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            s3={"addressing_style": style},
            # Servers other than Amazon's do not know the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    times = {"s3.connect-timeout": str(CONNECT_SECONDS), "s3.request-timeout": str(READ_SECONDS)}
    filesystem = PyArrowFileIO({**times, **given}).fs_by_scheme("s3", bucket)
    name = urlsplit(endpoint).netloc if endpoint else "AWS S3"
    return Connected(client, filesystem, Place(name, temporary="s3.session-token" in given))


def split(location: str) -> tuple[str, str]:
    """Bucket and key."""
    bucket, _, key = location.partition("://")[2].partition("/")
    return bucket, key


def _nanoseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000) * 1_000_000
