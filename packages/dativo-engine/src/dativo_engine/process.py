"""What a process that runs jobs sets before it imports what reads the settings. Imports nothing heavy itself."""

from __future__ import annotations

import atexit
import gc
import os


def tune_process() -> None:
    """Spare a run what every process would otherwise pay for."""
    # Importing makes some hundred thousand objects that stay; looking through them for garbage takes a quarter of a
    # second while they come, and another at the end. Rows live in Arrow's memory, no business of the collector.
    gc.set_threshold(500_000)
    atexit.register(gc.freeze)
    # NumPy's linear algebra, which nothing here calls, would start threads that wait for work by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A page that was given back to the system costs a fault and its clearing when it is wanted again, and a merge frees
    # and takes hundreds of megabytes a second: Arrow keeps what is free for ten seconds instead of one.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")
