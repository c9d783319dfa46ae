"""Which files of this machine a job reads, and what it remembers of them."""

import bz2
import gzip
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from dativo_config.project import Project
from dativo_config.walls import Walls
from dativo_engine.errors import FatalError, RetryableError
from dativo_engine.interfaces import Cursor
from source_support import STREAM, MakeJob, Read, Write, contract

A = contract(a="long")


def touch(path: Path, seconds: int) -> None:
    os.utime(path, (seconds, seconds))


def walls(project: Path) -> Walls:
    return Walls(Project(project, project / "state", project / "secrets"), "acme")


@pytest.fixture
def tree(write: Write, tmp_path: Path) -> Path:
    """Files of two days, and others that are no data."""
    for number, name in enumerate(["d/2.csv", "d/1.csv", "d/sub/3.csv", "d/sub/deep/4.CSV"]):
        write(f"data/{name}", f"a\n{number}\n")
    write("data/d/5.csv.gz", gzip.compress(b"a\n5\n"))
    for name in ["d/readme.md", "d/.hidden.csv", "d/_temporary.csv"]:
        write(f"data/{name}", "a\n100\n")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("d/1.csv", ["d/1.csv"]),
        ("d", ["d/1.csv", "d/2.csv", "d/5.csv.gz", "d/sub/3.csv", "d/sub/deep/4.CSV"]),
        ("d/*.csv", ["d/1.csv", "d/2.csv", "d/_temporary.csv"]),
        ("d/[0-9].csv*", ["d/1.csv", "d/2.csv", "d/5.csv.gz"]),
        ("d/[!1].csv", ["d/2.csv"]),
        ("d/?.csv", ["d/1.csv", "d/2.csv"]),
        ("*/sub/*.csv", ["d/sub/3.csv"]),
        ("**/[34].*", ["d/sub/3.csv", "d/sub/deep/4.CSV"]),
        ("d/**/3.csv", ["d/sub/3.csv"]),
    ],
)
def test_paths_folders_and_globs(tree: Path, make_job: MakeJob, pattern: str, names: list[str]) -> None:
    loaded = make_job("csv", tree / pattern, schema=A).read()
    assert loaded.files == [f"data/{name}" for name in names]


def test_a_file_named_by_two_inputs_is_read_once(tree: Path, make_job: MakeJob) -> None:
    assert make_job("csv", tree / "d/1.csv", tree / "d/[12].csv", schema=A).read().files == [
        "data/d/1.csv",
        "data/d/2.csv",
    ]


def test_a_file_whose_name_looks_like_a_glob_is_itself(write: Write, make_job: MakeJob) -> None:
    path = write("data/[1].csv", "a\n7\n")
    assert make_job("csv", path, schema=A).read().column("a") == [7]


def test_nothing_found_names_the_pattern_and_the_folder(tree: Path, make_job: MakeJob) -> None:
    with pytest.raises(FatalError, match=r"data/d/x\*\.csv: no file matches; looked in .*/data/d$"):
        make_job("csv", tree / "d/x*.csv").read()
    with pytest.raises(FatalError, match=r"data/gone\.csv: there is no such file"):
        make_job("csv", tree / "gone.csv").read()
    with pytest.raises(FatalError, match=r"that end in \.parquet, \.pq"):
        make_job("parquet", tree / "d").source().check()


@pytest.mark.parametrize("pattern", ["data/acme", "data/acme/*.csv", "data/acme/link.csv"])
def test_a_link_out_of_the_tenants_walls_is_refused(
    write: Write, make_job: MakeJob, tmp_path: Path, pattern: str
) -> None:
    write("data/acme/1.csv", "a\n1\n")
    (tmp_path / "data/acme/link.csv").symlink_to(write("secrets/other/token", "a\n1\n"))
    job = make_job("csv", tmp_path / pattern, schema=A, walls=walls(tmp_path))
    with pytest.raises(FatalError, match=r"link\.csv: leads into the secrets folder"):
        job.read()


def test_a_link_within_the_walls_is_a_file_and_one_to_a_folder_is_not_followed(
    write: Write, make_job: MakeJob, tmp_path: Path
) -> None:
    (tmp_path / "data/acme").mkdir(parents=True)
    (tmp_path / "data/acme/link.csv").symlink_to(write("data/shared/x.csv", "a\n1\n"))
    (tmp_path / "data/acme/linked").symlink_to(tmp_path / "data/shared")
    job = make_job("csv", tmp_path / "data/acme", schema=A, walls=walls(tmp_path))
    assert job.read().files == ["data/acme/link.csv"]


