"""Model versions in the admin: how good they are, which is in force, publish, reject, roll back."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from neural.forecasting.admin.charts import SHOWN_STORES, error_plot
from neural.forecasting.admin.display import bias, gain, per_cent
from neural.forecasting.core.features import SCHEMA
from neural.forecasting.models import ActiveModel, ModelVersion, StoreUpdate
from neural.forecasting.outlook import next_days
from neural.forecasting.outlook.report import report_of_version
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

VERBS = ("publish", "reject", "roll_back", "retire")


def text(client, address, language="en"):
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def in_force():
    version = ActiveModel.objects.version_of(learning.TYPE)
    return version and version.number


def permitted(*verbs):
    return world.client_of("view_modelversion", *(f"{verb}_modelversion" for verb in verbs))


def test_a_versions_page_has_its_identity_and_where_it_comes_from():
    first = learning.version()
    training = learning.training()
    made = learning.version(training, parent=first, active=True)

    page = text(world.superuser(), world.page_of(made))

    for shown in (made.sha256, made.schema_hash, "neural-active", "lee"):
        assert shown in page
    for row in (first, training):
        assert f'href="{world.page_of(row)}"' in page


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["the new version", "mean of the last four same weekdays", "Within P10–P90"]),
        ("zh-hans", ["新版本", "最近四个相同星期几的均值", "落在 P10–P90", "各门店误差"]),
    ],
)
def test_its_figures_stand_beside_those_of_every_other_method(language, texts):
    training = learning.training()
    learning.update(training, world.store("S1"))

    page = text(world.superuser(), world.page_of(learning.version(training)), language)

    for shown in [*texts, "18.0%", "17.0%", "27.0%", "0.720", "78.6%", "+2.0%"]:
        assert shown in page


def test_errors_are_drawn_by_store_and_what_gains_least_comes_first():
    training = learning.training()
    learning.update(training, world.store("S1"))
    learning.update(training, world.store("S2"), figures=learning.judged(candidate=0.25))
    learning.update(training, world.store("S3"), "failed", reason="error")
    version = learning.version(training)

    plot = error_plot(report_of_version(version, visible=StoreUpdate.objects.all()))

    assert [row.of.update.store_id for row in plot.rows] == ["S2", "S1"]
    dots = {dot.method: dot.x for dot in plot.rows[1].dots}
    assert plot.ticks == ["0%", "10%", "20%", "30%", "40%"]
    assert dots["candidate"] == pytest.approx(450)  # 18 % of 40 %
    assert plot.rows[1].dots[-1].method == "candidate"
    assert (plot.rows[1].left, plot.rows[1].right) == (dots["candidate"], dots["seasonal_naive"])


def test_the_drawing_says_that_a_version_in_force_forecasts_every_store():
    training = learning.training()
    learning.update(training, world.store("S1"), figures=learning.judged(candidate=0.5))

    page = text(world.superuser(), world.page_of(learning.version(training)))

    assert "it forecasts every store, also one where a simple rule was better." in page


def test_so_many_stores_that_nobody_reads_them_are_cut():
    training = learning.training()
    for number in range(SHOWN_STORES + 3):
        learning.update(training, world.store(f"S{number}"))

    page = text(world.superuser(), world.page_of(learning.version(training)))

    assert page.count("neural-grid") == SHOWN_STORES
    assert "3 stores more, which gain more than these." in page


def test_numbers_of_the_drawing_have_a_point_in_every_language():
    training = learning.training()
    learning.update(training, world.store("S1"))
    version = learning.version(training)

    page = text(world.superuser(), world.page_of(version), "de")

    drawn = re.findall(r'neural-(?:span|mark)[^"]*" d="([^"]+)"', page)
    assert len(drawn) == 5
    assert [each for each in drawn if "," in each] == []


def test_a_version_that_nobody_judged_says_so():
    version = learning.version(metrics={})

    assert "Nobody has judged it." in text(world.superuser(), world.page_of(version))


def test_figures_are_read_with_sign_and_per_cent():
    assert [per_cent(0.1834), per_cent(None)] == ["18.3%", "-"]
    assert [bias(each) for each in (1.021, 0.9, 1.0, None)] == ["+2.1%", "−10.0%", "0.0%", "-"]
    assert [gain(each) for each in (0.2, -0.05, None)] == ["+20.0%", "−5.0%", "-"]


def test_the_list_shows_which_version_is_in_force():
    learning.version(active=True)
    learning.version(standing="candidate")

    rows = world.superuser().get(world.list_of("modelversion")).context["cl"].result_list

    assert [(row.number, row.is_active) for row in rows] == [(2, False), (1, True)]


def test_the_model_itself_is_never_loaded_for_a_page():
    version = learning.version(learning.training())
    client = world.superuser()

    for address in (world.list_of("modelversion"), world.page_of(version)):
        assert '"content"' not in " ".join(world.statements(client, address))


# What people decide


def test_publish_puts_a_candidate_in_force():
    learning.version(active=True)
    candidate = learning.version(standing="candidate")
    client = permitted("publish")

    answer = client.post(world.act_on(candidate, "publish"))

    assert answer.status_code == 302
    assert in_force() == 2
    assert ActiveModel.objects.get().changed_by == "lee"
    assert "(publish)" in LogEntry.objects.get().change_message


def test_publishing_what_the_gate_refused_needs_a_reason_that_everybody_sees():
    refused = learning.version(standing="rejected")
    client = permitted("publish")

    answer = client.post(world.act_on(refused, "publish"), follow=True)
    assert "Publish needs a reason" in answer.content.decode()
    assert in_force() is None

    client.post(world.act_on(refused, "publish"), {"reason": "the week of the fair is over"})
    assert in_force() == 1
    assert "the week of the fair" in LogEntry.objects.get().change_message


def test_with_no_version_in_force_the_simple_rules_forecast():
    only = learning.version(active=True)

    page = permitted("roll_back").post(world.act_on(only, "retire"), follow=True).content.decode()

    assert in_force() is None
    assert "The simple rules forecast from the next night on" in page
    assert next_days.model_in_force(learning.TYPE).version is None
    assert "(use no model)" in LogEntry.objects.get().change_message


def test_reject_decides_that_a_candidate_stays_out():
    candidate = learning.version(standing="candidate")

    permitted("reject").post(world.act_on(candidate, "reject"))

    assert ModelVersion.objects.get().standing == "rejected"
    assert in_force() is None
    assert "(reject)" in LogEntry.objects.get().change_message


def test_roll_back_puts_the_parent_in_force():
    first = learning.version(active=True)
    second = learning.version(parent=first, active=True)

    permitted("roll_back").post(world.act_on(second, "roll_back"))

    assert in_force() == 1
    assert "(roll back)" in LogEntry.objects.get().change_message


@pytest.mark.parametrize(("verb", "number"), [("publish", 3), ("roll_back", 1)])
def test_whoever_puts_a_version_in_force_is_told_which_and_from_when_it_forecasts(verb, number):
    second = learning.version(parent=learning.version(), active=True)
    chosen = learning.version() if verb == "publish" else second

    page = world.superuser().post(world.act_on(chosen, verb), follow=True).content.decode()

    assert f"Version {number} is in force." in page
    assert "from the next night on" in page


def test_a_version_that_is_not_in_force_cannot_be_rolled_back():
    first = learning.version()
    second = learning.version(parent=first)
    learning.version(active=True)

    permitted("roll_back").post(world.act_on(second, "roll_back"))

    assert in_force() == 3
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("make", "offered"),
    [
        ({"standing": "candidate"}, {"publish", "reject"}),
        ({"standing": "rejected"}, {"publish"}),
        ({"active": True}, {"roll_back", "retire"}),
    ],
)
def test_a_page_offers_what_fits_the_versions_standing(make, offered):
    version = learning.version(parent=learning.version(), **make)

    page = text(world.superuser(), world.page_of(version))

    assert {verb for verb in VERBS if f"/act/{verb}/" in page} == offered


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_needs_its_own_permission_and_a_post(verb):
    first = learning.version(active=True)
    fitting = {"active": True} if verb in ("roll_back", "retire") else {}
    version = learning.version(parent=first, **fitting)
    before = (in_force(), version.standing)
    permission = {"retire": "roll_back"}.get(verb, verb)
    client = permitted(*{"publish", "reject", "roll_back"} - {permission})

    assert client.post(world.act_on(version, verb)).status_code == 403
    client.post(world.list_of("modelversion"), world.selection(verb, version))
    assert world.superuser().get(world.act_on(version, verb)).status_code == 405

    version.refresh_from_db()
    assert (in_force(), version.standing) == before
    assert not LogEntry.objects.exists()


def test_nobody_changes_a_version_in_the_admin():
    version = learning.version()
    client = world.superuser()

    assert client.post(world.page_of(version), {"sha256": "0"}).status_code == 403
    gone = world.page_of(version).replace("/change/", "/delete/")
    assert client.post(gone, {"post": "yes"}).status_code == 403


def test_who_is_limited_to_stores_sees_their_own_errors_and_the_totals():
    training = learning.training()
    learning.update(training, world.store("S1"))
    learning.update(training, world.store("S2"))
    version = learning.version(training)
    client = world.client_of("view_modelversion", stores=[world.store("S1")])

    page = text(client, world.page_of(version))

    assert page.count("neural-grid") == 1
    assert not re.search(r"\bS2\b", page)
    assert "18.0%" in page


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "This software knows other features."), ("zh-hans", "本软件使用另一套特征。")],
)
def test_a_version_of_other_features_is_named_as_such(language, sentence):
    theirs = learning.version(learning.training(), schema_hash="0" * 64)
    mine = learning.version(learning.training(), schema_hash=SCHEMA)

    assert sentence in text(world.superuser(), world.page_of(theirs), language)
    assert sentence not in text(world.superuser(), world.page_of(mine), language)
