"""THE FLOW: a contract file, in either form, -> one contract, or every problem with its place."""

from __future__ import annotations

from dativo_config.contracts.flat import flat_complaints, is_flat, to_standard
from dativo_config.contracts.notes import Notes
from dativo_config.contracts.odcs import read_standard
from dativo_config.contracts.standard import standard_complaints
from dativo_config.document import Document
from dativo_config.models.contract import Contract
from dativo_config.problems import Problem


def read_contract(document: Document) -> tuple[Contract | None, list[Problem]]:
    """The contract in a file of the standard or of the flat form. With problems there may still be a contract."""
    value, notes = document.value, Notes(document)
    if is_flat(value):
        notes.add_complaints(flat_complaints(value))
        if notes.problems:
            return None, notes.problems
        standard = to_standard(value, notes)
        value, notes.origins = standard.value, standard.origins
    found = standard_complaints(value)
    notes.add_complaints(found)
    if not all(complaint.can_be_left_out for complaint in found):
        return None, notes.problems
    # Unknown keys keep nothing from being read on: more problems may stand behind them.
    contract = read_standard(value, document.path, notes)
    return contract, notes.problems
