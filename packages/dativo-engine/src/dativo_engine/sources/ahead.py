"""Reading ahead: the next batch is read and parsed while the one before is enforced and written."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Generator[T, None, None], *, interrupt: Callable[[], None] | None = None) -> Iterator[T]:
    """The same items in the same order, each made by a thread while the caller works on the one before.

    One item waits at most, so memory stays bounded. The generator is closed with this one.

    Args:
        interrupt: ends what the thread may be waiting for, where the caller stops early.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="dativo-read") as thread:
        try:
            upcoming = thread.submit(next, items, None)
            while (item := upcoming.result()) is not None:
                upcoming = thread.submit(next, items, None)
                yield item
        except BaseException:
            if interrupt is not None:
                interrupt()
            raise
        finally:
            thread.submit(items.close).result()
