"""The sources of this package keep the specification."""

from pathlib import Path

from dativo_engine.sources.csv.spec import SPEC as CSV
from dativo_engine.sources.hubspot.spec import SPEC as HUBSPOT
from dativo_engine.sources.jsonl.spec import SPEC as JSONL
from dativo_engine.sources.parquet.spec import SPEC as PARQUET
from dativo_engine.sources.rest.spec import SPEC as REST
from dativo_engine.sources.stripe.spec import SPEC as STRIPE
from dativo_engine.testing import SourceConformance, SourceWorld
from file_worlds import CsvWorld, JsonlWorld, ParquetWorld
from hubspot_world import HubSpotWorld
from rest_world import RestWorld
from stripe_world import StripeWorld


class TestCsv(SourceConformance):
    spec = CSV

    def open_world(self, folder: Path) -> SourceWorld:
        return CsvWorld(folder)


class TestJsonl(SourceConformance):
    spec = JSONL

    def open_world(self, folder: Path) -> SourceWorld:
        return JsonlWorld(folder)


class TestParquet(SourceConformance):
    spec = PARQUET

    def open_world(self, folder: Path) -> SourceWorld:
        return ParquetWorld(folder)


class TestRest(SourceConformance):
    spec = REST

    def open_world(self, folder: Path) -> SourceWorld:
        return RestWorld(folder)


class TestHubSpot(SourceConformance):
    spec = HUBSPOT
    part_rows = 250  # of 2 KiB
    large_rows = 35_000

    def open_world(self, folder: Path) -> SourceWorld:
        return HubSpotWorld(folder)


class TestStripe(SourceConformance):
    spec = STRIPE
    large_rows = 16_000
    memory = 4 * 1024 * 1024

    def open_world(self, folder: Path) -> SourceWorld:
        return StripeWorld(folder)
