"""docs/openapi.json is complete and agrees with the code."""

import pytest
from starlette.routing import Route

from app import refusals
from app.application import create_app
from app.checks import load
from app.errors import Refused
from tests.support.openapi import DOCUMENT, FILE, METHODS, Answer, answers, faults, operations
from tests.unit.test_checks import given

REFUSALS = {
    name: value
    for name, value in vars(refusals).items()
    if isinstance(value, type) and issubclass(value, Refused) and value is not Refused
}


@pytest.mark.parametrize("answer", answers(), ids=str)
def test_examples_have_the_documented_form(answer: Answer) -> None:
    """Clients may copy the examples."""
    assert faults(answer.example, answer.schema) == []


def test_every_refusal_is_documented_with_its_own_status_and_sentence() -> None:
    """Examples of errors are named after the class in app/refusals.py."""
    documented = {answer.name for answer in answers()}
    assert sorted(REFUSALS.keys() - documented) == []

    for answer in answers():
        if (refusal := REFUSALS.get(answer.name)) and answer.name != "InvalidText":
            assert (answer.status, answer.example) == (
                refusal.status,
                {"error": refusal.message, "code": refusal.code.value},
            )


def test_every_route_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document contains each path and method of the application, and no other."""
    given(monkeypatch)
    routes = {
        (route.path, method)
        for route in create_app(load()).routes
        if isinstance(route, Route)
        for method in METHODS
        if hasattr(route.endpoint, method) or method.upper() in (getattr(route, "methods", None) or ())
    }

    assert {(path, method) for path, method, _ in operations()} == routes


def test_the_application_does_not_serve_the_document() -> None:
    """The document is for readers; no module of the application uses it."""
    app = FILE.parent.parent / "app"

    assert not any("openapi" in file.read_text().lower() for file in app.rglob("*.py"))
    assert DOCUMENT["openapi"].startswith("3.1")
