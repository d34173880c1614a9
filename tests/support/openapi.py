"""Reads docs/openapi.json: the documented answers, and whether an answer matches its schema."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent.parent / "docs" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
# The operation name of answers that are documented for all paths.
ANY = "any"
METHODS = ("get", "post", "delete")
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


@dataclass(frozen=True)
class Answer:
    """A documented answer of one operation or of all paths, identified by the name of its example."""

    operation: str
    status: int
    name: str
    schema: dict[str, Any] = field(hash=False, repr=False)
    example: Any = field(hash=False, repr=False)

    def __str__(self) -> str:
        return f"{self.operation}-{self.status}-{self.name}"


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The target of a ``$ref``, or the node itself. Raises KeyError if the target does not exist."""
    while "$ref" in node:
        target: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each operation."""
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def operation(operation_id: str) -> dict[str, Any]:
    """An operation by its id."""
    return next(each for _, _, each in operations() if each["operationId"] == operation_id)


def answers() -> list[Answer]:
    """Every documented answer once. Answers that operations share are listed under ``ANY``."""
    found: list[Answer] = []
    for _, _, each in operations():
        for status, response in each["responses"].items():
            if "$ref" not in response:
                found += _examples(each["operationId"], int(status), response)
    for response in DOCUMENT["components"]["responses"].values():
        found += _examples(ANY, response["x-status"], response)
    return found


def _examples(operation_id: str, status: int, response: dict[str, Any]) -> list[Answer]:
    content = response["content"]["application/json"]
    return [
        Answer(operation_id, status, name, content["schema"], example["value"])
        for name, example in content["examples"].items()
    ]


def kinds_of(schema: dict[str, Any]) -> list[str]:
    """The types that a schema allows."""
    named: Any = schema["type"]
    return [named] if isinstance(named, str) else named


def faults(value: Any, schema: dict[str, Any], where: str = "answer") -> list[str]:
    """The differences between a value and a schema. Keys must be in the documented order.

    Written by hand because jsonschema does not check the order of keys.
    """
    schema = resolve(schema)
    if "oneOf" in schema:
        options = [faults(value, option, where) for option in schema["oneOf"]]
        return [] if [] in options else options[0]
    kinds = kinds_of(schema)
    if not isinstance(value, tuple(kind for name in kinds for kind in TYPES[name])):
        return [f"{where}: {type(value).__name__} is none of {kinds}"]
    found: list[str] = []
    if isinstance(value, str) and "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        found.append(f"{where} does not match {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is none of {schema['enum']}")
    if isinstance(value, dict):
        if list(value) != list(schema["properties"]):  # pyright: ignore[reportUnknownArgumentType]  # JSON
            return [*found, f"{where} has other keys than {list(schema['properties'])}"]
        for name, part in schema["properties"].items():
            found += faults(value[name], part, f"{where}.{name}")
    if isinstance(value, list):
        for number, each in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            found += faults(each, schema["items"], f"{where}[{number}]")
    return found
