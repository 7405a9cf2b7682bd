"""'Edit and retry' in the admin: who may, the two steps, and what is said of bad input."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from neural.events.submit import submit
from neural.models import AuditEntry, NeuralEvent, RefusedEvent, RunEdit, TaskRun
from neural.runs.admin.run_page.edit_forms import REASON_LENGTH
from tests.unit.admin import admin_world as world
from tests.unit.pages.test_admin_deep import put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

MAY = ("edit_taskrun", "view_personal_data")
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
SHOWN = ("get", "head", "post")
ORDER = {"order_id": "A-1", "lines": [{"dish": "D-1", "quantity": 1, "price": "7.50"}]}
TASK = "neural.tasks.batch_index_orders"


def address(run: TaskRun) -> str:
    return reverse("admin:neural_taskrun_edit", args=[run.pk])


def task_run(**fields: Any) -> TaskRun:
    return world.run("dead", task=TASK, args=[[{"order_id": "1"}]], **fields)


def event_run() -> TaskRun:
    event = submit(
        type="order.created", store="S1", source="till", event_id="1001", payload=ORDER
    ).or_raise()
    event.runs.update(state="dead", finished_at=event.recorded_at)
    return event.runs.get()


class Form:
    """The form as a browser has it: what was opened, with what somebody typed."""

    def __init__(self, client: Client, run: TaskRun) -> None:
        self.client, self.run = client, run
        form = client.get(address(run)).context["form"]
        self.values = {
            name: form.get_initial_for_field(each, name) for name, each in form.fields.items()
        }

    def type(self, **values: Any) -> "Form":
        self.values |= {
            name: each if isinstance(each, str) else json.dumps(each)
            for name, each in values.items()
        }
        return self

    def send(self, step: str, **more: Any) -> HttpResponse:
        return self.client.post(address(self.run), {**self.values, "step": step, **more})


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["form"].errors)


def messages_of(client: Client, where: str) -> list[str]:
    return [str(each) for each in client.get(where).context["messages"]]


# Who may


def test_the_button_is_there_for_who_may_edit_and_where_a_run_can_be_edited() -> None:
    dead, succeeded = task_run(), world.run("succeeded", task_id="t2")

    for client, offered in (
        (world.client_of(*MAY), True),
        (world.client_of("view_personal_data", name="bo"), False),
    ):
        assert (address(dead) in client.get(world.page_of(dead)).content.decode()) is offered
        assert address(succeeded) not in client.get(world.page_of(succeeded)).content.decode()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "permissions", [(), ("edit_taskrun",), ("view_personal_data",)], ids=["none", "edit", "see"]
)
def test_without_both_permissions_nothing_is_shown_and_nothing_done(
    method: str, permissions: tuple[str, ...]
) -> None:
    run = task_run()

    answer = getattr(world.client_of(*permissions), method)(address(run), {"step": "confirm"})

    assert answer.status_code == (403 if method in SHOWN else 405)
    assert b"order_id" not in answer.content
    run.refresh_from_db()
    assert (run.state, RunEdit.objects.count()) == ("dead", 0)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_the_form_knows_no_other_method(method: str) -> None:
    answer = getattr(world.client_of(*MAY), method)(address(task_run()))

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


def test_a_refused_edit_stands_in_the_audit_log() -> None:
    world.client_of().post(address(task_run()), {"step": "confirm"})

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.outcome, entry.actor) == ("run.edit", "refused", "lee")


def test_who_may_edit_but_not_see_personal_data_is_told_why_not() -> None:
    shown = world.client_of("edit_taskrun").get(address(task_run())).content.decode()

    assert "what is masked cannot be edited" in shown


@pytest.mark.parametrize("method", METHODS)
def test_a_run_of_another_store_is_not_found(method: str) -> None:
    run = task_run(store=world.store("S2"))
    client = world.client_of(*MAY, stores=[world.store("S1")])

    assert getattr(client, method)(address(run)).status_code == (404 if method in SHOWN else 405)


def test_who_is_not_logged_in_gets_the_login() -> None:
    answer = Client().post(address(task_run()), {"step": "confirm"})

    assert answer.status_code == 302
    assert "/login/" in answer.url  # type: ignore[attr-defined]


# The steps


def test_arguments_are_edited_shown_as_a_difference_confirmed_and_retried() -> None:
    run = task_run()
    client = world.client_of(*MAY)
    form = Form(client, run).type(args=[[{"order_id": "2"}]])

    difference = form.send("check")
    shown = difference.content.decode()
    run.refresh_from_db()
    assert run.state == "dead"
    assert "<code>args.0.0.order_id</code>" in shown
    assert "<del>" in shown
    assert "<ins>" in shown

    done = form.send("confirm", reason="the wrong order")

    run.refresh_from_db()
    assert (run.state, run.args) == ("pending", [[{"order_id": "2"}]])
    assert done.url == world.page_of(run)  # type: ignore[attr-defined]
    assert messages_of(client, done.url) == ["The run was edited and is due again."]  # type: ignore[attr-defined]
    assert RunEdit.objects.get().reason == "the wrong order"
    assert "edit and retry" in LogEntry.objects.get().change_message


def test_a_corrected_event_is_submitted_and_its_run_is_shown() -> None:
    run = event_run()
    client = world.client_of(*MAY)
    form = Form(client, run).type(payload={**ORDER, "table": "5"})

    done: Any = form.send("confirm", reason="no table")

    event = NeuralEvent.objects.get(event_id="1001~edit-01")
    assert done.url == world.page_of(event.runs.get())
    (said,) = messages_of(client, done.url)
    assert world.page_of(event) in said


def test_a_double_click_edits_once() -> None:
    run = event_run()
    form = Form(world.client_of(*MAY), run).type(payload={**ORDER, "table": "5"})

    answers: Any = [form.send("confirm", reason="no table") for _ in range(2)]

    assert answers[0].url == answers[1].url
    assert NeuralEvent.objects.count() == 2
    assert RunEdit.objects.count() == AuditEntry.objects.count() == LogEntry.objects.count() == 1


@pytest.mark.parametrize("make", [task_run, event_run])
def test_of_two_people_the_second_is_told_that_somebody_was_faster(make: Any) -> None:
    run = make()
    first = Form(world.client_of(*MAY, name="anna"), run)
    client = world.client_of(*MAY, name="bert")
    second = Form(client, run)
    for number, form in enumerate((first, second)):
        form.type(payload={**ORDER, "table": str(number)}, args=[[number]])
    first.send("confirm", reason="a")

    told: Any = second.send("confirm", reason="b")

    assert told.url == world.page_of(run)
    assert messages_of(client, told.url) == [
        "Somebody has changed the run since you opened the form: nothing was changed."
    ]
    assert RunEdit.objects.get().edited_by == "anna"


def test_who_goes_on_editing_finds_what_was_typed() -> None:
    form = Form(world.client_of(*MAY), task_run()).type(args='[[{"order_id": "typed"}]]')

    assert "typed" in form.send("edit").content.decode()


def test_what_the_form_carries_to_the_difference_is_never_markup() -> None:
    form = Form(world.client_of(*MAY), task_run()).type(args=[["<script>alert(1)</script>"]])

    assert b"<script>alert" not in form.send("check").content


# Bad input


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("[1,", "Not JSON at line 1"),
        ("{}", "must be a list"),
        ("[NaN]", "cannot be written as JSON"),
        ('["\\u0000"]', "U+0000"),
        ('["\\ud800"]', "surrogate"),
        ("[" * 200 + "]" * 200, "at most 100 levels"),
        (json.dumps(["x" * 300_000]), "at most 262,144 are kept"),
        ("", "required"),
    ],
    ids=["cut", "object", "NaN", "NUL", "surrogate", "deep", "large", "empty"],
)
@pytest.mark.parametrize("step", ["check", "confirm"])
def test_bad_arguments_are_refused_in_a_sentence_at_their_field(
    typed: str, said: str, step: str
) -> None:
    run = task_run()

    answer = Form(world.client_of(*MAY), run).type(args=typed).send(step, reason="r")

    assert answer.status_code == 200
    (problem,) = errors(answer)["args"]
    assert said in problem
    run.refresh_from_db()
    assert run.state == "dead"


def test_arguments_that_the_task_does_not_take_are_refused() -> None:
    answer = Form(world.client_of(*MAY), task_run()).type(kwargs={"nonsense": 1}).send("check")

    (problem,) = errors(answer)["__all__"]
    assert "nonsense" in problem


def test_a_task_that_only_workers_know_is_left_to_them() -> None:
    run = world.run("dead", task="elsewhere.count", args=[1])

    answer = Form(world.client_of(*MAY), run).type(args=[2]).send("check")

    assert "args.0" in answer.content.decode()


@pytest.mark.parametrize("step", ["check", "confirm"])
def test_a_payload_is_checked_by_its_types_schema_and_nothing_is_kept(step: str) -> None:
    run = event_run()
    wrong = {**ORDER, "lines": [{"dish": "D", "quantity": "many", "price": "1"}]}

    answer = Form(world.client_of(*MAY), run).type(payload=wrong).send(step, reason="r")

    (problem,) = errors(answer)["payload"]
    assert problem.startswith("payload.lines.0.quantity: ")
    assert (NeuralEvent.objects.count(), RefusedEvent.objects.count()) == (1, 0)


@pytest.mark.parametrize("reason", ["", "  ", "x" * (REASON_LENGTH + 1), "\0"])
def test_a_reason_is_needed(reason: str) -> None:
    run = task_run()

    answer = Form(world.client_of(*MAY), run).type(args=[[]]).send("confirm", reason=reason)

    assert answer.context["reason"].errors
    run.refresh_from_db()
    assert run.state == "dead"


@pytest.mark.parametrize("step", ["check", "confirm"])
def test_content_that_was_not_changed_is_said_to_be_so(step: str) -> None:
    answer = Form(world.client_of(*MAY), task_run()).send(step, reason="r")

    assert errors(answer)["__all__"] == ["Nothing was changed: retry the run as it is."]


@pytest.mark.parametrize("missing", ["token", "seen"])
def test_a_form_without_its_token_changes_nothing(missing: str) -> None:
    run = task_run()
    form = Form(world.client_of(*MAY), run).type(args=[[]])
    del form.values[missing]

    assert form.send("confirm", reason="r").status_code == 200
    run.refresh_from_db()
    assert run.state == "dead"


def test_a_run_that_cannot_be_edited_says_why() -> None:
    client = world.client_of(*MAY)
    deep = task_run(task_id="deep")
    put(deep, "args")
    pruned = event_run()
    NeuralEvent.objects.update(payload=None, pruned_at=pruned.created_at)
    cases = {
        "Only a run that is set aside": world.run("succeeded", task_id="t2"),
        "nested too deep": deep,
        "was pruned": pruned,
    }

    for said, run in cases.items():
        where: Any = client.get(address(run))
        assert where.url == world.page_of(run)
        assert said in messages_of(client, where.url)[0]
