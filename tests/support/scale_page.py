"""docs/scale.md: what 1,000, 100,000 and 1,000,000 sessions a day require, from measurements, prices and stated assumptions."""

import json
import math
import statistics
from dataclasses import dataclass

from app.adapters import claude, whisper
from app.commands.qstash_checkups import MAX_WAITING_PER_SLOT
from app.settings import Settings
from benchmarks.table import RESULTS

SESSIONS_A_DAY = (1_000, 100_000, 1_000_000)

# Assumptions, all on the page.
MINUTES = 3
RECORDING_MB = 1.5
PEAK_FACTOR = 3
DELIVERY_S = 25
POLLS = 11
TOKENS_IN, TOKENS_OUT = 1_000, 800
STORED_KB = 6
MOST_BUSY = 0.5
DELIVERIES_A_PROCESS = 100
CONNECTIONS_A_PROCESS = 5
SWEEPS_A_DAY = 144

# https://upstash.com/pricing/qstash and the plans' limits, of November 2026: most messages a day, most deliveries at once.
USD_A_MESSAGE = 1 / 100_000
PLANS = (
    ("free", 1_000, 10),
    ("pay as you go", math.inf, 100),
    ("fixed 1M", 1_000_000, 200),
    ("fixed 10M", 10_000_000, 1_000),
)


@dataclass(frozen=True)
class Measured:
    """Medians of the newest results."""

    name: str
    delivery_cpu_ms: float
    delivery_statements: float
    upload_cpu_ms: float
    upload_statements: float
    poll_cpu_ms: float
    memory_mb: float


def measured() -> Measured:
    """The figures of the newest file in benchmarks/results."""
    newest = max(RESULTS.glob("*.json"))
    runs = json.loads(newest.read_text())["runs"]["here"]

    def median(row: str) -> float:
        return statistics.median(run[row] for run in runs if row in run)

    return Measured(
        newest.name,
        median("webhook CPU ms"),
        median("webhook SQL statements"),
        median("upload 1 MB CPU ms"),
        median("upload SQL statements"),
        median("detail CPU ms"),
        median("idle memory, SDKs loaded MB"),
    )


def scale() -> str:
    """The page."""
    m = measured()
    cpu_ms = m.delivery_cpu_ms + m.upload_cpu_ms * RECORDING_MB + m.poll_cpu_ms * POLLS
    columns = [_column(sessions, m, cpu_ms) for sessions in SESSIONS_A_DAY]
    rows = "\n".join(f"| {name} | {' | '.join(column[name] for column in columns)} |" for name in columns[0])
    return f"""
# What 1,000, 100,000 and 1,000,000 sessions a day require
These figures are calculated from `benchmarks/results/{m.name}`, the prices in
`app/adapters` and the assumptions below. The service has never run at a million sessions a day: the
measurements come from one machine with two cores and providers that answer at once.

| | {" | ".join(f"{sessions:,} a day" for sessions in SESSIONS_A_DAY)} |
|---|{"---|" * len(SESSIONS_A_DAY)}
{rows}

## Assumptions
- A session is {MINUTES} minutes of speech in {RECORDING_MB} MB, {TOKENS_IN:,} input and
  {TOKENS_OUT:,} output tokens for the analysis (30 % more with Haiku 5.5). Peak load is {PEAK_FACTOR} times the mean.
- A delivery takes {DELIVERY_S} s, almost all of it waiting for the models. This was not measured, because it
  depends on the providers. To find your own figure, see `took_ms` of `request_answered` in the log.
- The frontend polls a session {POLLS} times until it is DONE.
- Measured: {cpu_ms:.0f} ms of CPU for a session ({m.delivery_cpu_ms:.1f} ms for the delivery,
  {m.upload_cpu_ms:.1f} ms for each MB of the upload, {m.poll_cpu_ms:.2f} ms for each poll),
  {m.upload_statements:.0f} SQL statements for the upload, {m.delivery_statements:.0f} for the delivery and one for
  each poll, {m.memory_mb:.0f} MB for a process with its query engine.
- A process uses at most {MOST_BUSY:.0%} of a core and handles at most {DELIVERIES_A_PROCESS} concurrent deliveries, with
  `connection_limit={CONNECTIONS_A_PROCESS}` in `DATABASE_URL`. There are at least two processes, so that one can be
  replaced without downtime.
- A session leaves {STORED_KB} KB in the database: transcript, insights and their indexes.
- QStash costs $1 for 100,000 messages; {SWEEPS_A_DAY} a day are sweeps. Its plans deliver 10, 100, 200 and
  1,000 messages concurrently ([prices](https://upstash.com/pricing/qstash)). Retries are not counted.
- Not counted: servers, traffic and storage. Recordings are usually deleted within a minute or so.

## Which settings
- **Parallelism.** Set `QSTASH_FLOW_CONTROL_KEY`, and set `QSTASH_FLOW_CONTROL_PARALLELISM` to the number in
  the table or to what the models' rate limits allow, whichever is less. Further messages wait in QStash.
  `doctor` shows how many, and reports it as wrong if there are more than {MAX_WAITING_PER_SLOT} for each concurrent
  delivery ({MAX_WAITING_PER_SLOT * DELIVERY_S / 60:.0f} minutes of waiting at {DELIVERY_S} s each).
  Without flow control, QStash delivers as many messages concurrently as its plan allows, and deliveries
  that the models refuse are retried.
- **Rate limits of the models.** Compare the table's figures at peak with the limits of your accounts before
  you reach them. Speech models have a limit on requests, analysis models on requests and on input and output
  tokens.
- **Connections.** Processes times `connection_limit` must stay below the database's `max_connections`,
  with room for the frontend. On a serverless platform, or with more than a hundred connections, use a pooled
  address with `pgbouncer=true`.
- **Cost.** Most of it is speech. Choose cheaper models with `TRANSCRIPTION_MODELS` and `ANALYSIS_MODELS`.

## Where this design reaches its limits
- **QStash** has no limit on the rate of publishing, and each upload publishes only one message. The limit
  you reach first is the plan's number of concurrent deliveries. Above 1,000, ask Upstash or use both regions.
- **The sweep** publishes one message for each waiting session, 16 concurrently, for 40 s of each round. A
  backlog of millions after an outage would need QStash's batch API, which the sweep does not use yet.
- **PostgreSQL** on one machine can run more such statements a second than the table requires, so the limit
  is the size of the database, not the rate. The table has the growth per year. Backups and indexes get
  slow somewhere above a terabyte. Before that, move old sessions elsewhere or partition by month. As the
  next step, distribute learners over several machines by `userId`, with Citus or a similar extension.
  Profiles and sessions are already looked up by `userId`, but a delivery names only its session. Its
  message, and every statement with `WHERE id =`, would also need the learner's id.
"""


