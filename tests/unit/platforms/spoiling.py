"""Spoils one value of JSON at any depth, also in JSON that is in a text."""

import copy
import json
import random
from typing import Any

ODD = (
    None,
    True,
    False,
    0,
    -1,
    1,
    7,
    10**25,
    -(10**25),
    10**120,
    10**8,
    0.1,
    -0.005,
    1e300,
    1e8,
    "",
    "x",
    "-5",
    "1e30",
    "1e999999",
    "0.0001",
    "999999999",
    "2024-04-01",
    "20249999",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2024-04-01T00:00:00",
    "é" * 600,
    "\0",
    "\ud83d",
    " ",
    [],
    {},
    [[]],
    [{}],
    [None],
    {"amount": "x"},
    {"amount": 1, "currency": "usd"},
    {"guid": 1},
    "[1]",
    "[",
    '{"a": 1}',
)


def spoilt(value: Any, chance: random.Random) -> Any:
    """A copy with one value removed, repeated, or replaced by an odd one."""
    parts = _inner(value)
    if not parts or chance.random() < 0.15:
        return copy.deepcopy(chance.choice(ODD))
    if isinstance(value, str):
        return json.dumps(spoilt(json.loads(value), chance))
    key = chance.choice(parts)
    found = copy.copy(value)
    if chance.random() < 0.1:
        del found[key]
    elif isinstance(found, list) and chance.random() < 0.1:
        found.append(found[key])
    else:
        found[key] = spoilt(found[key], chance)
    return found


def _inner(value: Any) -> list[Any]:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return _inner(json.loads(value))
        except ValueError:
            return []
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []
