"""Where tables are registered: one function maps a job's settings to a catalogue."""

from dativo_engine.catalogs.connect import open_catalog, warehouse_location

__all__ = ["open_catalog", "warehouse_location"]
