"""docs/api.md, the reference for clients, made from docs/openapi.json."""

from textwrap import fill
from typing import Any

from tests.support.openapi import DOCUMENT, kinds_of, operations, resolve

# Explained in a sentence above, or beside the operation that takes them.
NOT_SHOWN = {"Id", "Date", "Error", "Ok", "UploadForm", "DirectUploadRequest", "Delivery"}


def api() -> str:
    """docs/api.md, from docs/openapi.json."""
    sections = "\n".join(_operation(path, method, each) for path, method, each in operations())
    shared = _answers({str(each["x-status"]): each for each in DOCUMENT["components"]["responses"].values()})
    schemas = DOCUMENT["components"]["schemas"]
    answers = "\n".join(_schema(name, schemas[name]) for name in schemas if name not in NOT_SHOWN)
    return f"""
# API reference
Made from [openapi.json](openapi.json), which `tests/integration/test_openapi.py` checks by causing
every answer below. JSON is compact, keys come in the order shown, dates are UTC with three
decimals, ids are cuids. Every answer of the application carries `X-Request-Id`
and `X-Content-Type-Options: nosniff`.

Learners' paths need the session cookie of Auth.js v5; paths under `/api/internal` need QStash's
signature. While `make run` is running, `make token USER=ada` prints a learner's cookie:
```
curl -H "Cookie: $(make -s token USER=ada)" http://127.0.0.1:8000/api/sessions
```

{sections}
## Answers of every path
{shared}

# Bodies
{answers}"""


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
    return "\n".join([*lines, "", _answers(operation["responses"]), ""])


def _answers(responses: dict[str, dict[str, Any]]) -> str:
    lines = ["| status | answer | when |", "|---|---|---|"]
    for status, response in responses.items():
        found = resolve(response)
        headers = "".join(f", `{name}`" for name in found.get("headers", {}) if name != "Cache-Control")
        content = found["content"]["application/json"]
        for example in content["examples"].values():
            value, when = example["value"], example.get("summary", found["description"])
            answer = f"{value['error']} `{value['code']}`" if "code" in value else _names(content["schema"], value)
            lines.append(f"| {status} | {answer}{headers} | {when} |")
    return "\n".join(lines)


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
