"""Random values that break parsers, and random changes that break valid data."""

import random
from typing import Any

# Put into every place that a caller controls. The tilde makes it an invalid request id, because those are logged.
CANARY = "canary~sings~privately"
WORDS = [
    *("", " ", CANARY, "null", "true", "NaN", "Infinity", "-0", "-1", "0", "1", "2.5", "1e3", "1e999", "0x10", "1_0"),
    *("\x00", "\x1e", "\x85", "\u2028", "\u202e", "\ufeff", "é", "\u0661", "\U0001f4a9", "\ud83d", "\r\n", "\r\nx: y"),
    *(
        "'",
        '"',
        "\\",
        "' OR 1=1 --",
        "$1",
        "%s",
        "%00",
        "%ff",
        "../..",
        "..%2f..",
        "{}",
        "[]",
        "<script>",
        "http://[",
        "http://x",
        "a;b",
        "a,b",
    ),
    *(
        "audio/webm",
        "audio/",
        "AUDIO/mp4;codecs=opus",
        "text/html",
        "en",
        "2147483647",
        "2147483648",
        "9223372036854775808",
    ),
]
LENGTHS = (0, 1, 10, 255, 256, 5_000, 10_000, 10_001, 60_000)


class Values:
    """The random values of a run, generated from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random.random() < probability

    def text(self) -> str:
        """A problematic word, possibly repeated, or random characters."""
        if self.chance(0.1):
            return "".join(chr(self.random.randrange(0x3000)) for _ in range(self.random.randrange(50)))
        word = self.random.choice(WORDS)
        return word if self.chance(0.8) else (word or "x") * (self.random.choice(LENGTHS) // max(1, len(word)))

    def json(self, depth: int = 3) -> Any:
        """A random JSON value."""
        kind = self.random.randrange(7 if depth else 5)
        if kind == 5:
            return [self.json(depth - 1) for _ in range(self.random.randrange(4))]
        if kind == 6:
            return {self.text()[:50]: self.json(depth - 1) for _ in range(self.random.randrange(4))}
        plain: list[Any] = [None, True, self.text(), 0, -1, 2.5, 10**18, 1e300, []]
        return self.random.choice(plain)

    def broken(self, data: bytes) -> bytes:
        """The bytes with one change: truncated, duplicated, with a piece replaced, or with something inserted."""
        at, to = sorted(self.random.randrange(len(data) + 1) for _ in range(2))
        inserted = self.text()[:300].encode("utf-8", "replace")
        return self.random.choice(
            [
                data[:at],
                data[to:],
                data[:to] + data[at:],
                data[:at] + inserted + data[to:],
                data[:at] + inserted + data[at:],
            ]
        )

    def header(self) -> bytes:
        """A valid value for a header."""
        text = self.text()[:6_000].encode("utf-8", "replace")
        return bytes(byte for byte in text if byte >= 0x20 and byte != 0x7F)
