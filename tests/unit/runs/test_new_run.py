"""A run's row is made in one place, whoever asks for it."""

import datetime as dt
import re
from pathlib import Path

import pytest

from neural.kit.stored_json import NotStorable
from neural.models import RunState, TaskRun
from neural.runs.models.new_run import new_run
from tests.unit.factories import make_event

NEURAL = Path(__file__).parents[3] / "neural"
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def asked(**fields):
    return new_run(**{"task": "probe.give_back", "queue": "default", "priority": 5, **fields})


def makers(name: str) -> set[str]:
    """Modules that call something of this name."""
    call = re.compile(rf"(?<!class )\b{name}\(")
    return {
        str(path.relative_to(NEURAL))
        for path in NEURAL.rglob("*.py")
        if call.search(path.read_text())
    }


def test_nobody_else_makes_a_new_run_or_the_row_of_one():
    assert makers("NewRun") == makers("TaskRun") == {"runs/models/new_run.py"}


@pytest.mark.django_db
def test_a_run_is_due_at_once_and_owed_a_message_a_little_later(settings):
    settings.NEURAL = {"republish_seconds": 15}
    asked(task_id="1").row().save()

    run = TaskRun.objects.get(task_id="1")
    assert run.available_at == run.created_at
    assert run.publish_at - run.available_at == dt.timedelta(seconds=15)
    assert (run.state, run.args, run.kwargs, run.options) == (RunState.PENDING, [], {}, {})


@pytest.mark.django_db
def test_one_for_later_is_owed_its_message_when_it_is_due():
    asked(task_id="1", due_at=NOON).row().save()

    run = TaskRun.objects.get(task_id="1")
    assert run.available_at == run.publish_at == NOON


@pytest.mark.django_db
def test_what_its_submitter_decides_is_what_its_row_says():
    event = make_event()
    given = {"handler": "tests.greet", "unique_key": "once", "requested_by": "lee"}
    row = asked(
        event_id=event.pk,
        store=event.store_id,
        options={"shadow": "x"},
        parent="root",
        args=[dt.date(2026, 3, 1)],
        **given,
    ).row()
    row.save()

    run = TaskRun.objects.get()
    assert {name: getattr(run, name) for name in given} == given
    assert (run.event, run.store_id, run.parent_task_id) == (event, event.store_id, "root")
    assert (run.options, run.args) == ({"shadow": "x"}, row.args)
    assert run.task_id == row.task_id


def test_arguments_that_cannot_be_kept_are_refused():
    with pytest.raises(NotStorable, match=r"keyword arguments of probe\.give_back"):
        asked(kwargs={"wrong": "\x00"})
