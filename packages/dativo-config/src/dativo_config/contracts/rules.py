"""`quality` -> the rules that a run checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

from dativo_config.contracts.complaints import show
from dativo_config.contracts.notes import Notes, Path
from dativo_config.contracts.patterns import pattern_problem
from dativo_config.contracts.standard import COMPARISONS, OLDER_METRICS
from dativo_config.models.contract import Comparison, JsonValue, Rule

Item: TypeAlias = Mapping[str, JsonValue]
Severity: TypeAlias = Literal["error", "warning", "info"]

_COMPARISONS: Mapping[str, Comparison] = {
    "mustBe": "must_be",
    "mustNotBe": "must_not_be",
    "mustBeGreaterThan": "must_be_greater_than",
    "mustBeGreaterOrEqualTo": "must_be_greater_or_equal_to",
    "mustBeLessThan": "must_be_less_than",
    "mustBeLessOrEqualTo": "must_be_less_or_equal_to",
    "mustBeBetween": "must_be_between",
    "mustNotBeBetween": "must_not_be_between",
}
SEVERITIES: Mapping[str, Severity] = {
    "error": "error",
    "critical": "error",
    "warning": "warning",
    "warn": "warning",
    "info": "info",
}
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "nullValues": (),
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
    "rowCount": (),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of rules stands: at a property (`column` is its name in the table) or at the object (empty)."""

    path: Path
    column: str
    columns: Mapping[str, str]
    """Every property's name -> its column, for rules over several of them."""


def read_rules(items: Iterable[Item], place: Place, notes: Notes) -> list[Rule]:
    """The rules of one `quality` list. Those of type text are documentation and give none."""
    found: list[Rule] = []
    for index, item in enumerate(items):
        rule = _Reading(item, (*place.path, index), place, notes).rule()
        if rule is not None:
            found.append(rule)
    return found


