"""Messages that no Celery client would send, as entries of a list in Redis.

Each is a valid message with one change. ``LETTERS`` are for a ledger task: each must end as a dead
letter, whatever is wrong with it. Of ``LOGGED`` nothing can be kept but a log line, except for the
unknown task, which is a dead letter too. ``PLAIN`` are for a plain Celery task. ``DONE`` are
unusual but valid.
"""

import base64
import json
import pickle
from bisect import bisect_left
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TASK = "probe.count"
PLAIN_TASK = "probe.plain_add"
DROP = object()
"""Used in place of a value, this leaves out the key."""


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def _cannot_be_sent(levels: int) -> bool:
    try:
        pickle.dumps(nested(levels), pickle.HIGHEST_PROTOCOL)
    except RecursionError:
        return True
    return False


def _first_that_cannot_be_sent() -> int:
    return bisect_left(range(100_000), True, key=_cannot_be_sent)


# On a new thread's stack: this module is imported from deep within pytest.
with ThreadPoolExecutor() as _pool:
    DEEP = _pool.submit(_first_that_cannot_be_sent).result()
"""Levels that a worker can decode but not send to its pool: about 500 in Python 3.11, 750 in
3.12 and 5,000 in 3.13, because the interpreter bounds recursion differently."""
DEEPER = 2 * DEEP - 90
"""Levels that JSON can just encode here, but that a worker, deeper in its stack, may not read."""


def entry(
    name: str,
    *,
    task: Any = TASK,
    body: Any = DROP,
    raw_body: Any = DROP,
    args: Any = (),
    kwargs: Any = None,
    embed: Any = None,
    headers: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    delivery: Mapping[str, Any] | None = None,
    **outside: Any,
) -> dict[str, Any]:
    """A plain client's message. ``raw_body`` replaces the encoded body; ``outside`` changes the
    entry's other keys."""
    content = [args, {"key": name} if kwargs is None else kwargs, embed or {}]
    text = json.dumps(content if body is DROP else body)
    said = {"id": f"forged {name}", "task": task, "lang": "py", "retries": 0}
    place = {"exchange": "default", "routing_key": "default"}
    about = {"body_encoding": "base64", "delivery_tag": f"tag {name}"}
    about |= {"delivery_info": _without(place | dict(delivery or {}))}
    whole = {
        "body": base64.b64encode(text.encode()).decode() if raw_body is DROP else raw_body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": _without(said | dict(headers or {})),
        "properties": _without(about | dict(properties or {})),
    }
    changes = {key.rstrip("_").replace("_", "-"): value for key, value in outside.items()}
    return _without(whole | changes)


def _without(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not DROP}


def first_protocol(name: str, **changes: Any) -> dict[str, Any]:
    said = {"id": f"forged {name}", "task": TASK, "args": [], "kwargs": {"key": name}}
    return entry(name, body=_without(said | changes), headers={"id": DROP, "task": DROP})


Case = Callable[[str], Any]


def case(**changes: Any) -> Case:
    return lambda name: entry(name, **changes)


def header(**values: Any) -> Case:
    return case(headers=values)


