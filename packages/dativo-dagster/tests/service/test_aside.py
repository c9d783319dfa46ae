"""A thread that nobody waits for any more keeps no process from ending."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest
from dativo_dagster.service.aside import aside


def test_it_answers_and_raises_as_the_function_does() -> None:
    assert asyncio.run(aside(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(aside(divmod, 7, 0))


def test_a_process_ends_while_the_thread_goes_on() -> None:
    code = (
        "import asyncio, time; from dativo_dagster.service.aside import aside\n"
        "async def main():\n"
        "    task = asyncio.create_task(aside(time.sleep, 60)); await asyncio.sleep(0.1); task.cancel()\n"
        "asyncio.run(main())"
    )
    began = time.monotonic()

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)

    assert (done.stderr, time.monotonic() - began < 30) == ("", True)