def _column(sessions: int, m: Measured, cpu_ms: float) -> dict[str, str]:
    peak_s = sessions / 86_400 * PEAK_FACTOR
    at_once = peak_s * DELIVERY_S
    parallelism = max(Settings.model_fields["qstash_flow_control_parallelism"].default, math.ceil(at_once / 10) * 10)
    messages = sessions + SWEEPS_A_DAY
    plan = next(name for name, most, at_most in PLANS if messages <= most and parallelism <= at_most)
    cores = peak_s * cpu_ms / 1000
    processes = max(2, math.ceil(cores / MOST_BUSY), math.ceil(parallelism / DELIVERIES_A_PROCESS))
    speech = [MINUTES * whisper.MODELS[name].usd_per_minute * sessions for name in _defaults("transcription_models")]
    analysis = [_analysis_usd(name) * sessions for name in _defaults("analysis_models")]
    return {
        "sessions a second at peak": f"{peak_s:.3g}",
        "concurrent deliveries at peak": f"{at_once:.3g}",
        "`QSTASH_FLOW_CONTROL_PARALLELISM`": f"{parallelism:,}",
        "QStash's plan": plan,
        "requests a minute to each model at peak": f"{math.ceil(peak_s * 60):,}",
        "tokens a minute in and out at peak (Haiku 4.5)": f"{peak_s * 60 * TOKENS_IN:,.0f} and {peak_s * 60 * TOKENS_OUT:,.0f}",
        "cores for the application at peak": f"{cores:.2g}",
        "processes": f"{processes}",
        "their memory": f"{processes * m.memory_mb / 1000:.1f} GB",
        "connections to the database": f"{processes * CONNECTIONS_A_PROCESS}",
        "SQL statements a second at peak": f"{peak_s * (m.upload_statements + m.delivery_statements + POLLS):,.1f}",
        **{
            f"{name} a day": f"${usd:,.2f}" for name, usd in zip(_defaults("transcription_models"), speech, strict=True)
        },
        **{f"{name} a day": f"${usd:,.2f}" for name, usd in zip(_defaults("analysis_models"), analysis, strict=True)},
        "QStash a day": "by plan" if plan.startswith("fixed") else f"${messages * USD_A_MESSAGE:,.2f}",
        "database growth per year": f"{sessions * 365 * STORED_KB / 1_000_000:,.0f} GB",
    }


def _defaults(setting: str) -> list[str]:
    return Settings.model_fields[setting].default.split(",")


def _analysis_usd(name: str) -> float:
    model = claude.MODELS[name]
    # It counts the same text as about 30 % more tokens: app/adapters/claude.py.
    more = 1.3 if model.thinks else 1.0
    return more * (TOKENS_IN * model.usd_in + TOKENS_OUT * model.usd_out) / 1_000_000
