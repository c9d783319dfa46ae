# pyarrow makes most of its compute functions when it is imported, so a type checker that reads its source can't see
# them. They take and answer arrays, scalars and plain values.
from typing import Any

def __getattr__(name: str) -> Any: ...
