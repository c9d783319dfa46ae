"""What `make bench-rest` calls `dativo, read`: the source alone, its batches let go.

python -m tools.bench.rest_read PROJECT JOB     prints how many rows were read
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dativo_config.load import load
from dativo_engine.connectors import open_source, specs
from dativo_engine.interfaces import SourceSettings, StreamSettings
from dativo_engine.memory import budget


def main() -> None:
    """Open the job's source, read it to its end, count."""
    os.chdir(sys.argv[1])
    [job] = load([Path(sys.argv[2])], specs()).jobs
    [stream] = job.streams
    source = open_source(
        SourceSettings(
            connector=job.spec.name,
            tenant_id=job.tenant.id,
            job_name=job.name,
            project=Path(),
            streams=(StreamSettings(stream.name, (), stream.schema),),
            options=job.options,
            connection=job.connection,
            memory_bytes=budget(os.environ).source,
        )
    )
    splits = source.plan({stream.name: None}).splits
    print(sum(batch.records.num_rows for split in splits for batch in source.read(split)))


if __name__ == "__main__":
    main()
