"""What a run reads of a stream: everything, or what was edited, archived, restored, merged and purged since."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import replace
from itertools import chain

import numpy as np
import pyarrow as pa

from dativo_engine.errors import RetryableError
from dativo_engine.interfaces import Batch
from dativo_engine.rest import Page
from dativo_engine.sources.hubspot.api import Api, Newest, archivals, changes
from dativo_engine.sources.hubspot.cursor import NO_IDS, Ids, Standing, Versions, union
from dativo_engine.sources.hubspot.objects import HubSpotObject
from dativo_engine.sources.hubspot.records import RecordReader, Rows, Shape

# The search sees a change some seconds after it was made, and HubSpot's servers do not agree on the second.
OVERLAP_MILLISECONDS = 5 * 60 * 1000
# A longer list of properties in a URL is refused by some of the servers on the way.
LONGEST_LIST_OF_PROPERTIES = 4_000


class Reading:
    """One run's reading of one stream. Its last batch has the cursor, where one is wanted."""

    def __init__(self, api: Api, it: HubSpotObject, shape: Shape, reader: RecordReader) -> None:
        self._api, self._it, self._shape, self._reader = api, it, shape, reader
        self._read: list[Versions] = []
        self._merged: list[Ids] = []
        self._gone: list[Ids] = []

    def everything(self) -> Generator[Batch]:
        """Every record, by the list."""
        for rows in self._reader.rows(self._pages()):
            yield rows.batch

    def beginning(self, newest: Newest, *, keeps_keys: bool) -> Generator[Batch]:
        """Every record, and from where the next run goes on.

        What happens to records meanwhile is that run's to find: it is after `newest`, and not among those that were
        archived before the list was begun.
        """
        archived = self._archived()
        yield from self._batches(self._pages())
        standing = Standing(
            newest.changed,
            self._around(newest.changed, newest.now, Versions()),
            archived,
            self._ids_read() if keeps_keys else None,
            newest.now,
        )
        yield self._end(standing)

    def since(self, start: Standing, newest: Newest, *, reconcile: bool, keeps_keys: bool) -> Generator[Batch]:
        """What happened since an earlier run.

        1. what the search says was changed is read by id, as it is now: the search itself may be behind;
        2. archived records are listed, and compared with those that were: new ones are deletes, and those that are
           none any more were restored, or purged;
        3. records that were merged into others are named by these;
        4. now and then the ids of all records are listed: what is not among them was purged.
        """
        until = max((moment for moment in (start.until, newest.changed) if moment is not None), default=None)
        yield from self._changed(start, newest)
        archived = yield from self._compared_archived(start)
        yield from self._delete(union(self._merged), "merged into others")
        keys = self._keys(start) if keeps_keys else None
        if reconcile:
            keys, vanished = yield from self._reconciled(keys, newest)
            # Perhaps into the archive, after that was listed: they must be missed there if they are restored.
            archived = Versions.joined([Versions(vanished, np.zeros_like(vanished)), archived])
        reconciled = newest.now if reconcile else start.reconciled
        yield self._end(Standing(until, self._around(until, newest.now, start.read), archived, keys, reconciled))

    def compared(self, start: Standing) -> Generator[Batch]:
        """Every record by the list, less those that an earlier run read as they are: where there is no search."""
        for rows in self._reader.rows(self._pages()):
            self._read.append(rows.versions)
            fresh = rows.versions.other_than(start.read)
            if len(fresh.ids):
                yield _only(rows, fresh.ids)
        read = self._all_read()
        yield from self._delete(np.setdiff1d(start.read.ids, read.ids), "not listed any more")
        yield self._end(Standing(read=read))

    def _changed(self, start: Standing, newest: Newest) -> Generator[Batch]:
        since = 0 if start.until is None else start.until - OVERLAP_MILLISECONDS
        if newest.changed is None or newest.changed < since:
            return
        told = self._api.changed(self._it, since=since, until=newest.changed)
        fresh = chain.from_iterable(versions.other_than(start.read).ids.tolist() for versions in told)
        yield from self._batches(self._api.read(self._it, fresh, self._shape.properties))

    def _compared_archived(self, start: Standing) -> Generator[Batch, None, Versions]:
        archived = self._archived()
        fresh = archived.other_than(start.archived).ids
        yield from self._delete(fresh, "archived")
        # Others may have been merged into a record before it was archived.
        gone = self._api.read(self._it, fresh.tolist(), self._shape.properties, archived=True)
        self._merged += [rows.merged for rows in self._reader.rows(gone)]
        left = np.setdiff1d(start.archived.ids, archived.ids)
        yield from self._batches(self._api.read(self._it, left.tolist(), self._shape.properties))
        return archived

    def _reconciled(self, keys: Ids | None, newest: Newest) -> Generator[Batch, None, tuple[Ids, Ids]]:
        """Delete what is not listed any more, read what was never read. The answer: what is listed, what vanished."""
        listed = union(changes(page, self._it).ids for page in self._api.listed(self._it, ("hs_object_id",)))
        if not len(listed) and newest.total:
            message = f"{self._api.url(self._it)}: lists no record, and the search knows {newest.total:,}; run it again"
            raise RetryableError(message)
        if keys is None:
            return listed, NO_IDS
        vanished, missed = np.setdiff1d(keys, listed), np.setdiff1d(listed, keys)
        yield from self._delete(vanished, "not listed any more")
        yield from self._batches(self._api.read(self._it, missed.tolist(), self._shape.properties))
        return listed, vanished

    def _pages(self) -> Generator[Page]:
        """All records. Where their properties are too many for a URL, they are read by the listed ids."""
        properties = self._shape.properties
        if sum(len(name) + 3 for name in properties) <= LONGEST_LIST_OF_PROPERTIES:
            return self._api.listed(self._it, properties)
        listed = self._api.listed(self._it, ("hs_object_id",))
        ids = chain.from_iterable(changes(page, self._it).ids.tolist() for page in listed)
        return self._api.read(self._it, ids, properties)

    def _archived(self) -> Versions:
        found = [archivals(page) for page in self._api.listed(self._it, ("hs_object_id",), archived=True)]
        return Versions.joined(found)

    def _batches(self, pages: Iterable[Page]) -> Generator[Batch]:
        for rows in self._reader.rows(pages):
            self._read.append(rows.versions)
            self._merged.append(rows.merged)
            yield rows.batch

    def _delete(self, ids: Ids, because: str) -> Generator[Batch]:
        if len(ids):
            self._gone.append(ids)
            yield self._reader.deletes(ids, because=because)

    def _end(self, standing: Standing) -> Batch:
        return replace(self._reader.none(), cursor=standing.to_cursor())

    def _around(self, until: int | None, now: int, before: Versions) -> Versions:
        """What was read and stands within the next run's overlap, so that it need not be read again.

        What was changed when the run had begun may have been changed again after it was read, in the same millisecond.
        """
        first = 0 if until is None else until - OVERLAP_MILLISECONDS
        return Versions.joined([before, self._all_read()]).between(first, now)

    def _keys(self, start: Standing) -> Ids | None:
        """What the table may hold by now; None: an earlier run did not keep it."""
        if start.keys is None:
            return None
        return np.setdiff1d(union([start.keys, self._ids_read()]), union(self._gone))

    def _ids_read(self) -> Ids:
        return union(versions.ids for versions in self._read)

    def _all_read(self) -> Versions:
        return Versions.joined(self._read)


def _only(rows: Rows, ids: Ids) -> Batch:
    records = rows.batch.records
    wanted = np.isin(records.column("id").cast(pa.int64()).to_numpy(), ids)
    return replace(rows.batch, records=records.filter(pa.array(wanted)))
