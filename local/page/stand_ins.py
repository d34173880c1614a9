"""The page's texts about each service that has a stand-in."""

# ``part`` is the part of the page that the stand-in produced, with ``label`` beside it; ``note`` is in the footer.
STAND_INS = {
    "Whisper": {
        "part": "transcript",
        "label": "Stand-in: Moonshine tiny, not Whisper",
        "note": "Transcripts are made by Moonshine tiny on this machine, not by Whisper: expect some misheard words.",
    },
    "Claude": {
        "part": "insights",
        "label": "Stand-in: grammar rules and counting, not Claude",
        "note": "Insights come from grammar rules and counting on this machine, not from Claude: "
        "expect fewer and simpler ones.",
    },
    "QStash": {
        "part": "queue",
        "label": "Stand-in: a local queue, not QStash",
        "note": "Messages are signed and delivered by a queue on this machine, not by QStash.",
    },
}
