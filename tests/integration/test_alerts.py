"""The alert rules, evaluated by Prometheus's promtool on series as our service sends them."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.documents import DOCS
from tests.support.debian import require_program

ALERTS = DOCS / "observability/alerts.yaml"
SESSIONS, WAITING = "speaking_coach_sessions_total", "speaking_coach_oldest_waiting_seconds"
REFUSED = f'{SESSIONS}{{outcome="retrying", error_type="Misconfigured"}}'
FAILED, DONE = f'{SESSIONS}{{outcome="failed"}}', f'{SESSIONS}{{outcome="done"}}'
SWEEP, COST = "speaking_coach_backlog", "speaking_coach_model_cost_total"


# Values are a minute apart, in promtool's notation: "_x9" is nine minutes without a value, "0+2x9" grows by two
# nine times.
@pytest.mark.parametrize(
    ("alert", "series", "minute", "fires"),
    [
        ("SessionsWaitTooLong", {WAITING: "0 _x9 3700 _x9"}, 12, True),
        ("SessionsWaitTooLong", {WAITING: "0 _x9 3500 _x9"}, 12, False),
        ("SweepDoesNotRun", {SWEEP: "0 _x50"}, 35, True),
        ("SweepDoesNotRun", {SWEEP: "0 _x9 0 _x9 0 _x50"}, 35, False),
        # The first refusal ever, in a process that has run for minutes or has just started.
        ("ConfigurationIsWrong", {REFUSED: "_x9 1x40"}, 11, True),
        ("ConfigurationIsWrong", {REFUSED: "1x40"}, 1, True),
        ("ConfigurationIsWrong", {REFUSED: "1x19 2x40"}, 22, True),
        ("ConfigurationIsWrong", {REFUSED: "1x60"}, 40, False),
        # The receiver was unavailable for a while.
        ("ConfigurationIsWrong", {REFUSED: "1x60 _x20 1x60"}, 82, False),
        ("ConfigurationIsWrong", {DONE: "0+1x60"}, 30, False),
        ("ManySessionsFail", {FAILED: "0+1x60", DONE: "0+1x60"}, 40, True),
        ("ManySessionsFail", {FAILED: "0+1x60", DONE: "0+9x60"}, 40, False),
        ("ManySessionsFail", {FAILED: "0x30 3x60", DONE: "0x60"}, 40, False),
        # The counters of a new process start with their first value, not with 0.
        ("ManySessionsFail", {FAILED: "_x10 100x60", DONE: "1x80"}, 20, True),
        ("ManySessionsFail", {FAILED: "100x80", DONE: "1x80"}, 70, False),
        ("ModelsCostTooMuch", {COST: "_x10 50x120"}, 30, True),
        ("ModelsCostTooMuch", {COST: "50x200"}, 190, False),
        ("ModelsCostTooMuch", {COST: "0+0.1x120"}, 90, True),
        ("ModelsCostTooMuch", {COST: "0+0.05x120"}, 90, False),
    ],
)
def test_an_alert_fires_when_it_should(
    alert: str, series: dict[str, str], minute: int, fires: bool, tmp_path: Path
) -> None:
    """It fires in the expected cases, and only in those."""
    promtool = require_program(shutil.which("promtool"), "prometheus")
    expression = f'count by (alertname) (ALERTS{{alertname="{alert}", alertstate="firing"}})'
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fires else []
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": f"{minute}m", "exp_samples": expected}],
    }
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
