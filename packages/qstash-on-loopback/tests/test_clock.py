"""The clock: scaling or advancing it never changes the order of events."""

from itertools import pairwise

import pytest
from qstash.message import FlowControl
from qstash_harness import QStashHarness, local_queue, publish
from qstash_on_loopback.testing import RunningServer
from qstash_serving import served


def advance(queue: QStashHarness, by: str) -> None:
    """Advance the clock."""
    answer = queue.request("POST", "/__clock", json={"advance": by}, timeout=60)
    assert answer.status_code == 200, answer.text


def paths(queue: QStashHarness) -> list[str]:
    """The last path segments of the deliveries, in order."""
    return [delivery.url.rpartition("/")[2] for delivery in queue.destination.deliveries]


def test_advancing_the_clock_acts_as_if_the_time_had_passed() -> None:
    """Delays, retries and schedules run in order of their times, and all are done when the request is answered."""
    with local_queue(time_scale=1) as queue:
        queue.client.schedule.create(destination=queue.target + "/tick", cron="0 * * * *", schedule_id="s")
        advance(queue, "1h")
        assert paths(queue) == ["tick"]
        queue.client.schedule.delete("s")
        queue.destination.deliveries.clear()
        queue.destination.script.extend([(500, {}), (500, {})])
        publish(queue, "/retried", delay=10, retries=2)
        publish(queue, "/between", delay=100)
        publish(queue, "/after", delay=200)
        advance(queue, "9s")
        assert paths(queue) == []
        advance(queue, "3m")
        # At 10 s, 12 s later, at 100 s, and 148 s after the first retry.
        assert paths(queue) == ["retried", "retried", "between", "retried"]
        advance(queue, "30")
        assert paths(queue)[-1] == "after"
        shown = queue.request("GET", "/__clock").json()
        assert shown["timeScale"] == 1
        for wrong in ('{"advance": "-1s"}', '{"advance": "soon"}', "{}", "[]", '{"advance": "400d"}', "{"):
            assert queue.request("POST", "/__clock", content=wrong).status_code == 400


def test_advancing_the_clock_ends_a_rate_period_and_a_deduplication_window() -> None:
    """Both depend on the server's clock."""
    with local_queue(time_scale=1) as queue:
        for _ in range(3):
            publish(queue, "/rated", flow_control=FlowControl(key="k", rate=1, period="10m"))
        first = publish(queue, "/dedup", deduplication_id="d")
        advance(queue, "5m")
        assert publish(queue, "/dedup", deduplication_id="d") == first
        assert paths(queue).count("rated") == 1
        advance(queue, "15m")
        assert paths(queue).count("rated") == 3
        assert publish(queue, "/dedup", deduplication_id="d") != first


def test_running_attempts_finish_before_the_clock_moves() -> None:
    """Even if nothing else is due."""
    with local_queue(time_scale=1) as queue:
        queue.destination.delay_s = 0.5
        queue.destination.script.append((500, {}))
        publish(queue, "/slow", delay="1ms", retries=1)
        queue.wait(lambda: queue.destination.running)
        advance(queue, "13s")
        assert paths(queue) == ["slow", "slow"] and queue.destination.running == 0


@pytest.mark.parametrize(("time_scale", "unit_s"), [(0.01, 1), (0.0001, 50)])
def test_the_time_scale_keeps_the_order(time_scale: float, unit_s: int) -> None:
    """Messages start in the order in which they are due, however little time lies between them."""
    with local_queue(time_scale=time_scale, parallelism=2) as queue:
        delays = [700, 20, 500, 90, 300, 10, 200, 60, 400, 30]
        items = [
            {"destination": f"{queue.target}/{delay}", "headers": {"Upstash-Delay": f"{delay * unit_s}s"}}
            for delay in delays
        ]
        assert queue.request("POST", "/v2/batch", json=items).status_code == 200
        queue.wait(lambda: len(queue.destination.deliveries) == len(delays), 30)
        assert [int(path) for path in paths(queue)] == sorted(delays)
        at = [delivery.at for delivery in queue.destination.deliveries]
        assert all(before <= after for before, after in pairwise(at))


def test_the_pytest_fixture_serves_and_moves_time(qstash_server: RunningServer) -> None:
    """It provides a server with its settings, its clock and its lists."""
    with local_queue() as other:
        answer = qstash_server.request("POST", f"/v2/publish/{other.target}/hook", {"hello": "you"})
        qstash_server.wait_until_done(timeout_s=60)
        states = [event["state"] for event in qstash_server.events(messageId=answer["messageId"])]
        other.destination.script.append((404, {}))
        item = {"destination": f"{other.target}/dead", "headers": {"Upstash-Retries": "0", "Upstash-Delay": "7d"}}
        qstash_server.request("POST", "/v2/batch", [item])
        qstash_server.advance(7 * 86_400)

    assert states == ["DELIVERED", "ACTIVE", "CREATED"]
    assert [letter["responseStatus"] for letter in qstash_server.dead_letters()] == [404]
    assert qstash_server.environment["QSTASH_URL"] == qstash_server.url


@pytest.mark.qstash(hosts={"api.example.com": "127.0.0.1:9"}, time_scale=1)
def test_the_pytest_marker_sets_options(qstash_server: RunningServer) -> None:
    """Here a host map and unscaled time."""
    answer = qstash_server.request("POST", "/v2/publish/https://api.example.com/hook")
    assert answer["messageId"] and qstash_server.request("GET", "/__clock")["timeScale"] == 1


def test_it_can_be_mounted_in_another_application() -> None:
    """It works under a prefix, and the prefix is not taken as part of the destination."""
    from qstash_on_loopback import TOKEN, Options, create_app
    from starlette.applications import Starlette
    from starlette.routing import Mount

    qstash = create_app(Options(time_scale=0.001))
    mounted = Starlette(routes=[Mount("/qstash", qstash)], lifespan=lambda _: qstash.lifespan())
    with local_queue() as other, served(mounted) as url:
        running = RunningServer(url + "/qstash", TOKEN)
        running.request("POST", f"/v2/publish/{other.target}/a?b=c")
        running.wait_until_done(timeout_s=60)
        assert other.destination.deliveries[0].url == f"{other.target}/a?b=c"
