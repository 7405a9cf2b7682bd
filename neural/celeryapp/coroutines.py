"""Running ``async def`` bodies to their end in a worker, which is not asynchronous itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

Value = TypeVar("Value")


def run_to_its_end(body: Coroutine[Any, Any, Value]) -> Value:
    """The coroutine's value. Not ``async_to_sync``: that runs it in another thread, where
    Celery's ``self.request`` is not the task's."""
    return asyncio.run(_with_sound_connections(body))


async def _with_sound_connections(body: Coroutine[Any, Any, Value]) -> Value:
    """Django's ORM works in a thread of its own here, whose connections nobody else tests:
    one that the database cut would fail every later coroutine of this process."""
    await sync_to_async(close_old_connections)()
    return await body
