"""Files in a table's folder that nothing names: what killed writers, lost answers and expired snapshots left behind.

A file is left alone if it is young, if its name is one that the table names, whatever the folder in front of it is
written like, if a living or resumable run staged it, or if it is not of a kind that tables are made of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dativo_config.models.resolved import ResolvedJob
from dativo_config.tenancy import Tenant
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from dativo_engine.catalogs import warehouse_location
from dativo_engine.catalogs.locations import SCHEME, local_path
from dativo_engine.commits.data_files import named_files
from dativo_engine.commits.fence import Place
from dativo_engine.commits.journal import SUFFIX
from dativo_engine.commits.stamp import kept_stamps
from dativo_engine.maintenance.expire import Limits

FOLDERS = ("data", "metadata")
KINDS = (".parquet", ".avro", ".orc", ".puffin", ".metadata.json", ".metadata.json.gz", ".part")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that may be deleted. `size` is bytes."""

    path: Path
    size: int
    modified_ns: int

    def delete(self) -> None:
        """Delete it, unless it was written anew since it was found."""
        try:
            if self.path.lstat().st_mtime_ns == self.modified_ns:
                self.path.unlink()
        except FileNotFoundError:
            pass


def find_orphans(tenant: Tenant, place: Place, limits: Limits) -> list[Orphan]:
    """The orphans in a table's folder; none where it is not on this machine."""
    table = place.load()
    if table is None or not table.metadata.location.startswith((SCHEME, "/")):
        return []
    root = local_path(table.metadata.location)
    roots = {local_path(other.metadata.location) for other in _tables(place.catalog)} - {root}
    # A table `data` in a namespace of this table's name lies in this table's own folder of that name.
    others = roots | {other / folder for other in roots for folder in FOLDERS}
    old = list(_old_files([root / folder for folder in FOLDERS], others, limits))
    # In this order: what is staged no longer by the time it is looked up is in the table by the time that is.
    staged = _Staged(tenant) if old else None
    table = place.load() if old else None
    if staged is None or table is None:
        return []
    logged = (entry.metadata_file for entry in table.metadata.metadata_log)
    named = (*named_files(table.metadata, table.io), table.metadata_location, *logged)
    names = {PurePosixPath(path).name for path in named}
    return [file for file in old if file.path.name not in names and not staged.mentions(file.path.name)]


def find_cursors(job: ResolvedJob, catalog: Catalog, limits: Limits) -> list[Orphan]:
    """The job's cursor objects, and probes of its warehouse, that no kept snapshot of any table names."""
    warehouse = warehouse_location(job)
    if not warehouse.startswith((SCHEME, "/")):
        return []
    folder = local_path(warehouse) / "_dativo" / job.tenant.id / job.name
    old = list(_old_files([folder], set(), limits, kinds=("",)))
    stamps = {text for table in _tables(catalog) for text in kept_stamps(table.metadata)} if old else set[str]()
    names = {PurePosixPath(str(json.loads(text).get("object", ""))).name for text in stamps}
    return [file for file in old if file.path.name not in names]


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


def _old_files(
    folders: list[Path], others: set[Path], limits: Limits, kinds: tuple[str, ...] = KINDS
) -> Iterator[Orphan]:
    """Files that were there before the longest run began; `others`: folders of other tables, which are passed by."""
    for top in folders:
        for folder, below, files in os.walk(top):
            here = Path(folder)
            below[:] = [name for name in below if here / name not in others]
            for name in files:
                status = _status(here / name)
                is_ours = name.endswith(kinds) or name.startswith(".")
                if is_ours and status is not None and status.st_mtime < limits.reading.timestamp():
                    yield Orphan(here / name, status.st_size, status.st_mtime_ns)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None  # its writer was faster


def _tables(catalog: Catalog, namespace: tuple[str, ...] = ()) -> Iterator[Table]:
    """All tables of the catalogue, those in namespaces inside of namespaces too."""
    for inner in catalog.list_namespaces(namespace):
        for identifier in catalog.list_tables(inner):
            yield catalog.load_table(identifier)
        yield from _tables(catalog, inner)
