"""The Parquet writer keeps the specification."""

from dativo_engine.testing import WriterConformance


class TestParquetWriter(WriterConformance):
    pass
