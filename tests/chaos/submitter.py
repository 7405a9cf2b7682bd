"""A process that submits events until it is told to stop, and writes down what was accepted.

    python -m tests.chaos.submitter NAME SEED FILE PORT KEY

Every third group of events goes over HTTP, to the web server on PORT, once that answers. Beside one
group in four goes a call without an event (:mod:`tests.chaos.calls`).

A line goes into FILE only when the answer has come: what stands there was accepted. The
event that was under way when this process is killed may be recorded or not; it is not
written down, and `NAME` in its key tells it from what others sent.
"""

import http.client
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import django

KINDS = (
    "probe.counted",
    "probe.batched",
    "probe.urgent",
    "probe.low",
    "probe.upgraded",
    "probe.new_type",
    "probe.misbehaving",
)
MISBEHAVIOURS = (
    "swallowed_integrity_error",
    "set_rollback",
    "closed_connection",
    "block_not_left",
    "hook_raises",
    "hook_panics",
    "error_without_message",
    "error_not_picklable",
    "panic",
    "sys_exit",
    "deep_recursion",
    "fork_that_returns",
)
NESTED = json.loads("[" * 300 + "]" * 300)


def main(name: str, seed: str, path: str, port: str, key: str) -> None:
    django.setup()
    from django.db import DatabaseError

    from tests.chaos.calls import call

    dice = random.Random(f"{seed}/{name}")
    with open(path, "a", buffering=1) as accepted:
        for number in range(10**9):
            keys = [f"{name}-{number}-{place}" for place in range(dice.choice((1, 1, 1, 20)))]
            requests = [request(each, dice) for each in keys]
            way = over_http(requests, port, key) if dice.random() < 0.3 else directly(requests)
            try:
                for each in way:
                    accepted.write(f"{each}\n")
                for each in call(f"{name}-{number}", dice) if dice.random() < 0.25 else ():
                    accepted.write(f"{each}\n")
            except (DatabaseError, OSError, http.client.HTTPException):
                continue  # not accepted; nobody counts on it
            time.sleep(dice.uniform(0.02, 0.2))


def directly(requests: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The keys that were accepted."""
    import neural

    answers = list(neural.submit_many(requests))
    for each, answer in zip(requests, answers, strict=True):
        if not answer.is_refused:
            yield each["event_id"]


def over_http(requests: Sequence[dict[str, Any]], port: str, key: str) -> Iterator[str]:
    """The keys that were accepted: the answer has come, whatever becomes of the server then."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    headers = {"X-Api-Key": key, "Content-Type": "application/json"}
    for each in requests:
        if "deep" in each["payload"]:
            continue  # no JSON, or none that anybody would send
        connection.request("POST", "/api/v1/events", json.dumps(each), headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status in (200, 202):
            yield each["event_id"]


def request(key: str, dice: random.Random) -> dict:
    kind = dice.choice(KINDS)
    is_misbehaving = kind == "probe.misbehaving"
    payload = misbehaving(key, dice) if is_misbehaving else ordinary(key, dice)
    if dice.random() < 0.005:
        payload["deep"] = dice.choice((NESTED, "\x00", "\ud800", float("nan"), 10**5000))
    return {
        "type": kind,
        "store": f"S{dice.randrange(5)}",
        "source": "chaos",
        "event_id": key,
        "payload": payload,
    }


def ordinary(key: str, dice: random.Random) -> dict:
    """Most are plain; some fail once, kill their process once, are slow or fail for good."""
    payload = {"key": key}
    chance = dice.random()
    if chance < 0.02:
        payload["fail_times"] = 1
    elif chance < 0.023:
        payload["kill_times"] = 1
    elif chance < 0.05:
        payload["seconds"] = 0.05
    elif chance < 0.055:
        payload["permanent"] = True
    return payload


def misbehaving(key: str, dice: random.Random) -> dict:
    """For a handler that does once what a handler must not do."""
    return {"key": key, "case": dice.choice(MISBEHAVIOURS) if dice.random() < 0.2 else ""}


if __name__ == "__main__":
    main(*sys.argv[1:])