def name_apart(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules under names of which none comes twice: the second of two gets a number."""
    taken: dict[str, int] = {}
    named: list[Rule] = []
    for rule in rules:
        taken[rule.name] = taken.get(rule.name, 0) + 1
        named.append(rule if taken[rule.name] == 1 else replace(rule, name=f"{rule.name}_{taken[rule.name]}"))
    return tuple(named)


@dataclass(frozen=True, slots=True)
class _Reading:
    item: Item
    path: Path
    place: Place
    notes: Notes

    def rule(self) -> Rule | None:
        match self.item.get("type", "library"):
            case "text":
                return None
            case "custom":
                hint = "write it as `type: sql`, or as a metric of the standard"
                self._refuse("type", "rules of another engine can't be run here", hint)
                return None
            case "sql":
                return self._sql()
            case _:
                return self._library()

    def _refuse(self, key: str, message: str, hint: str = "") -> None:
        self.notes.add((*self.path, *([key] if key else [])), message, hint=hint)

    def _sql(self) -> Rule | None:
        query = cast("str", self.item["query"]).strip()
        if not query:
            self._refuse("query", "is empty", "a SELECT of one number over ${object}")
            return None
        return self._common("sql", "sql", query=query)

    def _library(self) -> Rule | None:
        older = "metric" not in self.item
        if older and "rule" not in self.item:
            self._refuse("", "a rule needs a `metric`", f"one of {', '.join(ARGUMENTS)}; or type: sql with a query")
            return None
        metric = OLDER_METRICS[cast("str", self.item["rule"])] if older else cast("str", self.item["metric"])
        arguments = dict(cast("Item", self.item.get("arguments") or {}))
        if older and "validValues" in self.item:
            arguments["validValues"] = self.item["validValues"]
        if older and metric == "rowCount" and not any(name in self.item for name in COMPARISONS):
            self._refuse("", "needs a comparison, like mustBeGreaterThan: 0")
            return None
        self._check_place(metric, arguments)
        self._check_arguments(metric, arguments)
        return self._common("library", metric, arguments=arguments)

    def _check_place(self, metric: str, arguments: Item) -> None:
        key = "metric" if "metric" in self.item else "rule"
        if self.place.column and metric == "rowCount":
            self._refuse(key, "rowCount counts rows, not values", "move it to the object's own `quality`")
        elif not self.place.column and metric == "duplicateValues" and not arguments.get("properties"):
            self._refuse(key, "needs the properties that are unique together", "arguments: {properties: [a, b]}")
        elif not self.place.column and metric in ("nullValues", "missingValues", "invalidValues"):
            self._refuse(key, f"{metric} looks at one property", "move it to that property's `quality`")
        if metric == "rowCount" and self.item.get("unit") == "percent":
            self._refuse("unit", "rowCount is counted in rows")

    def _check_arguments(self, metric: str, arguments: Item) -> None:
        at = "validValues" if "arguments" not in self.item else "arguments"
        for name, value in arguments.items():
            if name not in ARGUMENTS[metric]:
                takes = ", ".join(ARGUMENTS[metric]) or "no arguments"
                self.notes.add(
                    (*self.path, at, name), f"is no argument of {metric}", hint=f"it takes {takes}", key=True
                )
            elif name == "pattern":
                wrong = pattern_problem(value) if isinstance(value, str) else f"expected text, found {show(value)}"
                if wrong:
                    self.notes.add((*self.path, at, name), wrong)
            elif not isinstance(value, list) or not value:
                self.notes.add((*self.path, at, name), f"expected a list of values, found {show(value)}")
        if metric == "invalidValues" and not arguments.keys() & {"validValues", "pattern"}:
            self._refuse(
                "", "invalidValues needs to know the valid ones", "arguments: {validValues: [...]} or {pattern: ...}"
            )
        if metric == "duplicateValues":
            for index, name in enumerate(self._listed(arguments)):
                if name not in self.place.columns:
                    self.notes.add((*self.path, at, "properties", index), f"there is no property {show(name)}")

    @staticmethod
    def _listed(arguments: Item) -> list[str]:
        properties = arguments.get("properties")
        return [str(name) for name in properties] if isinstance(properties, list) else []

    def _common(
        self, kind: Literal["library", "sql"], metric: str, *, query: str = "", arguments: Item | None = None
    ) -> Rule:
        comparison, threshold = self._comparison()
        name = self.item.get("name") or self.item.get("id")
        default_name = f"{self.place.column}_{metric}" if self.place.column else metric
        return Rule(
            name=cast("str", name) if name else default_name,
            kind=kind,
            metric=metric if kind == "library" else "",
            column=self.place.column,
            columns=tuple(self.place.columns.get(name, name) for name in self._listed(arguments or {})),
            query=query,
            comparison=comparison,
            threshold=threshold,
            unit=self._unit(),
            severity=self._severity(),
            description=cast("str", self.item.get("description") or ""),
            arguments=arguments or {},
        )

    def _comparison(self) -> tuple[Comparison, tuple[float, ...]]:
        for name, comparison in _COMPARISONS.items():
            if name not in self.item:
                continue
            value = self.item[name]
            numbers = value if isinstance(value, list) else [value]
            wanted = 2 if name.endswith("Between") else 1
            found = [number for number in numbers if isinstance(number, (int, float)) and not isinstance(number, bool)]
            if len(found) != wanted or len(numbers) != wanted:
                self._refuse(name, f"expected {'two numbers' if wanted == 2 else 'a number'}, found {show(value)}")
            elif wanted == 2 and found[0] > found[1]:
                self._refuse(name, f"the first number ({found[0]:g}) is greater than the second ({found[1]:g})")
            else:
                return comparison, tuple(found)
        return "must_be", (0,)

    def _unit(self) -> Literal["rows", "percent"]:
        unit = self.item.get("unit", "rows")
        if unit not in ("rows", "percent"):
            self._refuse("unit", f"expected rows or percent, found {show(unit)}")
        return "percent" if unit == "percent" else "rows"

    def _severity(self) -> Severity:
        severity = cast("str", self.item.get("severity", "error"))
        if severity.lower() not in SEVERITIES:
            self._refuse("severity", f"expected one of {', '.join(SEVERITIES)}, found {show(severity)}")
        return SEVERITIES.get(severity.lower(), "error")
