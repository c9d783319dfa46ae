"""The problems found while a contract is read, each at the place where its writer wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from dativo_config.contracts.complaints import Complaint
from dativo_config.document import Document
from dativo_config.problems import Problem

Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class Notes:
    """Collects problems of one document.

    Attributes:
        origins: where parts of the standard form stand in the document, if it is written in another form: the longest
            path that begins a problem's path is replaced.
    """

    document: Document
    origins: Mapping[Path, Path] = field(default_factory=dict[Path, Path])
    problems: list[Problem] = field(default_factory=list[Problem])
    _places: set[str] = field(default_factory=set[str])

    def add(self, path: Path, message: str, *, hint: str = "", key: bool = False) -> None:
        """Note a problem at a path of the standard form; the first at a place is the mistake, others follow from it."""
        problem = self.document.problem(self._origin(path), message, hint=hint, key=key)
        if not problem.path or problem.path not in self._places:
            self._places.add(problem.path)
            self.problems.append(problem)

    def add_complaints(self, complaints: Iterable[Complaint]) -> None:
        """Note what a schema validator said."""
        for complaint in complaints:
            self.add(complaint.path, complaint.message, hint=complaint.hint, key=complaint.key)

    def _origin(self, path: Path) -> Path:
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return (*self.origins[path[:length]], *path[length:])
        return path