LETTERS: dict[str, Case] = {
    # these would end the worker's main process
    "args too deep": lambda name: entry(name, args=[name, nested(DEEP)]),
    "args deeper still": lambda name: entry(name, args=[name, nested(DEEPER)]),
    "kwargs too deep": lambda name: entry(name, kwargs={"key": name, "deep": nested(DEEP)}),
    "embed too deep": lambda name: entry(name, embed={"chord": {"deep": nested(DEEP)}}),
    "body an object": lambda name: entry(name, body={"a": name}),
    "body a number": case(body=5),
    "body null": case(body=None),
    "body a text": lambda name: entry(name, body=name),
    "body with args in a text": lambda name: entry(name, body=f"args {name}"),
    "body with args in a list": lambda name: entry(name, body=["args", {}, {}]),
    "body of two parts": lambda name: entry(name, body=[[], {"key": name}]),
    "body of four parts": lambda name: entry(name, body=[[], {"key": name}, {}, {}]),
    "body empty": case(raw_body=""),
    "body left out": case(body_=DROP),
    "body no json": case(raw_body=base64.b64encode(b"{[").decode()),
    "body no utf-8": case(raw_body=base64.b64encode(b"\xff\xfe[]").decode()),
    "body of an unknown type": lambda name: entry(
        name, body=[[], {"key": {"__type__": "decimal", "__value__": "x"}}, {}]
    ),
    "args a number": case(args=5),
    "args a text": case(args="abc"),
    "args an object": case(args={"a": 1}),
    "kwargs a list": lambda name: entry(name, kwargs=[name]),
    "kwargs a number": case(kwargs=7),
    "embed a list": lambda name: entry(name, body=[[], {"key": name}, [1]]),
    "id an object": header(id={"a": 1}),
    "id a list": header(id=["x"]),
    "id null": header(id=None),
    "id true": header(id=True),
    "id left out": header(id=DROP),
    "expires a list": header(expires=[]),
    "expires a number": header(expires=5),
    "expires a text": header(expires="tomorrow"),
    "expires an object": header(expires={"a": 1}),
    "eta a list": header(eta=[]),
    "eta a text": header(eta="soon"),
    "eta before time": header(eta="0001-01-01T00:00:00+14:00"),
    "timelimit two texts": header(timelimit=["a", "b"]),
    "timelimit a text": header(timelimit="x"),
    "timelimit an empty text": header(timelimit=""),
    "timelimit a number": header(timelimit=5),
    "timelimit of three": header(timelimit=[1, 2, 3]),
    "timelimit of a millisecond": header(timelimit=[0.001, None]),
    "timelimit below zero": header(timelimit=[-1, -1]),
    "timelimit without end": header(timelimit=[float("inf"), None]),
    "stamped_headers a number": header(stamped_headers=5),
    "stamped_headers of objects": header(stamped_headers=[{"a": 1}], stamps={}),
    "stamps a number": header(stamped_headers=["a"], stamps=5),
    "shadow a list": header(shadow=["x"]),
    "shadow an object": header(shadow={"a": 1}),
    "retries a text": header(retries="x"),
    "headers too deep": header(deep=nested(DEEP)),
    "headers deeper still": header(deep=nested(DEEPER)),
    "root_id an object": header(root_id={"a": 1}),
    "parent_id a list": header(parent_id=["a"]),
    "parent_id too long": header(parent_id="x" * 256),
    "parent_id with NUL": header(parent_id="a\x00b"),
    "group a number": header(group=5),
    "a method's name as header": header(get=5),
    "callbacks a number": lambda name: entry(name, embed={"callbacks": 5}),
    "callbacks of numbers": lambda name: entry(name, embed={"callbacks": [5]}),
    "errbacks a text": lambda name: entry(name, embed={"errbacks": "x"}),
    "chain of texts": lambda name: entry(name, embed={"chain": ["x"]}),
    "chord a list": lambda name: entry(name, embed={"chord": [1]}),
    "chord with a list of options": lambda name: entry(name, embed={"chord": {"options": [1]}}),
    "called as if eager": lambda name: entry(name, embed={"is_eager": True}),
    "content-type null": case(content_type=None),
    "content-type a list": case(content_type=["json"]),
    "content-type pickle": case(content_type="application/x-python-serialize"),
    "content-type unknown": case(content_type="application/x-nothing"),
    "content-encoding a number": case(content_encoding=5),
    "compression unknown": header(compression="no-such"),
    "compression false": header(compression="gzip"),
    "body no base64": case(raw_body="abcde"),
    "body_encoding unknown": case(properties={"body_encoding": "base65"}),
    "body_encoding a list": case(properties={"body_encoding": ["x"]}),
    "body a raw number": case(raw_body=5),
    "delivery_info left out": case(properties={"delivery_info": DROP}),
    "delivery_info a list": case(properties={"delivery_info": ["x"]}),
    "delivery_info empty": case(delivery={"exchange": DROP, "routing_key": DROP}),
    "delivery_info of numbers": case(delivery={"exchange": 5, "routing_key": 6}),
    "delivery_tag left out": case(properties={"delivery_tag": DROP}),
    "delivery_tag an object": case(properties={"delivery_tag": {"a": 1}}),
    "properties null": case(properties_=None),
    "properties a list": lambda name: entry(name) | {"properties": [1]},
    "properties deeper still": case(properties={"deep": nested(DEEPER)}),
    # keys that only the first protocol has
    "first protocol, kwargs a list": lambda name: first_protocol(name, kwargs=[name]),
    "first protocol, id left out": lambda name: first_protocol(name, id=DROP),
    "first protocol, expires a list": lambda name: first_protocol(name, expires=[]),
    "first protocol, callbacks a text": lambda name: first_protocol(name, callbacks="x"),
    # content that the ledger cannot keep
    "NUL": lambda name: entry(name, kwargs={"key": f"{name}\x00"}),
    "half of a pair": lambda name: entry(name, kwargs={"key": f"{name}\ud800"}),
    "NaN": lambda name: entry(name, kwargs={"key": name, "n": float("nan")}),
    "Infinity": lambda name: entry(name, kwargs={"key": name, "n": float("inf")}),
    "over 256 KiB": lambda name: entry(name, kwargs={"key": name, "n": "x" * 300_000}),
    "over 8 MiB": lambda name: entry(name, kwargs={"key": name, "n": "x" * 8_400_000}),
    "id of 256 characters": header(id="x" * 256),
    "id of 100,000 characters": header(id="x" * 100_000),
    "id with NUL": header(id="a\x00b"),
    "id half of a pair": header(id="a\ud800"),
    "id empty": header(id=""),
}

