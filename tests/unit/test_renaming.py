"""A model that gets another name keeps its rows, and people what they may and what they did."""

import datetime as dt

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from neural.forecasting.models import TrainingRound
from neural.models import AttemptOutcome, RefusedEvent, TaskAttempt, TaskRun
from neural.retrieval.models import IndexShard, IngestedRecord, OutboxEntry, SearchIndex
from tests.unit.test_carried_over import (
    OTHER,
    OTHER_APPS,
    migrate,
    other,  # noqa: F401 (the fixture of another database)
    schema,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("other")]

BEFORE = (
    ("neural", "0001_squashed_0013_events_and_outcomes"),
    ("neural_retrieval", "0001_initial"),
    ("neural_forecasting", "0001_initial"),
)
WHEN = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FORMER = ("tasktry", "indexmark", "indexlane", "suppliedrecord")
PRESENT = ("taskattempt", "outboxentry", "indexshard", "ingestedrecord")


def migrate_to_before() -> None:
    for app in OTHER_APPS:
        call_command("migrate", app, database=OTHER, verbosity=0)
    for app, name in BEFORE:
        call_command("migrate", app, name, database=OTHER, verbosity=0)


def rows_of_before() -> None:
    """A row of each table that is changed, as it was written then."""
    state = MigrationExecutor(connections[OTHER]).loader.project_state(list(BEFORE)).apps
    run = _made(
        state.get_model("neural", "TaskRun"),
        task_id="1",
        task="neural.tasks.index_marked",
        queue="default",
    )
    for outcome in ("failed", "handed_back"):
        _made(state.get_model("neural", "TaskTry"), run=run, outcome=outcome, started_at=WHEN)
    _made(state.get_model("neural", "RefusedEvent"), fingerprint="f", door="celery")
    of_search = {"collection": "orders", "key": "S1/1"}
    mark = state.get_model("neural_retrieval", "IndexMark")
    _made(mark, **of_search, supplied=True, marked_at=WHEN)
    _made(state.get_model("neural_retrieval", "IndexLane"), history=True, number=1, trouble="away")
    supplied = state.get_model("neural_retrieval", "SuppliedRecord")
    _made(supplied, **of_search, data={"id": 1}, supplied_at=WHEN)
    index = state.get_model("neural_retrieval", "SearchIndex")
    _made(index, collection="orders", dimensions=3, token_form=1, tended_at=WHEN)
    training = state.get_model("neural_forecasting", "TrainingRound")
    plan = _made(state.get_model("neural_forecasting", "TrainingPlan"), model_type="demand_glm")
    _made(
        training,
        plan=plan,
        model_type="demand_glm",
        opened_at=WHEN,
        closes_at=WHEN,
        draft={"model": 1},
    )


def _made(model, **fields):
    return model.objects.using(OTHER).create(**fields)


def permissions(*models: str) -> set[str]:
    held = Permission.objects.using(OTHER).filter(content_type__model__in=models)
    return set(held.values_list("codename", flat=True))


def test_rows_are_those_that_they_were():
    migrate_to_before()
    rows_of_before()

    migrate()

    assert schema(OTHER) == schema("default")
    attempts = TaskAttempt.objects.using(OTHER)
    outcomes = attempts.values_list("outcome", flat=True)
    assert list(outcomes) == [AttemptOutcome.FAILED, AttemptOutcome.RELEASED]
    assert RefusedEvent.objects.using(OTHER).get().entry_point == "celery"
    entry = OutboxEntry.objects.using(OTHER).get()
    assert (entry.key, entry.ingested, entry.created_at) == ("S1/1", True, WHEN)
    assert IndexShard.objects.using(OTHER).get().trouble == "away"
    record = IngestedRecord.objects.using(OTHER).get()
    assert (record.data, record.ingested_at) == ({"id": 1}, WHEN)
    assert SearchIndex.objects.using(OTHER).get().compacted_at == WHEN
    assert TrainingRound.objects.using(OTHER).get().server_state == {"model": 1}


def test_groups_users_and_the_log_keep_them_there_and_back():
    migrate_to_before()
    held = Permission.objects.using(OTHER).filter(content_type__model__in=FORMER)
    assert permissions(*FORMER) >= {"view_tasktry", "view_indexmark", "change_suppliedrecord"}
    group = Group.objects.using(OTHER).create(name="operators")
    group.permissions.set(held)
    person = get_user_model().objects.using(OTHER).create(username="lee")
    person.user_permissions.set(held.filter(codename="view_indexmark"))
    marks = ContentType.objects.using(OTHER).get(model="indexmark")
    LogEntry.objects.using(OTHER).create(
        user=person, content_type=marks, object_id="1", object_repr="S1/1", action_flag=CHANGE
    )
    before = dict(held.values_list("pk", "codename"))

    migrate()

    assert permissions(*FORMER) == set()
    assert set(group.permissions.values_list("pk", flat=True)) == set(before)
    assert person.user_permissions.get().codename == "view_outboxentry"
    named = Permission.objects.using(OTHER).get(codename="view_taskattempt")
    assert named.name == "Can view attempt"
    assert LogEntry.objects.using(OTHER).get().content_type.model == "outboxentry"
    assert not ContentType.objects.using(OTHER).filter(model__in=FORMER).exists()

    for app, name in reversed(BEFORE):
        call_command("migrate", app, name, database=OTHER, verbosity=0)

    assert dict(group.permissions.values_list("pk", "codename")) == before
    assert permissions(*PRESENT) == set()


def test_where_there_are_no_permissions_yet_they_are_made_of_the_new_name():
    migrate_to_before()
    Permission.objects.using(OTHER).all().delete()

    migrate()

    assert permissions(*FORMER) == set()
    assert {"view_taskattempt", "view_outboxentry"} <= permissions(*PRESENT)


def test_who_holds_the_former_one_holds_the_one_that_is_there_as_well():
    migrate_to_before()
    former = Permission.objects.using(OTHER).get(codename="view_tasktry")
    present = Permission.objects.using(OTHER).create(
        content_type=former.content_type, codename="view_taskattempt", name="Can view attempt"
    )
    group = Group.objects.using(OTHER).create(name="operators")
    group.permissions.add(former)

    migrate()

    assert list(group.permissions.all()) == [present]
    assert not Permission.objects.using(OTHER).filter(codename="view_tasktry").exists()


def test_the_tables_of_renamed_models_keep_their_names():
    tables = {
        apps.get_model(name)._meta.db_table
        for name in (
            "neural.TaskAttempt",
            "neural_retrieval.OutboxEntry",
            "neural_retrieval.IndexShard",
            "neural_retrieval.IngestedRecord",
        )
    }
    assert tables == {f"neural_{name}" for name in FORMER}


def test_workers_of_the_version_before_still_write_what_they_wrote():
    """They are upgraded after the database, one after the other."""
    migrate_to_before()
    former = MigrationExecutor(connections[OTHER]).loader.project_state(list(BEFORE)).apps

    migrate()

    assert columns_of(former) <= columns_of(apps)
    run = _made(TaskRun, task_id="1", task="t", queue="default", kwargs={})
    then = former.get_model("neural", "TaskTry")
    _made(then, run_id=run.pk, outcome="handed_back", started_at=WHEN)
    assert TaskAttempt.objects.using(OTHER).get().outcome == AttemptOutcome.RELEASED


def columns_of(known) -> set[tuple[str, str]]:
    models = [model for app, _ in BEFORE for model in known.get_app_config(app).get_models()]
    return {
        (model._meta.db_table, field.column)
        for model in models
        for field in model._meta.concrete_fields
    }
