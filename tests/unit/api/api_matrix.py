"""Tries every operation of an API with every wrong key, and says what is wrong in sentences.

It finds the operations by itself. What it cannot know stands in a table, a :class:`Line` for each:
the scope, and a request that concerns a row of the store THEIRS.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from django.utils import timezone
from ninja import NinjaAPI

from neural.api import keys
from neural.api.openapi import ApiOperation, operations
from tests.unit.admin import admin_rows
from tests.unit.api import api_world

MINE, THEIRS = "S-MINE", "S-THEIRS"
MARK = "only-theirs"
"""Stands in rows of THEIRS, and in no request unless a row's own name is asked for."""
ROOT = "/api/v1"
UNCOMPARED = {"neural_api.ApiKey", "neural.RefusedEvent"}
"""Tables that a refused request may write: when a key was used, and that an event was refused."""


@dataclass(frozen=True)
class Line:
    """What one operation requires, and a request for something of THEIRS."""

    scope: str
    path: Mapping[str, Any] = field(default_factory=dict)
    """The parameters in the path, by name."""
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    shows: bool = True
    """Whether the right key gets an answer with :data:`MARK` in it."""
    changes: bool = False
    """Whether the right key changes rows."""


def violations(api: NinjaAPI, table: Mapping[str, Line]) -> list[str]:
    """A sentence for everything that is wrong with the API or with the table."""
    each_wrong = (_of_operation(each, table.get(each.label)) for each in operations(api))
    return [wrong for of_one in each_wrong for wrong in of_one]


def _of_operation(operation: ApiOperation, line: Line | None) -> Iterator[str]:
    name = f"{operation.label} ({operation.function})"
    if not operation.scopes:
        yield f"{name} asks for no key: declare auth=KeyWith(Scope.…) at it or at its router"
    if line is None:
        yield (
            f"{name} is new: add a line to `expected` in test_api_matrix.py with the scope that it "
            "requires and a request that concerns a row of the other store"
        )
        line = Line(", ".join(operation.scopes), shows=False)
    if operation.scopes and operation.scopes != {line.scope}:
        yield f"{name} requires {', '.join(operation.scopes)}, but the table says {line.scope}"
    for who, status, headers in _wrong_keys(line.scope):
        answer = _ask(operation, line, headers)
        if answer.status_code != status:
            yield f"{name} answers {answer.status_code} instead of {status} with {who}"
    for who, headers in _keys_of_others(line.scope):
        yield from _shows_or_changes(name, operation, line, who, headers)
    yield from _right_key(name, operation, line)


def _wrong_keys(scope: str) -> Sequence[tuple[str, int, dict[str, str]]]:
    """Who may not even knock: each with the status that it is to get."""
    key, text = api_world.key(THEIRS)
    revoked, of_revoked = api_world.key(THEIRS)
    keys.revoke(revoked)
    _, of_expired = api_world.key(THEIRS, expires_at=timezone.now())
    others = [each for each in api_world.EVERY_SCOPE if each != scope]
    _, of_others = api_world.key(scopes=others)
    return [
        ("no key", 401, {}),
        ("garbage", 401, api_world.bearer("garbage")),
        ("a wrong secret", 401, api_world.bearer(f"zn_{key.prefix}_{'x' * 43}")),
        ("a prefix that no key has", 401, api_world.bearer(f"zn_{'0' * 10}_{text[-43:]}")),
        ("a revoked key", 401, api_world.bearer(of_revoked)),
        ("an expired key", 401, api_world.bearer(of_expired)),
        ("a login and no key", 401, {"login": "root"}),
        ("a key with every scope but this one", 403, api_world.bearer(of_others)),
    ]


def _keys_of_others(scope: str) -> Sequence[tuple[str, dict[str, str]]]:
    scopes = [scope] if scope in api_world.EVERY_SCOPE else api_world.EVERY_SCOPE
    _, mine = api_world.key(MINE, scopes=scopes)
    homeless, nobodys = api_world.key(MINE, scopes=scopes)
    homeless.stores.clear()
    return [
        ("a key of another store", api_world.bearer(mine)),
        ("a key of no store", api_world.bearer(nobodys)),
    ]


def _shows_or_changes(
    name: str, operation: ApiOperation, line: Line, who: str, headers: dict[str, str]
) -> Iterator[str]:
    before = _rows()
    answer = _ask(operation, line, headers)
    if answer.status_code >= 500:
        yield f"{name} answers {answer.status_code} with {who}"
    asks_by_name = MARK in str(line)
    if answer.status_code < 400 and (asks_by_name or MARK in _text(answer)):
        yield f"{name} shows {who} a row of a store that is not its own"
    if _rows() != before:
        yield f"{name} lets {who} change rows of a store that is not its own"


def _right_key(name: str, operation: ApiOperation, line: Line) -> Iterator[str]:
    """Without this, a request that is refused whoever sends it would prove nothing."""
    scopes = [line.scope] if line.scope in api_world.EVERY_SCOPE else api_world.EVERY_SCOPE
    _, text = api_world.key(THEIRS, scopes=scopes)
    before = _rows()
    with transaction.atomic():
        answer = _ask(operation, line, api_world.bearer(text))
        said, changed = _text(answer), _rows() != before
        transaction.set_rollback(True)
    if line.shows and (answer.status_code >= 400 or MARK not in said):
        yield (
            f"{name} shows its own store's key nothing ({answer.status_code}: {said[:300]}): "
            "correct the request in the table"
        )
    if line.changes and not changed:
        yield (
            f"{name} changes nothing for its own store's key ({answer.status_code}: "
            f"{said[:300]}): correct the request in the table"
        )


def _ask(operation: ApiOperation, line: Line, headers: Mapping[str, str]) -> Any:
    client = Client(raise_request_exception=False)
    given = dict(headers)
    if given.pop("login", None):
        users = get_user_model().objects
        root = users.filter(username="root").first() or users.create_superuser("root")
        client.force_login(root)
    address = operation.path
    for name, value in line.path.items():
        address = address.replace(f"{{{name}}}", str(value)).replace(f"{{path:{name}}}", str(value))
    body = {} if line.body is None else {"data": json.dumps(line.body)}
    return client.generic(
        operation.method,
        ROOT + address,
        content_type="application/json",
        query_params=dict(line.query),
        headers=given,
        **body,
    )


def _text(answer: Any) -> str:
    if not hasattr(answer, "gathered"):
        streamed = getattr(answer, "streaming", False)
        content = b"".join(answer.streaming_content) if streamed else answer.content
        answer.gathered = content.decode()
    text: str = answer.gathered
    return text


def _rows() -> dict[str, list[Any]]:
    return {
        label: rows for label, rows in admin_rows.everything().items() if label not in UNCOMPARED
    }
