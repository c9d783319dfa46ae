"""The problems found so far, from one stage of the loading to the next."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dativo_config.problems import Problem


class Findings:
    """Collects problems. A later stage adds none at a place where an earlier one did: it would be a consequence."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._settled: set[tuple[Path, str]] = set()

    def add(self, stage: Iterable[Problem]) -> bool:
        """Take one stage's problems; whether there were none."""
        found = list(stage)
        self.problems += [problem for problem in found if not self._is_settled(problem)]
        self._settled |= {(problem.position.file, problem.path) for problem in found if problem.path}
        return not found

    def _is_settled(self, problem: Problem) -> bool:
        path = problem.path
        while path:
            if (problem.position.file, path) in self._settled:
                return True
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return False
