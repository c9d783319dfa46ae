"""A new object in S3: one request where it is small, else parts that go up while the next is filled."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from dativo_engine.storage.s3_errors import told

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from typing_extensions import Buffer

    from dativo_engine.storage.s3_errors import Place

PART_BYTES = 8 * 1024 * 1024
# On their way beside the one that is filled: an open file holds three parts at most.
PARTS_ON_THE_WAY = 2


class Upload:
    """See `files.NewFile`; it is its own sink. Nothing is there under its name before `finish`.

    The process may be killed at any time: then parts are left, which nobody sees and `Files.find` finds.
    """

    def __init__(self, client: BaseClient, *, bucket: str, key: str, location: str, place: Place) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._location = location
        self._place = place
        self._buffer = bytearray()
        self._written = 0
        self._id: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sent: list[Future[str]] = []
        self._on_the_way: deque[Future[str]] = deque()
        self.closed = False

    @property
    def sink(self) -> Upload:
        """Itself."""
        return self

    def write(self, data: Buffer, /) -> int:
        """Append.

        Raises:
            DativoError: an earlier part could not be sent.
        """
        view = memoryview(data).cast("B")
        for start in range(0, len(view), PART_BYTES):
            self._append(view[start : start + PART_BYTES])
        return len(view)

    def tell(self) -> int:
        """Bytes written so far."""
        return self._written

    def writable(self) -> bool:
        """Asked by pyarrow, as is the next."""
        return True

    def flush(self) -> None:
        """There is nothing that could be sent earlier."""

    def finish(self) -> None:
        """Complete it.

        Raises:
            DativoError: it could not be sent; what was is to be thrown away by `discard`.
        """
        if self._id is None:
            with told(self._location, self._place):
                self._client.put_object(**self._object, Body=bytes(self._buffer))
        else:
            self._send()
            tags = [part.result() for part in self._sent]
            with told(self._location, self._place):
                self._client.complete_multipart_upload(
                    **self._object, UploadId=self._id, MultipartUpload={"Parts": _listed(tags)}
                )
        self._end()

    def discard(self) -> None:
        """See `NewFile.discard`."""
        if self.closed:
            return
        upload = self._id
        self._end()
        if upload is not None:
            with told(self._location, self._place, missing_ok=True):
                self._client.abort_multipart_upload(**self._object, UploadId=upload)

    def _append(self, data: memoryview) -> None:
        room = PART_BYTES - len(self._buffer)
        self._buffer += data[:room]
        if len(self._buffer) == PART_BYTES:
            self._send()
            self._buffer += data[room:]
        self._written += len(data)

    def _send(self) -> None:
        """Send off what is buffered as the next part; waits while as many as may be are on their way."""
        if self._id is None or self._pool is None:
            with told(self._location, self._place):
                self._id = self._client.create_multipart_upload(**self._object)["UploadId"]
            self._pool = ThreadPoolExecutor(PARTS_ON_THE_WAY, thread_name_prefix="upload")
        if not self._buffer:
            return
        while len(self._on_the_way) >= PARTS_ON_THE_WAY:
            self._on_the_way.popleft().result()
        part = self._pool.submit(self._upload, len(self._sent) + 1, self._buffer)
        self._sent.append(part)
        self._on_the_way.append(part)
        self._buffer = bytearray()

    def _upload(self, number: int, data: bytearray) -> str:
        with told(self._location, self._place):
            answer = self._client.upload_part(**self._object, UploadId=self._id, PartNumber=number, Body=data)
        return answer["ETag"]

    def _end(self) -> None:
        self.closed = True
        self._buffer = bytearray()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _listed(tags: Sequence[str]) -> list[dict[str, object]]:
    return [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
