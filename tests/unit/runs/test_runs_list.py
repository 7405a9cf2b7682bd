"""The page of the list of runs: what it shows, what it links to, and what each part answers."""

import datetime as dt
import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from neural.models import AuditEntry, SavedView, Store, TaskRun
from neural.runs import counting
from neural.runs.saved import MOST_VIEWS
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

LIST = "/admin/neural/taskrun/"
FIGURES, LIVE = f"{LIST}figures/", f"{LIST}live/"
SAVE = f"{LIST}views/save/"


def page(client: Client, query: str = "", address: str = LIST) -> str:
    answer = client.get(f"{address}?{query}")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def ids(client: Client, query: str = "") -> list[str]:
    rows = client.get(f"{LIST}?{query}").context["cl"].result_list
    return [run.task_id for run in rows]


def test_a_row_says_what_the_work_does_before_its_name_and_the_whole_error() -> None:
    store = Store.objects.create(code="S9", name="国贸店")
    world.run(
        "dead",
        store=store,
        event=world.event("e-1", at="S9"),
        handler="neural.record_order",
        error="Read timed out.\n" + "x" * 300,
        failures=3,
        losses=1,
    )

    shown = page(world.superuser())

    assert re.search(r">Record orders?<small>neural.record_order</small></a>", shown)
    assert "x" * 300 in shown
    assert ">国贸店</a>" in shown
    assert "3 failed, 1 lost" in shown
    assert 'order.created <span class="list-id">e-1</span>' in shown
    assert "order 1" in shown  # of the payload


def test_due_is_told_with_its_zone_and_how_far_it_is_away(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    world.run(available_at=timezone.now() + dt.timedelta(minutes=7, seconds=30))
    world.run("dead", task_id="t2", available_at=timezone.now() - dt.timedelta(hours=3))

    shown = page(world.superuser())

    assert "in 7 min" in shown
    assert "3 h 0 min ago" in shown
    assert "Asia/Shanghai, UTC+0800" in shown


def test_what_comes_from_outside_is_escaped() -> None:
    world.run("dead", error="<script>1</script>", requested_by="<b>")
    answer = world.superuser().get(f"{LIST}?text=<script>1</script>&requested_by=<b>")

    assert b"<script>1" not in answer.content
    assert b"<b>" not in answer.content


def test_what_was_understood_is_shown_as_chips_that_can_be_taken_away() -> None:
    Store.objects.create(code="S9", name="国贸店")
    client = world.superuser()

    answer = client.get(LIST, {"text": 'store=国贸 tries=2 "timed out"', "queue": "default"})

    chips = {str(chip.label): chip for chip in answer.context["page"].chips}
    assert chips["store"].value == "S9 国贸店"
    assert chips["error contains"].value == "timed out"
    assert chips["attempts"].value == "at least 2 failed or lost"
    left = parse_qs(urlsplit(chips["store"].without).query)
    assert left == {"tries": ["2"], "error": ["timed out"], "queue": ["default"]}


def test_other_readings_of_a_text_are_links() -> None:
    world.run(task_id="abcdef-1")
    world.run("dead", task_id="other", error="abcdef")
    client = world.superuser()

    answer = client.get(LIST, {"text": "abcdef"})

    (chip,) = answer.context["page"].chips
    assert (str(chip.label), chip.value) == ("task id", "abcdef")
    ((label, address),) = chip.instead
    assert label == "error contains"
    assert ids(client, address.removeprefix("?")) == ["other"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("q=e1", "“q”"),
        ("state__exact=dead", "“state__exact”"),
        ("state=asleep", "“asleep”"),
        ("text=payload.phone=1", "“payload.phone”"),
        ("state=dead&state=pending", "“state”"),
        ("worker=" + "9" * 30, "9" * 30),
        ("since=9999-99-99", "“9999-99-99”"),
        ("since=0001-01-01T00:00%2B14:00", "“0001-01-01T00:00+14:00”"),
        ("since=0001-01-01T12:00Z", "“0001-01-01T12:00Z”"),
        ("until=9999-12-31T12:00Z", "“9999-12-31T12:00Z”"),
        ("until=9999-12-31T23:59:59", "“9999-12-31T23:59:59”"),
    ],
)
def test_what_is_not_understood_is_a_sentence_and_shows_no_run(query: str, named: str) -> None:
    world.run()
    client = world.superuser()

    shown = page(client, query)

    assert named in shown
    assert 'role="alert"' in shown
    assert ids(client, query) == []
    for part in (FIGURES, LIVE):
        assert client.get(f"{part}?{query}").status_code == 200


