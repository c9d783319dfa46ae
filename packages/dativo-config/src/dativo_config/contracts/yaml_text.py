"""Values -> YAML text that reads back as the same values, by our rules (YAML 1.2) and by those of YAML 1.1."""

from __future__ import annotations

import yaml

from dativo_config.models.contract import JsonValue
from dativo_config.scalars import read_scalar


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's own signature
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    try:
        plain = isinstance(read_scalar(text), str)
    except ValueError:
        plain = False
    # PyYAML quotes what YAML 1.1 would take for something else; `1e5` is a number in 1.2 only.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _represent_text)


def dump(value: dict[str, JsonValue]) -> str:
    """The text of a document, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
