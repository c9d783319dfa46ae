"""Files in a table's folder that nothing names: what killed writers, lost answers and expired snapshots left behind.

A file is left alone if it is young, if its name is one that the table names, whatever the folder in front of it is
written like, if a living or resumable run staged it, or if it is not of a kind that tables are made of.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dativo_config.models.resolved import ResolvedJob
from dativo_config.tenancy import Tenant
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from dativo_engine.catalogs import warehouse_location
from dativo_engine.commits.fence import Place
from dativo_engine.commits.journal import SUFFIX
from dativo_engine.maintenance.expire import Limits
from dativo_engine.maintenance.roots import Roots
from dativo_engine.storage import Storage, StoredFile, storage_of

FOLDERS = ("data", "metadata")
KINDS = (".parquet", ".avro", ".orc", ".puffin", ".metadata.json", ".metadata.json.gz", ".part")


@dataclass(frozen=True, slots=True)
class Orphans:
    """Files below a folder that may be deleted."""

    storage: Storage
    folder: str
    files: Collection[StoredFile] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    def delete(self) -> None:
        """Delete them, but for those that were written anew since they were found."""
        if self.files:
            self.storage.delete(set(self.files) & set(self.storage.find(self.folder)))


def find_orphans(tenant: Tenant, place: Place, roots: Roots, limits: Limits) -> list[Orphans]:
    """The orphans in a table's folders."""
    table = place.load()
    if table is None:
        return []
    root, storage = _root(table), storage_of(table.io)
    elsewhere = roots.folders() - {root}
    # A table `data` in a namespace of this table's name lies in this table's own folder of that name.
    others = elsewhere | {f"{other}/{folder}" for other in elsewhere for folder in FOLDERS}
    old = {
        folder: [file for file in _old_files(storage, folder, others, limits) if _is_ours(file)]
        for folder in (f"{root}/{name}" for name in FOLDERS)
    }
    # In this order: what is staged no longer by the time it is looked up is in the table by the time that is.
    staged = _Staged(tenant) if any(old.values()) else None
    if staged is None:
        return []
    names = {PurePosixPath(path).name for path in roots.files(table)}
    return [
        Orphans(storage, folder, [file for file in files if file.name not in names and not staged.mentions(file.name)])
        for folder, files in old.items()
    ]


def find_cursors(job: ResolvedJob, catalog: Catalog, roots: Roots, limits: Limits) -> Orphans:
    """The job's cursor objects, and probes of its warehouse, that no kept state of any table names."""
    storage, folder = Storage(catalog.properties), f"{warehouse_location(job)}/_dativo/{job.tenant.id}/{job.name}"
    old = list(_old_files(storage, folder, (), limits))
    stamps = roots.stamps() if old else set[str]()
    names = {PurePosixPath(str(json.loads(text).get("object", ""))).name for text in stamps}
    return Orphans(storage, folder, [file for file in old if file.name not in names])


class _Staged:
    """What the tenant's runs staged: journals say which runs, checkpoints which files."""

    def __init__(self, tenant: Tenant) -> None:
        files = {path: _content(path) for path in tenant.staged_folder("any").parent.glob("*/*") if path.is_file()}
        self._runs = [path.name.rpartition("-")[0] for path in files if path.suffix == SUFFIX]
        self._contents = list(files.values())

    def mentions(self, name: str) -> bool:
        return any(run in name for run in self._runs) or any(name.encode() in content for content in self._contents)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # its run ended between the two looks


def _old_files(storage: Storage, folder: str, others: Collection[str], limits: Limits) -> Iterator[StoredFile]:
    """Files that were there before the longest run began; `others`: folders of other tables, which are passed by."""
    passed = tuple(f"{other}/" for other in others if other.startswith(f"{folder}/"))
    for file in storage.find(folder):
        if file.modified_ns < limits.reading.timestamp() * 1e9 and not file.location.startswith(passed):
            yield file


def _is_ours(file: StoredFile) -> bool:
    """Whether tables have files of this kind; a dot begins the names of those that were not finished."""
    return file.name.endswith(KINDS) or file.name.startswith(".")


def _root(table: Table) -> str:
    return table.metadata.location.rstrip("/")
