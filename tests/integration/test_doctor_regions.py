"""``python -m app doctor`` with QStash's two regions."""

import pytest

from tests.integration.test_doctor import examined
from tests.integration.test_regions import EU, US, Region, eu, us
from tests.support.deployment import Deployment, deployed, deployment, queue

__all__ = ["deployed", "deployment", "eu", "queue", "us"]


@pytest.mark.thorough
def test_doctor_distinguishes_a_wrong_region_from_a_wrong_token(deployment: Deployment, eu: Region, us: Region) -> None:
    """QStash refuses both with the same message."""
    addresses = {"EU_CENTRAL_1_QSTASH_URL": eu.server.url, "US_EAST_1_QSTASH_URL": us.server.url}
    said = {
        token: examined(deployment, None, **{**eu.plain, **addresses, "QSTASH_TOKEN": token})["qstash"]
        for token in (us.server.token, "eyJ-nobody", eu.server.token)
    }

    assert said[us.server.token][0] == "wrong"
    assert f"of the region US_EAST_1: set QSTASH_URL={us.server.url}" in said[us.server.token][1]
    assert said["eyJ-nobody"] == (
        "wrong",
        "QSTASH_TOKEN is refused, and no other region knows it: copy it again from the QStash console",
    )
    assert said[eu.server.token][0] == "fine"
    # Upstash itself is not asked about a token for another server.
    private = examined(deployment, None, **{**eu.plain, "QSTASH_TOKEN": "eyJ-nobody"})["qstash"]
    assert private[1].startswith("QSTASH_TOKEN is refused, and no other region is set")
    # A region that is down has not said that it does not know the token.
    down = {"US_EAST_1_QSTASH_URL": "http://127.0.0.1:9", "QSTASH_TOKEN": us.server.token}
    unknown = examined(deployment, None, **{**eu.plain, **addresses, **down})["qstash"]
    assert "and the other region did not answer" in unknown[1]


def test_doctor_names_the_region_and_compares_the_keys_of_both(deployment: Deployment, eu: Region, us: Region) -> None:
    """During a move it shows where messages are published, and whether deliveries of both regions will verify."""
    moving = {**eu.named(EU), **us.named(US), "QSTASH_REGION": "US_EAST_1"}
    points = ("qstash", "qstash signing keys", "qstash signing keys EU_CENTRAL_1", "settings")
    sound = examined(deployment, None, **moving)
    assert [sound[point][0] for point in points] == ["fine"] * 4
    assert sound["qstash"][1] == "messages are published in US_EAST_1"
    # The running service has no region's keys, only QStash's fixed ones.
    assert [sound[f"address{region}"][0] for region in ("", " EU_CENTRAL_1", " US_EAST_1")] == ["fine", "fine", "wrong"]

    eu.server.request("POST", "/v2/keys/rotate")
    rolled = examined(deployment, None, **moving)
    assert rolled["qstash signing keys"][0] == "fine"
    point = rolled["qstash signing keys EU_CENTRAL_1"]
    assert point[0] == "wrong" and "EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY" in point[1]
    for changes, verdict, advice in (
        ({"EU_CENTRAL_1_QSTASH_TOKEN": "eyJ-revoked"}, "wrong", "EU_CENTRAL_1_QSTASH_TOKEN is refused"),
        ({"EU_CENTRAL_1_QSTASH_URL": "http://127.0.0.1:9"}, "unknown", "check EU_CENTRAL_1_QSTASH_URL"),
    ):
        found = examined(deployment, None, **{**moving, **changes})["qstash signing keys EU_CENTRAL_1"]
        assert found[0] == verdict and advice in found[1]
    swapped = examined(deployment, None, **{**moving, "US_EAST_1_QSTASH_TOKEN": eu.server.token})["qstash"]
    assert swapped[1] == (
        "US_EAST_1_QSTASH_TOKEN is of the region EU_CENTRAL_1: copy that of US_EAST_1 from the QStash console"
    )
    wrong_url = examined(deployment, None, **{**moving, "US_EAST_1_QSTASH_URL": eu.server.url})["qstash"]
    assert wrong_url == ("wrong", "US_EAST_1_QSTASH_URL is the address of EU_CENTRAL_1: set all four of its own")
    path = {"EU_CENTRAL_1_QSTASH_URL": f"{eu.server.url}/v2"}
    other = examined(deployment, None, **{**moving, **path})["qstash signing keys EU_CENTRAL_1"]
    assert other[0] == "wrong" and "check EU_CENTRAL_1_QSTASH_URL" in other[1]
    half = examined(deployment, None, **{**moving, "US_EAST_1_QSTASH_TOKEN": ""})
    assert "US_EAST_1_QSTASH_TOKEN is missing" in half["settings"][1]
