"""Fixtures that tests of every package and of `tests/` share."""

pytest_plugins = ["tests.readers.fixtures", "tools.services.fixtures"]
