"""Access control, listening addresses, TLS destinations, and the debugging page."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
from qstash_harness import Destination, QStashHarness, local_queue, publish, verify
from qstash_on_loopback import TOKEN
from qstash_on_loopback.explanations import explain
from qstash_serving import accepts, free_port


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:1"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:8080"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "["}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
    ],
)
def test_a_web_page_cannot_use_the_server(queue: QStashHarness, headers: dict[str, str], status: int) -> None:
    """Neither from another origin, nor through its own host name that resolves here, even with the public token."""
    before = len(queue.destination.deliveries)
    for method, path in (("GET", "/v2/keys"), ("POST", f"/v2/publish/{queue.target}/x"), ("GET", "/__state")):
        answer = httpx.request(method, f"{queue.url}{path}?qstash_token={TOKEN}", headers=headers, trust_env=False)
        assert answer.status_code == status, (path, answer.text)
    if status == 403:
        assert len(queue.destination.deliveries) == before


def test_same_origin_requests_are_allowed(queue: QStashHarness) -> None:
    """The debugging page can use the API."""
    assert queue.request("GET", "/__state", {"origin": queue.url}).status_code == 200


def test_the_page_is_self_contained_and_cannot_be_framed(queue: QStashHarness) -> None:
    """It needs no token, loads nothing from elsewhere, cannot be framed, and its host name is checked."""
    answer = httpx.get(queue.url + "/", headers={"sec-fetch-site": "cross-site"}, trust_env=False)
    policy = answer.headers["content-security-policy"]

    assert answer.status_code == 200 and "{{" not in answer.text and TOKEN in answer.text
    assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy and "unsafe" not in policy
    assert " src=" not in answer.text and "://" not in answer.text
    assert httpx.get(queue.url + "/", headers={"host": "evil.example"}, trust_env=False).status_code == 403
    assert httpx.post(queue.url + "/", trust_env=False).status_code in (401, 405)


def test_the_page_explains_a_refusal(queue: QStashHarness) -> None:
    """It shows dead letters with an explanation, and pending messages with what they wait for."""
    queue.destination.script.extend([(401, {}), (404, {})])
    publish(queue, "/guarded", retries=0)
    queue.wait(lambda: len(queue.client.dlq.list().messages) == 1)
    publish(queue, "/nowhere", retries=0)
    queue.wait(lambda: len(queue.client.dlq.list().messages) == 2)
    port = free_port()
    queue.client.message.publish(url=f"http://127.0.0.1:{port}/x", retries=0)
    queue.wait(lambda: len(queue.client.dlq.list().messages) == 3)
    waiting = publish(queue, "/later", delay=600)
    state = queue.request("GET", "/__state").json()
    why = {letter["url"].rpartition("/")[2]: letter["why"] for letter in state["dead"]}

    assert "signing keys" in why["guarded"] and queue.target + "/guarded" in why["guarded"]
    assert "no such route" in why["nowhere"]
    assert "nothing listens" in why["x"] and str(port) in why["x"]
    [message] = state["messages"]
    assert (message["messageId"], message["waitsFor"]) == (waiting, "time")
    assert state["counts"]["dead"] == 3 and state["events"]


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "words"),
    [
        (401, {}, "invalid subject: http://a, want: https://a", "", ["sub", "http://u/x", "proxy"]),
        (401, {}, "", "", ["both signing keys"]),
        (403, {}, "login first", "", ["login"]),
        (307, {"location": "/x/"}, "", "", ["redirects to /x/"]),
        (489, {}, "", "", ["which was missing"]),
        (489, {"upstash-nonretryable-error": "true"}, "", "", ["asked for no more"]),
        (503, {}, "", "", ["its own log"]),
        (0, {}, "", "connection refused: nothing listens on u:80", ["Start your application"]),
        (0, {}, "", "the destination did not answer within 4 s", ["within 4 s"]),
        (0, {}, "", "the destination's certificate is not trusted: self-signed", ["--ca-file"]),
        (418, {}, "", "", ["418", "200 to 299"]),
    ],
)
def test_each_refusal_has_its_explanation(
    status: int, headers: dict[str, str], body: str, error: str, words: list[str]
) -> None:
    """It says what the failure means and what to check."""
    text = explain("http://u/x", status, headers, body, error)
    assert all(word in text for word in words), text


def test_both_loopbacks_are_served_and_delivered_to() -> None:
    """IPv4 and IPv6, because ``localhost`` may resolve to either on the client."""
    if not socket.has_ipv6:
        pytest.fail("this machine has no IPv6")
    destination, port, own = Destination(), free_port(), free_port()
    config = uvicorn.Config(destination.app, host="::1", port=own, log_config=None)
    server = uvicorn.Server(config)
    command = [sys.executable, "-m", "qstash_on_loopback", "--port", str(port)]
    thread = threading.Thread(target=server.run)
    thread.start()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not (accepts(port) and server.started):
                assert process.poll() is None
                time.sleep(0.02)
            for base in (f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
                url = f"{base}/v2/publish/http://[::1]:{own}/six"
                answer = httpx.post(url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)
                assert answer.status_code == 200, answer.text
            deadline = time.monotonic() + 10
            while len(destination.deliveries) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            process.terminate()
            server.should_exit = True
            thread.join()

    assert len(destination.deliveries) == 2
    verify(destination.deliveries[0], f"http://[::1]:{own}/six")


def certificates(directory: Path) -> tuple[Path, Path, Path]:
    """Create a private authority, and a certificate signed by it for api.example.com with its key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    no = (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    )
    made: list[x509.Certificate] = []
    for subject, key in (("A private authority", keys[0]), ("api.example.com", keys[1])):
        signs = {"key_cert_sign": not made, "crl_sign": not made}
        usage = x509.KeyUsage(digital_signature=True, **signs, **dict.fromkeys(no, False))
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("A private authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not made, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("api.example.com")]), critical=False)
            # Without these extensions, Python 3.13 and later reject the chain.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
            .add_extension(usage, critical=True)
        )
        made.append(builder.sign(keys[0], hashes.SHA256()))
    authority, certificate, key_file = directory / "ca.pem", directory / "cert.pem", directory / "key.pem"
    authority.write_bytes(made[0].public_bytes(serialization.Encoding.PEM))
    certificate.write_bytes(made[1].public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return authority, certificate, key_file


def test_tls_destinations_are_verified_with_a_private_authority(tmp_path: Path) -> None:
    """The certificate must match the public name and come from a trusted authority; otherwise the error says why."""
    authority, certificate, key = certificates(tmp_path)
    destination, port = Destination(), free_port()
    config = uvicorn.Config(
        destination.app, port=port, log_config=None, ssl_certfile=str(certificate), ssl_keyfile=str(key)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    hosts = {"api.example.com": f"https://127.0.0.1:{port}", "other.example.com": f"https://127.0.0.1:{port}"}
    known, another = (f"https://{host}/hook" for host in hosts)
    try:
        with local_queue(hosts=hosts, ca_file=authority) as trusting, local_queue(hosts=hosts) as other:
            trusting.client.message.publish(url=known, body="b")
            trusting.wait(lambda: destination.deliveries)
            trusting.client.message.publish(url=another, retries=0)
            trusting.wait(lambda: trusting.client.dlq.list().messages)
            other.client.message.publish(url=known, retries=0)
            other.wait(lambda: other.client.dlq.list().messages)
            [mismatch], [distrust] = trusting.client.dlq.list().messages, other.client.dlq.list().messages
    finally:
        server.should_exit = True
        thread.join()

    [delivery] = destination.deliveries
    verify(delivery, "https://api.example.com/hook")
    assert "certificate is not trusted" in (mismatch.response_body or "")
    assert "certificate is not trusted" in (distrust.response_body or "")


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    """On startup, not on the first delivery."""
    from qstash_on_loopback import Options, create_app

    (tmp_path / "empty.pem").write_text("")
    for path in (tmp_path / "empty.pem", tmp_path / "missing.pem"):
        with pytest.raises((OSError, ssl.SSLError)):
            create_app(Options(ca_file=path))
