"""``make evaluate-speech``: word error rates, and how many of the learners' errors survive, models side by side."""

import asyncio
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from app.adapters.models import Usage
from app.recordings.recording import Audio
from evaluation.running import Run, run
from evaluation.services import speech_service
from evaluation.voice import Passage, passages, recording, require_voice
from evaluation.words import contains, errors, spoken

CONTENT_TYPE = "audio/webm;codecs=opus"
KEPT, CORRECTED, MISHEARD = "kept", "corrected", "misheard"


async def evaluate_speech(model: str) -> dict[str, Any]:
    """A model's figures over all recordings. Raises NoVoice."""
    require_voice()
    items = [(passage, await asyncio.to_thread(recording, passage)) for passage in passages()]
    with speech_service(model) as (client, whisper):

        async def ask(item: tuple[Passage, bytes]) -> tuple[str, Usage]:
            passage, data = item
            heard = await whisper.transcribe(Audio(io.BytesIO(data), CONTENT_TYPE, len(data), passage.id))
            return heard.text, heard.usage

        try:
            answers = await run(model, items, ask)
        finally:
            await client.aclose()
    return report(answers, [passage for passage, _ in items])


def report(answers: Run[str], said: Sequence[Passage]) -> dict[str, Any]:
    """Figures, costs and details, as they are written to the file. What was not answered counts as silence."""
    pairs = [(passage, heard or "") for passage, heard in zip(said, answers.results, strict=True)]
    fates = Counter(fate for passage, heard in pairs for fate in fates_of_errors(passage, heard).values())
    planted = fates.total()
    rates = {name: _rate([pair for pair in pairs if pair[0].human is human]) for name, human in _VOICES.items()}
    row = {f"word error rate, {name} voice": f"{rate:.1%}" for name, rate in rates.items()}
    row |= {f"errors {fate}": f"{fates[fate]} of {planted}" for fate in (KEPT, CORRECTED, MISHEARD)}
    row["valid"] = f"{sum(heard is not None for heard in answers.results)} of {len(pairs)}"
    row["seconds"] = f"{answers.seconds:.0f}"
    row["USD"] = f"{answers.cost_usd:.4f}" if answers.cost_usd else "-"
    details = [
        {"passage": passage.id, "heard": heard, "errors": fates_of_errors(passage, heard)} for passage, heard in pairs
    ]
    return {
        "model": answers.model,
        "row": row,
        "word_error_rate": rates,
        "errors": {fate: fates[fate] for fate in (KEPT, CORRECTED, MISHEARD)},
        "failures": dict(answers.failures),
        "cost_usd": answers.cost_usd,
        "recordings": details,
    }


def fates_of_errors(passage: Passage, heard: str) -> dict[str, str]:
    """What became of each planted error: kept as it was said, corrected, or misheard."""
    words = spoken(heard)

    def fate(said: str, corrected: str) -> str:
        if contains(words, spoken(said)):
            return KEPT
        return CORRECTED if contains(words, spoken(corrected)) else MISHEARD

    return {said: fate(said, corrected) for said, corrected in passage.errors}


_VOICES = {"human": True, "synthetic": False}


def _rate(pairs: Sequence[tuple[Passage, str]]) -> float:
    # Over all words together, so that a short passage does not weigh as much as a long one.
    wrong = sum(errors(spoken(passage.text), spoken(heard)) for passage, heard in pairs)
    return wrong / sum(len(spoken(passage.text)) for passage, _ in pairs)