def test_a_scheme_that_cannot_be_read_is_named(make_job: MakeJob) -> None:
    with pytest.raises(FatalError, match=r"ftp://host/a\.csv: can't be read from there; write a path, s3://"):
        make_job("csv", "ftp://host/a.csv").source().check()


def test_check_finds_what_a_run_would_read(tree: Path, make_job: MakeJob) -> None:
    make_job("csv", tree / "d").source().check()


@pytest.mark.parametrize("codec", ["gzip", "zstd", "bz2"])
def test_packed_files_are_recognised_whatever_they_are_called(csv: Read, codec: str) -> None:
    text = b"a\n" + b"1\n" * 50_000
    packed = {"gzip": gzip.compress, "bz2": bz2.compress, "zstd": lambda data: pa.compress(data, "zstd", asbytes=True)}
    loaded = csv(packed[codec](text), A)
    assert loaded.column("a") == [1] * 50_000
    assert csv(packed[codec](text), A, compression=codec).column("a") == [1] * 50_000


def test_several_gzip_members_are_one_file(csv: Read) -> None:
    assert csv(gzip.compress(b"a\n1\n") + gzip.compress(b"2\n"), A).column("a") == [1, 2]


def test_a_damaged_packed_file_is_named(csv: Read) -> None:
    data = gzip.compress(os.urandom(100_000).hex().encode())
    with pytest.raises(FatalError, match=r"data/file\.csv: can't be unpacked"):
        csv(data[:50_000], A)
    with pytest.raises(FatalError, match=r"data/file\.csv: can't be unpacked"):
        csv(b"a\n1\n", A, compression="gzip")


def test_splits_are_the_same_for_the_same_files(tree: Path, make_job: MakeJob) -> None:
    job = make_job("csv", tree / "d/*.csv", schema=A)
    first, again = (list(job.source().plan({STREAM: None}).splits) for _ in range(2))
    assert first == again
    assert len({split.id for split in first}) == len(first)
    assert first[0].size == len("a\n1\n")
    (tree / "d/1.csv").write_text("a\n10\n")
    changed = list(job.source().plan({STREAM: None}).splits)
    assert [a.identity == b.identity for a, b in zip(first, changed, strict=True)] == [False, True, True]


def test_a_split_is_read_by_another_source_of_the_same_job(tree: Path, make_job: MakeJob) -> None:
    job = make_job("csv", tree / "d/*.csv", schema=A)
    split = next(iter(job.source().plan({STREAM: None}).splits))
    (batch,) = job.source().read(split)
    assert batch.records.to_pylist() == [{"a": 1}]


