"""What people do in the admin: permitted, by POST, within their stores, with an audit entry."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone, translation

from neural.models import TaskRun
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

FITTING = [
    ("retry", "dead", "pending"),
    ("retry", "cancelled", "pending"),
    ("retry", "discarded", "pending"),
    ("hurry", "pending", "pending"),
    ("cancel", "pending", "cancelled"),
    ("discard", "dead", "discarded"),
]
VERBS = [("retry", "dead"), ("hurry", "pending"), ("cancel", "pending"), ("discard", "dead")]


def state_of(run: TaskRun) -> str:
    return TaskRun.objects.get(pk=run.pk).state


@pytest.mark.parametrize(("verb", "before", "after"), FITTING)
def test_a_button_changes_one_run_and_returns_to_its_page(
    verb: str, before: str, after: str
) -> None:
    run = world.run(before)
    client = world.client_of(f"{verb}_taskrun")

    answer = client.post(world.act_on(run, verb))

    assert answer.status_code == 302
    assert answer["Location"] == world.page_of(run)
    assert state_of(run) == after


@pytest.mark.parametrize(("verb", "before"), VERBS)
def test_each_verb_needs_its_own_permission_on_the_server(verb: str, before: str) -> None:
    run = world.run(before)
    others = [f"{other}_taskrun" for other, _ in VERBS if other != verb]
    client = world.client_of(*others)

    answer = client.post(world.act_on(run, verb))
    client.post(world.list_of("taskrun"), world.selection(verb, run))

    assert answer.status_code == 403
    assert state_of(run) == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(("verb", "before"), VERBS)
def test_a_verb_is_not_reached_by_get(verb: str, before: str) -> None:
    run = world.run(before)

    answer = world.superuser().get(world.act_on(run, verb))

    assert answer.status_code == 405
    assert state_of(run) == before


def test_a_post_without_the_csrf_token_is_refused() -> None:
    run = world.run("dead")
    user = get_user_model().objects.create_superuser("root")
    client = world.logged_in(user, enforce_csrf_checks=True)

    assert client.post(world.act_on(run, "retry")).status_code == 403
    assert client.post(world.list_of("taskrun"), world.selection("retry", run)).status_code == 403
    assert state_of(run) == "dead"


def test_who_is_not_logged_in_changes_nothing() -> None:
    run = world.run("dead")

    answer = Client().post(world.act_on(run, "retry"))

    assert "/login/" in answer["Location"]
    assert state_of(run) == "dead"


def test_a_run_of_another_store_cannot_be_changed() -> None:
    theirs = world.run("dead", store=world.store("S2"))
    storeless = world.run("dead", task_id="t2", store=None)
    client = world.client_of("retry_taskrun", stores=[world.store("S1")])

    answers = [client.post(world.act_on(run, "retry")) for run in (theirs, storeless)]
    client.post(world.list_of("taskrun"), world.selection("retry", theirs, storeless))

    assert [answer.status_code for answer in answers] == [404, 404]
    assert state_of(theirs) == state_of(storeless) == "dead"


def test_an_operator_changes_the_runs_of_their_own_store() -> None:
    mine = world.run("dead")
    client = world.client_of("retry_taskrun", stores=[world.store("S1")])

    client.post(world.act_on(mine, "retry"))

    assert state_of(mine) == "pending"


def test_select_all_concerns_the_ticked_rows_alone() -> None:
    ticked, unticked = world.event("a", unhandled=True), world.event("b", unhandled=True)

    world.superuser().post(
        world.list_of("neuralevent"), world.selection("replay", ticked, select_across="1")
    )

    assert ticked.runs.exists()
    assert not unticked.runs.exists()


def test_the_message_says_how_many_changed_and_how_many_were_left() -> None:
    events = [world.event("a", unhandled=True), world.event("b", kind="feedback.received")]

    answer = world.superuser().post(
        world.list_of("neuralevent"), world.selection("replay", *events), follow=True
    )

    label = "Replay"
    messages = [str(message) for message in answer.context["messages"]]
    assert messages == [
        f"{label}: 1 changed.",
        f"{label}: 1 was not in a state that allows it and was left as it is.",
    ]
    assert LogEntry.objects.count() == 1


def test_the_audit_entry_tells_who_did_what_to_which_run_in_the_readers_language() -> None:
    run = world.run("dead")
    client = world.client_of("retry_taskrun")

    client.post(world.act_on(run, "retry"))

    entry = LogEntry.objects.get()
    assert entry.user.get_username() == "lee"
    assert entry.get_edited_object() == run
    assert entry.get_change_message() == "Changed state: dead → pending (retry)."
    with translation.override("zh-hans"):
        assert "死信 → 等待" in entry.get_change_message()


def test_the_page_offers_the_verbs_that_are_permitted_and_fit() -> None:
    dead, pending = world.run("dead", task_id="a"), world.run("pending", task_id="b")
    client = world.client_of("retry_taskrun", "cancel_taskrun")

    offered = {
        run.state: [verb.name for verb in client.get(world.page_of(run)).context["verbs"]]
        for run in (dead, pending)
    }

    assert offered == {"dead": ["retry"], "pending": ["cancel"]}


def test_after_a_verb_the_user_goes_where_the_form_says_if_that_is_a_page_of_ours() -> None:
    run = world.run("dead")
    client = world.client_of("retry_taskrun")
    for said, where in (("/admin/x/", "/admin/x/"), ("https://evil.example/", world.page_of(run))):
        assert client.post(world.act_on(run, "retry"), {"next": said})["Location"] == where


def test_a_retried_run_is_unpublished_at_once() -> None:
    later = timezone.now() + timezone.timedelta(hours=1)
    run = world.run("pending", available_at=later, publish_at=later)

    world.superuser().post(world.act_on(run, "hurry"))

    assert TaskRun.objects.unpublished().get() == run


def test_confirming_a_store_needs_the_permission_to_change_it() -> None:
    store = world.store()
    world.client_of(name="ann").post(world.act_on(store, "confirm"))
    store.refresh_from_db()
    assert not store.confirmed

    world.client_of("change_store", name="bob").post(world.act_on(store, "confirm"))

    store.refresh_from_db()
    assert store.confirmed
    assert LogEntry.objects.get().user.get_username() == "bob"


def test_replay_runs_the_handlers_that_an_event_has_missed() -> None:
    event = world.event(unhandled=True)
    refused = world.client_of(name="ann").post(world.act_on(event, "replay"))
    assert refused.status_code == 403
    assert not event.runs.exists()

    world.client_of("replay_neuralevent", name="bob").post(world.act_on(event, "replay"))

    event.refresh_from_db()
    assert not event.unhandled
    assert [run.handler for run in event.runs.all()] == ["neural.record_order"]
    assert event.runs.get().requested_by == "bob"
    assert "replay" in LogEntry.objects.get().get_change_message()


def test_replay_of_an_event_that_nobody_handles_is_said_to_change_nothing() -> None:
    event = world.event(kind="feedback.received", payload={"text": "good"}, unhandled=True)

    answer = world.superuser().post(world.act_on(event, "replay"), follow=True)

    assert "not in a state" in str(next(iter(answer.context["messages"])))
    assert not LogEntry.objects.exists()
