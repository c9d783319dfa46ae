"""Files that were edited while the service runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dativo_config.project import Project, yaml_files

Fingerprint = frozenset[tuple[Path, int, int]]


@dataclass
class Changes:
    """Watches the files that definitions are made of: runner file, jobs, recipes, contracts."""

    project: Project
    _loaded: Fingerprint = field(default_factory=frozenset[tuple[Path, int, int]])
    _seen: Fingerprint = field(default_factory=frozenset[tuple[Path, int, int]])

    def __post_init__(self) -> None:
        self._loaded = self._seen = self._now()

    def settled(self) -> bool:
        """Whether files differ from those of the last `settled`, and have not changed since the last look.

        Whoever copies several files is not read half-way.
        """
        before, self._seen = self._seen, self._now()
        if self._seen != before or self._seen == self._loaded:
            return False
        self._loaded = self._seen
        return True

    def _now(self) -> Fingerprint:
        return frozenset(_stamps(self.project))


def _stamps(project: Project) -> Iterator[tuple[Path, int, int]]:
    files = [project.runner_file, *project.job_files()]
    for folder in ("assets", "connectors"):
        files += yaml_files(project.root / folder, deep=True)
    for file in files:
        try:
            found = file.stat()  # of what a link leads to: mounted configuration is swapped that way
        except OSError:
            continue
        yield file, found.st_mtime_ns, found.st_size
