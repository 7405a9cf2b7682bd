"""`manage.py erase_person` takes a person out of every table; nothing brings the person back."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone

import neural
from neural.kit.exact_json import ExactJSONField
from neural.models import (
    AuditEntry,
    AwaitedMember,
    BulkAction,
    NeuralEvent,
    RefusedEvent,
    RunState,
    TaskAttempt,
    TaskRun,
)
from neural.personal.erasing import tables as erasing
from neural.personal.erasing.tables import ERASABLES, erase
from neural.personal.person import Person
from neural.personal.redacting import key_rules
from neural.restaurant.models import Order
from neural.retrieval.models import OutboxEntry
from tests.unit.admin import admin_rows as rows
from tests.unit.admin import admin_world as world
from tests.unit.personal.test_personal_pages import CODES

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PHONE, NAME = "13987654321", "欧阳靖"
ORDER = {
    "order_id": "A-17",
    "currency": "CNY",
    "phone": "+86 139-8765-4321",
    "customer": {"name": NAME, "address": "中山路 1 号"},
    "lines": [{"dish": "Egg tart", "quantity": "2", "price": "7.50"}],
}


@pytest.fixture(autouse=True)
def _search_is_on(settings: Any) -> None:
    settings.NEURAL = {**getattr(settings, "NEURAL", {}), "search": True}


@pytest.fixture
def anna(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("anna")


def person(**known: str) -> Person:
    return Person(**(known or {"phone": PHONE}), rules=key_rules())


def submitted(event_id: str = "1", **payload: Any) -> Any:
    return neural.submit(
        type="order.created",
        store="S1",
        source="till",
        event_id=event_id,
        payload={**ORDER, **payload},
    )


def erased(**options: Any) -> str:
    options = {
        "phone": PHONE,
        "yes": True,
        "by": "anna",
        "reason": "asked on paper",
        "wait": 0,
        **options,
    }
    call_command("erase_person", **options)
    return ""


def found(who: Person | None = None) -> int:
    return sum(step.found for step in erase(who or person(), dry_run=True))


def test_an_event_loses_all_that_names_the_person_and_keeps_the_rest(anna: Any) -> None:
    event = submitted().event

    erased()

    payload = NeuralEvent.objects.get(pk=event.pk).payload
    assert payload == {
        **ORDER,
        "phone": "[erased]",
        "customer": {"name": "[erased]", "address": "[erased]"},
    }


def test_the_same_event_again_is_a_duplicate_and_brings_nothing_back(anna: Any) -> None:
    submitted()
    before = NeuralEvent.objects.get().content_hash
    erased()

    answer = submitted()

    assert answer.verdict == "duplicate"
    assert NeuralEvent.objects.get().content_hash == before
    assert found() == 0
    assert submitted(note="other").verdict == "refused"


def test_who_is_not_named_stays(anna: Any) -> None:
    submitted("1")
    other = submitted("2", phone="13987654320").event

    erased()

    kept = NeuralEvent.objects.get(pk=other.pk).payload
    assert kept == {**ORDER, "phone": "13987654320"}


def test_of_a_list_of_people_only_the_person_goes(anna: Any) -> None:
    people = [{"name": "a", "phone": PHONE}, {"name": "b", "phone": "13800000000"}]
    told = {"customers": people, "operator": {"email": "a@b.c"}}
    run = world.run(RunState.SUCCEEDED, kwargs=told)

    erased()

    run.refresh_from_db()
    first, second = run.kwargs["customers"]
    assert first == {"name": "[erased]", "phone": "[erased]"}
    assert second == people[1]
    assert run.kwargs["operator"] == {"email": "a@b.c"}


@pytest.mark.parametrize(
    "key",
    ["guest", "customer", "buyer", "contact", "payer", "consignee_name", "联系人", "收货人姓名"],
)
def test_a_guest_under_a_plain_key_is_erased_with_the_phone(anna: Any, key: str) -> None:
    event = submitted(
        **{key: NAME, "顾客": {"全称": NAME, "数量": 2}, "收货地址": "中山路 1 号"}
    ).event

    erased()

    payload = NeuralEvent.objects.get(pk=event.pk).payload
    assert (payload[key], payload["收货地址"]) == ("[erased]", "[erased]")
    assert payload["顾客"] == {"全称": "[erased]", "数量": 2}


def test_runs_attempts_and_refusals_are_erased(anna: Any) -> None:
    run = world.run(
        RunState.DEAD, args=[PHONE], result={"phone": int(PHONE)}, error=f"ValueError: {PHONE}"
    )
    TaskAttempt.objects.create(
        run=run,
        outcome="failed",
        started_at=timezone.now(),
        error=f"no guest {PHONE}",
        traceback=f"line 1\ncall('{PHONE}')",
    )
    neural.submit(
        type="order.created", store="S1", source="till", event_id="x", payload={"phone": PHONE}
    )

    erased()

    run.refresh_from_db()
    attempt, refused = TaskAttempt.objects.get(), RefusedEvent.objects.get()
    assert (run.args, run.result) == (["[erased]"], {"phone": 0})
    assert run.error == "ValueError: [erased]"
    assert attempt.traceback == "line 1\ncall('[erased]')"
    assert json.loads(refused.payload) == {"phone": "[erased]"}
    assert found() == 0


def test_what_follows_a_run_is_erased_and_its_ids_stay(anna: Any) -> None:
    def following(task_id: str, phone: str) -> dict[str, Any]:
        return {
            "task": "app.send",
            "kwargs": {"customer": {"name": NAME}, "phone": phone},
            "options": {"task_id": task_id},
        }

    run = world.run(
        options={
            "link": [following(PHONE, PHONE), following("t2", "13800000000")],
            "chain": [following("t3", PHONE)],
        }
    )
    stamped = world.run(
        task_id="stamped",
        options={"stamped_headers": ["guest"], "stamps": {"guest": PHONE}, "root_id": PHONE},
    )

    erased()

    run.refresh_from_db()
    gone = {"customer": {"name": "[erased]"}, "phone": "[erased]"}
    first, second = run.options["link"]
    assert (first["kwargs"], first["options"]) == (gone, {"task_id": PHONE})
    assert second == following("t2", "13800000000")
    assert run.options["chain"][0]["kwargs"] == gone
    stamped.refresh_from_db()
    assert stamped.options["stamps"] == {"guest": "[erased]"}
    assert stamped.options["root_id"] == PHONE
    assert found() == 0


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"recipient": {"phone": PHONE}, "recipient_name": NAME}),
        f"recipient_phone={PHONE}&recipient_name=%25E6%25AC%25A7%25E9%2598%25B3%25E9%259D%2596&total=3",
        json.dumps({"detail": json.dumps({"phoneList": [PHONE], "consignee": NAME})}),
    ],
)
def test_the_body_of_a_request_is_read_as_its_platform_writes_it(anna: Any, body: str) -> None:
    run = world.run(RunState.SUCCEEDED, kwargs={"body": body})

    erased()

    run.refresh_from_db()
    assert PHONE not in run.kwargs["body"]
    assert NAME not in json.dumps(run.kwargs, ensure_ascii=False)
    assert "E6%25AC" not in run.kwargs["body"]
    assert found() == 0


def test_an_order_loses_what_names_the_guest_only_together_with_its_event(anna: Any) -> None:
    answer = neural.submit(
        type="order.stated",
        store="S1",
        source="till",
        event_id="1",
        payload={**ORDER, "phone_last4": "4321", "member": "M-1", "till": "T1"},
    )
    order = Order.objects.create(
        store=answer.event.store, key="/T1/A-17", number="A-17", phone_last4="4321", member="M-1"
    )

    erased()

    order.refresh_from_db()
    assert (order.phone_last4, order.member) == ("", "[erased]")
    assert NeuralEvent.objects.get().payload["phone_last4"] == ""


def test_the_search_index_is_told_of_events_and_their_orders(anna: Any) -> None:
    event = submitted().event
    OutboxEntry.objects.all().delete()

    erased()

    told = set(OutboxEntry.objects.values_list("collection", "key"))
    assert told >= {("events", f"S1/{event.pk}"), ("orders", "S1/A-17")}


def test_a_person_planted_in_every_table_is_gone_and_the_second_run_finds_nothing(
    anna: Any,
) -> None:
    text = f"{PHONE} and {NAME}"
    for each in ERASABLES:
        row = rows.row_of(each.model)
        BulkAction.objects.update(state="finished")
        values = {name: _planted(each.model, name, text) for name in each.fields}
        each.model._base_manager.filter(pk=row.pk).update(**values)

    erased()

    left = {label: row for label, held in rows.everything().items() for row in held if PHONE in row}
    assert left == {}
    assert found() == 0


def _planted(model: Any, name: str, text: str) -> Any:
    field = model._meta.get_field(name)
    if isinstance(field, models.JSONField):
        return [text] if field.default is list else {"note": text, "phone": PHONE}
    if model._meta.label == "neural_restaurant.Order" and name == "phone_last4":
        return "4321"
    return text[: field.max_length]


KEPT_AS_IT_IS = {
    *("AuditEntry.query", "AuditEntry.reason", "AuditEntry.details", "AuditEntry.target_ids"),
    *("BulkAction.run_ids", "BulkAction.values", "BulkActionItem.detail"),
    *("BulkActionItem.before", "Order.bill", "DayClose.sums", "DayClose.tenders"),
    *("DayClose.first_ticket", "DayClose.last_ticket", "Payment.reference", "Order.split_from"),
    *("Order.replaces", "Order.merged_into", "Payment.refund_of", "SchedulePolicy.skipped_why"),
    *(
        "SearchIndex.vectors",
        "AwaitedMember.led_by",
        "IndexShard.trouble",
        "ApiKey.scopes",
        "AlertRule.thresholds",
    ),
    *("WebhookSource.credentials", "Subscription.secrets", "AlertChannel.secrets"),
    *("AlertChannel.addresses", "AlertChannel.broken", "Alert.subject", "ErrorGroup.exception"),
    *("TrainingRound.reason", "TrainingRound.detail", "StoreUpdate.reason", "StoreUpdate.detail"),
    *("TrainingRound.stores", "ModelVersion.content", "Tally.figures"),
    *("ReadMark.writers", "MinuteFigures.wait", "MinuteFigures.duration", "HourFigures.wait"),
    *("HourFigures.duration", "TotalFigures.wait", "TotalFigures.duration", "Store.brand"),
    *("Store.region", "WorkerProcess.host", "WorkerProcess.queues", "WorkerProcess.registered"),
    *("WorkerProcess.versions", "WorkerProcess.stop_asked_by", "DayClose.currency"),
    *("StockLevel.item", "TrainingPlan.strategy", "ModelVersion.sha256", "ModelVersion.model_type"),
    *("TrainingRound.model_type", "AuditEntry.actor", "AuditEntry.action", "Payment.tender"),
    *("Order.claims", "Reconciliation.page", "Reconciliation.failures"),
    # Made anew from records that are gone through
    *(f"SearchRow.{name}" for name in ("kind", "title", "names", "numbers", "also", "text")),
    *("SearchRow.facts", "SearchPiece.piece", "VectorColumn.table"),
    *(f"SearchTerm.{name}" for name in ("token", "backwards", "sound", "initials")),
}
"""What our code, an administrator or arithmetic writes; and the audit log, which is never
changed."""


def test_every_field_that_may_hold_a_person_is_gone_through_or_named_here() -> None:
    gone_through = {f"{each.model.__name__}.{name}" for each in ERASABLES for name in each.fields}
    fields = {
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in world.OURS and not model._meta.proxy
        for field in model._meta.concrete_fields
        if isinstance(field, models.JSONField | models.CharField | models.TextField)
        and not (field.choices or field.unique or CODES.search(field.name))
        and not isinstance(field, ExactJSONField)
    }
    assert fields - gone_through - KEPT_AS_IT_IS == set()


def test_what_was_stopped_in_the_middle_is_done_by_the_next_run(
    anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "FEWEST", 1)
    monkeypatch.setattr(erasing, "MOST", 1)
    for number in range(4):
        submitted(str(number))
    steps = erase(person(), dry_run=False)
    assert [next(each for each in steps if each.found).found for _ in range(2)] == [1, 1]
    steps.close()
    assert found() == 2

    erased()

    assert found() == 0


def test_what_a_worker_writes_meanwhile_is_kept_and_erased_as_well(
    anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.run(RunState.RUNNING, args=[PHONE])
    naming = erasing._naming

    def while_a_worker_ends(*args: Any) -> Any:
        keys = naming(*args)
        if args[0].model is TaskRun and keys[0] and not TaskRun.objects.get().result:
            TaskRun.objects.update(
                result={"phone": PHONE, "sent": True},
                state=RunState.SUCCEEDED,
                finished_at=timezone.now(),
            )
        return keys

    monkeypatch.setattr(erasing, "_naming", while_a_worker_ends)

    erased()

    run.refresh_from_db()
    assert run.result == {"phone": "[erased]", "sent": True}
    assert found() == 0


def test_what_a_worker_had_read_before_and_writes_later_is_erased_in_the_next_round(
    anna: Any,
) -> None:
    event = submitted().event
    late = False
    for step in erase(person(), dry_run=False):
        if step.name == "records to index" or (step.name == "events" and step.found and not late):
            late = late or bool(Order.objects.create(store=event.store, key="A-17", note=PHONE))

    assert late
    assert found() == 0


def test_a_row_gets_the_mark_with_which_it_is_valid() -> None:
    run = world.run(kwargs={"phone": PHONE})
    strict = replace(ERASABLES.get("runs"), accepts=lambda row, values: "[" not in repr(values))

    changes = erasing._accepted(strict, person(), run, {"kwargs": run.kwargs})

    assert changes == {"kwargs": {"phone": ""}}


def test_without_yes_nothing_is_changed(anna: Any, capsys: pytest.CaptureFixture[str]) -> None:
    submitted()
    before = rows.everything()

    call_command("erase_person", phone="139 8765 4321")

    assert rows.everything() == before
    assert "1  events" in capsys.readouterr().out


def test_the_audit_log_says_that_and_why_and_never_whom(anna: Any) -> None:
    submitted()

    erased()

    begun, finished, look = AuditEntry.objects.order_by("pk")
    steps = [each.details["step"] for each in (begun, finished, look)]
    assert steps == ["begun", "finished", "looked at the rest"]
    assert (begun.outcome, finished.outcome) == ("begun", "done")
    assert list(AuditEntry.objects.standing()) == [look]
    assert (look.outcome, look.count, look.details["rows"]) == ("done", 1, {"events": 1})
    assert (finished.actor, finished.reason, finished.count) == ("anna", "asked on paper", 1)
    assert finished.details["rows"] == {"events": 1}
    assert PHONE not in repr(AuditEntry.objects.values_list())
    assert begun.details["person"] == finished.details["person"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"phone": ""}, "say who"),
        ({"phone": "138"}, "3 digits"),
        ({"phone": "", "email": "nobody"}, "no e-mail address"),
        ({"wait": -1}, "--wait"),
        ({"phone": "", "name": NAME}, "--store"),
        ({"by": "nobody"}, "no user"),
        ({"by": "eve"}, "lacks the permission"),
        ({"reason": " "}, "--reason"),
        ({"store": "S9"}, "no store"),
    ],
)
def test_wrong_usage_is_a_sentence_and_changes_nothing(
    options: dict[str, str], said: str, anna: Any, django_user_model: Any
) -> None:
    django_user_model.objects.create_user("eve", is_staff=True)
    submitted()

    with pytest.raises(CommandError, match=said):
        erased(**options)

    assert found() == 1
    assert not AuditEntry.objects.exists()


def test_a_name_is_erased_within_its_store_alone(anna: Any) -> None:
    submitted()
    neural.submit(
        type="order.created", store="S2", source="till", event_id="1", payload=ORDER
    ).or_raise()

    erased(phone="", name=NAME, store="S1")

    assert NAME not in repr(NeuralEvent.objects.get(store="S1").payload)
    assert NAME in repr(NeuralEvent.objects.get(store="S2").payload)


@pytest.mark.parametrize("known", [{"email": "Wang@Example.com"}, {"member_id": "M-0017"}])
def test_an_address_and_a_member_find_the_person_too(anna: Any, known: dict[str, str]) -> None:
    submitted(member="M-0017", note="mail wang@example.com", phone="")

    erased(phone="", **known)

    payload = NeuralEvent.objects.get().payload
    assert payload["member"] == "[erased]"
    assert found(person(**known)) == 0


# What stands beside the person


def test_a_name_that_stands_alone_is_erased_where_it_can_be_nobody_elses(anna: Any) -> None:
    event = submitted().event
    run = world.run(
        RunState.DEAD,
        store=event.store,
        kwargs={"guest": NAME, "dish": NAME},
        error=f"KeyError: no table for {NAME}",
    )

    erased()

    run.refresh_from_db()
    assert run.error == "KeyError: no table for [erased]"
    assert run.kwargs == {"guest": "[erased]", "dish": NAME}


def test_a_namesake_keeps_the_name_and_so_does_every_other_store(anna: Any) -> None:
    submitted()
    namesake = submitted("2", phone="13800000000").event
    alone = world.run(RunState.DEAD, store=namesake.store, error=f"no table for {NAME}")
    there = world.run(store=world.store("S2"), task_id="there", kwargs={"guest": NAME})

    erased()

    for row in (namesake, alone, there):
        row.refresh_from_db()
    assert namesake.payload["customer"]["name"] == NAME
    assert alone.error == f"no table for {NAME}"
    assert there.kwargs == {"guest": NAME}


def test_the_shops_own_phone_is_not_taken_for_the_guests(anna: Any) -> None:
    submitted("1", shop_phone="021-61234567")
    submitted("2", shop_phone="021-61234567", phone="13800000000")
    dine_in = world.event(event_id="3", payload={"shop_phone": "021-61234567"})

    erased()

    dine_in.refresh_from_db()
    assert dine_in.payload == {"shop_phone": "021-61234567"}


def test_where_a_name_is_left_is_told_by_table_and_field(
    anna: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted()
    namesake = submitted("2", phone="13800000000").event

    erased()

    said = capsys.readouterr().out.partition("Left, with a name or an address")[2]
    assert f"1  neural.NeuralEvent.payload ({namesake.pk})" in said
    assert AuditEntry.objects.latest("pk").details["beside"]["neural.NeuralEvent.payload"] == 1
    assert NAME not in said


def test_without_yes_they_are_counted_apart(anna: Any, capsys: pytest.CaptureFixture[str]) -> None:
    event = submitted().event
    world.run(store=event.store, error=f"no table for {NAME}")
    before = rows.everything()

    call_command("erase_person", phone=PHONE)

    assert rows.everything() == before
    assert "1  with what stands beside the person" in capsys.readouterr().out


def test_the_body_of_a_push_loses_what_stands_beside_the_person_by_its_keys(anna: Any) -> None:
    event = submitted().event
    body = f"consignee={NAME}&dish={NAME}&total=3"
    run = world.run(store=event.store, kwargs={"body": body, "raw": json.dumps({"buyer": NAME})})

    erased()

    run.refresh_from_db()
    assert run.kwargs == {
        "body": f"consignee=[erased]&dish={NAME}&total=3",
        "raw": '{"buyer": "[erased]"}',
    }


# In the rows that name the person, a name goes from every text


LINE = {"dish": "Egg tart", "name": f"{NAME} tart", "quantity": "2", "price": "7.50"}


def test_an_order_loses_the_name_in_its_remark_and_in_what_its_lines_are_called(anna: Any) -> None:
    event = submitted(note=f"call {NAME} first", lines=[{**LINE, "note": f"for {NAME}"}]).event
    neural.run_due()
    submitted("2", phone="13800000000")  # a namesake: elsewhere the name stays

    erased()

    event.refresh_from_db()
    assert event.payload["note"] == "call [erased] first"
    assert event.payload["lines"] == [{**LINE, "name": "[erased] tart", "note": "for [erased]"}]
    order = Order.objects.get(number="A-17")
    (line,) = order.lines.all()
    assert NAME not in "".join((order.note, line.name, line.note))
    assert OutboxEntry.objects.filter(collection="orders").exists()


def test_the_arguments_of_a_chord_and_the_value_of_a_member_lose_the_name(anna: Any) -> None:
    guest = {"phone": PHONE, "customer_name": NAME}
    run = world.run(
        RunState.DEAD, args=[[guest, f"table for {NAME}"], f"{NAME} again"], error=f"no {NAME}"
    )
    member = rows.row_of(AwaitedMember)
    AwaitedMember.objects.filter(pk=member.pk).update(value={**guest, "said": f"{NAME} has paid"})

    erased()

    run.refresh_from_db()
    member.refresh_from_db()
    gone = {"phone": "[erased]", "customer_name": "[erased]"}
    assert run.args == [[gone, "table for [erased]"], "[erased] again"]
    assert run.error == "no [erased]"
    assert member.value == {**gone, "said": "[erased] has paid"}


def test_of_a_row_with_hundreds_of_names_beside_the_person_none_is_left(anna: Any) -> None:
    names = [f"Guest {number:03}" for number in range(300)]
    event = world.event(payload={"phone": PHONE, "customer_name": names, "said": ", ".join(names)})

    erased()

    event.refresh_from_db()
    assert event.payload["said"] == ", ".join(["[erased]"] * 300)


def test_a_name_that_another_row_tells_goes_from_a_row_that_has_the_phone_alone(anna: Any) -> None:
    submitted()
    other = world.event(event_id="2", payload={"phone": PHONE, "said": f"{NAME} called"})

    erased()

    other.refresh_from_db()
    assert other.payload == {"phone": "[erased]", "said": "[erased] called"}


def test_a_namesake_in_the_same_row_and_ids_keep_the_name(anna: Any) -> None:
    namesake = {"customer_name": "Anna Lee", "phone": "13800000000"}
    mine = {"customer_name": "Anna Lee", "phone": PHONE, "said": "anna lee, table 4"}
    payload = {"parties": [mine, namesake], "order_id": "4-Anna", "lines": [{"x": "Anna Lee 1"}]}
    event = world.event(payload=payload)

    erased()

    event.refresh_from_db()
    gone = {"customer_name": "[erased]", "phone": "[erased]", "said": "[erased], table 4"}
    assert event.payload == {
        "parties": [gone, namesake],
        "order_id": "4-Anna",
        "lines": [{"x": "[erased] 1"}],
    }


def test_an_id_that_is_the_name_stays_and_a_sentence_under_such_a_key_does_not(anna: Any) -> None:
    payload = {"phone": PHONE, "customer_name": "Anna", "table_id": "anna", "paid": "Anna has paid"}
    event = world.event(payload=payload)

    erased()

    event.refresh_from_db()
    assert event.payload["table_id"] == "anna"
    assert event.payload["paid"] == "[erased] has paid"
