"""Training plans in the admin: every number editable and explained, run now, by whoever may."""

import datetime as dt
import re
from dataclasses import replace

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import flatten_fieldsets
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from neural.forecasting.admin import plans
from neural.forecasting.core.model_types import model_type
from neural.forecasting.models import TrainingPlan, TrainingRound
from neural.forecasting.shipped import TRAINING_SCHEDULE
from neural.schedules import shipped
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

PERMITTED = ("view_trainingplan", "change_trainingplan")


def form_of(client, plan, **changes):
    """What the page's form sends, with changes."""
    form = client.get(world.page_of(plan)).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    found = {name: value for name, value in values.items() if value is not False}
    return {name: value for name, value in (found | changes).items() if value is not None}


@pytest.fixture
def training_schedule(db):
    """The schedule that a migration made; a test that emptied the tables took it with them."""
    shipped.make(TRAINING_SCHEDULE)
    return PeriodicTask.objects.get(name=TRAINING_SCHEDULE.name)


def test_every_number_of_a_plan_can_be_edited():
    model_admin = admin.site._registry[TrainingPlan]
    shown = set(flatten_fieldsets(model_admin.fieldsets))
    fields = [*TrainingPlan._meta.fields, *TrainingPlan._meta.many_to_many]

    assert {field.name for field in fields if field.editable} - shown == {"id"}


def test_a_change_of_a_plan_is_kept_and_audited():
    client, plan = world.client_of(*PERMITTED), learning.plan()

    answer = client.post(
        world.page_of(plan),
        form_of(client, plan, trees=10, publishing="by_a_person", enabled=None),
    )

    assert answer.status_code == 302
    plan.refresh_from_db()
    assert (plan.trees, plan.publishing, plan.enabled) == (10, "by_a_person", False)
    assert LogEntry.objects.get().object_id == str(plan.pk)


def test_a_number_out_of_range_is_refused_with_a_word():
    client, plan = world.client_of(*PERMITTED), learning.plan()

    answer = client.post(world.page_of(plan), form_of(client, plan, least_share=1.9))

    assert answer.status_code == 200
    assert "less than or equal to 1" in answer.content.decode()


@pytest.mark.usefixtures("training_schedule")
@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "en",
            [
                "demand forecast",
                "Run now",
                "Those of which a store sells most",
                "neural: federated training",
            ],
        ),
        ("zh-hans", ["销量预测", "立即训练", "历史天数", "最低门店数"]),
    ],
)
def test_a_plans_page_explains_itself_in_both_languages(language, texts):
    page = world.superuser().get(
        world.page_of(learning.plan()), headers={"accept-language": language}
    )

    for text in texts:
        assert text in page.content.decode()


def test_a_plans_page_links_to_its_schedule_and_says_whether_it_is_on(training_schedule):
    address = reverse("admin:django_celery_beat_periodictask_change", args=[training_schedule.pk])
    client = world.superuser()

    page = client.get(world.page_of(learning.plan())).content.decode()
    PeriodicTask.objects.update(enabled=False)
    later = client.get(world.page_of(learning.plan())).content.decode()

    assert f'href="{address}"' in page
    assert ">on</span>" in page
    assert ">off</span>" in later


@pytest.mark.parametrize(
    ("hour", "weekday", "language", "shown"),
    [
        ("3", "*", "en", "daily at 03:05, Asia/Shanghai"),
        ("3", "*", "zh-hans", "每天 03:05"),
        ("3", "1", "en", "only on Monday"),
        ("3", "1", "zh-hans", "星期一"),
        ("*/2", "*", "en", "every 2 hours"),
    ],
)
def test_a_plans_page_says_when_its_rounds_are_opened(
    training_schedule, hour, weekday, language, shown
):
    crontab = training_schedule.crontab
    crontab.hour, crontab.minute, crontab.day_of_week = hour, "5", weekday
    crontab.save()

    page = world.superuser().get(
        world.page_of(learning.plan()), headers={"accept-language": language}
    )

    assert shown in page.content.decode()


