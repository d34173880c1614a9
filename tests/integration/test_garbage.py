"""Malformed requests of every kind, as bytes on a socket: each gets a documented error quickly, and never a 500."""

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from local.token import session_cookie
from tests.support.world import SECRET, World

B = b"----boundary"


def part(headers: bytes, body: bytes = b"x") -> bytes:
    """One part of a form."""
    return b"--" + B + b"\r\n" + headers + b"\r\n\r\n" + body + b"\r\n"


END = b"--" + B + b"--\r\n"
AUDIO = part(b'Content-Disposition: form-data; name="audio"; filename="a.webm"\r\nContent-Type: audio/webm')
DURATION = part(b'Content-Disposition: form-data; name="duration"', b"5")
FORMS = [
    *(b"", b"\r\n", b"x" * 1000, b"\x00" * 1000, END, b"--" + B, B, b"--" + B + b"\r\n", DURATION, AUDIO),
    *(AUDIO + DURATION, (AUDIO + DURATION + END)[:-20], AUDIO[:-5], DURATION + END, AUDIO + END, AUDIO * 200 + END),
    *(part(b"") + END, part(b"no colon") + END, part(b": empty") + END, part(b"a" * 9000 + b": b") + END),
    *(part(b"Content-Disposition: form-data") + END, part(b'Content-Disposition: attachment; name="audio"') + DURATION + END),
    *(part(b'Content-Disposition: form-data; name="audio"; filename="' + name + b'"') + DURATION + END
      for name in (b"", b"\xff\xfe", b"\x00", b"../../etc/passwd", b"a" * 5000, b'a\\"b', b"\xe2\x80\xa8")),
    *(part(b'Content-Disposition: form-data; name="audio"; filename="a"\r\nContent-Type: ' + kind) + DURATION + END
      for kind in (b"", b"text/plain", b"audio/\x00", b"\xff", b"audio", b"/", b"video/webm", b"audio/" + b"x" * 7000, b"audio/\xc3\xa9")),
    *(AUDIO + part(b'Content-Disposition: form-data; name="duration"', value) + END
      for value in (b"", b"-1", b"NaN", b"Infinity", b"0x10", b"1e400", b"1_000", b"\xff", b"\x00", b"9" * 400, b"9" * 70_000, b"5\x00", b"1,5",
                    "٥".encode(), b"1e10", b"--5", b"null", b"2147483648")),
    *(AUDIO + part(b'Content-Disposition: form-data; name="topic"', b"t" * 70_000) + DURATION + END,),
]  # fmt: skip
CONTENT_TYPES = [
    *(b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=\xff", b"multipart/mixed; boundary=" + B),
    *(b"application/json", b"text/plain", b"", b"\x00", b"multipart/form-data; boundary=" + b"b" * 5000, b"application/x-www-form-urlencoded"),
]  # fmt: skip
GOOD_TYPE = b"multipart/form-data; boundary=" + B
PATHS = [
    *(
        b"/",
        b"//",
        b"/api",
        b"/api/sessions/",
        b"/api/sessions/%00",
        b"/api/sessions/%ff%fe",
        b"/api/sessions/..%2f..",
        b"/api/sessions/a/b",
    ),
    *(
        b"/api/sessions/" + b"a" * 5000,
        b"/api/internal",
        b"/%",
        b"/api/sessions/'--",
        b"/api/sessions/%F0%9F%92%A9",
        b"/api/sessions/c%20d",
    ),
    *(b"/api/sessions?page=" + value for value in (b"%00", b"-1", b"9" * 500, b"1.5", b"abc", b"%ff", b"1&page=2")),
    *(b"/api/sessions?limit=" + value for value in (b"%00", b"0", b"9" * 500, b"-5", b"[]", b"1e9")),
]
METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD", b"TRACE", b"BREW")


def requests(cookie: bytes) -> Iterator[tuple[str, bytes]]:
    """Malformed requests, each with a name for the report."""

    def request(method: bytes, path: bytes, headers: bytes, body: bytes = b"") -> bytes:
        start = method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: " + cookie + b"\r\n"
        return start + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body

    for number, form in enumerate(FORMS):
        yield f"form {number}", request(b"POST", b"/api/sessions", b"Content-Type: " + GOOD_TYPE + b"\r\n", form)
    whole = AUDIO + DURATION + END
    for length in range(0, len(whole) - 2, 7):
        yield (
            f"cut at {length}",
            request(b"POST", b"/api/sessions", b"Content-Type: " + GOOD_TYPE + b"\r\n", whole[:length]),
        )
    for number, kind in enumerate(CONTENT_TYPES):
        header = b"Content-Type: " + kind + b"\r\n"
        yield f"type {number}", request(b"POST", b"/api/sessions", header, AUDIO + DURATION + END)
    for number, path in enumerate(PATHS):
        for method in (b"GET", b"DELETE"):
            yield f"path {number} {method.decode()}", request(method, path, b"")
    for path, method in itertools.product(
        (b"/api/sessions", b"/api/sessions/x", b"/api/internal/process", b"/api/health"), METHODS
    ):
        yield f"method {method.decode()} {path.decode()}", request(method, path, b"Content-Type: text/plain\r\n", b"{")
    for number, signature in enumerate(
        (b"", b"x", b"a.b.c", b"\xff", b"e30.e30.e30", b"." * 3000, b"eyJhbGciOiJub25lIn0.e30.")
    ):
        for path in (b"/api/internal/process", b"/api/internal/process-failed", b"/api/internal/sweep"):
            header = b"Upstash-Signature: " + signature + b"\r\n"
            yield f"signature {number} {path.decode()}", request(b"POST", path, header, b"{}")


def exchange(port: int, data: bytes) -> tuple[int, bytes, bytes]:
    """Send bytes, and return status, head and body of the answer, which must come within five seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head, body


def test_two_hundred_malformed_requests(world: World) -> None:
    """None ends in a 500, a hang or a traceback; every error body has exactly ``error`` and ``code``."""
    cookie = session_cookie(SECRET, world.settings.app_url, "garbage").encode()
    port = int(world.url.rsplit(":", 1)[1])
    tried = 0
    for name, data in requests(cookie):
        status, head, body = exchange(port, data)
        tried += 1
        assert status < 500, (name, status, body[:200])
        assert b"Traceback" not in body, name
        if status >= 400:
            assert b"content-type: application/json" in head, (name, head)
        if status >= 400 and not data.startswith(b"HEAD"):
            assert list(json.loads(body)) == ["error", "code"], name
    assert tried >= 200, tried


@pytest.mark.parametrize("cut", [10, 200, 450])
def test_an_upload_that_is_cut_off_leaves_nothing(world: World, cut: int) -> None:
    """If the browser is closed during an upload, there is no row and no object, and the next request works."""
    cookie = session_cookie(SECRET, world.settings.app_url, "garbage").encode()
    form = AUDIO + DURATION + END
    head = b"POST /api/sessions HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + b"\r\nContent-Type: " + GOOD_TYPE + b"\r\n"
    port = int(world.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % (len(form) + 1000) + form[:cut])

    with world.client("garbage") as client:
        assert client.get("/api/sessions").json()["total"] == 0
    assert world.storage.stored_keys() == []
