"""Calls addresses as one user by every method, and notes what is shown and what is written."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django.template.response import SimpleTemplateResponse
from django.test import Client

SAFE, OTHERS = ("GET", "HEAD"), ("PUT", "PATCH", "DELETE", "OPTIONS")
WRITE = re.compile(r'(?<!FOR )\b(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM)\s+"?(\w+)')
UNCOUNTED = ("django_session", "django_admin_log", "neural_auditentry", "neural_auditedrow")
"""Tables that a refused request may write: a session, and that somebody tried."""


@dataclass(frozen=True)
class Outcome:
    """What came of one request. All of it was rolled back."""

    status: int
    body: str
    written: frozenset[str]
    """The tables of which rows were written."""
    location: str


@dataclass
class Walker:
    """One user, who comes to each address with the same session."""

    client: Client
    cookies: Any = field(init=False)

    def __post_init__(self) -> None:
        self.cookies = self.client.cookies.output(header="", sep=";")

    def call(self, method: str, path: str, data: Any = None) -> Outcome:
        """One request, and what it would have changed.

        HEAD renders no template: GET, which comes first, has rendered the same one."""
        self.client.cookies = SimpleCookie(self.cookies)
        written: set[str] = set()
        rendered = _unrendered() if method == "HEAD" else nullcontext()
        with transaction.atomic(), _noting(written), rendered:
            if method == "POST":
                answer = self.client.post(path, data or {})
            else:
                answer = self.client.generic(method, path)
            if hasattr(answer, "render") and not answer.is_rendered:
                answer.render()
            body = _body(answer)
            transaction.set_rollback(True)
        where = answer.headers.get("Location", "")
        return Outcome(answer.status_code, body, frozenset(written - {*UNCOUNTED}), where)


def _unrendered() -> Any:
    return mock.patch.object(SimpleTemplateResponse, "rendered_content", "")


def _body(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    headers = "\n".join(f"{name}: {value}" for name, value in answer.items())
    return content.decode(errors="replace") + headers


@contextmanager
def _noting(written: set[str]) -> Iterator[None]:
    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        # SQLite counts what an INSERT returns only once it is fetched.
        is_counted = not (connection.vendor == "sqlite" and " RETURNING " in sql)
        if (found := WRITE.search(sql)) and not (is_counted and context["cursor"].rowcount == 0):
            written.add(found[1])
        return result

    with connection.execute_wrapper(note):
        yield


class Form(HTMLParser):
    """What a browser would send of the forms of a page, as they are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self._select = self._textarea = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self._add(self._select, given.get("value", ""))
        elif tag == "textarea":
            self._textarea = name
            self._add(name, "")
        elif tag == "input" and _is_sent(given):
            self._add(name, given.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.data[self._textarea][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""

    def _add(self, name: str, value: str) -> None:
        if name:
            self.data.setdefault(name, []).append(value)


def _is_sent(given: dict[str, str]) -> bool:
    kind = given.get("type")
    if kind in ("checkbox", "radio"):
        return "checked" in given
    return kind not in ("submit", "file", "search")
