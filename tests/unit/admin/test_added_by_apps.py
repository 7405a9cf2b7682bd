"""What an app adds to the core is seen beside the core's own; without it the core works."""

import sys
from types import ModuleType

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import call_command
from django.urls import include, path

import neural
from neural.events.changes import prune_payloads
from neural.health import database, examine
from neural.health.findings import Status
from neural.health.situation import Situation
from neural.kit.registry import AlreadyRegistered
from neural.ledger.work import at_the_end
from neural.models import NeuralEvent, Store
from neural.retrieval.models import OutboxEntry
from neural.worker import relay
from tests.probe import added
from tests.probe.models import Effect
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, make_event, make_worker
from zhilian import urls

pytestmark = pytest.mark.django_db

PAGES = urls.urlpatterns
"""Found before a test empties any registry: they are kept for the other tests."""


@pytest.fixture(autouse=True)
def core():
    with added.core_alone():
        yield


@pytest.fixture
def addresses(settings):
    """The admin's addresses, found anew: those of panels are among them."""

    def find_anew():
        anew = ModuleType("found_anew")
        anew.urlpatterns = [path("admin/", admin.site.urls), path("", include(PAGES))]
        sys.modules["found_anew"] = anew
        settings.ROOT_URLCONF = "found_anew"

    yield find_anew
    sys.modules.pop("found_anew", None)


def event(number, **fields):
    about = {"type": "dish.updated", "store": "S1", "source": "till", "event_id": str(number)}
    return {**about, "payload": {"dish": str(number), "name": "面"}, **fields}


# Panels


def test_a_panel_is_a_section_of_the_pages_of_its_model_with_an_address_of_its_own(addresses):
    added.add_panel()
    addresses()
    row, client = world.event("e1"), world.superuser()

    page = client.get(world.page_of(row)).content.decode()

    address = f"/admin/neural/neuralevent/{row.pk}/note/"
    assert '<section class="module neural-section" id="note">\n  <h2>Notes</h2>' in page
    assert f'<p>A note of e1: <a href="{address}">more</a></p>' in page
    assert '/static/probe/note.css"' in page
    assert client.get(address).content.decode() == f"more of {row.pk}"


def test_only_a_panel_that_asks_for_more_by_itself_brings_htmx(addresses):
    added.add_panel()
    row, client = world.event(), world.superuser()
    addresses()
    still = client.get(world.page_of(row)).content.decode()
    added.add_panel(name="live", is_live=True)
    addresses()

    live = client.get(world.page_of(row)).content.decode()

    assert "htmx" not in still
    assert live.count('name="htmx-config"') == live.count("htmx-2.0.11.min.js") == 1


def test_a_panel_may_be_left_out_of_a_row_and_is_on_no_other_models_page(addresses):
    added.add_panel(name="empty", note=None)
    added.add_panel(name="stores", model=Store)
    addresses()

    page = world.superuser().get(world.page_of(world.event())).content.decode()

    assert "Notes" not in page
    assert "probe/" not in page
    assert "Notes" in world.superuser().get(added.store_page()).content.decode()


def test_two_panels_of_one_name_are_refused():
    added.add_panel()

    with pytest.raises(AlreadyRegistered, match="panel 'note'"):
        added.add_panel()


@pytest.mark.parametrize("name", ["neuralevent", "taskrun", "store", "workerprocess"])
def test_without_any_panel_or_link_every_page_opens(name):
    made = {"neuralevent": world.event, "taskrun": world.run, "store": world.store}
    row = made.get(name, make_worker)()

    answer = world.superuser().get(world.page_of(row))

    assert answer.status_code == 200


# Links of stores


def test_a_stores_page_links_to_what_apps_have_of_it_pages_first():
    added.add_store_links()

    page = world.superuser().get(added.store_page()).content.decode()

    links = (
        '<a href="/admin/neural/store/S1/history/">its history</a> · '
        '<a href="/admin/neural/neuralevent/?store=S1">events</a>'
    )
    assert links in page


# Probes


def healthy():
    return {each.probe: each for each in examine(Situation())}


