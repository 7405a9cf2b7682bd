"""'Copy as command': what is pasted into a shell does a run's work again."""

import json
import shlex
import subprocess
import tempfile

import pytest
from celery.bin.celery import celery
from django.core.management import call_command
from django.test import Client

from neural.models import NeuralEvent, TaskRun
from neural.runs.shell_commands import LONGEST_ARGUMENT, submit_command
from tests.unit.admin import admin_world as world
from tests.unit.runs.run_page_world import ORDER, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def pasted(command: str) -> tuple[list[str], str]:
    """What a shell makes of the command: its words, and its standard input."""
    program = shlex.split(command)[0]
    script = f'{program}() {{ printf "%s\\0" "$@"; printf "\\1"; cat; }}\n{command}'
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            ["bash", file.name],
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    words, _, given = done.stdout.partition("\1")
    return words.split("\0")[:-1], given


def commands(run: TaskRun, client: Client | None = None) -> dict[str, str]:
    context = (client or world.superuser()).get(world.page_of(run)).context
    return {each.name: each.text for each in context["commands"]}


HOSTILE = 'it\'s; $(rm -rf ~) `x` "y" \\ \n -- 宫保鸡丁 <b>'


def test_the_command_of_an_event_submits_the_same_event_when_it_is_pasted() -> None:
    payload = {**ORDER, "note": HOSTILE}
    event = submitted("order.created", "-1 " + HOSTILE.strip(), payload)
    run = event.runs.get()

    words, _ = pasted(commands(run)["command-submit"])
    assert words[0] == "manage.py"
    before = NeuralEvent.objects.values("event_id", "content_hash", "occurred_at", "payload").get()
    TaskRun.objects.all().delete()
    NeuralEvent.objects.all().delete()
    call_command(*words[1:])

    now = NeuralEvent.objects.values("event_id", "content_hash", "occurred_at", "payload").get()
    assert now == before


@pytest.mark.slow
def test_a_payload_too_long_for_an_argument_comes_by_standard_input() -> None:
    event = world.event(payload={"note": HOSTILE * 5000})
    assert len(HOSTILE * 5000) > LONGEST_ARGUMENT

    words, given = pasted(submit_command(event, payload=event.payload))

    assert words[-1] == "--payload=@-"
    assert json.loads(given) == event.payload


def test_the_command_of_a_dead_run_retries_it_when_it_is_pasted() -> None:
    run = world.run("dead", task_id="it's $me")

    words, _ = pasted(commands(run)["command-retry"])
    call_command(*words[1:])

    run.refresh_from_db()
    assert run.state == "pending"


def test_the_command_of_a_task_calls_it_with_the_same_arguments_when_it_is_pasted() -> None:
    run = world.run(
        "succeeded", task="neural.tasks.batch_index_orders", args=[[{"note": HOSTILE}]], kwargs={}
    )

    words, _ = pasted(commands(run)["command-call"])
    celery.main(args=words, standalone_mode=False)

    called = TaskRun.objects.exclude(pk=run.pk).get()
    assert (called.task, called.args, called.kwargs) == (run.task, run.args, run.kwargs)
    assert called.queue == run.queue
