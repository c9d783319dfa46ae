"""Why a text is not YAML, in words of the person who wrote it and at the place they must mend.

The C parser reports where it noticed the fault; that is often the line behind it.
"""

from __future__ import annotations

import re

import yaml

from dativo_config.nodes import Place

# What YAML allows in a stream (https://yaml.org/spec/1.2.2/#51-character-set); all else is invisible or not text.
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# Of YAML: str.splitlines knows more.
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

# The parser's phrase -> what is wrong, how to mend it. The first that is found counts.
_PHRASES: tuple[tuple[str, str, str], ...] = (
    ("mapping values are not allowed", "a `:` stands where no key can be", "check the indent, or quote the text"),
    ("found unexpected end of stream", "the quoted text never ends", "close the quote"),
    ("found unexpected document indicator", "the quoted text never ends", "close the quote"),
    ("found unknown escape character", "an unknown escape in double quotes", "double the `\\`, or use single quotes"),
    ("invalid Unicode character escape", "an escape that is no character of its own", "write the character itself"),
    ("could not find expected ':'", "a line without `:` among `key: value` lines", "write `key: value`"),
    ("did not find expected ',' or ']'", "the `[` list is not closed, or lacks a comma", "close it with `]`"),
    ("did not find expected ',' or '}'", "the `{` map is not closed, or lacks a comma", "close it with `}`"),
    ("did not find expected '-' indicator", "this line is no `- item` of the list above it", "check the indent"),
    ("did not find expected key", "this is no key of the block above it", "check the indent and the quotes"),
    ("did not find expected <document start>", "this does not belong to what stands above it", "check the indent"),
    ("did not find expected node content", "a value was expected here", "write one, or quote it"),
    ("incompatible YAML document", "the %YAML line names another version", "remove it"),
    (
        "did not find expected comment or line break",
        "an unknown mark behind `|` or `>`",
        "begin the text on a new line",
    ),
    ("undefined tag handle", "tags are not allowed", "write the plain value"),
    ("unknown directive name", "an unknown `%` line", "remove it, or quote the text"),
)
_TAB = ("a tab can't indent YAML", "use spaces")


def control_character(text: str) -> tuple[Place, str] | None:
    """The first character that YAML text can't hold, if there is one."""
    found = _NOT_PRINTABLE.search(text)
    if found is None:
        return None
    return place_at(text, found.start()), f"the character U+{ord(found.group()):04X} is not allowed in YAML"


def place_at(text: str, index: int) -> Place:
    """Line and column of the character at `index`."""
    ends = [found.end() for found in _LINE_END.finditer(text, 0, index)]
    return len(ends) + 1, index - (ends[-1] if ends else 0) + 1


def explain(error: yaml.MarkedYAMLError, text: str) -> tuple[Place, str, str]:
    """Where the fault in `text` is, what it is, and how to mend it."""
    lines = text.splitlines()
    mark = error.problem_mark or error.context_mark
    noticed = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    context = error.context_mark
    began = (context.line + 1, context.column + 1) if context else noticed
    problem = error.problem or "this is not YAML"
    line = lines[noticed[0] - 1] if noticed[0] <= len(lines) else ""
    if quoted := _quote_closed_late(text, noticed):
        return quoted, f"the quoted text runs on to a quote on line {noticed[0]}", "close the quote"
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        return (noticed[0], indent.index("\t") + 1), *_TAB
    # Of what is taken for an alias, `*/5`, the parser sees the fault behind the star.
    behind = int("expected alphabetic or numeric character" in problem)
    if behind or "cannot start any token" in problem:
        place = noticed[0], noticed[1] - behind
        return place, *_no_token(line, place[1])
    if "mapping values" in problem and _lacks_colon_above(lines, noticed[0]):
        return (noticed[0] - 1, 1), "a line without `:` among `key: value` lines", "write `key: value`"
    if line[noticed[1] - 2 : noticed[1]] == "${":
        return (noticed[0], noticed[1] - 1), "`${...}` inside braces or brackets must stand in quotes", 'write "${...}"'
    message, hint = next((rest for phrase, *rest in _PHRASES if phrase in problem), (problem, ""))
    return (began if _begun_earlier(problem, began, noticed, lines) else noticed), message, hint


def _no_token(line: str, column: int) -> tuple[str, str]:
    character = line[column - 1 : column]
    if character == "\t":
        return _TAB
    return f"no value can begin with `{character}`", "put it in quotes"


def _begun_earlier(problem: str, began: Place, noticed: Place, lines: list[str]) -> bool:
    """Whether the fault lies where the value began, not where the parser gave up."""
    if began[0] >= noticed[0]:
        return False
    if "',' or" in problem:  # an opening bracket with something behind it on its line was meant to close there
        return not lines[began[0] - 1].split(" #")[0].rstrip().endswith(("[", "{", ","))
    return "unexpected" in problem or "expected ':'" in problem


def _lacks_colon_above(lines: list[str], line: int) -> bool:
    """Whether the line above stands like a key beside this one and is none."""
    if line < 2:
        return False
    above, here = lines[line - 2], lines[line - 1]
    indent = len(here) - len(here.lstrip())
    return ":" not in above and len(above) - len(above.lstrip()) == indent and not above.lstrip().startswith("- ")


def _quote_closed_late(text: str, noticed: Place) -> Place | None:
    """Where a quoted text begins that ends on the faulty line, having taken in the lines between."""
    found: Place | None = None
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent) and event.style in ("'", '"'):
                many_lines = event.start_mark.line < event.end_mark.line == noticed[0] - 1
                found = (event.start_mark.line + 1, event.start_mark.column + 1) if many_lines else None
    except yaml.MarkedYAMLError:
        return found
    return None
