"""The embedded catalogue: made on demand, shared by processes, whole on the disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dativo_engine.catalogs.embedded import open_embedded
from dativo_engine.catalogs.files import write_durably
from dativo_engine.catalogs.locations import file_location, local_path
from dativo_engine.errors import FatalError, RetryableError
from dativo_engine.storage.fileio import StorageFileIO
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError
from pyiceberg.schema import Schema


@pytest.mark.parametrize("folder", ["plain", "with space", "per%20cent#hash?mark", "ümläut"])
def test_a_catalogue_lives_in_any_folder(tmp_path: Path, folder: str):
    warehouse = tmp_path / folder / "warehouse"
    catalog = open_embedded(tmp_path / folder / "catalog.db", warehouse=file_location(warehouse))
    catalog.create_namespace("acme")
    table = catalog.create_table(("acme", "t"), Schema())
    assert local_path(table.metadata_location).is_relative_to(warehouse)
    assert open_embedded(tmp_path / folder / "catalog.db", warehouse="").table_exists(("acme", "t"))


def test_many_may_create_it_and_its_namespaces_at_once(tmp_path: Path):
    def create(_: int) -> str:
        catalog = open_embedded(tmp_path / "catalog.db", warehouse=file_location(tmp_path))
        try:
            catalog.create_namespace("acme")
        except NamespaceAlreadyExistsError:
            return "second"
        return "first"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == ["first"] + ["second"] * 7
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.db"]


def test_a_broken_catalogue_file_is_named(tmp_path: Path):
    catalog = open_embedded(tmp_path / "catalog.db", warehouse=file_location(tmp_path))
    with pytest.raises(NoSuchTableError):
        catalog.load_table(("acme", "t"))
    (tmp_path / "catalog.db").write_bytes(b"no database" * 100)
    with pytest.raises(RetryableError, match=r"catalog\.db"):
        catalog.load_table(("acme", "t"))


def test_a_file_is_whole_or_absent(tmp_path: Path):
    output = StorageFileIO().new_output(file_location(tmp_path / "deep" / "file"))
    with pytest.raises(ZeroDivisionError), output.create() as stream:
        stream.write(b"x" * (1 // 0))
    assert not output.exists()
    assert list((tmp_path / "deep").iterdir()) == []
    with output.create() as stream:
        stream.write(b"whole")
    assert (len(output), output.to_input_file().open().read()) == (5, b"whole")
    with pytest.raises(FileExistsError):
        output.create()


def test_a_file_is_replaced_at_one_blow(tmp_path: Path):
    path = tmp_path / "file"
    write_durably(path, b"old")
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_no_catalogue_is_named_and_not_tried_again(tmp_path: Path):
    (tmp_path / "catalog.db").write_bytes(b"no database" * 100)
    with pytest.raises(
        FatalError, match=r"catalog\.db: the embedded catalogue can't be opened: file is not a database"
    ):
        open_embedded(tmp_path / "catalog.db", warehouse=file_location(tmp_path))
