"""dativo's jobs as Dagster assets, checks and schedules."""

from dativo_dagster.definitions import build_definitions

__all__ = ["build_definitions"]