def test_a_store_that_the_user_may_not_see_is_as_one_that_is_not_there() -> None:
    theirs = Store.objects.create(code="S2", name="Their shop")
    world.run(store=theirs, task_id="theirs-1")
    client = world.client_of(stores=[world.store("S1")])

    for text in ("S2", "S3"):
        shown = page(client, f"store={text}")
        assert f"{text}: no store that you may see" in shown
        assert "Their shop" not in shown
    assert "Their shop" not in page(client, "text=theirs")


def test_tabs_have_counts_and_keep_the_other_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SECONDS", 3600)  # however busy the machine is
    for number in range(3):
        world.run("dead", task_id=f"d{number}", queue="slow")
    world.run("dead", task_id="quick")

    shown = page(world.superuser(), "queue=slow&state=dead", FIGURES)

    assert re.search(
        r'href="\?queue=slow&state=dead"[^>]*aria-current="page">dead <strong>3<', shown
    ) or (
        re.search(r'href="\?state=dead&queue=slow"[^>]*aria-current="page">dead <strong>3<', shown)
    )
    assert "retrying <strong>0<" in shown


def test_bars_of_the_histogram_choose_their_time() -> None:
    world.run("dead", task_id="old")
    TaskRun.objects.update(created_at=timezone.now() - dt.timedelta(days=3))
    world.run("dead", task_id="new")
    client = world.superuser()

    answer = client.get(f"{FIGURES}?state=dead")

    full = [bar for bar in answer.context["drawing"].bars if not bar.is_empty]
    assert [ids(client, bar.address.removeprefix("?")) for bar in full] == [["old"], ["new"]]
    assert full[0].address in html.unescape(answer.content.decode())


def test_news_are_counted_and_shown_rows_are_told_as_they_are_now() -> None:
    shown = world.run(task_id="shown")
    client = world.superuser()
    for number in range(3):
        world.run(task_id=f"new{number}")
    world.run("dead", task_id="no match")
    TaskRun.objects.filter(pk=shown.pk).update(state="cancelled", finished_at=timezone.now())

    answer = page(client, f"state=pending&newest={shown.pk}&shown={shown.pk},77,x", LIVE)

    assert ">3 new<" in answer
    assert answer.count("<tr") == 1
    assert f'id="row-{shown.pk}"' in answer
    assert "neural-cancelled" in answer


def test_news_reach_no_other_store() -> None:
    theirs = world.run(store=world.store("S2"), task_id="theirs")
    client = world.client_of(stores=[world.store("S1")])

    answer = page(client, f"newest=0&shown={theirs.pk}", LIVE)

    assert "<tr" not in answer
    assert " new<" not in answer


@pytest.mark.parametrize("address", [LIST, FIGURES, LIVE, SAVE])
def test_who_may_not_view_runs_sees_none_of_it(address: str) -> None:
    user = get_user_model().objects.create_user("clerk", is_staff=True)
    client = world.logged_in(user)

    assert (client.post if address == SAVE else client.get)(address).status_code == 403


@pytest.mark.parametrize(("address", "allowed"), [(FIGURES, "GET"), (LIVE, "GET"), (SAVE, "POST")])
def test_each_address_takes_its_methods_alone(address: str, allowed: str) -> None:
    client = world.superuser()
    for method in {"get", "post", "put", "delete", "patch"} - {allowed.lower()}:
        assert getattr(client, method)(address).status_code == 405
    if allowed == "GET":
        assert client.head(address).status_code == 200
    assert client.head(LIST).status_code == 200


def test_a_posted_selection_without_a_verb_changes_nothing() -> None:
    run = world.run("dead")
    client = world.superuser()

    answer = client.post(LIST, {"_selected_action": run.pk})

    assert answer.status_code == 302
    run.refresh_from_db()
    assert run.state == "dead"


@pytest.mark.parametrize(
    ("query", "permissions", "verbs"),
    [
        ("state=dead", ["retry", "discard", "cancel"], ["retry", "discard"]),
        ("state=dead", ["discard", "move"], ["discard", "move"]),
        ("state=cancelled", ["retry", "discard", "move"], ["retry", "move"]),
        ("state=discarded", ["retry", "discard", "move"], ["retry", "move"]),
        ("state=pending", ["hurry", "cancel", "move", "retry"], ["hurry", "cancel", "move"]),
        ("state=succeeded", ["retry"], []),
        ("", ["retry", "move"], ["retry", "move"]),
        ("q=x", ["retry"], []),
    ],
)
def test_verbs_are_those_of_the_state_that_the_user_may_use(
    query: str, permissions: list[str], verbs: list[str]
) -> None:
    world.run("dead", error="x")
    client = world.client_of(*(f"{each}_taskrun" for each in permissions), "view_personal_data")

    answer = client.get(f"{LIST}?{query}")

    assert [act.name for act in answer.context["page"].acts] == verbs
    has_boxes = b'name="_selected_action"' in answer.content
    assert has_boxes == (bool(verbs) and bool(answer.context["cl"].result_list))


