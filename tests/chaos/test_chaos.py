"""Random faults under load: nothing accepted is lost, nothing is done twice, and all that is kept
of it agrees.

CHAOS_SECONDS sets how long (20 by default), or CHAOS_EVENTS how many events are accepted before
it ends; CHAOS_SEED which faults come in which order. The seed is printed. What is due is not
decided by the seed alone: processes are. Each run begins with a freeze of who holds a run, for
longer than it takes to be given up.
"""

import json
import os
import random
import time

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from neural.hooks.models import Delivery, DeliveryState
from neural.hooks.outgoing import subscribed
from neural.models import RunState, TaskRun
from neural.retrieval.models import OutboxEntry
from tests.chaos import comparing
from tests.chaos.acts import record_old_runs
from tests.chaos.calls import MARK
from tests.chaos.faults import freeze_who_holds_a_run, strike
from tests.chaos.processes import LIBFAKETIME, Chaos
from tests.integration.beats import every
from tests.probe.models import Effect
from tests.unit.hooks.receiving import receiver
from tests.unit.hooks.subscribing import subscribe
from tests.unit.monitoring.figures import fold_all
from tests.watching import wait_until

SECONDS = float(os.environ.get("CHAOS_SECONDS", 20))
EVENTS = int(os.environ.get("CHAOS_EVENTS", 0))

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.sqlite,
    pytest.mark.takes(seconds=90 + SECONDS + EVENTS / 50),
]


@pytest.fixture
def erp():
    with receiver() as erp:
        subscribed.forget()
        yield erp
    subscribed.forget()


@pytest.fixture
def chaos(cluster, settings, erp):
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed} CHAOS_SECONDS={SECONDS:g} CHAOS_EVENTS={EVENTS}")
    fold_all()  # before the old runs, which are no history of a time without figures
    record_old_runs()
    subscribe(erp.url(), comparing.TOLD)
    PeriodicTask.objects.all().delete()  # what migrations put there
    every(1)
    chaos = Chaos(cluster, random.Random(seed), seed)
    here = ("search", "embedder", "vector_store_location")
    settings.NEURAL = {**settings.NEURAL, **{name: chaos.settings[name] for name in here}}
    yield chaos
    chaos.end()
    print(f"faults: {dict(chaos.done)}")
    print(f"left: {what_is_left(chaos)}")
    lines = (line for worker in cluster.workers for line in worker.text.splitlines())
    print(*(line for line in lines if "event=stop_" in line), sep="\n")
    for log in sorted(cluster.directory.glob("p*.log")):
        print(f"--- {log.name} ---\n{log.read_text()[-1500:]}")


def test_random_faults_under_load_lose_nothing_and_double_nothing(chaos, erp, capsys):
    chaos.fill_up()
    wait_until(lambda: chaos.accepted() and Effect.objects.exists(), 240)
    goes_on = enough(chaos)
    freeze_who_holds_a_run(chaos)
    while goes_on():
        time.sleep(chaos.dice.uniform(0.2, 1.5))
        chaos.fill_up()
        strike(chaos)
    chaos.stop_submitting()
    accepted = chaos.accepted()

    finish(chaos)

    with capsys.disabled():
        print(f"\n  chaos {chaos.seed}: {len(accepted):,} accepted, {summary(chaos)}")
    comparing.compare_effects(accepted, chaos.done)
    comparing.compare_results()
    comparing.compare_attempts()
    comparing.compare_figures()
    comparing.compare_index()
    comparing.compare_webhooks([json.loads(got.body)["data"]["event_id"] for got in erp.got])
    comparing.compare_bulk_actions()
    comparing.compare_pruned(chaos.done)
    comparing.compare_schedule()
    comparing.no_lock_is_left()


def enough(chaos):
    """Whether it goes on: for so many events, or for so many seconds."""
    if EVENTS:
        return lambda: chaos.accepted_count() < EVENTS
    deadline = time.monotonic() + SECONDS
    return lambda: time.monotonic() < deadline


def finish(chaos) -> None:
    """Let workers that stay alive end what is left, for as long as they get on."""
    wait_until(lambda: chaos.thaw_who_is_due() or not chaos.frozen, 60)
    chaos.retire_the_old_worker()
    wait_until(lambda: not any(worker.is_running for worker in chaos.told_to_stop), 180)
    chaos.start_workers(may_be_old=False)
    wait_until(lambda: TaskRun.objects.filter(task="probe.give_back").exists(), 180)
    chaos.beat.kill()
    left = unfinished(chaos)
    while left:
        wait_until(lambda: unfinished(chaos) < left, 180)  # noqa: B023
        left = unfinished(chaos)


def unfinished(chaos) -> int:
    """Runs, deliveries and records to index that are not through, and calls without their effects:
    what follows members is recorded when the last one has been."""
    runs = TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING))
    deliveries = Delivery.objects.filter(state=DeliveryState.PENDING)
    rest = deliveries.count() + OutboxEntry.objects.waiting().count()
    return runs.count() + rest + len(calls_without_effects(chaos))


def calls_without_effects(chaos) -> set[str]:
    return {key for key in chaos.accepted() if MARK in key}.difference(Effect.counts())


def what_is_left(chaos) -> str:
    runs = TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING))
    those = list(runs.values_list("task", "handler", "state", "queue", "losses", "error")[:20])
    return f"{those}, calls {sorted(calls_without_effects(chaos))[:20]}"


def summary(chaos) -> str:
    losses = sum(TaskRun.objects.values_list("losses", flat=True))
    dead = comparing.of_events().dead().count()
    frozen = chaos.done.pop("frozen at work", 0)
    told = f"{chaos.done.total()} faults and acts, {frozen} frozen at work, "
    told += f"{losses:,} lost deliveries, {dead} dead"
    told += f", {comparing.forged_messages().count()} forged messages"
    if connection.vendor != "sqlite" and not LIBFAKETIME:
        told += "; no host's clock was wrong: libfaketime is not installed"
    return told
