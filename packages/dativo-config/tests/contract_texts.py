"""A contract from text, as the tests of contracts read it."""

from __future__ import annotations

from pathlib import Path

from dativo_config.contracts import read_contract
from dativo_config.document import Document, parse_document
from dativo_config.models.contract import Contract
from dativo_config.problems import Problem

HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
"""

FULL = """\
apiVersion: v3.1.0
kind: DataContract
id: shop-orders
name: Orders
version: 2.1.0
status: active
domain: sales
dataProduct: shop
tenant: acme
tags: [core, daily]
description: {purpose: What was ordered.}
team:
  name: shop-team
  members: [{username: ann}]
slaProperties:
  - {property: retention, value: 7, unit: y}
customProperties:
  - {property: finops, value: {cost_center: C1, shared: true}}
  - {property: compliance, value: {retention_days: 90, regulations: [GDPR, CCPA]}}
  - {property: governance.steward, value: bob}
  - {property: origin, value: erp}
schema:
  - name: orders
    physicalName: shop_orders
    description: One order
    tags: [fact]
    customProperties: [{property: sortOrder, value: [placed desc, id]}]
    properties:
      - {name: line, logicalType: integer, primaryKey: true, primaryKeyPosition: 2, required: true}
      - {name: id, id: p-id, logicalType: string, primaryKey: true, primaryKeyPosition: 1, required: true}
      - {name: placed, logicalType: timestamp, partitioned: true}
      - name: email
        physicalName: email_address
        logicalType: string
        classification: pii
        logicalTypeOptions: {maxLength: 100, pattern: "^[^@]+@[^@]+$"}
        quality:
          - {metric: nullValues, mustBeLessThan: 5, unit: percent, severity: warning}
          - {metric: nullValues, mustBe: 0}
      - {name: state, logicalType: string, enum: [{value: open}, {value: shipped}]}
      - name: items
        logicalType: array
        items: {logicalType: object, properties: [{name: sku, logicalType: string, required: true}]}
      - name: labels
        logicalType: map
        map: {key: {logicalType: string}, value: {logicalType: integer}}
    quality:
      - {metric: rowCount, mustBeBetween: [1, 1000000], name: some_rows}
      - {metric: duplicateValues, mustBe: 0, arguments: {properties: [id, email]}}
      - {type: sql, query: "SELECT count(*) FROM ${object} WHERE line < 0", mustBe: 0}
      - {type: text, description: Orders are never deleted.}
"""


def document(text: str) -> Document:
    found, problems = parse_document(Path("contract.yaml"), text)
    assert not problems, problems
    assert found is not None
    return found


def read(text: str) -> tuple[Contract | None, list[Problem]]:
    return read_contract(document(text))


def read_clean(text: str) -> Contract:
    contract, problems = read(text)
    assert contract is not None
    assert not problems, problems
    return contract


def properties(*lines: str) -> str:
    """A contract of one object whose properties are the given flow maps."""
    return HEAD + "".join(f"      - {line}\n" for line in lines)


def told(text: str) -> list[tuple[int, str, str]]:
    """Line, path and message of each problem."""
    return [(problem.position.line, problem.path, problem.message) for problem in read(text)[1]]