def test_doctor_asks_a_probe_after_its_own(capsys):
    added.add_probe("three guests wait")

    assert list(healthy())[-1] == "guests"
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert "guests" in (said := capsys.readouterr().out)
    assert "three guests wait → count them" in said


def test_a_probe_that_fails_has_found_something_and_the_others_answer():
    added.add_probe()

    found = healthy()

    assert found["guests"].status == Status.PROBLEM
    assert "LookupError: no guests" in found["guests"].found
    assert found["database"].status == Status.OK


def test_doctor_works_without_any():
    assert "search" not in healthy()
    assert "versions" in healthy()


def test_a_place_of_files_is_looked_at_like_the_databases(tmp_path):
    added.add_place(tmp_path)

    assert tmp_path in list(database.places())


def test_a_place_that_is_not_on_this_machine_is_left_out():
    before = list(database.places())
    added.add_place(None)

    assert list(database.places()) == before


# What is old


def logged(days):
    user = world.get_user_model().objects.get_or_create(username="lee")[0]
    entry = LogEntry.objects.create(user=user, object_id="1", action_flag=CHANGE)
    LogEntry.objects.filter(pk=entry.pk).update(action_time=ago(days=days))
    return entry.pk


def test_prune_deletes_what_an_app_calls_old_and_says_so(capsys):
    gone, kept = logged(days=120), logged(days=20)
    added.add_prunable(days=100)

    call_command("prune", "--dry-run")
    assert "1 log entries older than 100 days would be deleted." in capsys.readouterr().out
    call_command("prune")

    assert "1 log entries older than 100 days deleted." in capsys.readouterr().out
    assert list(LogEntry.objects.values_list("pk", flat=True)) == [kept] != [gone]


def test_the_help_of_prune_names_it(capsys):
    added.add_prunable(days=100)

    with pytest.raises(SystemExit):
        call_command("prune", "--help")

    assert (
        "\nAlso deletes log entries that are more than 100 days old.\n" in capsys.readouterr().out
    )


def test_prune_works_without_any(capsys):
    call_command("prune")

    assert "forecasts" not in capsys.readouterr().out


# Insert hooks


def test_a_rider_is_inserted_with_each_new_event_in_its_transaction():
    added.add_insert_hook("came")
    neural.submit(**event(1))

    list(neural.submit_many([event(1), event(2), event(2, source="web")]))

    assert Effect.counts() == {"came S1 till 1": 1, "came S1 till 2": 1, "came S1 web 2": 1}


def test_a_rider_may_stay_away():
    added.add_insert_hook(None)

    neural.submit(**event(1))

    assert not Effect.objects.exists()


def test_riders_do_not_mix_their_parameters_up():
    added.add_insert_hook("came")
    with_search = added.INSERT_HOOKS.get("effects")
    added.INSERT_HOOKS.add("again", with_search)

    neural.submit(**event(1))

    assert Effect.counts() == {"came S1 till 1": 2}


def test_without_riders_events_are_recorded():
    neural.submit(**event(1)).or_raise()

    assert NeuralEvent.objects.count() == 1
    assert not OutboxEntry.objects.exists()


# Changes


def test_a_change_is_told_with_its_keys_together_at_the_end():
    heard = added.add_listener()

    with at_the_end():
        neural.reindex(collection="guests", store="S1", ids=["2", "1"])
        neural.reindex(collection="guests", store="S1", ids=["1", "3"])
        assert not heard

    assert heard == [("guests", ["S1/1", "S1/2", "S1/3"], False)]


def test_of_a_pruned_payload_it_is_told_as_of_history():
    heard, row = added.add_listener(), make_event(recorded_at=ago(days=100))

    prune_payloads(now=ago(), keep_days=90)

    assert heard == [("events", [f"{row.store_id}/{row.pk}"], True)]


def test_where_nobody_listens_a_change_costs_nothing(django_assert_num_queries):
    with django_assert_num_queries(0), at_the_end():
        neural.reindex(collection="guests", store="S1", ids=["1"])


# Duties


def test_a_duty_is_done_at_every_turn_of_the_relay():
    done = []
    relay.register_duty("guests", lambda: done.append(1))

    relay.relay_once()
    relay.relay_once()

    assert done == [1, 1]
