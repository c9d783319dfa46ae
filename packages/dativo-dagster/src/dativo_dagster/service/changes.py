"""Files that were edited while the service runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dativo_config.stamps import Stamp, stamp


@dataclass
class Changes:
    """Watches the files that definitions are made of: those that were read, and those that were looked for.

    Attributes:
        loaded: their stamps (`Loaded.looked_at`), from before they were read: no edit falls between.
    """

    loaded: Mapping[Path, Stamp]
    _seen: Mapping[Path, Stamp] = field(default_factory=dict[Path, Stamp])

    def settled(self) -> bool:
        """Whether files differ from those that were loaded, and have not changed since the last look.

        Whoever copies several files is not read half-way. What was told is not told again, loaded or not.
        """
        before, self._seen = self._seen, {path: stamp(path) for path in self.loaded}
        if self._seen != before or self._seen == self.loaded:
            return False
        self.loaded = self._seen
        return True
