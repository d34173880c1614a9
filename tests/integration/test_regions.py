"""Two QStash regions: publish in one and accept deliveries from both, so that a move loses no message."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from qstash_on_loopback import Options
from qstash_on_loopback.signing import TOKEN, Keys
from qstash_on_loopback.testing import RunningServer, running

from app.adapters.qstash.signatures import SignatureVerifier
from app.application import create_app
from app.errors import Refused
from local.ports import LOOPBACK, free_port
from tests.conftest import make_settings
from tests.support.providers import Reply
from tests.support.serving import served
from tests.support.world import World

EU, US = "EU-CENTRAL-1", "US-EAST-1"
US_TOKEN = "eyJ-of-the-us-region"
URL = "https://api.example.com/api/internal/process"
BODY = b'{"sessionId":"c1"}'


@dataclass(frozen=True)
class Region:
    """A QStash region with its own server and account settings."""

    server: RunningServer
    keys: Keys

    @property
    def plain(self) -> dict[str, str]:
        """The four settings without a region prefix."""
        keys = {"QSTASH_CURRENT_SIGNING_KEY": self.keys.current, "QSTASH_NEXT_SIGNING_KEY": self.keys.next}
        return {**self.server.environment, **keys}

    def named(self, region: str) -> dict[str, str]:
        """The four settings with a region prefix, as read by the JavaScript SDK."""
        return {f"{region.replace('-', '_')}_{name}": value for name, value in self.plain.items()}


@contextmanager
def region(name: str, token: str = TOKEN) -> Generator[Region, None, None]:
    """Run a region in real time; tests advance its clock."""
    with running(Options(region=name, token=token)) as server:
        if name == US:
            # Rotate twice, so that no fixed key is left, as in another account.
            for _ in range(2):
                server.request("POST", "/v2/keys/rotate")
        keys, pair = Keys(), server.request("GET", "/v2/keys")
        keys.current, keys.next = pair["current"], pair["next"]
        yield Region(server, keys)


@pytest.fixture
def eu() -> Generator[Region, None, None]:
    """The old region of a move."""
    with region(EU) as there:
        yield there


@pytest.fixture
def us() -> Generator[Region, None, None]:
    """The new region of a move."""
    with region(US, token=US_TOKEN) as there:
        yield there


@contextmanager
def application(world: World, port: int, **settings: str) -> Generator[World, None, None]:
    """The application with these QStash settings."""
    url = f"http://{LOOPBACK}:{port}"
    given = make_settings(world.database, world.storage, world.settings.anthropic_base_url, url, **settings)
    with served(create_app(given), port):
        yield replace(world, url=url, settings=given)


def status(world: World, session_id: str) -> str:
    """The status of a session."""
    found: str = world.database.session(session_id)["status"]
    return found


def test_moving_regions_loses_no_message(world: World, eu: Region, us: Region) -> None:
    """A message published in the EU before the move is retried from there; new messages are published in the US."""
    port = free_port()
    with application(world, port, **eu.plain) as before:
        before.providers.whisper.append(Reply(503, {}, times=3))
        first = before.upload()
        eu.server.advance(1)
        assert status(before, first) == "FAILED"
    with application(world, port, **eu.plain, **us.named(US), QSTASH_REGION="US_EAST_1") as after:
        second = after.upload()
        us.server.advance(1)
        eu.server.advance(20)

        assert (status(after, first), status(after, second)) == ("DONE", "DONE")
    published = [{event["messageId"] for event in one.server.events()} for one in (eu, us)]
    assert [len(ids) for ids in published] == [1, 1]


def test_a_key_rotation_refuses_no_delivery(world: World, eu: Region) -> None:
    """After one rotation the next key is already known here; a second rotation without a restart is too many."""
    with application(world, free_port(), **eu.plain) as there:
        for expected in ("DONE", "UPLOADED"):
            eu.server.request("POST", "/v2/keys/rotate")
            session_id = there.upload()
            eu.server.advance(1)

            assert status(there, session_id) == expected


def test_both_regions_may_be_configured_by_name(world: World, eu: Region, us: Region) -> None:
    """Like in QStash's console: two sets of settings with region prefixes and none without, in both directions."""
    for chosen, other in ((EU, us), (US, eu)):
        of_chosen = us if other is eu else eu
        settings = {**eu.named(EU), **us.named(US), "QSTASH_REGION": chosen.lower()}
        with application(world, free_port(), **settings) as there:
            session_id = there.upload()
            of_chosen.server.advance(1)

            assert status(there, session_id) == "DONE"
            assert other.server.events(label=session_id) == []


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("US-EAST-1", "us"),
        ("us_east_1", "us"),
        ("EU-CENTRAL-1", "eu"),
        ("", "plain"),
        ("AP-SOUTH-1", "plain"),
        ("US-EAST-1, EU-CENTRAL-1", "plain"),
        ("\x00../QSTASH", "plain"),
        ("É" * 5000, "plain"),
    ],
)
def test_the_header_only_chooses_among_our_keys(header: str, accepted: str) -> None:
    """It selects its region's key pair or the default pair; signatures of any other pair are refused."""
    pairs = {"plain": Keys(), "us": rolled(), "eu": rolled()}
    deliveries = SignatureVerifier(
        {
            region: (pairs[name].current, pairs[name].next)
            for region, name in (("", "plain"), ("US_EAST_1", "us"), ("EU_CENTRAL_1", "eu"))
        }
    )

    assert [name for name, keys in pairs.items() if accepts(deliveries, keys, header)] == [accepted]


@pytest.mark.parametrize("header", [US, EU, "", "nonsense"])
def test_a_region_without_its_keys_is_verified_with_the_default(header: str) -> None:
    """So is every delivery if no region is configured."""
    plain, us = Keys(), rolled()

    assert accepts(SignatureVerifier({"": (plain.current, plain.next)}), plain, header)
    with_us = SignatureVerifier({"": (plain.current, plain.next), "US_EAST_1": (us.current, us.next)})
    assert accepts(with_us, plain, header) == (header != US)


def rolled() -> Keys:
    """A unique key pair."""
    keys = Keys()
    for _ in range(2):
        keys.rotate()
    return keys


def accepts(deliveries: SignatureVerifier, keys: Keys, header: str) -> bool:
    """Whether a delivery signed by ``keys`` is accepted with this header."""
    try:
        asyncio.run(deliveries.verify(keys.sign(URL, BODY), BODY, URL, header))
    except Refused:
        return False
    return True