DONE: dict[str, Case] = {
    "content-encoding unknown": case(content_encoding="utf-99"),
    "first protocol": first_protocol,
    "arguments 90 deep": lambda name: entry(name, kwargs={"key": name, "deep": nested(90)}),
    "timelimit of fractions": header(timelimit=[200.5, 100]),
    "stamps": header(stamped_headers=["a"], stamps={"a": "1"}, a="1"),
    "a queue of somebody else": case(delivery={"routing_key": "elsewhere"}),
    "headers nobody knows": header(trace={"id": [1, 2]}, priority=None),
    "id a number": header(id=1001),
    "a chord": lambda name: entry(name, embed={"chord": {"task": "probe.plain_add", "args": []}}),
}
"""Unusual, but valid."""

LOGGED: dict[str, Case] = {
    "no json": lambda name: b"{no json",
    "no utf-8": lambda name: b"\xff\xfe\x00",
    "empty": lambda name: b" ",
    "nested 2,000 deep": lambda name: b"[" * 2000 + b"]" * 2000,
    "a number": lambda name: b"5",
    "null": lambda name: b"null",
    "a list": lambda name: b"[1, 2]",
    "an unknown type": lambda name: b'{"__type__": "uuid", "__value__": 5}',
    "headers a list": lambda name: entry(name) | {"headers": [1]},
    "headers null": lambda name: entry(name) | {"headers": None},
    "task a list": case(task=["probe.count"]),
    "task an object": case(task={"a": 1}),
    "task null": case(task=None),
    "task unknown": case(task="no.such.task"),
    "task unknown, without id": case(task="no.such.task", headers={"id": DROP}),
    "run's message, id a list": header(id=["x"], neural_run=True),
    "run's message, too deep": lambda name: entry(
        name, args=nested(DEEP), headers={"neural_run": True}
    ),
    "nothing at all": lambda name: {},
}

PLAIN: dict[str, Case] = {
    f"plain, {name}": case(task=PLAIN_TASK, **changes)
    for name, changes in {
        "too deep": {"args": [nested(DEEP), 1]},
        "id an object": {"headers": {"id": {"a": 1}}},
        "expires a list": {"headers": {"expires": []}},
        "timelimit two texts": {"headers": {"timelimit": ["a", "b"]}},
        "shadow a list": {"headers": {"shadow": ["x"]}},
        "body a number": {"body": 5},
        "args a number": {"args": 5},
        "embed a list": {"body": [[1, 2], {}, [1]]},
        "content-type null": {"content_type": None},
    }.items()
}


def as_bytes(what: Any) -> bytes:
    return what if isinstance(what, bytes) else json.dumps(what).encode()