class TestFileModifiedTime:
    """Incremental reading: what is new or changed since the cursor."""

    def test_only_new_files_are_read_again(self, tree: Path, make_job: MakeJob, write: Write) -> None:
        job = make_job("csv", tree / "d/[0-9].csv", schema=A, incremental=True)
        first = job.read()
        write("data/d/9.csv", "a\n9\n")
        second = job.read(first.end)
        third = job.read(second.end)
        assert sorted(map(str, first.column("a"))) == ["0", "1"]
        assert second.column("a") == [9]
        assert third.rows == []
        assert third.end == second.end

    def test_the_cursor_is_json_of_paths_below_the_project(self, write: Write, make_job: MakeJob) -> None:
        path = write("data/x.csv", "a\n1\n")
        touch(path, 1_700_000_000)
        end = make_job("csv", path, schema=A, incremental=True).read().end
        assert end == Cursor({"files": {"data/x.csv": [4, 1_700_000_000_000_000_000, ""]}})

    def test_a_moved_project_keeps_its_state(self, write: Write, make_job: MakeJob, tmp_path: Path) -> None:
        write("one/data/x.csv", "a\n1\n")
        job = make_job("csv", tmp_path / "one/data", schema=A, incremental=True)
        job.project = tmp_path / "one"
        end = job.read().end
        shutil.move(tmp_path / "one", tmp_path / "two")
        job.project, job.inputs = tmp_path / "two", (str(tmp_path / "two/data"),)
        assert job.read(end).rows == []

    def test_the_file_changed_last_is_read_last(self, tree: Path, make_job: MakeJob) -> None:
        touch(tree / "d/1.csv", 2_000_000_000)
        touch(tree / "d/2.csv", 1_000_000_000)
        assert make_job("csv", tree / "d/[0-9].csv", schema=A, incremental=True).read().column("a") == [0, 1]

    def test_a_changed_file_is_read_again_where_rows_are_replaced(self, write: Write, make_job: MakeJob) -> None:
        job = make_job("csv", write("data/x.csv", "a\n1\n"), schema=A, incremental=True, rereads=True)
        end = job.read().end
        write("data/x.csv", "a\n1\n2\n")
        assert job.read(end).column("a") == [1, 2]

    def test_a_changed_file_stops_a_job_that_appends(self, write: Write, make_job: MakeJob) -> None:
        job = make_job("csv", write("data/x.csv", "a\n1\n"), schema=A, incremental=True)
        end = job.read().end
        write("data/x.csv", "a\n1\n2\n")
        with pytest.raises(FatalError, match=r"data/x\.csv: changed after it was loaded.*on_changed_file: ignore"):
            job.read(end)

    def test_a_changed_file_can_be_ignored(self, write: Write, make_job: MakeJob) -> None:
        job = make_job("csv", write("data/x.csv", "a\n1\n"), schema=A, incremental=True, on_changed_file="ignore")
        end = job.read().end
        write("data/x.csv", "a\n1\n2\n")
        assert job.read(end).rows == []
        assert job.read(end).end == end

    def test_a_vanished_file_leaves_the_cursor(self, tree: Path, make_job: MakeJob) -> None:
        job = make_job("csv", tree / "d/[12].csv", schema=A, incremental=True)
        end = job.read().end
        (tree / "d/2.csv").unlink()
        after = job.read(end).end
        assert after is not None
        assert list(after.value["files"]) == ["data/d/1.csv"]  # pyright: ignore[reportArgumentType, reportCallIssue]

    def test_when_all_files_are_gone_nothing_is_forgotten(self, tree: Path, make_job: MakeJob) -> None:
        job = make_job("csv", tree / "d/[12].csv", schema=A, incremental=True)
        end = job.read().end
        shutil.rmtree(tree)
        loaded = job.read(end)
        assert loaded.rows == []
        assert loaded.end == end

    def test_no_file_at_all_is_an_error_the_first_time(self, tmp_path: Path, make_job: MakeJob) -> None:
        with pytest.raises(FatalError, match="no file matches"):
            make_job("csv", tmp_path / "*.csv", incremental=True).read()

    def test_a_cursor_of_another_source_is_refused(self, write: Write, make_job: MakeJob) -> None:
        job = make_job("csv", write("data/x.csv", "a\n1\n"), schema=A, incremental=True)
        with pytest.raises(FatalError, match="dativo state reset"):
            job.read(Cursor({"files": {"data/x.csv": "2024"}}))

    def test_many_thousand_files(self, tmp_path: Path, make_job: MakeJob) -> None:
        for number in range(5_000):
            (tmp_path / f"{number}.csv").touch()
        job = make_job("csv", tmp_path / "*.csv", schema=A, incremental=True)
        plan = job.source().plan({STREAM: None})
        assert sum(1 for _ in plan.splits) == 5_000
        assert list(job.source().plan(plan.ends).splits) == []


def test_a_file_that_changed_since_it_was_planned_is_not_read(write: Write, make_job: MakeJob) -> None:
    source = make_job("csv", write("data/x.csv", "a\n1\n"), schema=A).source()
    (split,) = source.plan({STREAM: None}).splits
    write("data/x.csv", "a\n1\n2\n")
    with pytest.raises(RetryableError, match=r"data/x\.csv: the file changed"):
        list(source.read(split))


def test_a_file_that_changes_while_it_is_read_fails_the_run(write: Write, make_job: MakeJob) -> None:
    path = write("data/x.csv", "a\n" + "1\n" * 500_000)
    source = make_job("csv", path, schema=A, memory_bytes=1 << 20).source()
    (split,) = source.plan({STREAM: None}).splits
    batches = source.read(split)
    next(batches)
    with path.open("a") as file:
        file.write("2\n")
    with pytest.raises(RetryableError, match="changed while the run was reading"):
        list(batches)


def test_a_file_that_vanishes_is_worth_another_try(write: Write, make_job: MakeJob) -> None:
    path = write("data/x.csv", "a\n1\n")
    source = make_job("csv", path, schema=A).source()
    (split,) = source.plan({STREAM: None}).splits
    path.unlink()
    with pytest.raises(RetryableError, match="vanished"):
        list(source.read(split))


def test_a_reader_that_is_not_read_to_its_end_leaves_no_thread(write: Write, make_job: MakeJob) -> None:
    import threading

    before = threading.active_count()
    source = make_job("csv", write("data/x.csv", "a\n" + "1\n" * 500_000), schema=A, memory_bytes=1 << 20).source()
    (split,) = source.plan({STREAM: None}).splits
    batches = source.read(split)
    next(batches)
    batches.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert threading.active_count() == before
