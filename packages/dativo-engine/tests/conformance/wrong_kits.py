"""The kit over implementations of which `test_wrong.py` knows what is wrong. Not collected with the other tests."""

from dataclasses import replace
from pathlib import Path

from dativo_engine.testing import CommitConformance, CommitWorld, SourceConformance, SourceWorld, WriterConformance
from ledger import SPEC, LedgerSource, LedgerWorld
from wrong import (
    BeginsAnew,
    DropsTheRest,
    LeaksThePassword,
    MiscountsNulls,
    RepeatsARow,
    TwiceWorld,
    UnfencedWorld,
)


class LedgerConformance(SourceConformance):
    spec = SPEC
    open_source = LedgerSource
    part_rows = 45
    large_rows = 5_000
    memory = 1024 * 1024

    def open_world(self, folder: Path) -> SourceWorld:
        return LedgerWorld(folder)


class TestNothingWrong(LedgerConformance):
    pass


class TestDropsTheRest(LedgerConformance):
    open_source = DropsTheRest


class TestRepeatsARow(LedgerConformance):
    open_source = RepeatsARow


class TestLeaksThePassword(LedgerConformance):
    open_source = LeaksThePassword


class TestDeclaresTooMuch(LedgerConformance):
    open_source = BeginsAnew


class TestDeclaresTooLittle(LedgerConformance):
    spec = replace(SPEC, reports_deletes=False)


class TestMiscountsNulls(WriterConformance):
    open_writer = MiscountsNulls


class TestCommitsTwice(CommitConformance):
    def open_world(self, folder: Path) -> CommitWorld:
        return TwiceWorld(folder)


class TestIgnoresTheFence(CommitConformance):
    def open_world(self, folder: Path) -> CommitWorld:
        return UnfencedWorld(folder)
