"""THE COMMIT of one run: its files become visible in every table of the job, each once, with the job's stamp.

    last     where each table stands; what killed runs left behind is deleted
    layout   how the files must look, decided before the first row
    stage    take files; `find_stored` finds their rows whose key the table holds already
    publish  drop late rows, commit the quarantines, then each table through the fence

What a run may do to a table is in `target`, how it is made visible in `fence`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat

from dativo_config.models.resolved import ResolvedJob, ResolvedStream, TableName
from dativo_config.wording import counted
from pyiceberg.catalog import Catalog

from dativo_engine.catalogs.files import clear_drafts
from dativo_engine.catalogs.locations import canonical, is_local, local_path
from dativo_engine.commits import quarantine
from dativo_engine.commits.earlier import EarlierRuns
from dativo_engine.commits.fence import Asking, Landed, Place, land
from dativo_engine.commits.journal import Journal
from dativo_engine.commits.leftovers import leftovers_told
from dativo_engine.commits.points import Point, reach
from dativo_engine.commits.publication import Part, Publication, open_publication
from dativo_engine.commits.stamp import known
from dativo_engine.commits.stamps import codec
from dativo_engine.commits.target import Run, Target, look
from dativo_engine.errors import CommitConflictError, CommitStateUnknownError, DativoError, FatalError
from dativo_engine.events import Events
from dativo_engine.interfaces import CommitResult, CommitStatus, Committer, LateRows, StagedFile, Stamp, TableLayout
from dativo_engine.state.mirror import Mirror
from dativo_engine.storage import Storage, storage_of

DEFAULT_MEMORY = 256 * 1024 * 1024


def open_committer(
    job: ResolvedJob,
    *,
    run_id: str,
    attempt: int,
    events: Events,
    replays: Sequence[str] = (),
    memory_bytes: int = DEFAULT_MEMORY,
    settled: Callable[[CommitResult], None] = lambda _: None,
) -> Committer:
    """The committer of one attempt of a run.

    Args:
        replays: runs in quarantine (`RejectedRun.name`) whose rows this run takes over: from its commit on they are no
            longer in quarantine.
        memory_bytes: what a merge, a search for keys, or writing late rows out of their files may take.
        settled: told of each table once what the run did to it is visible, also if `publish` fails at a later one.

    Raises:
        FatalError: the job's catalogue can't be opened.
    """
    return IcebergCommitter(
        job,
        open_publication(job, run_id=run_id, attempt=attempt, events=events),
        run_id=run_id,
        attempt=attempt,
        events=events,
        replays=replays,
        memory_bytes=memory_bytes,
        settled=settled,
    )


class IcebergCommitter:
    """See `interfaces.Committer`."""

    def __init__(
        self,
        job: ResolvedJob,
        publication: Publication,
        *,
        run_id: str,
        attempt: int,
        events: Events,
        replays: Sequence[str] = (),
        memory_bytes: int = DEFAULT_MEMORY,
        settled: Callable[[CommitResult], None] = lambda _: None,
    ) -> None:
        catalog = publication.catalog
        self._publication = publication
        self._run = Run(job, catalog, codec(job, catalog), run_id, attempt, frozenset(replays), memory_bytes)
        self._events = events
        self._settled = settled
        self._storage = storage_of(self._run.codec.io)
        folder = job.tenant.staged_folder(job.name)
        self._journal = Journal(folder, run_id=run_id, attempt=attempt)
        self._mirror = Mirror(job.tenant, job.name)
        # Where several streams feed a table they have one contract; the first of them speaks for it.
        self._streams: dict[TableName, ResolvedStream] = {stream.table: stream for stream in reversed(job.streams)}
        self._targets: dict[TableName, Target] = {}
        # Tables from which this run has rows in quarantine, once it publishes.
        self._quarantined: set[TableName] = set()
        self._unknown = False
        # Whether a file could not be deleted that nobody needs.
        self._left = False
        self._places = [Place(catalog, name) for table in self._streams for name in (table, table.quarantine)]
        self._earlier = EarlierRuns(folder, publication, self._places, self._storage_at, events)

    def last(self) -> Mapping[TableName, Stamp | None]:
        """See `Committer.last`."""
        self._clear_drafts()
        self._earlier.clear()
        return {name: self._target(name).before for name in self._streams}

    def _clear_drafts(self) -> None:
        """Delete what killed processes left half written of mirrors, and of the job's objects beside local tables."""
        clear_drafts(self._run.job.tenant.mirror_file(self._run.job.name).parent)
        if is_local(self._run.codec.folder):
            clear_drafts(local_path(self._run.codec.folder))

    def layout(self, table: TableName) -> TableLayout:
        """See `Committer.layout`."""
        target = self._target(table)
        layout = target.staging_layout()
        for location in dict.fromkeys((target.layout().location, layout.location)):
            self._journal.add(location)
        return layout

    def stage(self, files: Sequence[StagedFile]) -> None:
        """See `Committer.stage`."""
        for file in files:
            self._target(file.table).staged[file.path] = file

    def find_stored(self, files: Sequence[StagedFile], *, enough: int | None = None) -> tuple[LateRows, ...]:
        """See `Committer.find_stored`."""
        tables = dict.fromkeys(file.table for file in files)
        return tuple(
            rows
            for table in tables
            for rows in self._target(table).find_stored([file for file in files if file.table == table], enough=enough)
        )

    def publish(self, new: Mapping[TableName, Stamp], late: Sequence[LateRows]) -> Mapping[TableName, CommitResult]:
        """See `Committer.publish`."""
        try:
            results = self._publish(new, late)
        except CommitStateUnknownError:
            self._unknown = True
            raise
        self._earlier.clear_rest()
        self._journal.close(keep=self._unknown or self._left or self._publication.left_behind)
        reach("before_mirror")
        self._repair_mirror(results.values())
        reach("after_mirror")
        return results

    def _publish(self, new: Mapping[TableName, Stamp], late: Sequence[LateRows]) -> dict[TableName, CommitResult]:
        due = [name for name in new if not self._landed_before(name)]
        for name in due:
            # Also of a run without rows the next one must know, if this one dies now.
            self._journal.add(self._target(name).layout().location)
            self._drop_late(self._target(name), late)
        self._quarantined = {name for name in due if self._target(name.quarantine).staged}
        # What has to be refused is refused before anything is visible, as far as it shows already.
        for name in due:
            self._check_allowed(name, new[name])
        results: dict[TableName, CommitResult] = {}

        def settle(name: TableName, result: CommitResult) -> None:
            results[name] = result
            self._settled(result)

        for name in new:
            if name not in due:
                settle(name, self._found(name))

        def show(name: TableName, landed: Landed | None) -> None:
            settle(name, self._settle(name, new[name], landed))

        quarantines = [
            Part(
                name.quarantine,
                partial(self._land_quarantine, name),
                self._target(name.quarantine).audit,
                partial(self._settle_quarantine, name),
            )
            for name in due
        ]
        points: list[Point] = ["after_quarantine", *repeat("between_tables", len(due))]
        tables = [
            Part(name, partial(self._land, name, new[name], after), self._target(name).audit, partial(show, name))
            for name, after in zip(due, points, strict=False)
        ]
        reach("before_quarantine")
        self._publication.publish([*quarantines, *tables])
        return {name: results[name] for name in new}

    def _check_allowed(self, name: TableName, stamp: Stamp) -> None:
        target = self._target(name)
        if target.moves(self._with_quarantine(target, stamp)):
            target.check_allowed(target.base)

    def sweep(self, locations: Collection[str]) -> None:
        """See `Committer.sweep`."""
        self._earlier.sweep(locations)

    def abandon(self) -> None:
        """See `Committer.abandon`."""
        # The next run looks which files the tables name: where an answer was lost, or one could not be deleted.
        left = True
        try:
            if not self._unknown:
                for target in self._targets.values():
                    self._discard(target)
                with leftovers_told(self._events, "Files that the run staged"):
                    left = self._journal.has_files(self._storage_at)
        finally:
            self._journal.close(keep=left or self._publication.left_behind)

    def _discard(self, target: Target) -> None:
        """Delete what is staged for a table; what can't be is told, and stays for a later run to delete."""
        # The run that wrote them may have committed them since.
        adopted = [path for path in target.staged if self._earlier.wrote(path)]
        for path in adopted:
            del target.staged[path]
        self._earlier.sweep(adopted)
        with leftovers_told(self._events, f"{target.name}: files that the run staged") as cleaning:
            target.discard()
        self._left |= not cleaning.done

    def _storage_at(self, location: str) -> Storage:
        """The storage of the table that lies there."""
        here = f"{canonical(location)}/"
        for place in self._places:
            target = self._target(place.name)
            if target.base is not None and here.startswith(f"{canonical(target.base.metadata.location)}/"):
                return target.storage
        return self._storage

    def _target(self, name: TableName) -> Target:
        if name not in self._targets:
            table = next((table for table in self._streams if name in (table, table.quarantine)), None)
            if table is None:
                message = f"{name} is no table of job {self._run.job.name}"
                raise FatalError(message)
            self._targets[name] = look(self._run, name, self._streams[table], self._mirror)
        return self._targets[name]

    def _landed_before(self, name: TableName) -> bool:
        """Whether an earlier attempt of this run reached the table: what this one read of it waits for the next run."""
        before = self._target(name).before
        return before is not None and before.run_id == self._run.run_id

    def _drop_late(self, target: Target, late: Sequence[LateRows]) -> None:
        paths = [path for path in dict.fromkeys(rows.path for rows in late) if path in target.staged]
        if not paths:
            return
        from dativo_engine.commits.late import without_rows

        for number, path in enumerate(paths):
            kept = without_rows(
                target.io,
                target.staged[path],
                [rows for rows in late if rows.path == path],
                layout=target.staging_layout(),
                run_id=f"{self._run.run_id}-late{number}",
                memory_bytes=self._run.memory_bytes,
            )
            del target.staged[path]
            target.staged |= {file.path: file for file in kept}
            with leftovers_told(self._events, f"{target.name}: files with rows that came too late") as cleaning:
                target.storage.delete([path])
            self._left |= not cleaning.done

    def _land_quarantine(self, name: TableName, catalog: Catalog) -> Landed | None:
        target = self._target(name.quarantine)
        return quarantine.publish(
            replace(target.place, catalog=catalog),
            list(target.staged.values()),
            run_id=self._run.run_id,
            attempt=self._run.attempt,
            spec=target.metadata.spec(),
            events=self._events,
            asking=self._asking(target),
        )

    def _settle_quarantine(self, name: TableName, _: Landed | None) -> None:
        # The files are the table's now: `abandon` must not touch them.
        self._target(name.quarantine).staged.clear()

    def _land(self, name: TableName, stamp: Stamp, after: Point, catalog: Catalog) -> Landed | None:
        reach(after)
        target = self._target(name)
        stamp = self._with_quarantine(target, stamp)
        if not target.moves(stamp):
            return None
        place = replace(target.place, catalog=catalog)
        return land(place, lambda table: target.plan(table, stamp), self._events, asking=self._asking(target))

    def _asking(self, target: Target) -> Asking:
        """Remembers each request: should this run be killed, the next one knows what may yet be carried out."""
        return partial(self._journal.ask, target.layout().location, target.name)

    def _settle(self, name: TableName, stamp: Stamp, landed: Landed | None) -> CommitResult:
        target = self._target(name)
        made = target.base is None
        told = "was made" if made else "has the contract's columns"
        self._events.emit("table_ensured", f"{name} {told}", table=str(name), created=made)
        if landed is None:
            return _unchanged(target, stamp)
        files = target.landed_files()
        self._let_go(target, certain=not landed.found)
        result = self._result(name, landed, files)
        if result.status == "unchanged":
            return result
        self._events.emit(
            "commit_success",
            f"{counted(result.rows, 'row')} in {counted(result.files, 'file')} visible in {name}{_did(target)}",
            table=str(name),
            rows=result.rows,
            files=result.files,
            snapshot_id=result.snapshot_id,
        )
        return result

    def _let_go(self, target: Target, *, certain: bool) -> None:
        """The files are the table's from here on: whatever fails now, `abandon` must not touch them."""
        with leftovers_told(self._events, f"{target.name}: files of no more use") as cleaning:
            # Where an answer was lost, which of two merges landed is for the next run to see.
            self._unknown |= not target.let_go(certain=certain)
        self._left |= not cleaning.done

    def _with_quarantine(self, target: Target, stamp: Stamp) -> Stamp:
        """The stamp, naming the runs whose rejected rows are shown once this one is committed."""
        # What replaced runs rejected goes with what they accepted: the new rows were read in their place.
        shown = () if target.before is None or self._run.mode == "replace" else target.before.quarantine
        own = (quarantine.run_name(self._run.run_id, self._run.attempt),) if target.name in self._quarantined else ()
        return replace(stamp, quarantine=(*(run for run in shown if run not in self._run.replays), *own))

    def _found(self, name: TableName) -> CommitResult:
        """What an earlier attempt of this run did to the table; what this one staged for it is deleted."""
        for target in (self._target(name), self._target(name.quarantine)):
            self._discard(target)
        table = Place(self._run.catalog, name).load()
        if table is None:
            message = f"{name}: the table was dropped during the run"
            raise CommitConflictError(message)
        return self._result(name, Landed(table.metadata, table.metadata_location, found=True), ())

    def _result(self, name: TableName, landed: Landed, files: Sequence[StagedFile]) -> CommitResult:
        stamp = self._run.codec.decode(known(landed.metadata, landed.snapshot_id)[self._run.codec.key])
        ours = landed.earlier is not None or stamp.run_id == self._run.run_id
        found: CommitStatus = "already_committed" if ours else "unchanged"
        return CommitResult(
            table=name,
            status=found if landed.found else "committed",
            snapshot_id=landed.snapshot_id,
            stamp=stamp,
            rows=sum(file.rows for file in files),
            files=len(files),
            size=sum(file.size for file in files),
            metadata_location=landed.metadata_location,
            location=landed.metadata.location,
        )

    def _repair_mirror(self, results: Iterable[CommitResult]) -> None:
        try:
            self._mirror.write({result.table: self._run.codec.encode(result.stamp) for result in results})
        except (DativoError, OSError) as error:
            self._events.emit("mirror_failed", f"The next run repairs it: {error}", level="WARNING")


def _did(target: Target) -> str:
    """What a merge did to the table's rows: those it wrote are more, as files are rewritten whole."""
    did = target.merged
    return "" if did is None else f": {did.inserted:,} inserted, {did.updated:,} updated, {did.deleted:,} deleted"


def _unchanged(target: Target, stamp: Stamp) -> CommitResult:
    base = target.base
    return CommitResult(
        table=target.name,
        status="unchanged",
        snapshot_id=None if base is None else base.metadata.current_snapshot_id,
        stamp=target.before or stamp,
        metadata_location="" if base is None else base.metadata_location,
        location=target.metadata.location,
    )
