"""What every source must do."""

from __future__ import annotations

import json
import pickle
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Sequence, Sized
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, get_args

import pyarrow as pa
import pytest
from dativo_config.models.connector import ConnectorSpec

from dativo_engine.connectors import open_source
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, FatalError
from dativo_engine.interfaces import Batch, Cursor, Source, SourceSettings, Split
from dativo_engine.testing import reading
from dativo_engine.testing.capabilities import Capability, NotOffered, declared, must
from dativo_engine.testing.reading import Held, Reading, elsewhere, lines, through_json
from dativo_engine.testing.source_world import Damage, SourceWorld

# What imports, threads and allocators may add to the memory a source was given.
MEMORY_ALLOWANCE = 48 * 1024 * 1024


class SourceConformance:
    """The checks of one source. Each of them opens a world of its own.

    Attributes:
        spec: the connector's; what it declares decides what has to pass.
        open_source: how a source is made from settings; picklable, as other processes call it too.
        part_rows: rows of an ordinary part. They must fill several batches in `small_memory` bytes.
        large_rows: rows that take more than four times `memory` bytes in Arrow's form.
    """

    spec: ClassVar[ConnectorSpec]
    open_source: ClassVar[Callable[[SourceSettings], Source]] = staticmethod(open_source)
    part_rows: ClassVar[int] = 600
    large_rows: ClassVar[int] = 70_000
    small_memory: ClassVar[int] = 1024 * 1024
    memory: ClassVar[int] = 16 * 1024 * 1024

    @abstractmethod
    def open_world(self, folder: Path) -> SourceWorld:
        """The other side of the source, without rows. `folder` is empty and the check's own."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Generator[SourceWorld]:
        """The check's own world."""
        with closing(self.open_world(tmp_path)) as world:
            yield world

    def capabilities(self) -> frozenset[Capability]:
        """What the connector's spec declares."""
        return declared(self.spec)

    @must("S-01")
    def test_check_passes_where_everything_can_be_reached(self, world: SourceWorld) -> None:
        world.put(1)
        self._source(world).check()

    @must("S-02")
    def test_check_tells_what_is_missing(self, world: SourceWorld) -> None:
        with pytest.raises(FatalError):
            self._open(world.break_it("missing")).check()

    @must("S-03", capability="remote")
    def test_check_tells_that_nobody_answers(self, world: SourceWorld) -> None:
        with pytest.raises(ConnectionFailedError):
            self._open(world.break_it("unreachable")).check()

    @must("S-04", capability="authenticates")
    def test_check_tells_that_the_credentials_are_refused(self, world: SourceWorld) -> None:
        with pytest.raises(AuthenticationError):
            self._open(world.break_it("refused")).check()

    @must("S-05")
    def test_no_secret_leaves_the_source(self, world: SourceWorld) -> None:
        world.put(1)
        situations = [self._settings(world), self._settings(world, incremental=True)]
        for damage in get_args(Damage):
            try:
                situations.append(world.break_it(damage))
            except NotOffered:
                continue
        assert world.secrets or "authenticates" not in self.capabilities(), "the world plants no secrets"
        for settings in situations:
            told = reading.left_behind(type(self).open_source, settings)
            forms = [form for secret in world.secrets for form in reading.spellings(secret)]
            assert not [line for line in told.splitlines() if any(form in line for form in forms)]

    @must("S-06")
    def test_discover_tells_each_streams_columns_and_keys(self, world: SourceWorld) -> None:
        expected = world.put(self.part_rows)
        settings = self._settings(world)
        found = {stream.name: stream for stream in self._open(settings).discover()}
        assert {stream.name for stream in settings.streams} <= set(found)
        stream = found[settings.streams[0].name]
        assert set(expected.column_names) <= set(stream.arrow_schema.names)
        assert {*stream.primary_key, *stream.cursor_candidates} <= set(stream.arrow_schema.names)

    @must("S-07")
    def test_a_plan_is_made_as_it_is_read(self, world: SourceWorld) -> None:
        world.put(1)
        plan = self._source(world).plan(self._from_the_beginning(world))
        assert not isinstance(plan.splits, Sized)
        plan.close(None)

    @must("S-08")
    def test_splits_can_be_sent_to_other_processes(self, world: SourceWorld) -> None:
        world.put(1)
        for split in self._splits(world):
            assert pickle.loads(pickle.dumps(split)) == split  # noqa: S301 - our own
            assert json.loads(json.dumps(dict(split.payload))) == split.payload

    @must("S-09")
    def test_split_ids_are_unique_and_the_same_in_every_plan(self, world: SourceWorld) -> None:
        world.put(1)
        first = [split.id for split in self._splits(world)]
        world.put(1)
        both = [split.id for split in self._splits(world)]
        assert len(set(both)) == len(both)
        assert both == [split.id for split in self._splits(world)]
        assert set(first) <= set(both)

    @must("S-10")
    def test_a_splits_identity_changes_with_its_content_and_only_with_it(self, world: SourceWorld) -> None:
        world.put(1)
        world.put(1)
        before, again = self._identities(world), self._identities(world)
        world.rewrite()
        assert again == before
        assert self._identities(world) != before

    @must("S-11")
    def test_no_row_is_lost(self, world: SourceWorld) -> None:
        expected, found = self._expected_and_found(world)
        assert not Counter(expected) - Counter(dict.fromkeys(found, len(expected)))
        assert set(found) <= set(expected), "rows that the source does not have"

    @must("S-12")
    def test_no_row_comes_twice(self, world: SourceWorld) -> None:
        _, found = self._expected_and_found(world)
        assert not [row for row, count in Counter(found).items() if count > 1]

    @must("S-13")
    def test_rows_come_in_order(self, world: SourceWorld) -> None:
        expected, found = self._expected_and_found(world)
        places = {row: place for place, row in enumerate(expected)}
        order = [places[row] for row in found if row in places]
        assert order == sorted(order)

    @must("S-14")
    def test_batches_tell_where_their_rows_stand(self, world: SourceWorld) -> None:
        world.put(self.part_rows)
        world.put(self.part_rows)
        for _, batches in self._read(world).parts:
            places = _places(batches)
            assert all(source and number >= 1 for source, number in places)
            assert len(set(places)) == len(places)
            assert places == sorted(places, key=lambda place: place[1])

    @must("S-15")
    def test_a_split_read_again_gives_the_same_rows(self, world: SourceWorld) -> None:
        world.put(self.part_rows)
        source = self._source(world)
        for split in self._splits(world):
            first, again = (self._lines(source, split) for _ in range(2))
            assert first == again

    @must("S-16")
    def test_another_process_reads_a_split_from_the_settings_alone(self, world: SourceWorld) -> None:
        world.put(self.part_rows)
        splits = self._splits(world)
        here = [self._lines(self._source(world), split) for split in splits]
        assert elsewhere(reading.read_splits, type(self).open_source, self._settings(world), splits) == here

    @must("S-17", capability="parallel")
    def test_a_stream_has_several_splits_that_are_read_in_any_order(self, world: SourceWorld) -> None:
        for _ in range(3):
            world.put(self.part_rows)
        splits, source = self._splits(world), self._source(world)
        assert len(splits) > 1
        forwards = [self._lines(source, split) for split in splits]
        backwards = [self._lines(source, split) for split in reversed(splits)]
        assert backwards[::-1] == forwards
        assert all(forwards)

    @must("S-18", capability="resumable")
    def test_reading_goes_on_behind_any_batch(self, world: SourceWorld) -> None:
        expected = world.put(self.part_rows)
        source = self._source(world)
        [split] = self._splits(world)
        batches = list(source.read(split))
        assert split.resumable
        assert len(batches) > 2, "the world's rows fill too few batches: raise `part_rows`"
        whole = reading.rows(batches, expected.schema)
        for number, batch in enumerate(batches, start=1):
            if batch.cursor is None:
                continue
            resumed = list(source.read(replace(split, resume=through_json(batch.cursor))))
            assert reading.rows([*batches[:number], *resumed], expected.schema) == whole
            assert _places(resumed) == _places(batches[number:])
        assert any(batch.cursor is not None for batch in batches[:-1])

    @must("S-19", capability="incremental")
    def test_nothing_new_is_nothing_read(self, world: SourceWorld) -> None:
        world.put(self.part_rows)
        first = self._read(world, incremental=True)
        again = self._read(world, after=first, incremental=True)
        assert sum(batch.records.num_rows for batch in again.batches) == 0
        assert self._end(world, again) == self._end(world, first)

    @must("S-20", capability="incremental")
    def test_what_is_new_is_read_and_nothing_else(self, world: SourceWorld) -> None:
        old = world.put(self.part_rows)
        first = self._read(world, incremental=True)
        new = world.put(self.part_rows)
        found = reading.rows(self._read(world, after=first, incremental=True).batches, new.schema)
        assert found
        assert not set(found) & set(lines(old))
        assert set(found) <= set(lines(new))

    @must("S-21", capability="incremental")
    def test_a_cursor_survives_as_json(self, world: SourceWorld) -> None:
        world.put(1)
        end = self._end(world, self._read(world, incremental=True))
        assert end is not None, "a stream that was read to its end has a cursor"
        assert through_json(end) == end

    @must("S-22", capability="reports_deletes")
    def test_deletes_are_told_by_key(self, world: SourceWorld) -> None:
        world.put(self.part_rows)
        first = self._read(world, incremental=True)
        gone = world.delete(10)
        batches = self._read(world, after=first, incremental=True).batches
        deleted = [
            line
            for batch in batches
            if batch.op is not None
            for line in reading.rows([_deletes(batch, batch.op)], gone.schema)
        ]
        assert sorted(deleted) == sorted(lines(gone))

    @must("S-23", capability="malformed_records")
    def test_what_is_no_row_is_told_with_its_text(self, world: SourceWorld) -> None:
        raw = world.put_malformed()
        found = [record for batch in self._read(world).batches for record in batch.malformed]
        assert [record.raw for record in found] == raw
        assert all(record.source and record.reason and (record.line or record.row) for record in found)

    @must("S-24")
    def test_memory_stays_within_bounds_whatever_the_size(self, world: SourceWorld) -> None:
        size = world.put(self.large_rows).nbytes
        assert size > 4 * self.memory, "the world's rows are too few: raise `large_rows`"
        settings = world.settings(incremental=False, memory_bytes=self.memory)
        _, grown = elsewhere(reading.measure, type(self).open_source, settings, settings.streams[0].name)
        assert grown <= self.memory + MEMORY_ALLOWANCE

    @must("S-25")
    def test_reading_may_end_early_and_leaves_nothing_open(self, world: SourceWorld) -> None:
        world.put(self.part_rows)
        self._read(world)  # what is opened once and kept, such as libraries
        source, splits = self._source(world), self._splits(world)
        before = Held.now()
        batches = source.read(splits[0])
        next(batches)
        del batches
        after = Held.now()
        assert after.threads <= before.threads
        assert after.files <= before.files
        assert after.arrow_bytes <= before.arrow_bytes

    @must("S-26")
    def test_a_plan_is_closed_whether_or_not_the_run_committed(self, world: SourceWorld) -> None:
        world.put(1)
        read = self._read(world)
        end = self._end(world, read)
        for committed in (None, {} if end is None else {self._stream(world): end}):
            plan = self._source(world).plan(self._from_the_beginning(world))
            list(plan.splits)
            plan.close(committed)

    def _open(self, settings: SourceSettings) -> Source:
        return type(self).open_source(settings)

    def _settings(self, world: SourceWorld, *, incremental: bool = False) -> SourceSettings:
        return world.settings(incremental=incremental, memory_bytes=self.small_memory)

    def _source(self, world: SourceWorld, *, incremental: bool = False) -> Source:
        return self._open(self._settings(world, incremental=incremental))

    def _stream(self, world: SourceWorld) -> str:
        return self._settings(world).streams[0].name

    def _from_the_beginning(self, world: SourceWorld) -> dict[str, None]:
        return {self._stream(world): None}

    def _splits(self, world: SourceWorld) -> list[Split]:
        plan = self._source(world).plan(self._from_the_beginning(world))
        try:
            return list(plan.splits)
        finally:
            plan.close(None)

    def _identities(self, world: SourceWorld) -> list[str]:
        return [split.identity for split in self._splits(world)]

    def _lines(self, source: Source, split: Split) -> list[str]:
        return [line for batch in source.read(split) for line in lines(pa.Table.from_batches([batch.records]))]

    def _read(self, world: SourceWorld, *, after: Reading | None = None, incremental: bool = False) -> Reading:
        start = None if after is None else through_json(self._end(world, after))
        return reading.read(self._source(world, incremental=incremental), {self._stream(world): start})

    def _end(self, world: SourceWorld, read: Reading) -> Cursor | None:
        return read.end(self._stream(world))

    def _expected_and_found(self, world: SourceWorld) -> tuple[list[str], list[str]]:
        parts = [world.put(rows) for rows in (self.part_rows, 1, self.part_rows)]
        expected = [line for part in parts for line in lines(part)]
        return expected, reading.rows(self._read(world).batches, parts[0].schema)


def _places(batches: Sequence[Batch]) -> list[tuple[str, int]]:
    return [
        (batch.position.source, batch.position.row(row)) for batch in batches for row in range(batch.records.num_rows)
    ]


def _deletes(batch: Batch, op: pa.Int8Array) -> Batch:
    return replace(batch, records=batch.records.filter(op.cast(pa.bool_())))
