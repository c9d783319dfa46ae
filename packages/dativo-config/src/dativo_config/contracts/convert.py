"""A contract of the flat form -> the text of the same contract in the standard form."""

from __future__ import annotations

from dativo_config.contracts.flat import is_flat, to_standard
from dativo_config.contracts.notes import Notes
from dativo_config.contracts.read import read_contract
from dativo_config.contracts.yaml_text import dump
from dativo_config.document import Document
from dativo_config.problems import ConfigError


def convert(document: Document) -> str:
    """The YAML text of a flat contract in the standard form; a contract of the standard form comes back as it is.

    Raises:
        ConfigError: the contract has problems.
    """
    _, problems = read_contract(document)
    if problems:
        raise ConfigError(problems)
    if not is_flat(document.value):
        return document.text
    return dump(to_standard(document.value, Notes(document)).value)
