"""``make evaluate-speech``: measures word error rates, and how many of the learners' errors are preserved."""

import asyncio
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from app.adapters.models import Usage
from app.audio.recording import AudioFile
from evaluation.running import Run, run
from evaluation.services import speech_service
from evaluation.voice import Passage, passages, recording, require_voice
from evaluation.words import contains, errors, normalized_words

CONTENT_TYPE = "audio/webm;codecs=opus"
KEPT, CORRECTED, MISHEARD = "kept", "corrected", "misheard"


async def evaluate_speech(model: str) -> dict[str, Any]:
    """The results of a model for all recordings. Raises NoVoice."""
    require_voice()
    items = [(passage, await asyncio.to_thread(recording, passage)) for passage in passages()]
    with speech_service(model) as (client, whisper):

        async def ask(item: tuple[Passage, bytes]) -> tuple[str, Usage]:
            passage, data = item
            return await whisper.transcribe(AudioFile(io.BytesIO(data), CONTENT_TYPE, len(data), passage.id))

        try:
            answers = await run(model, items, ask)
        finally:
            await client.aclose()
    return report(answers, [passage for passage, _ in items])


def report(answers: Run[str], said: Sequence[Passage]) -> dict[str, Any]:
    """Results, costs and details, in the form written to the file. A missing answer counts as silence."""
    pairs = [(passage, heard or "") for passage, heard in zip(said, answers.results, strict=True)]
    outcomes = Counter(outcome for passage, heard in pairs for outcome in error_outcomes(passage, heard).values())
    planted = outcomes.total()
    rates = {name: _rate([pair for pair in pairs if pair[0].human is human]) for name, human in _VOICES.items()}
    row = {f"word error rate, {name} voice": f"{rate:.1%}" for name, rate in rates.items()}
    row |= {f"errors {outcome}": f"{outcomes[outcome]} of {planted}" for outcome in (KEPT, CORRECTED, MISHEARD)}
    row["valid"] = f"{sum(heard is not None for heard in answers.results)} of {len(pairs)}"
    row["seconds"] = f"{answers.seconds:.0f}"
    row["USD"] = f"{answers.cost_usd:.4f}" if answers.cost_usd else "-"
    details = [
        {"passage": passage.id, "heard": heard, "errors": error_outcomes(passage, heard)} for passage, heard in pairs
    ]
    return {
        "model": answers.model,
        "row": row,
        "word_error_rate": rates,
        "errors": {outcome: outcomes[outcome] for outcome in (KEPT, CORRECTED, MISHEARD)},
        "failures": dict(answers.failures),
        "cost_usd": answers.cost_usd,
        "recordings": details,
    }


def error_outcomes(passage: Passage, heard: str) -> dict[str, str]:
    """The outcome of each planted error: kept as spoken, corrected, or misheard."""
    words = normalized_words(heard)

    def outcome(said: str, corrected: str) -> str:
        if contains(words, normalized_words(said)):
            return KEPT
        return CORRECTED if contains(words, normalized_words(corrected)) else MISHEARD

    return {said: outcome(said, corrected) for said, corrected in passage.errors}


_VOICES = {"human": True, "synthetic": False}


def _rate(pairs: Sequence[tuple[Passage, str]]) -> float:
    # Over all words together, so that short passages do not weigh as much as long ones.
    wrong = sum(errors(normalized_words(passage.text), normalized_words(heard)) for passage, heard in pairs)
    return wrong / sum(len(normalized_words(passage.text)) for passage, _ in pairs)
