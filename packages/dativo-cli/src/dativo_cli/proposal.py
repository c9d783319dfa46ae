"""A contract proposed from what a source says of itself."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from dativo_config.contracts import propose
from dativo_config.models.contract import PhysicalType
from dativo_engine.interfaces import StreamInfo
