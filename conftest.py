"""Fixtures that tests of every package and of `tests/` share."""

import logging
import warnings
from collections.abc import Generator

import pytest
from dativo_engine.events import LibraryLog
from hypothesis import settings

# How long an example may take says more of the machine than of the code.
settings.register_profile("dativo", deadline=None)
settings.load_profile("dativo")

pytest_plugins = ["tests.laws", "tests.readers.fixtures", "tools.services.fixtures"]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Generator[None]:
    """Take back what a command that ran in this process did to logging: its log is closed with the test."""
    root, show = logging.getLogger(), warnings.showwarning
    level = root.level
    yield
    if any(isinstance(handler, LibraryLog) for handler in root.handlers):
        logging.captureWarnings(capture=False)
        warnings.showwarning = show
        root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, LibraryLog)]
        root.setLevel(level)
