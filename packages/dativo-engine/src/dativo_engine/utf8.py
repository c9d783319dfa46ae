"""Whether bytes are text."""

from __future__ import annotations

import pyarrow as pa


def is_utf8(data: bytes | memoryview) -> bool:
    """Whether all of it is UTF-8, at the speed of memory."""
    offsets = pa.py_buffer(len(data).to_bytes(8, "little").rjust(16, b"\0"))
    try:
        pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
