"""The files of tables, on a disk of this machine or in S3: one place that makes, finds and deletes them."""

from dativo_engine.storage.files import NewFile, StoredFile
from dativo_engine.storage.storage import Storage, storage_of
from dativo_engine.storage.telling import writing

__all__ = ["NewFile", "Storage", "StoredFile", "storage_of", "writing"]
