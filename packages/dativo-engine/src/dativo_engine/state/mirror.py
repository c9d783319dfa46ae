"""The mirror of a job's stamps: one JSON file per tenant and job, for people and for one question.

It is never the truth. It only tells that a job loaded rows into a table before, so that a table which lost its stamps
is not loaded from the beginning in silence. What is missing or broken in it is as if it were not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_config.models.resolved import TableName
from dativo_config.tenancy import Tenant

from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue


@dataclass(frozen=True, slots=True)
class Mirror:
    """One job's file."""

    tenant: Tenant
    job: str

    def read(self) -> dict[str, JsonValue]:
        """Table -> stamp, as it stood when the file was written."""
        try:
            content = json.loads(self.tenant.mirror_file(self.job).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        tables = content.get("tables") if isinstance(content, dict) else None
        return tables if isinstance(tables, dict) else {}

    def knows(self, table: TableName) -> bool:
        """Whether the job committed to the table before."""
        return str(table) in self.read()

    def write(self, stamps: Mapping[TableName, str]) -> bool:
        """Note the tables' stamps, as encoded, beside those of the job's other tables; False: they stood there already.

        Raises:
            FatalError: the file can't be written.
        """
        from dativo_engine.catalogs.files import write_durably

        before = self.read()
        tables = before | {str(table): json.loads(stamp) for table, stamp in stamps.items()}
        if tables == before:
            return False
        content: JsonValue = {"tenant": self.tenant.id, "job": self.job, "tables": tables}
        path = self.tenant.mirror_file(self.job)
        try:
            write_durably(path, json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n")
        except OSError as error:
            message = f"{path}: can't be written: {error.strerror}"
            raise FatalError(message) from error
        return True
