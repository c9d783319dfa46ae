"""YAML events -> a tree of plain values that knows where each of them stands.

PyYAML's C parser makes the events; its composer and constructor are not used, because they recurse without limit,
expand aliases without limit, keep the last of two equal keys, and read YAML 1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from dativo_config.models.contract import JsonValue
from dativo_config.scalars import read_scalar, read_tagged, show_tag

MOST_NODES = 200_000
MOST_LEVELS = 64

ValuePath: TypeAlias = "tuple[str | int, ...]"
Place: TypeAlias = "tuple[int, int]"  # line and column, from 1
Report: TypeAlias = Callable[[ValuePath, Place, str, str], None]


@dataclass(slots=True)
class Node:
    """One value of a document.

    Attributes:
        start: where it begins; of an aliased value, where its anchor stands, for there it is mended.
        end: the place behind its last character.
        children: values of a mapping by key, of a sequence by index.
        keys: where the keys of a mapping stand.
        left_out: entries of a mapping that have no usable key: no values, but text of the file all the same.
        size: how many values it is made of, aliases expanded.
    """

    value: JsonValue
    start: Place
    end: Place
    children: dict[str | int, Node] = field(default_factory=dict[str | int, "Node"])
    keys: dict[str, Place] = field(default_factory=dict[str, Place])
    left_out: list[tuple[str, Node]] = field(default_factory=list[tuple[str, "Node"]])
    size: int = 1


class DocumentError(Exception):
    """The text can't be read on from a place."""

    def __init__(self, path: ValuePath, place: Place, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.place = place
        self.message = message
        self.hint = hint


def compose(text: str, report: Report) -> Node | None:
    """The tree of the only document in `text`; None: there is no value in it. Tells `report` of each smaller fault.

    Raises:
        DocumentError: nesting, size, aliases or a second document make it unreadable.
        yaml.MarkedYAMLError: the text is not YAML.
    """
    return _Composer(text, report).document()


class _Composer:
    def __init__(self, text: str, report: Report) -> None:
        self._events = yaml.CSafeLoader(text)
        self._report = report
        self._anchors: dict[str, Node] = {}
        self._open_anchors: set[str] = set()

    def document(self) -> Node | None:
        self._next()  # the stream begins
        if self._events.check_event(yaml.StreamEndEvent):
            return None
        self._next()  # the document begins
        root = self._node(self._next(), ())
        self._next()  # the document ends
        if not self._events.check_event(yaml.StreamEndEvent):
            place = _start(self._next())
            raise DocumentError((), place, "a second document begins here, a file holds one", "split the file in two")
        return root

    def _next(self) -> yaml.Event:
        event = self._events.get_event()
        if event is None:
            raise EOFError("read on behind the end of the stream")
        return event

    def _node(self, event: yaml.Event, path: ValuePath) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, path)
        if len(path) > MOST_LEVELS:
            raise DocumentError((), _start(event), f"values are nested deeper than {MOST_LEVELS} levels")
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._open_anchors.add(anchor)
        if isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, path)
        elif isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, path)
        else:
            raise TypeError(f"a value can't begin with {event}")
        if anchor is not None:
            self._open_anchors.discard(anchor)
            self._anchors[anchor] = node
        return node

    def _aliased(self, event: yaml.AliasEvent, path: ValuePath) -> Node:
        if event.anchor in self._open_anchors:
            raise DocumentError(path, _start(event), f"the alias `*{event.anchor}` stands inside its own value")
        if event.anchor not in self._anchors:
            message = f"no anchor `&{event.anchor}` stands before this alias"
            raise DocumentError(path, _start(event), message, "put it in quotes, if it is text")
        return self._anchors[event.anchor]

    def _scalar(self, event: yaml.ScalarEvent, path: ValuePath) -> Node:
        value = event.value
        try:
            if event.tag is not None:
                value = read_tagged(event.tag, value)
            elif event.implicit[0]:
                value = read_scalar(value)
        except ValueError as error:
            self._report(path, _start(event), str(error), "")
        return Node(value, _start(event), _end(event))

    def _sequence(self, event: yaml.SequenceStartEvent, path: ValuePath) -> Node:
        self._refuse_tag(event, path, "seq")
        values: list[JsonValue] = []
        node = Node(values, _start(event), _end(event))
        while not isinstance(item := self._next(), yaml.SequenceEndEvent):
            child = self._node(item, (*path, len(values)))
            self._adopt(node, len(values), child, path)
            values.append(child.value)
        node.end = _end(item)
        return node

    def _mapping(self, event: yaml.MappingStartEvent, path: ValuePath) -> Node:
        self._refuse_tag(event, path, "map")
        values: dict[str, JsonValue] = {}
        node = Node(values, _start(event), _end(event))
        while not isinstance(item := self._next(), yaml.MappingEndEvent):
            key = self._key(item, node, path)
            child = self._node(self._next(), path if key is None else (*path, key))
            if key is None:
                node.left_out.append((getattr(item, "value", ""), child))
                continue
            self._adopt(node, key, child, path)
            node.keys[key] = _start(item)
            values[key] = child.value
        node.end = _end(item)
        return node

    def _adopt(self, node: Node, key: str | int, child: Node, path: ValuePath) -> None:
        node.children[key] = child
        node.size += child.size
        if node.size > MOST_NODES:
            raise DocumentError(path, node.start, f"more than {MOST_NODES} values, counting what aliases repeat")

    def _key(self, event: yaml.Event, node: Node, path: ValuePath) -> str | None:
        """The key, or None after telling why its entry is left out."""
        key = self._node(event, (*path, "?"))
        place = _start(event)
        plain = isinstance(event, yaml.ScalarEvent) and event.tag is None and event.implicit[0]
        if isinstance(event, yaml.AliasEvent) or not isinstance(key.value, str):
            self._report(path, place, "a key must be text", "put it in quotes")
        elif plain and key.value == "<<":
            self._report(path, place, "merge keys (`<<`) are not part of YAML 1.2", "write the keys out here")
        elif key.value in node.keys:
            first = node.keys[key.value][0]
            self._report((*path, key.value), place, f"the key stands twice, first on line {first}", "keep one of them")
        else:
            return key.value
        return None

    def _refuse_tag(self, event: yaml.CollectionStartEvent, path: ValuePath, kind: str) -> None:
        if event.tag not in (None, "!", f"tag:yaml.org,2002:{kind}"):
            self._report(path, _start(event), f"the tag {show_tag(event.tag)} is not allowed", "write the plain value")


def _start(event: yaml.Event) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _end(event: yaml.Event) -> Place:
    return event.end_mark.line + 1, event.end_mark.column + 1
