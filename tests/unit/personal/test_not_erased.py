"""`manage.py erase_person` tells, by table and field, what names the person and is not erased."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connections, models
from django.utils import timezone

import neural
from neural import audit
from neural.models import (
    AuditEntry,
    AuditSource,
    BulkAction,
    NeuralEvent,
    Store,
    TaskAttempt,
    TaskRun,
)
from neural.personal.erasing import residue as looking
from neural.personal.erasing import tables as erasing
from neural.personal.erasing.erasure import Erasure
from neural.personal.erasing.residue import Findings, _texts, not_erased
from neural.personal.erasing.tables import DERIVED, ERASABLES
from neural.restaurant.models import Order, Payment
from neural.retrieval.models import IngestedRecord, SearchRow
from tests.unit.admin import admin_rows as rows
from tests.unit.admin import admin_world as world
from tests.unit.personal.test_erase_person import NAME, PHONE, erased, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("anna")


def told(store: str = "", **known: str) -> dict[str, list[Any]]:
    return findings(store, **known).keys


def findings(store: str = "", **known: str) -> Findings:
    found = Findings()
    for look in not_erased(person(**known), store=store):
        found.add(look)
    return found


def test_ids_that_are_the_phone_are_told_by_table_and_field_and_stay(
    anna: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    event = world.event(event_id=PHONE, payload={"phone": PHONE})
    run = world.run(task_id=f"order-{PHONE}", unique_key=f"remind:{PHONE}")
    order = Order.objects.create(store=event.store, key=f"/T1/{PHONE}", number=PHONE)
    payment = rows.row_of(Payment)
    Payment.objects.filter(pk=payment.pk).update(reference=f"+86{PHONE}")

    erased()

    assert set(told()) == {
        "neural.NeuralEvent.event_id",
        "neural.TaskRun.task_id",
        "neural.TaskRun.unique_key",
        "neural_restaurant.Order.key",
        "neural_restaurant.Order.number",
        "neural_restaurant.Payment.reference",
    }
    said = capsys.readouterr().out
    assert f"1  neural.NeuralEvent.event_id ({event.pk})" in said
    assert f"1  neural.TaskRun.unique_key ({run.pk})" in said
    order.refresh_from_db()
    assert order.number == PHONE
    assert NeuralEvent.objects.get().payload == {"phone": "[erased]"}


def test_they_are_told_before_anything_is_erased(capsys: pytest.CaptureFixture[str]) -> None:
    world.event(event_id=PHONE, payload={"phone": PHONE})

    call_command("erase_person", phone=PHONE)

    said = capsys.readouterr().out
    assert "1  neural.NeuralEvent.event_id" in said
    assert "NeuralEvent.payload" not in said


def test_the_entry_at_the_end_has_how_many_of_which_field_and_not_whom(anna: Any) -> None:
    world.event(event_id=PHONE)

    erased()

    last = AuditEntry.objects.latest("pk")
    assert last.details["not_erased"] == {"neural.NeuralEvent.event_id": 1}
    assert PHONE not in repr(last.details)


def test_entries_of_the_audit_log_and_users_are_told() -> None:
    get_user_model().objects.create_user("guest", email="wang@example.com")
    audit.record(action="x.y", by="lee", source=AuditSource.ADMIN, reason="of wang@example.com")

    assert set(told(email="Wang@Example.com")) == {"auth.User.email", "neural.AuditEntry.reason"}


def test_rows_that_are_not_erased_yet_are_told_with_the_fields_that_will_be() -> None:
    action = rows.row_of(BulkAction)
    BulkAction.objects.update(state="running", query={"text": PHONE})

    assert told() == {"neural.BulkAction.query": [action.pk]}


def test_within_a_store_only_what_belongs_to_it_is_told() -> None:
    get_user_model().objects.create_user(NAME)
    world.event(event_id=NAME, at="S1")
    there = world.event(event_id=NAME, at="S2")
    mine = IngestedRecord.objects.create(collection="c", key=NAME, store_code="S2", data={})

    assert told(name=NAME, store="S2") == {
        "neural.NeuralEvent.event_id": [there.pk],
        "neural_retrieval.IngestedRecord.key": [mine.pk],
    }


def test_who_is_named_in_no_other_field_leaves_nothing_to_tell(
    anna: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    neural.submit(
        type="order.created", store="S1", source="till", event_id="1", payload={"phone": PHONE}
    )
    world.run(args=[PHONE])

    erased()

    assert told() == {}
    assert "Not erased" not in capsys.readouterr().out


def test_of_many_rows_the_first_are_named_and_all_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = [world.run(task_id=f"{PHONE}-{number}").pk for number in range(7)]

    call_command("erase_person", phone=PHONE)

    shown = ", ".join(map(str, keys[:5]))
    assert f"7  neural.TaskRun.task_id ({shown}, …)" in capsys.readouterr().out


def test_every_field_of_text_of_every_table_is_erased_or_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: set[str] = set()
    monkeypatch.setattr(
        "neural.personal.erasing.residue._looks",
        lambda table, *_: (
            asked.update(f"{table.model._meta.label}.{each}" for each in table.fields) or iter(())
        ),
    )

    list(not_erased(person()))

    erasable = {f"{each.model._meta.label}.{name}" for each in ERASABLES for name in each.fields}
    every = {
        f"{model._meta.label}.{name}"
        for model in apps.get_models()
        if model._meta.managed and not model._meta.proxy and model not in DERIVED
        for name in _texts(model)
    }
    assert every == asked | erasable
    assert TaskRun._meta.label + ".task_id" in asked


def test_ids_in_the_options_of_a_run_are_told_by_their_path_and_stay(anna: Any) -> None:
    following = {"task": "app.send", "kwargs": {}, "options": {"task_id": f"send-{PHONE}"}}
    mine = world.run(task_id="a", options={"root_id": PHONE, "chain": [following]})
    body = json.dumps(following)
    within = world.run(task_id="b", kwargs={"signature": following, "body": body})

    erased()

    assert told() == {
        "neural.TaskRun.options.root_id": [mine.pk],
        "neural.TaskRun.options.task_id": [mine.pk],
        "neural.TaskRun.kwargs.options.task_id": [within.pk],
    }


def test_a_value_that_is_nested_too_deep_is_counted_and_the_command_fails(
    anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.event(event_id=PHONE)

    def too_deep(*_: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(looking, "value_of", too_deep)
    with pytest.raises(CommandError, match="1 rows are nested too deep"):
        erased()

    finished, look = AuditEntry.objects.order_by("pk")[1:]
    assert (finished.outcome, look.outcome, look.details["unread"]) == ("done", "failed", 1)


def test_the_log_says_that_all_was_erased_whatever_becomes_of_the_look_at_the_rest(
    anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.event(payload={"phone": PHONE})

    def broken(*args: Any) -> Any:
        raise OSError("no space left")

    monkeypatch.setattr(looking, "_tables", broken)
    with pytest.raises(OSError, match="no space"):
        erased()

    finished, look = AuditEntry.objects.order_by("pk")[1:]
    assert (finished.details["step"], finished.outcome, finished.count) == ("finished", "done", 1)
    assert (look.details["step"], look.outcome) == ("look stopped", "failed")


def only(monkeypatch: pytest.MonkeyPatch, *tables: type[models.Model]) -> None:
    """Look at these tables alone."""
    monkeypatch.setattr(looking, "apps", SimpleNamespace(get_models=lambda: tables))


def in_an_app_of_their_own(
    monkeypatch: pytest.MonkeyPatch, like: type[models.Model], **fields: models.Field
) -> None:
    """A model of an app that knows nothing of us; it stands for its table in the place of ours."""
    options = {"app_label": "theirs", "apps": Apps(), "db_table": like._meta.db_table}
    meta = type("Meta", (), {**options, "managed": False})
    model = type("Chair", (models.Model,), {"Meta": meta, "__module__": __name__, **fields})
    only(monkeypatch, model)


def an_attempt(at: str = "S1", error: str = "") -> TaskAttempt:
    run = world.run(store=world.store(at), task_id=f"at {at}")
    return TaskAttempt.objects.create(
        run=run, outcome="failed", started_at=timezone.now(), error=error, traceback=PHONE
    )


def test_a_key_named_store_of_another_table_is_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = an_attempt()
    key = models.ForeignKey(TaskRun, models.DO_NOTHING, db_column="run_id", related_name="+")
    in_an_app_of_their_own(monkeypatch, TaskAttempt, store=key, traceback=models.TextField())

    assert told() == {"theirs.Chair.traceback": [attempt.pk]}
    assert told(store="S1") == {}


@pytest.mark.parametrize(
    "field",
    [
        models.ForeignKey(Store, models.DO_NOTHING, related_name="+"),
        models.CharField(max_length=50, db_column="store_id"),
    ],
    ids=["key", "text"],
)
def test_a_key_of_our_stores_is_a_store_and_so_is_a_text(
    field: models.Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    _there, here = (world.event(event_id=PHONE, at=code) for code in ("S2", "S1"))
    fields = {"store": field, "event_id": models.CharField(max_length=200)}
    in_an_app_of_their_own(monkeypatch, NeuralEvent, **fields)

    assert told(store="S1") == {"theirs.Chair.event_id": [here.pk]}


def test_a_table_that_cannot_be_read_is_told_and_the_look_goes_on(
    anna: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_an_app_of_their_own(monkeypatch, TaskAttempt, gone=models.TextField())
    only(monkeypatch, *looking.apps.get_models(), NeuralEvent)
    event = world.event(event_id=PHONE)

    erased()

    last = AuditEntry.objects.latest("pk")
    assert last.details["unreadable"] == ["theirs.Chair"]
    assert last.details["not_erased"] == {"neural.NeuralEvent.event_id": 1}
    assert "The table of theirs.Chair could not be read" in capsys.readouterr().out
    assert told() == {"neural.NeuralEvent.event_id": [event.pk]}


def test_what_another_app_writes_into_a_json_field_is_read_as_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempt = an_attempt(error=f"call {PHONE}")
    in_an_app_of_their_own(monkeypatch, TaskAttempt, error=models.JSONField())

    assert told() == {"theirs.Chair.error": [attempt.pk]}


def test_databases_that_no_table_is_in_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setitem(connections.settings, "elsewhere", connections.settings["default"])
    names = looking._names_of_tables
    monkeypatch.setattr(
        looking, "_names_of_tables", lambda alias: asked.append(alias) or names(alias)
    )

    told()

    assert asked == ["default"]


def test_few_rows_are_read_at_a_time_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "HEAVY", 500)
    monkeypatch.setattr(erasing, "FEWEST", 8)
    only(monkeypatch, TaskRun)
    for number in range(40):
        world.run(task_id=str(number), unique_key="x" * 100 + str(number))

    looks = [each.looked_at for each in not_erased(person()) if each.name == "runs"]

    assert looks[:5] == [8] * 5  # the keys and ids; then what is erased, for ids in it


def test_a_long_text_is_read_by_itself_and_found_as_any_other(
    anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows without any text come before, no chunk has many long ones."""
    monkeypatch.setattr(erasing, "LONGEST", 100)
    long = {"note": "x" * 200, "phone": PHONE}
    event = world.event(event_id="1", payload=long)
    run = world.run(task_id=f"{PHONE}-" + "x" * 180)
    held = [
        str(chunk._found) for chunk in erasing.chunks_of(NeuralEvent.objects.all(), ["payload"])
    ]

    erased()

    assert "x" * 101 not in "".join(held)
    event.refresh_from_db()
    assert event.payload == {**long, "phone": "[erased]"}
    assert told() == {"neural.TaskRun.task_id": [run.pk]}


