"""``async def`` bodies run to their end, with sound database connections."""

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections

from neural.celeryapp.task import run_to_its_end
from neural.models import Store


async def count_stores() -> int:
    return await Store.objects.acount()


async def process_id_of_the_connection() -> int:
    def ask() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return cursor.fetchone()[0]

    return await sync_to_async(ask)()


async def close_the_connections() -> None:
    await sync_to_async(connections.close_all)()


def test_a_coroutine_runs_to_its_end_and_gives_its_value():
    async def body() -> str:
        return "done"

    assert run_to_its_end(body()) == "done"


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_finds_a_sound_connection_after_the_database_cut_the_last_one():
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL cuts connections")
    try:
        run_to_its_end(count_stores())
        with connection.cursor() as cursor:
            cut = run_to_its_end(process_id_of_the_connection())
            cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [cut])

        assert run_to_its_end(count_stores()) == 0
    finally:
        run_to_its_end(close_the_connections())
