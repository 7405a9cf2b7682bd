"""Tasks for chains, groups and callbacks: of the ledger, and plain ones of Celery."""

import time
from contextlib import suppress

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

import neural
from neural.ledger.work import current_run
from tests.probe.acting import Failing, Order, directory, effect_if_missing, started
from tests.probe.models import Effect


@shared_task(base=neural.LedgerTask, name="probe.add", atomic=True)
def add(x, y):
    return x + y


@shared_task(name="probe.plain_add", ignore_result=False)
def plain_add(x, y):
    return x + y


@shared_task(base=neural.LedgerTask, name="probe.note", atomic=True)
def note(value, key):
    """Leave an effect that says with what it was called."""
    Effect.objects.create(key=f"{key}:{value}")
    return value


@shared_task(name="probe.plain_note", ignore_result=False)
def plain_note(value, key):
    Effect.objects.create(key=f"{key}:{value}")
    return value


@shared_task(base=neural.LedgerTask, name="probe.total", atomic=True)
def total(values):
    return sum(values)


@shared_task(base=neural.LedgerTask, name="probe.fail", max_retries=0)
def fail(message="as ordered"):
    raise Failing(message)


@shared_task(name="probe.plain_fail", ignore_result=False)
def plain_fail(message="as ordered"):
    raise Failing(message)


@shared_task(name="probe.on_error")
def on_error(request, exc, traceback):
    """An error callback of three arguments, as Celery's guide has it."""
    where = "with" if "acting" in str(traceback) or "canvas" in str(traceback) else "without"
    Effect.objects.create(key=f"{request.id}:{type(exc).__name__}:{exc}:{where} traceback")


@shared_task(base=neural.LedgerTask, name="probe.request_seen", bind=True)
def request_seen(self):
    """What a body finds as its request."""
    names = ("id", "parent_id", "root_id", "retries", "headers", "timelimit", "group", "stamps")
    return {name: getattr(self.request, name) for name in names}


@shared_task(base=neural.LedgerTask, name="probe.call_itself")
def call_itself(depth):
    """A direct call of a task is a call of its function, inside its own run too."""
    return depth if depth == 0 else call_itself(depth - 1) + 1


@shared_task(base=neural.LedgerTask, name="probe.ask_for_others")
def ask_for_others():
    """A run whose children are runs."""
    return [add.delay(number, 0).id for number in range(2)]


@shared_task(name="probe.plain_asks", ignore_result=False)
def plain_asks():
    """A plain task whose child is a run."""
    return add.delay(1, 1).id


@shared_task(base=neural.LedgerTask, name="probe.fill_batch")
def fill_batch(batch_id, members):
    """Goes on with the batch that an attempt before has begun."""
    with neural.batch(batch_id=batch_id, on_complete=note.s("complete")) as batch:
        for number in range(members):
            batch.add(add.s(number, 1).set(task_id=f"{batch_id} {number}"))


@shared_task(base=neural.LedgerTask, name="probe.hang", max_retries=0)
def hang(key, seconds=20):
    """Two-step work that takes its time, and leaves its effect at the end of it."""
    started(key)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (directory() / f"go-{key}").exists():
        time.sleep(0.02)
    effect_if_missing(Order(key=key))
    return "done"


@shared_task(base=neural.LedgerTask, name="probe.deaf", max_retries=0)
def deaf(key, seconds):
    """Heeds no soft limit."""
    started(key)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(1)


@shared_task(name="probe.plain_hang", ignore_result=False)
def plain_hang(key, seconds=20):
    started(key)
    time.sleep(seconds)
    Effect.objects.create(key=key)


@shared_task(base=neural.LedgerTask, name="probe.retry_async", bind=True)
async def retry_async(self, key):
    """As the guide writes it."""
    try:
        if current_run().failures < 2:
            raise Failing(f"attempt {self.request.retries + 1}")
        return self.request.retries
    except Failing as e:
        raise self.retry(exc=e)  # noqa: B904
