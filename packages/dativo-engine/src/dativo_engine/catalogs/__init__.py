"""Where tables are registered and lie: functions map a job's settings to a catalogue and a warehouse."""

from dativo_engine.catalogs.connect import ensure_branch, open_catalog
from dativo_engine.catalogs.warehouse import warehouse_location

__all__ = ["ensure_branch", "open_catalog", "warehouse_location"]
