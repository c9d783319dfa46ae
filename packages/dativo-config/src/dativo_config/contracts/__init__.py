"""Data contracts: read, converted to the standard form, proposed from data."""

from dativo_config.contracts.convert import convert
from dativo_config.contracts.propose import ProposedColumn, ProposedObject, propose
from dativo_config.contracts.read import read_contract

__all__ = ["ProposedColumn", "ProposedObject", "convert", "propose", "read_contract"]
