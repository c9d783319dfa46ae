"""What file systems and stores say, turned into what a person can do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dativo_config.rights import remedy

from dativo_engine.errors import DativoError, FatalError, RetryableError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing(location: str) -> Generator[None]:
    """Turn what a disk says into what a person can do about it.

    Raises:
        RetryableError: the disk is full, or it failed.
        FatalError: writing is not allowed there.
    """
    try:
        yield
    except OSError as error:
        raise _explained(error, location) from error


def _explained(error: OSError, location: str) -> DativoError:
    if error.errno in NO_SPACE:
        return RetryableError(f"{location}: no space left to write the file; free some, or enlarge the volume")
    if error.errno in NOT_ALLOWED:
        helps = "mount it to be written" if error.errno == errno.EROFS else remedy(Path(location))
        told = f"may not be written by user {os.getuid()} ({os.strerror(error.errno)}); {helps}"
        return FatalError(f"{location}: {told}")
    return RetryableError(f"{location}: writing failed: {error}")
