"""Tasks of Django's framework, which a worker knows because this app's tasks.py imports them."""

import importlib
from typing import Any

from django.conf import settings
from django.db import transaction

from tests.probe.acting import Order, act, effect_if_missing
from tests.probe.models import Effect

task = importlib.import_module(settings.REFERENCE).task


@task()
def give_back(*args: Any, **kwargs: Any) -> Any:
    return [list(args), kwargs]


@task
async def give_back_async(*args: Any, **kwargs: Any) -> Any:
    return [list(args), kwargs]


@task
def answer() -> int:
    return 42


@task
def nothing() -> None:
    return None


@task
def fail() -> None:
    raise ValueError("no flour")


@task
def fail_within() -> None:
    raise ValueError(ValueError("no flour"))


@task
def fail_of_the_apps_own() -> None:
    raise Spoilt("two days old")


class Spoilt(Exception):
    pass


@task
def leave() -> None:
    raise SystemExit("gone home")


@task
def interrupt() -> None:
    raise KeyboardInterrupt("stop")


@task
def give_back_no_json() -> Any:
    return lambda: True


@task
def give_back_bytes() -> bytes:
    return "茶".encode()


@task(takes_context=True)
def own_id(context: Any) -> str:
    return context.task_result.id


@task(takes_context=True)
def attempt_number(context: Any, fail_times: int = 0) -> int:
    if context.attempt <= fail_times:
        raise ConnectionError("not yet")
    return context.attempt


@task(priority=-60, queue_name="default")
def tidy_up(key: str) -> None:
    Effect.objects.create(key=key)


@task
def leave_effect(key: str, then_fail: bool = False) -> str:
    Effect.objects.create(key=key)
    if then_fail:
        raise ValueError("after its effect")
    return key


@task
def order_tea(key: str) -> str:
    with transaction.atomic():
        leave_effect.enqueue(key)
    return key


@task(takes_context=True)
def work_for_real(context: Any, **order: Any) -> Any:
    act(Order(**order), leave=effect_if_missing)
    return {"attempt": context.attempt, "workers": context.task_result.worker_ids}
