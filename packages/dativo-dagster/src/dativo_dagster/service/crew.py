"""The processes that the service itself starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dativo_dagster.service import processes
from dativo_dagster.service.child import Child


@dataclass
class Crew:
    """Dagster's three, and the one that maintains tables.

    Attributes:
        code_socket: where the code server answers.
        maintenance: of one tenant after the other; None: none is maintained now.
    """

    code: Child
    web: Child
    daemon: Child
    code_socket: Path
    maintenance: Child | None = None

    def reap(self) -> None:
        """Take the exit codes of orphans that the service adopted; its own children's are waited for elsewhere."""
        processes.reap(child.pid or 0 for child in self)

    def __iter__(self) -> Iterator[Child]:
        """Each of them."""
        yield from (self.code, self.web, self.daemon)
        if self.maintenance is not None:
            yield self.maintenance
