"""Rounds in the admin: live progress, course, each store's part, cancelling; stores' parts too."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from neural.forecasting.admin.display import QUESTION_LABELS
from neural.forecasting.admin.rounds import stations
from neural.forecasting.core.program import PHASES
from neural.forecasting.models import StoreUpdate
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

SCRIPT = "<script>alert(1)</script>"
VIEW = ("view_traininground", "view_storeupdate", "view_modelversion")


def text(client, address, language="en"):
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_the_list_shows_state_reason_stores_and_version():
    training = learning.training(invited=2)
    learning.update(training, world.store("S1"))
    learning.update(training, world.store("S2"), "rejected")
    made = learning.version(training)

    page = text(world.superuser(), world.list_of("traininground"))

    for shown in (f"#{training.pk}", "neural-published", "1 / 2", "better than the simple rules"):
        assert shown in page
    assert f'href="{world.page_of(made)}"' in page


def test_the_list_is_narrowed_by_state_and_found_by_number():
    done, other = learning.training(), learning.training("cancelled", reason="by_a_person")
    client = world.superuser()

    def found(query):
        return list(client.get(world.list_of("traininground") + query).context["cl"].result_list)

    assert found("?state=cancelled") == [other]
    assert found(f"?q={done.pk}") == found(f"?q=%23{done.pk}") == [done]
    assert found("?q=nonsense") == found(f"?q={'9' * 30}") == []


def test_a_list_of_rounds_takes_as_many_queries_for_many_as_for_one():
    client = world.superuser()
    learning.update(learning.training(), world.store("S1"))
    one = len(world.statements(client, world.list_of("traininground")))
    for number in range(4):
        training = learning.training()
        learning.update(training, world.store(f"S{number}"))
        learning.version(training)

    sql = world.statements(client, world.list_of("traininground"))

    assert len(sql) <= one
    assert '"server_state"' not in " ".join(sql)
    assert '"content"' not in " ".join(sql)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["3 of about 12", "3 of 3 invited", "stores improve the linear model"]),
        ("zh-hans", ["第 3 步，共约 12 步", "各门店改进线性模型"]),
    ],
)
def test_an_open_rounds_page_says_how_far_it_is(language, texts):
    training = learning.training("collecting")
    learning.update(training, world.store("S1"), "invited")
    learning.update(training, world.store("S2"), "invited", exchange=2)

    page = text(world.superuser(), world.page_of(training), language)

    for shown in texts:
        assert shown in page


def test_an_open_round_refreshes_itself_with_a_script_of_ours_alone():
    training = learning.training("collecting")
    client = world.superuser()

    page = text(client, world.page_of(training))

    assert 'data-refresh="2"' in page
    assert "neural/vendor/htmx-2.0.11.min.js" in page
    assert '"includeIndicatorStyles": false' in page


def test_every_phase_of_the_demand_forecast_has_its_words():
    assert set(QUESTION_LABELS) == set(PHASES)


def test_a_round_that_has_ended_loads_no_script_and_shows_no_progress():
    page = text(world.superuser(), world.page_of(learning.training()))

    assert "htmx" not in page
    assert "hx-get" not in page


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["it contains NaN or infinity (update)", "no answer came in time", ">late<"]),
        ("zh-hans", ["含有 NaN 或无穷大 (update)", "未按时答复", ">迟到<"]),
    ],
)
def test_each_store_that_was_left_out_is_named_with_the_reason_in_words(language, texts):
    training = learning.training()
    learning.update(training, world.store("S1"))
    learning.update(training, world.store("S2"), "rejected", detail="update")
    learning.update(training, world.store("S3"), "late", reason="no_answer")

    page = text(world.superuser(), world.page_of(training), language)

    for shown in [*texts, "S1", "S2", "S3", "18.0%", "+18.2%"]:
        assert shown in page


@pytest.mark.parametrize(
    ("language", "shown"),
    [("en", "(1 / 3; 2 are needed)"), ("zh-hans", "(1 / 3 家，至少需要 2 家)")],
)
def test_how_many_stores_were_missing_is_said_in_the_readers_language(language, shown):
    training = learning.training("failed_quorum", reason="quorum", detail="1 of 3; 2 are needed")

    assert shown in text(world.superuser(), world.page_of(training), language)


def test_the_course_of_a_round_counts_exchanges_and_how_long_they_took():
    training = learning.training(exchange=94)
    learning.course(
        training,
        ("planned", "selecting", 0),
        ("selecting", "collecting", 1),
        ("collecting", "aggregating", 1),
        ("aggregating", "collecting", 2),
        ("collecting", "evaluating", 93),
        ("evaluating", "published", 94),
    )

    found = stations(list(training.transitions.order_by("pk")), training)

    shown = [(each.state, each.first_exchange, each.last_exchange) for each in found]
    assert shown == [
        ("selecting", 0, 0),
        ("collecting", 1, 92),
        ("evaluating", 93, 94),
        ("published", 0, 0),
    ]
    assert [each.took and each.took.total_seconds() for each in found[:3]] == [1, 3, 1]
    assert "1 – 92" in text(world.superuser(), world.page_of(training))


def test_the_course_of_an_open_round_goes_to_the_exchange_at_which_it_stands():
    training = learning.training("collecting", exchange=30)
    learning.course(training, ("selecting", "collecting", 1), ("collecting", "aggregating", 1))

    (found,) = stations(list(training.transitions.order_by("pk")), training)

    assert (found.first_exchange, found.last_exchange) == (1, 30)


def test_a_rounds_page_says_as_of_which_day_it_trained():
    today = learning.training()
    earlier = learning.training(config={"as_of": "2019-05-01"})
    client = world.superuser()

    assert "the day it was opened" in text(client, world.page_of(today))
    assert "2019-05-01" in text(client, world.page_of(earlier))


def test_cancel_ends_an_open_round_and_is_audited():
    training = learning.training("collecting")
    client = world.client_of("view_traininground", "cancel_traininground")

    answer = client.post(world.act_on(training, "cancel"))

    assert answer.status_code == 302
    training.refresh_from_db()
    assert (training.state, training.reason) == ("cancelled", "by_a_person")
    assert "(cancel)" in LogEntry.objects.get().change_message


def test_a_round_that_has_ended_is_not_cancelled():
    training = learning.training()
    client = world.superuser()

    client.post(world.act_on(training, "cancel"))

    training.refresh_from_db()
    assert training.state == "published"
    assert not LogEntry.objects.exists()
    assert "/act/cancel/" not in text(client, world.page_of(training))


def test_cancel_needs_its_own_permission_and_a_post():
    training = learning.training("collecting")
    client = world.client_of("view_traininground", "run_traininground")

    assert client.post(world.act_on(training, "cancel")).status_code == 403
    client.post(world.list_of("traininground"), world.selection("cancel", training))
    assert world.superuser().get(world.act_on(training, "cancel")).status_code == 405
    training.refresh_from_db()
    assert training.is_open


def test_who_is_limited_to_stores_sees_their_part_of_a_round_and_the_totals():
    training = learning.training(invited=2)
    learning.update(training, world.store("S1"))
    learning.update(training, world.store("S2"), figures=learning.judged(candidate=0.5))
    client = world.client_of(*VIEW, stores=[world.store("S1")])

    page = text(client, world.page_of(training))

    assert re.search(r"\bS1\b", page)
    assert not re.search(r"\bS2\b", page)
    assert "34.0%" in page  # both together


def test_a_round_belongs_to_no_store_and_shows_no_row_of_answers():
    training = learning.training("collecting", server_state={"weights": "SECRETDRAFT"})
    learning.update(training, world.store("S1"), "invited", payload={"x": "SECRETANSWER"})

    client = world.superuser()

    assert "SECRET" not in text(client, world.page_of(training))
    sql = " ".join(world.statements(client, world.page_of(training)))
    assert '"server_state"' not in sql
    assert '"payload"' not in sql


def test_details_from_outside_are_never_markup():
    training = learning.training("failed_error", reason="program", detail=SCRIPT)
    update = learning.update(training, world.store("S1"), "rejected", detail=SCRIPT)
    client = world.superuser()

    for address in (
        world.page_of(training),
        world.list_of("traininground"),
        world.page_of(update),
        world.list_of("storeupdate"),
    ):
        assert SCRIPT not in text(client, address)


# Stores' parts


def test_a_limited_user_sees_the_parts_of_their_own_stores_alone():
    training = learning.training()
    mine = learning.update(training, world.store("S1"))
    theirs = learning.update(training, world.store("S2"))
    client = world.client_of(*VIEW, stores=[world.store("S1")])

    assert list(client.get(world.list_of("storeupdate")).context["cl"].result_list) == [mine]
    assert client.get(world.page_of(theirs)).status_code in (302, 404)
    assert not client.get(f"{world.list_of('storeupdate')}?q=S2").context["cl"].result_list


def test_stores_parts_are_narrowed_by_round_state_and_store():
    first, second = learning.training(), learning.training()
    one = learning.update(first, world.store("S1"))
    two = learning.update(second, world.store("S1"), "failed", reason="error")
    client = world.superuser()

    def found(query):
        return list(client.get(world.list_of("storeupdate") + query).context["cl"].result_list)

    assert found(f"?round={first.pk}") == [one]
    assert found("?state=failed") == [two]
    assert found("?round=nonsense") == []


def test_a_stores_part_never_shows_the_answer_itself():
    update = learning.update(learning.training(), world.store("S1"), payload={"x": "SECRET"})
    client = world.superuser()

    assert "SECRET" not in text(client, world.page_of(update))
    assert '"payload"' not in " ".join(world.statements(client, world.list_of("storeupdate")))
    assert StoreUpdate.objects.get().payload
