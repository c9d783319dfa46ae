"""The text of a variable or file -> the secrets in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal, TypeAlias, cast

from pydantic import SecretStr

Form: TypeAlias = Literal["json", "env", "text", "raw"]

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*?)\s*")
_COMMENT = re.compile(r"\s+#.*$")


def read_values(name: str, text: str, form: Form) -> Iterator[tuple[str, SecretStr]]:
    """The secrets in `text`, with their names.

    `text` is the value without its last line end; `raw` is the value as it is. `json` is one value under `name`, and if
    it is a map, each of its entries under its key; `env` are `KEY=value` lines, and all of them under `name`.
    """
    match form:
        case "raw":
            yield name, SecretStr(text)
        case "text":
            yield name, SecretStr(text.rstrip("\r\n"))
        case "env":
            yield name, SecretStr(text)
            yield from _lines(text)
        case "json":
            yield name, SecretStr(text)
            yield from _entries(text)


def _entries(text: str) -> Iterator[tuple[str, SecretStr]]:
    """The entries of a JSON map. Text that is no JSON has none: it is still a value under its own name."""
    try:
        value = json.loads(text)
    except ValueError:
        return
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            yield key, SecretStr(item if isinstance(item, str) else json.dumps(item))


def _lines(text: str) -> Iterator[tuple[str, SecretStr]]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found:
            yield found[1], SecretStr(_unquoted(found[2]))


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        inner = value[1:-1]
        return inner if value[0] == "'" else inner.replace(r"\n", "\n").replace(r"\"", '"').replace(r"\\", "\\")
    return _COMMENT.sub("", value)