def test_run_now_opens_a_round_in_the_persons_name():
    plan = learning.plan()
    client = world.client_of(*PERMITTED, "run_traininground")

    answer = client.post(world.act_on(plan, "run"))

    assert answer.status_code == 302
    opened = TrainingRound.objects.get()
    assert (opened.model_type, opened.requested_by) == (learning.TYPE, "lee")
    assert "run now" in LogEntry.objects.get().change_message


def test_run_now_says_which_round_is_open_or_why_it_ended_at_once():
    plan = learning.plan()
    client = world.superuser()

    page = client.post(world.act_on(plan, "run"), follow=True).content.decode()

    opened = TrainingRound.objects.get()
    assert f'href="{world.page_of(opened)}"' in page
    assert "ended at once: too few stores have sold enough lately" in page


def test_run_now_trains_as_of_the_last_sales_where_they_ended_long_ago():
    """As in the demo, whose sales end in 2019; a shop beside them sells since today."""
    plan = learning.plan(least_stores=2)
    for code in ("S1", "S2"):
        learning.sold_until(world.store(code), dt.date(2019, 4, 30))
    learning.sold_until(world.store("S3"), timezone.now().date(), days=1)
    client = world.superuser()

    page = client.post(world.act_on(plan, "run"), follow=True).content.decode()

    opened = TrainingRound.objects.get()
    assert opened.is_open
    assert opened.config["as_of"] == "2019-05-01"
    assert "as on the morning of 2019-05-01" in page


def test_run_now_trains_as_of_today_where_stores_sell():
    plan = learning.plan(least_stores=1)
    today = timezone.now().date()
    learning.sold_until(world.store("S1"), today - dt.timedelta(days=3))
    client = world.superuser()

    client.post(world.act_on(plan, "run"))

    opened = TrainingRound.objects.get()
    assert opened.is_open
    assert not opened.config["as_of"]


def test_run_now_opens_none_while_one_is_open():
    plan = learning.plan()
    learning.training("collecting")
    client = world.client_of(*PERMITTED, "run_traininground")

    client.post(world.act_on(plan, "run"))

    assert TrainingRound.objects.count() == 1
    assert not LogEntry.objects.exists()
    assert "/act/run/" not in client.get(world.page_of(plan)).content.decode()


def test_run_now_needs_its_own_permission_and_a_post():
    plan = learning.plan()
    client = world.client_of(*PERMITTED)

    assert client.post(world.act_on(plan, "run")).status_code == 403
    assert world.superuser().get(world.act_on(plan, "run")).status_code == 405
    assert not TrainingRound.objects.exists()


def test_a_plan_that_is_switched_off_offers_no_round():
    plan = learning.plan(enabled=False)
    client = world.superuser()

    assert "/act/run/" not in client.get(world.page_of(plan)).content.decode()
    client.post(world.act_on(plan, "run"))
    assert not TrainingRound.objects.exists()


def test_who_is_limited_to_stores_changes_no_plan_and_sees_no_other_store():
    theirs = world.store("S2")
    plan = learning.plan()
    plan.participants.add(theirs)
    client = world.client_of(*PERMITTED, stores=[world.store("S1")])

    page = client.get(world.page_of(plan))

    assert page.status_code == 200
    assert not re.search(r"\bS2\b", page.content.decode())
    assert client.post(world.page_of(plan), {"trees": 1}).status_code == 403


def test_a_plan_is_not_deleted():
    plan = learning.plan()
    gone = world.page_of(plan).replace("/change/", "/delete/")

    assert world.superuser().post(gone, {"post": "yes"}).status_code == 403


def test_a_plan_is_made_for_a_registered_type_that_has_none(monkeypatch):
    learning.plan()
    types = [model_type(learning.TYPE)]
    monkeypatch.setattr(plans, "model_types", lambda: types)
    client, address = world.superuser(), reverse("admin:neural_forecasting_trainingplan_add")

    assert client.get(address).status_code == 403
    types.append(replace(types[0], name="other", label="Another"))

    page = client.get(address).content.decode()
    assert '<option value="other">' in page
    assert f'<option value="{learning.TYPE}">' not in page


def test_the_list_shows_each_plan_with_its_newest_round():
    training = learning.training()

    page = world.superuser().get(world.list_of("trainingplan")).content.decode()

    assert f"#{training.pk}</a>" in page
    assert "2 stores and 50% of the invited" in page
