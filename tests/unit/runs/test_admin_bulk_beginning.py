"""A bulk action is begun by the form of the preview, or from the list of runs; once."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from neural.models import AuditEntry, BulkAction, BulkActionItem, RunState, TaskRun
from neural.personal import redacting
from tests.unit.admin import admin_world as world
from tests.unit.factories import make_run
from tests.unit.runs import bulk_world
from tests.unit.runs.admin_bulk_world import PREVIEW, form_of, operator, page_of

pytestmark = pytest.mark.django_db

DEAD, PENDING = RunState.DEAD, RunState.PENDING


@pytest.fixture(autouse=True)
def _nothing_is_personal(monkeypatch: Any) -> None:
    monkeypatch.setattr(redacting, "redacted_text", lambda text: text)


# By the form


def test_the_form_begins_the_action_with_reason_and_pace() -> None:
    bulk_world.make_runs(2)
    client = operator()
    form = form_of(client) | {"pace": "50"}

    answer = client.post(PREVIEW, form)

    action = BulkAction.objects.get()
    assert answer["Location"] == page_of(action)
    assert (action.verb, action.reason, action.pace) == ("retry", "mended", 50)
    assert (action.requested_by, action.expected) == ("lee", 2)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason) == ("runs.bulk.retry", "lee", "mended")
    assert entry.query["state"] == "dead"
    assert TaskRun.objects.get(pk=action.run_id).requested_by == "lee"


@pytest.mark.parametrize("verb", bulk_world.EVERY_VERB)
def test_each_verb_is_begun_and_done(verb: str) -> None:
    make_run(PENDING if verb in ("hurry", "cancel", "move") else DEAD)
    client = operator()
    more = {"to_queue": "low_priority"} if verb == "move" else {}
    answer = client.post(PREVIEW, form_of(client, verb=verb) | more)
    assert answer.status_code == 302
    bulk_world.finish(BulkAction.objects.get())
    assert BulkActionItem.objects.filter(outcome="changed").count() == 1


def test_a_form_that_is_sent_twice_and_one_from_another_tab_lead_to_the_same_action() -> None:
    make_run(DEAD)
    client = operator()
    form, tab = form_of(client), form_of(client)

    answers = [client.post(PREVIEW, each) for each in (form, form, tab)]

    action = BulkAction.objects.get()
    assert [answer["Location"] for answer in answers] == [page_of(action)] * 3
    assert "This form was sent before" in client.get(page_of(action)).content.decode()
    assert form_of(client)["token"] != form["token"]  # asked again on purpose


def test_what_comes_after_the_preview_is_not_meant() -> None:
    early = make_run(DEAD)
    client = operator()
    form = form_of(client, period="7d")
    assert {"since", "until"} <= form.keys()
    late = make_run(DEAD)
    TaskRun.objects.filter(pk=late.pk).update(created_at="2100-01-01T00:00Z")

    client.post(PREVIEW, form)

    bulk_world.finish(BulkAction.objects.get())
    assert TaskRun.objects.get(pk=early.pk).state == "pending"
    assert TaskRun.objects.get(pk=late.pk).state == "dead"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": " "}, "This field is required."),
        ({"pace": "0"}, "greater than or equal to 1"),
        ({"pace": "fast"}, "Enter a whole number."),
        ({"token": ""}, "required"),
    ],
)
def test_a_form_that_is_wrong_begins_nothing(wrong: Any, said: str) -> None:
    make_run(DEAD)
    client = operator()
    answer = client.post(PREVIEW, form_of(client) | wrong)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not BulkAction.objects.exists()


def test_a_move_needs_a_queue_that_there_is() -> None:
    make_run(PENDING)
    client = operator()
    for queue in ("", "nowhere"):
        form = form_of(client, verb="move") | {"to_queue": queue}
        assert client.post(PREVIEW, form).status_code == 200
    assert not BulkAction.objects.exists()


@pytest.mark.parametrize("verb", bulk_world.EVERY_VERB)
def test_each_verb_needs_its_permission_on_the_server(verb: str) -> None:
    make_run(DEAD)
    make_run(PENDING)
    others = [each for each in bulk_world.EVERY_VERB if each != verb]
    client = operator(*others)
    assert client.get(PREVIEW, {"verb": verb}).status_code == 403
    form = {"verb": verb, "token": "t", "reason": "a", "to_queue": "default"}
    assert client.post(PREVIEW, form).status_code == 403
    assert not BulkAction.objects.exists()


def test_methods_csrf_and_login_are_checked() -> None:
    make_run(DEAD)
    assert operator().put(PREVIEW).status_code == 405
    assert "/login/" in Client().get(PREVIEW)["Location"]
    user = bulk_world.operator("kim")
    strict = world.logged_in(user, enforce_csrf_checks=True)
    form = {"verb": "retry", "token": "t", "reason": "a"}
    assert strict.post(PREVIEW, form).status_code == 403
    assert not BulkAction.objects.exists()


# From the list of runs


@pytest.mark.parametrize("verb", bulk_world.EVERY_VERB)
def test_an_action_on_ticked_runs_leads_to_the_preview_and_changes_nothing(verb: str) -> None:
    run = world.run(PENDING if verb in ("hurry", "cancel", "move") else DEAD)
    client = operator()

    answer = client.post(world.list_of("taskrun"), world.selection(verb, run))

    where = urlsplit(answer["Location"])
    assert where.path == PREVIEW
    assert parse_qs(where.query) == {"verb": [verb], "_selected_action": [str(run.pk)]}
    assert "1 run matches." in client.get(answer["Location"]).content.decode()
    before = run.state
    run.refresh_from_db()
    assert run.state == before
    assert not LogEntry.objects.exists()


def test_moving_one_run_asks_for_the_queue_first() -> None:
    run = world.run(PENDING)
    answer = operator().post(world.act_on(run, "move"))
    assert urlsplit(answer["Location"]).path == PREVIEW
