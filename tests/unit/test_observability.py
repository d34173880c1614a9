"""The dashboard, the alert rules and the page use only metrics and labels that exist in the code."""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from app.logs import ALLOWED_ATTRIBUTES
from app.telemetry import METRICS, Metric
from tests.documents import DOCS

PANELS: list[dict[str, Any]] = json.loads((DOCS / "observability/grafana-dashboard.json").read_text())["panels"]
GROUPS: list[dict[str, Any]] = yaml.safe_load((DOCS / "observability/alerts.yaml").read_text())["groups"]
RECORDS, RULES = [[rule for group in GROUPS for rule in group["rules"] if kind in rule] for kind in ("record", "alert")]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = QUERIES + [rule["expr"] for rule in RECORDS + RULES]


def series(name: str, metric: Metric) -> list[str]:
    """The names of a metric in Prometheus.

    https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
    """
    plain = name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")
    if metric.kind == "histogram":
        return [f"{plain}_{part}" for part in ("bucket", "sum", "count")]
    return [plain + ("_total" if metric.kind == "counter" else "")]


EXPORTED = {each: name for name, metric in METRICS.items() for each in series(name, metric)}
# A recording rule has the labels of its source metric.
RECORDED = {rule["record"]: name for rule in RECORDS for each, name in EXPORTED.items() if each in rule["expr"]}
KNOWN = EXPORTED | RECORDED


def parsed(expression: str) -> tuple[set[str], set[str]]:
    """The series and the labels that a query uses. Raises ValueError if it is not PromQL."""
    named, labels = set[str](), set[str]()

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector):
            named.add(part.name or "")
            labels.update(matcher.name for matcher in part.matchers.matchers)
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier:
            labels.update(part.modifier.labels)

    # Grafana replaces this variable with a duration.
    promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "1m")), visit)
    return named, labels


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_query_names_a_metric_and_its_own_labels(expression: str) -> None:
    """Each query is valid PromQL, and uses our series with labels that they have."""
    named, labels = parsed(expression)

    assert named and named <= KNOWN.keys()
    for each in named:
        own = {attribute.replace(".", "_") for attribute in METRICS[KNOWN[each]].attributes}
        assert labels - {"le"} <= own and ("le" not in labels or each.endswith("_bucket"))


@pytest.mark.parametrize("broken", ["sum(rate(x[5m])", "sum(rate(x))", "x{a=b}"])
def test_invalid_promql_is_detected(broken: str) -> None:
    """Brackets, types and quotes are checked like in Prometheus."""
    with pytest.raises(ValueError, match=r"\S"):
        parsed(broken)


def test_the_dashboard_shows_every_metric() -> None:
    """Every recorded metric is shown or used in an alert."""
    shown = {KNOWN[name] for text in EXPRESSIONS for name in parsed(text)[0]}

    assert shown == METRICS.keys()


def test_five_alerts_say_what_to_do() -> None:
    """Each alert has a unique name, a summary and an action."""
    assert len({rule["alert"] for rule in RULES}) == len(RULES) == 5
    assert [rule["alert"] for rule in RULES if not {"summary", "action"} <= rule["annotations"].keys()] == []


def test_metrics_have_only_allowed_attributes() -> None:
    """No metric has the session id as an attribute, because every value would create a new series."""
    used = {attribute for metric in METRICS.values() for attribute in metric.attributes}

    assert used <= ALLOWED_ATTRIBUTES - {"speaking_coach.session_id"}


def test_the_page_lists_every_metric_as_it_is() -> None:
    """With its kind, unit and attributes; the page also lists every attribute of a span."""
    page = Path(DOCS / "observability.md").read_text()
    rows = [
        line.split("|")[1:5] for line in page.splitlines() if re.match(r"\| `[^|]+\| (counter|histogram|gauge) ", line)
    ]
    listed = {
        name.strip(" `"): (kind.strip(), unit.strip(" `"), re.findall(r"`([^`]+)`", attributes))
        for name, kind, unit, attributes in rows
    }

    assert listed == {name: (metric.kind, metric.unit, [*metric.attributes]) for name, metric in METRICS.items()}
    assert [name for name in ALLOWED_ATTRIBUTES if f"`{name}`" not in page] == []
