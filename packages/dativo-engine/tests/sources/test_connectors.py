"""The table of connectors, and what each of them says of itself and of its data."""

import subprocess
import sys
from collections.abc import Generator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pyarrow as pa
import pytest
from dativo_engine import connectors
from dativo_engine.connectors import Connector, open_source, specs
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import SourceSettings
from source_support import MakeJob, Write


def settings(connector: str) -> SourceSettings:
    return SourceSettings(connector, "acme", "orders", Path(), ())


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A package that offers a connector whose driver is not installed."""
    point = EntryPoint("moon", f"{__name__}:MOON", connectors.THIRD_PARTIES)
    monkeypatch.setattr(EntryPoint, "load", lambda _self: MOON)
    monkeypatch.setattr(connectors, "entry_points", lambda group: EntryPoints([point]) if group else None)
    connectors._all.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield
    connectors._all.cache_clear()  # pyright: ignore[reportPrivateUsage]


MOON = Connector("driver_of_the_moon.source:MoonSource", "dativo_engine.sources.csv.spec:SPEC", "moon")


def test_specs_import_no_driver() -> None:
    code = (
        "import sys; from dativo_engine.connectors import specs; specs();"
        "print([name for name in ('pyarrow', 'httpx', 'numpy', 'msgspec', 'pyiceberg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_every_connector_describes_all_it_takes(name: str) -> None:
    spec = specs()[name]
    assert spec.name == name
    assert spec.incremental_strategies == ("file_modified_time",)
    for model in (spec.options, spec.credentials, spec.connection):
        assert all(field.description for field in (model.model_fields if model else {}).values())


def test_an_unknown_name_gets_a_near_one() -> None:
    with pytest.raises(FatalError, match=r"there is no connector 'csvv'; did you mean 'csv'\?"):
        open_source(settings("csvv"))
    with pytest.raises(FatalError, match="there are csv, hubspot, jsonl, parquet, rest"):
        open_source(settings("zzz"))


@pytest.mark.usefixtures("third_party")
def test_a_missing_driver_is_told_with_what_installs_it() -> None:
    assert "moon" in specs()
    with pytest.raises(FatalError, match=r"needs driver_of_the_moon.*pip install 'dativo-engine\[moon\]'"):
        open_source(settings("moon"))


def test_discover_proposes_columns_from_a_sample_of_a_csv_file(write: Write, make_job: MakeJob) -> None:
    path = write("data/x.csv", "id,name,price,day,at,empty\n1,Ann,2.5,2024-02-29,2024-02-29 10:00:00,\n")
    (found,) = make_job("csv", path).source().discover()
    assert dict(zip(found.arrow_schema.names, map(str, found.arrow_schema.types), strict=True)) == {
        "id": "int64",
        "name": "string",
        "price": "double",
        "day": "date32[day]",
        "at": "timestamp[us]",
        "empty": "string",
    }
    assert (found.primary_key, found.cursor_candidates) == (("id",), ("day", "at"))
    assert found.detail.startswith("1 file,")


def test_discover_of_a_large_file_reads_a_sample(write: Write, make_job: MakeJob) -> None:
    path = write("data/x.csv", "id,t\n" + '1,"two\nlines"\n' * 300_000 + "x,y\n")
    (found,) = make_job("csv", path).source().discover()
    assert found.arrow_schema == pa.schema({"id": pa.int64(), "t": pa.string()})


def test_discover_of_json_keeps_its_nesting(write: Write, make_job: MakeJob) -> None:
    path = write("data/x.jsonl", '{"id": 1, "a": {"b": [1]}, "n": null}\n')
    (found,) = make_job("jsonl", path).source().discover()
    assert found.arrow_schema.field("a").type == pa.struct({"b": pa.list_(pa.int64())})
    assert found.arrow_schema.field("n").type == pa.string()


def test_discover_of_json_with_conflicts_proposes_text(write: Write, make_job: MakeJob) -> None:
    (found,) = make_job("jsonl", write("data/x.jsonl", '{"a": 1}\n{"a": "x"}\n')).source().discover()
    assert found.arrow_schema == pa.schema({"a": pa.string()})
