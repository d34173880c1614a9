"""docs/api.md, the reference for clients, generated from docs/openapi.json."""

from textwrap import fill
from typing import Any

from tests.support.openapi import DOCUMENT, kinds_of, operations, resolve

# Not listed under "Bodies": explained at the top of the page, or with the operation that takes them.
NOT_SHOWN = {"Id", "Date", "Error", "Ok", "UploadForm", "DirectUploadRequest", "Delivery"}


def api() -> str:
    """docs/api.md, from docs/openapi.json."""
    sections = "\n".join(_operation(path, method, each) for path, method, each in operations())
    shared = _responses({str(each["x-status"]): each for each in DOCUMENT["components"]["responses"].values()})
    schemas = DOCUMENT["components"]["schemas"]
    bodies = "\n".join(_schema(name, schemas[name]) for name in schemas if name not in NOT_SHOWN)
    return f"""
# API reference
This page is generated from [openapi.json](openapi.json). `tests/integration/test_openapi.py` causes
every response below and compares it with that file. JSON is compact, and its keys have the order
shown. Dates are UTC with milliseconds, ids are cuids. Every response of the application carries
`X-Request-Id` and `X-Content-Type-Options: nosniff`. The tables name other response headers after
the error code.

Paths under `/api/sessions` need the session cookie of Auth.js v5, paths under `/api/internal` need
QStash's signature. While `make run` is running, `make token USER=ada` prints a learner's cookie:
```
curl -H "Cookie: $(make -s token USER=ada)" http://127.0.0.1:8000/api/sessions
```

{sections}
## Responses of every path
{shared}

# Bodies
{bodies}"""


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    about = f"{operation['summary']}. {operation.get('description', '')}".strip()
    lines = [f"## {method.upper()} {path}", fill(about, 100, break_on_hyphens=False, break_long_words=False)]
    for name, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = resolve(content["schema"])
        required = schema.get("required", [])
        lines.append(f"\n`{name}`\n\n| field | required | meaning |\n|---|---|---|")
        lines += [
            f"| `{field}` | {'yes' if field in required else 'no'} | {_meaning(each)} |"
            for field, each in schema["properties"].items()
        ]
    if operation.get("parameters"):
        lines.append("\n| parameter | in | meaning |\n|---|---|---|")
        lines += [f"| `{p['name']}` | {p['in']} | {p['description']} |" for p in operation["parameters"]]
    return "\n".join([*lines, "", _responses(operation["responses"]), ""])


def _responses(responses: dict[str, dict[str, Any]]) -> str:
    lines = ["| status | response | when |", "|---|---|---|"]
    for status, response in responses.items():
        found = resolve(response)
        content = found["content"]["application/json"]
        for name, example in content["examples"].items():
            value, when = example["value"], example.get("summary", found["description"])
            body = f"{value['error']} `{value['code']}`" if "code" in value else _names(content["schema"], value)
            lines.append(f"| {status} | {body}{_headers(found, name)} | {when} |")
    return "\n".join(lines)


def _headers(response: dict[str, Any], example: str) -> str:
    # "x-examples" names the examples of a status that have the header; without it, all of them have it.
    names = [name for name, each in response.get("headers", {}).items() if example in each.get("x-examples", [example])]
    return "".join(f", `{name}`" for name in names if name != "Cache-Control")


def _names(schema: dict[str, Any], value: dict[str, Any]) -> str:
    for option in schema.get("oneOf", [schema]):
        name = str(option["$ref"].rpartition("/")[2])
        if list(resolve(option)["properties"]) == list(value):
            return '`{"ok":true}`' if name == "Ok" else f"[{name}](#{name.lower()})"
    raise ValueError("an example of no schema")


def _schema(name: str, schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        return f"## {name}\n{_type(schema)}. {schema['description']}\n"
    rows = [f"| `{field}` | {_type(each)} | {each.get('description', '')} |" for field, each in _fields(schema)]
    return "\n".join([f"## {name}", schema["description"], "", "| key | type | meaning |", "|---|---|---|", *rows, ""])


def _fields(schema: dict[str, Any], before: str = "") -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for name, each in schema["properties"].items():
        found.append((before + name, each))
        inner = each.get("items", each)
        if "properties" in inner:
            found += _fields(inner, f"{before}{name}{'[]' if inner is not each else ''}.")
    return found


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"].rpartition("/")[2])
        return {"Id": "id", "Date": "date"}.get(name) or f"[{name}](#{name.lower()})"
    if "oneOf" in schema:
        return " or ".join(_type(option) for option in schema["oneOf"])
    if schema["type"] == "array":
        return f"array of {_type(schema['items'])}"
    if "enum" in schema:
        return " or ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    return " or ".join(kinds_of(schema))


def _meaning(schema: dict[str, Any]) -> str:
    return str(schema.get("description") or _type(schema))