def test_of_each_field_only_the_first_keys_are_remembered() -> None:
    keys = [world.run(task_id=f"{PHONE}-{number}").pk for number in range(12)]

    found = findings()

    assert found.rows == {"neural.TaskRun.task_id": 12}
    assert found.keys == {"neural.TaskRun.task_id": keys[:5]}


def test_rows_of_search_are_not_told_as_left_for_they_are_made_anew(
    anna: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    row = rows.row_of(SearchRow)
    SearchRow.objects.filter(pk=row.pk).update(text=f"call {PHONE}")

    call_command("erase_person", phone=PHONE)

    said = capsys.readouterr().out
    assert told() == {}
    assert "Will stay" not in said
    assert "Workers bring the search index up to date within minutes." in said


def test_counting_ends_when_its_time_is_over_and_erasing_never_does(anna: Any) -> None:
    for number in range(3):
        world.run(task_id=f"{number}-{PHONE}", args=[PHONE])
    counted = Erasure(person=person(), count_seconds=0)
    erasing_them = Erasure(person=person(), by=anna, wait_seconds=0, count_seconds=0)

    steps = [len(list(each)) for each in (counted.go(), counted.look())]
    list(erasing_them.go())

    assert steps == [1, 1]
    assert counted.is_cut
    assert not erasing_them.is_cut
    assert not any(PHONE in str(run.args) for run in TaskRun.objects.all())