def test_all_that_match_are_named_by_what_free_text_means_now() -> None:
    world.run("dead", event=world.event("e-1"))

    acts = world.superuser().get(f"{LIST}?text=e-1&state=dead").context["page"].acts

    assert parse_qs(urlsplit(acts[0].for_all).query) == {
        "event": ["e-1"],
        "state": ["dead"],
        "verb": ["retry"],
    }


# Saved views


def save(client: Client, name: str = "Mine", query: str = "state=dead", **more: str) -> Any:
    return client.post(SAVE, {"name": name, "query": f"?{query}", **more}, follow=True)


def test_a_search_is_saved_under_a_name_and_leads_back_to_it() -> None:
    world.run("dead", task_id="d")
    world.run(task_id="p")
    client = world.superuser()

    save(client, query="state=dead&text=queue=default")

    view = SavedView.objects.get()
    assert view.query == {"state": "dead", "queue": "default"}
    (shown,) = client.get(LIST).context["views"]
    assert ids(client, shown.address.removeprefix("?")) == ["d"]
    assert AuditEntry.objects.filter(action="saved_view.save", actor="root").count() == 1


def test_the_same_name_gets_the_new_search() -> None:
    client = world.superuser()
    save(client)
    save(client, query="state=pending", shared="on")

    (view,) = SavedView.objects.all()
    assert (view.query, view.shared) == ({"state": "pending"}, True)


@pytest.mark.parametrize("data", [{"name": ""}, {"name": "x" * 101}, {"query": "colour=red"}])
def test_a_view_that_cannot_be_saved_is_refused_with_the_reason(data: dict[str, str]) -> None:
    answer = save(world.superuser(), **data)

    assert not SavedView.objects.exists()
    assert 'class="error"' in answer.content.decode()


def test_nobody_saves_without_end() -> None:
    client = world.superuser()
    root = get_user_model().objects.get(username="root")
    SavedView.objects.bulk_create(SavedView(owner=root, name=str(n)) for n in range(MOST_VIEWS))

    assert "delete one first" in save(client).content.decode()
    assert SavedView.objects.count() == MOST_VIEWS


def test_a_shared_view_is_shown_to_others_but_only_its_owner_changes_it() -> None:
    owner = world.superuser()
    save(owner, "Ours", shared="on")
    save(owner, "Mine")
    ours = SavedView.objects.get(name="Ours")
    other = world.client_of()

    assert [each.view.name for each in other.get(LIST).context["views"]] == ["Ours"]
    for name in ("change", "delete"):
        address = reverse(f"admin:neural_savedview_{name}", args=[ours.pk])
        assert other.post(address, {"name": "theirs"}).status_code == 404
    assert SavedView.objects.filter(name="Ours", shared=True).exists()


def test_a_shared_view_of_a_store_is_not_shown_to_who_may_not_see_the_store() -> None:
    world.store("S2")
    save(world.superuser(), "Secret S2", query="store=S2", shared="on")
    save(world.superuser(), "Dead", shared="on")
    client = world.client_of(stores=[world.store("S1")])

    assert [each.view.name for each in client.get(LIST).context["views"]] == ["Dead"]


def test_an_owner_renames_and_deletes_a_view() -> None:
    client = world.superuser()
    save(client, "A")
    save(client, "B")
    first = SavedView.objects.get(name="A")

    taken = client.post(
        reverse("admin:neural_savedview_change", args=[first.pk]), {"name": "B"}, follow=True
    )
    client.post(reverse("admin:neural_savedview_change", args=[first.pk]), {"name": "C"})

    assert "You have a view “B” already." in taken.content.decode()
    assert set(SavedView.objects.values_list("name", flat=True)) == {"B", "C"}
    client.post(reverse("admin:neural_savedview_delete", args=[first.pk]))
    assert [view.name for view in SavedView.objects.all()] == ["B"]
    assert AuditEntry.objects.filter(action="saved_view.delete").count() == 1
    assert client.post(f"{LIST}views/{2**70}/delete/").status_code == 404


# What others link to


@pytest.mark.parametrize("query", ["state=dead&period=all", "queue=default&period=all", "text=t1"])
def test_addresses_that_other_pages_have_are_understood(query: str) -> None:
    assert 'role="alert"' not in page(world.superuser(), query)


def test_keys_have_no_separators_of_thousands(settings: Any) -> None:
    """Or the verbs, and what refreshes the list, would not know the run."""
    settings.USE_THOUSAND_SEPARATOR = True
    run = TaskRun.objects.create(pk=1234567, task_id="t1", task="a", queue="q")

    shown = page(world.superuser(), "")

    assert f'value="{run.pk}"' in shown
    assert f'data-key="{run.pk}"' in shown
    assert f'data-newest="{run.pk}"' in shown
    assert "1,234,567" not in shown
