"""What submitters call beside their events: tasks, groups, chords, batches, Django's tasks.

Each call answers the keys whose effects must come once. One that was cut off may have left any part
of its work or none; nobody counts on it, but nothing of it is done twice either.
"""

import random
from collections.abc import Callable

from celery import chord, group

import neural
from neural.queues import LOW_PRIORITY_QUEUE
from tests.probe import django_tasks, tasks

MARK = "~"
"""In each key of a call, and in no event's; a key is part of a file's name."""


def a_task(key: str) -> list[str]:
    tasks.count.delay(key=key)
    return [key]


def a_coroutine(key: str) -> list[str]:
    """On the queue that the worker for many coroutines reads, too."""
    tasks.count_async.apply_async(kwargs={"key": key}, queue=LOW_PRIORITY_QUEUE)
    return [key]


def a_django_task(key: str) -> list[str]:
    django_tasks.work_for_real.enqueue(key=key)
    return [key]


def a_group(key: str) -> list[str]:
    members = _members(key)
    group(tasks.count.si(key=each) for each in members).delay()
    return members


def a_chord(key: str) -> list[str]:
    members, body = _members(key), f"{key}{MARK}body"
    chord([tasks.count.si(key=each) for each in members])(tasks.count.si(key=body))
    return [*members, body]


def a_batch(key: str) -> list[str]:
    members, follows = _members(key), f"{key}{MARK}then"
    with neural.batch(on_success=tasks.count.si(key=follows)) as batch:
        batch.add_all(tasks.count.si(key=each) for each in members)
    return [*members, follows]


def _members(key: str) -> list[str]:
    return [f"{key}{MARK}{place}" for place in range(3)]


CALLS: tuple[Callable[[str], list[str]], ...] = (
    a_task,
    a_coroutine,
    a_django_task,
    a_group,
    a_chord,
    a_batch,
)


def call(name: str, dice: random.Random) -> list[str]:
    """One of them, by the dice; returns the keys that were accepted."""
    chosen = dice.choice(CALLS)
    return chosen(f"{name}{MARK}{chosen.__name__}")
