"""Events of the probe app, submitted from the test's own process."""

import neural


def submit(key: str, *, type: str = "probe.counted", **payload):
    """Submit one event whose effect is named `key`; the recorded event."""
    answer = neural.submit(
        type=type, store="S1", source="test", event_id=key, payload={"key": key, **payload}
    )
    assert answer.is_new
    return answer.event


def submit_together(keys, *, type: str = "probe.counted", **payload) -> None:
    """Submit many events, with one message for each batch of them."""
    requests = (
        dict(type=type, store="S1", source="test", event_id=key, payload={"key": key, **payload})
        for key in keys
    )
    assert all(answer.is_new for answer in neural.submit_many(requests))


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:04d}" for number in range(count)]
