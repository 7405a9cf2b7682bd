"""A file while it is sent: it may be given up, the database may go away; it says how it ended."""

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connections
from django.test import AsyncClient

from neural.admin.exporting import pages, reading, streaming
from neural.admin.exporting.formats import Ndjson
from neural.models import AuditEntry
from tests.unit.admin import admin_world as world
from tests.unit.admin.exports import entries, exporter, places_left

pytestmark = pytest.mark.django_db

ALL_PLACES = streaming.AT_ONCE


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SLICE", 2)
    monkeypatch.setattr(reading, "PIECE", 2)


def asked_for(written: str) -> Any:
    return world.superuser().get(f"{world.list_of('neuralevent')}export.{written}")


def give_up(answer: Any) -> None:
    """What the server does when the client is gone; the test's connection stays open."""
    for close in answer._resource_closers:
        close()


def away_after(rows: int, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """The database answers for so many rows, and no more."""
    whole = pages.pieces

    def cut(*args: Any) -> Iterator[Any]:
        for count, piece in enumerate(whole(*args)):
            if 2 * count >= rows:
                raise error("the connection is closed")
            yield piece

    monkeypatch.setattr(pages, "pieces", cut)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_file_that_the_database_cuts_short_says_so_in_its_last_line(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.events(6)
    away_after(4, monkeypatch, error)

    for_people = b"".join(asked_for("csv").streaming_content).decode().splitlines()
    for_programs = b"".join(asked_for("ndjson").streaming_content).splitlines()

    told = "incomplete: the database did not answer after 4 rows"
    assert for_people[-1] == f"# {told}"
    assert json.loads(for_programs[-1]) == {"error": told}
    assert (len(for_people), len(for_programs)) == (6, 5)
    assert entries() == [("failed", 4), ("failed", 4)]
    assert places_left() == ALL_PLACES


def test_a_client_that_goes_away_ends_the_reading(
    django_assert_max_num_queries: Any,
) -> None:
    world.events(20)
    answer = asked_for("ndjson")
    content = answer.streaming_content
    assert [next(content), next(content).count(b"\n")] == [b"", 2]

    with django_assert_max_num_queries(5):  # the entry of the audit log
        give_up(answer)

    assert list(content) == []
    assert entries() == [("failed", 2)]
    assert places_left() == ALL_PLACES


def test_a_response_that_nobody_reads_gives_its_place_back() -> None:
    world.events(1)
    answer = asked_for("csv")

    give_up(answer)
    give_up(answer)

    assert places_left() == ALL_PLACES
    assert entries() == [("failed", 0)]


def exported_by(name: str) -> Any:
    client = exporter(name=name)
    return lambda: client.get(f"{world.list_of('neuralevent')}export.csv")


def test_a_process_makes_only_so_many_files_at_once() -> None:
    world.events(3)
    under_way = [exported_by(f"u{each}")().streaming_content for each in range(ALL_PLACES)]
    for each in under_way:
        next(each)

    refused = asked_for("csv")
    for each in under_way:
        list(each)
    afterwards = asked_for("csv")

    assert refused.status_code == 503
    assert refused.content.decode().startswith(f"{ALL_PLACES} files are being made already.")
    assert b"".join(afterwards.streaming_content).count(b"\r\n") == 4
    assert places_left() == ALL_PLACES


def test_one_users_files_do_not_block_anothers() -> None:
    world.events(3)
    lee, kim = exported_by("lee"), exported_by("kim")
    under_way = lee().streaming_content
    next(under_way)

    refused, of_another = lee(), kim()

    assert refused.status_code == 503
    assert refused.content.decode().startswith("A file is being made for you already.")
    assert b"".join(of_another.streaming_content).count(b"\r\n") == 4
    list(under_way)
    assert lee().status_code == 200


def test_a_file_whose_process_is_killed_leaves_an_entry_that_says_begun() -> None:
    world.events(3)
    content = asked_for("csv").streaming_content
    next(content)

    assert entries() == [("begun", 0)]

    list(content)

    assert entries() == [("done", 3)]


def test_an_error_of_ours_breaks_the_file_off_and_is_told_as_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.events(2)
    away_after(0, monkeypatch, LookupError)
    answer = asked_for("csv")

    with pytest.raises(LookupError):
        b"".join(answer.streaming_content)

    assert entries() == [("failed", 0)]
    assert places_left() == ALL_PLACES


def test_where_the_entry_cannot_be_written_the_file_is_sent_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.events(2)

    def gone(**_: Any) -> None:
        raise OperationalError("no connection")

    answer = asked_for("csv")
    monkeypatch.setattr("neural.audit.record", gone)

    assert b"".join(answer.streaming_content).count(b"\r\n") == 3
    assert "end_not_in_the_audit_log" in caplog.text
    assert entries() == [("begun", 0)]
    assert places_left() == ALL_PLACES


def test_nothing_is_read_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world.events(3)
    read: list[int] = []
    whole = pages.pieces

    def counted(*args: Any) -> Iterator[Any]:
        for piece in whole(*args):
            read.append(len(piece))
            yield piece

    monkeypatch.setattr(pages, "pieces", counted)
    answer = asked_for("csv")
    content = answer.streaming_content

    assert next(content).startswith("\ufeff".encode())
    assert read == []
    next(content)
    assert read == [2]
    give_up(answer)


@pytest.mark.django_db(transaction=True)
def test_an_asgi_server_gets_the_file_piece_by_piece() -> None:
    world.events(5)
    user = world.get_user_model().objects.create_superuser("root")
    client = AsyncClient()
    client.force_login(user)

    async def whole() -> tuple[bool, list[bytes]]:
        answer: Any = await client.get(f"{world.list_of('neuralevent')}export.ndjson")
        parts = [part async for part in answer.streaming_content]
        await sync_to_async(connections.close_all)()  # of the thread that read the rows
        return answer.is_async, parts

    is_async, parts = asyncio.run(whole())

    assert is_async
    assert [part.count(b"\n") for part in parts] == [0, 2, 2, 1]
    assert AuditEntry.objects.standing().get(action="export").count == 5
    assert places_left() == ALL_PLACES


def test_a_file_that_is_lost_unread_leaves_its_place_and_asks_nothing_of_the_database() -> None:
    told: list[Any] = []
    content: Any = streaming.Content(iter([]), Ndjson([]), lambda *how: told.append(how))
    next(content)
    assert places_left() == ALL_PLACES - 1

    del content
    gc.collect()

    assert places_left() == ALL_PLACES
    assert told == []
