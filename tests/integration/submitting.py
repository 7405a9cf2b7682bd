"""Submits events of the probe app from the test's own process."""

import neural


def request(key: str, *, kind: str = "probe.counted", **payload) -> dict:
    """The arguments for an event whose effect is named `key`."""
    identity = {"store": "S1", "source": "test", "event_id": key}
    return {"type": kind, **identity, "payload": {"key": key, **payload}}


def submit(key: str, **options):
    """Submit one event; returns the recorded event."""
    answer = neural.submit(**request(key, **options))
    assert answer.is_new
    return answer.event


def submit_together(keys, **options) -> None:
    """Submit many events together, with one message for each batch."""
    requests = (request(key, **options) for key in keys)
    assert all(answer.is_new for answer in neural.submit_many(requests))


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:04d}" for number in range(count)]
