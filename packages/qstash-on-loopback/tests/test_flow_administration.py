"""Flow control administration with the official Python SDK: pin, unpin, pause, resume, reset, global parallelism."""

from qstash.message import FlowControl
from qstash_harness import QStashHarness, local_queue, publish


def test_messages_do_not_change_a_pinned_limit(queue: QStashHarness) -> None:
    """Pinning affects waiting messages at once. After unpinning, the next message changes the limits again."""
    flow, control = queue.client.flow_control, FlowControl(key="pins", parallelism=1, rate=1, period=100_000)
    flow.pin("pins", {"parallelism": 3, "rate": 20, "period": 120})
    queue.destination.delay_s = 0.1
    for _ in range(6):
        publish(queue, "/pinned", flow_control=control)
    queue.wait(lambda: len(queue.destination.deliveries) == 6)
    info = flow.get("pins")

    assert queue.destination.most_at_once == 3
    assert (info.parallelism_max, info.rate_max, info.rate_period) == (3, 20, 120)
    assert info.is_pinned_parallelism and info.is_pinned_rate
    flow.unpin("pins", {"parallelism": True})
    assert not flow.get("pins").is_pinned_parallelism and flow.get("pins").is_pinned_rate
    flow.unpin("pins", {"rate": True})
    publish(queue, "/pinned", flow_control=control)
    assert (flow.get("pins").parallelism_max, flow.get("pins").rate_period) == (1, 100_000)
    for query in ("", "parallelism=0", "rate=x", "rate=1&period=8d", "parallelism=-1"):
        assert queue.post(f"/v2/flowControl/pins/pin?{query}").status_code == 400, query
    assert queue.post("/v2/flowControl/pins/explode").status_code == 404


def test_a_paused_key_holds_its_messages(queue: QStashHarness) -> None:
    """They appear as waiting and are delivered after a resume; messages of other keys are not held back."""
    flow = queue.client.flow_control
    flow.pause("held/key")
    for _ in range(3):
        publish(queue, "/held", flow_control=FlowControl(key="held/key", parallelism=5))
    publish(queue, "/free", flow_control=FlowControl(key="free", parallelism=5))
    queue.wait(lambda: queue.destination.to("/free"))
    queue.wait(lambda: queue.request("GET", "/v2/flowControl/held/key").json()["waitListSize"] == 3)
    assert queue.request("GET", "/v2/flowControl/held/key").json()["isPaused"] is True
    assert queue.destination.to("/held") == []
    flow.resume("held/key")
    queue.wait(lambda: len(queue.destination.to("/held")) == 3)


def test_a_reset_starts_a_new_period(queue: QStashHarness) -> None:
    """Messages that wait for the end of the period are delivered at once."""
    for _ in range(4):
        publish(queue, "/reset", flow_control=FlowControl(key="reset", rate=2, period="7d"))
    queue.wait(lambda: len(queue.destination.to("/reset")) == 2)
    info = queue.client.flow_control.get("reset")
    assert (info.rate_count, info.wait_list_size) == (2, 2)
    queue.client.flow_control.reset_rate("reset")
    queue.wait(lambda: len(queue.destination.to("/reset")) == 4)


def test_raising_a_limit_lets_waiting_messages_in(queue: QStashHarness) -> None:
    """The limits of the latest message apply to all."""
    queue.destination.delay_s = 0.5
    for number in range(4):
        limit = 1 if number < 3 else 4
        publish(queue, "/raised", flow_control=FlowControl(key="raised", parallelism=limit))
    queue.wait(lambda: queue.destination.most_at_once == 4)


def test_the_whole_server_has_a_limit_and_a_destination_half_of_it() -> None:
    """A destination that hangs does not block the others."""
    with local_queue(parallelism=4) as queue, local_queue() as other:
        queue.destination.delay_s = 1
        for _ in range(8):
            publish(queue, "/busy")
        queue.wait(lambda: queue.destination.running == 2)
        queue.client.message.publish(url=other.target + "/free")
        other.wait(lambda: other.destination.to("/free"))
        info = queue.client.flow_control.get_global_parallelism()
        assert info.parallelism_max == 4 and info.parallelism_count >= 2
        queue.wait(lambda: len(queue.destination.deliveries) == 8, 20)
        assert queue.destination.most_at_once == 2
