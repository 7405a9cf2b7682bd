"""The admin's pages of error groups: what each user sees of them, and may do."""

import datetime as dt
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from neural.models import AuditEntry, BulkAction, RunState, TaskRun
from neural.monitoring.errors.groups import open_count, open_groups
from neural.monitoring.models import ErrorGroup, ErrorGroupState, FailedRun
from neural.personal import redacting
from neural.runs.bulk import acting
from neural.runs.query import QueryRefused, RunQuery
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.failing import fail, grouped
from tests.unit.runs import bulk_world

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "admin:neural_monitoring_errorgroup_changelist"


def page(group: ErrorGroup) -> str:
    return reverse("admin:neural_monitoring_errorgroup_change", args=[group.pk])


def act(group: ErrorGroup, verb: str) -> str:
    return reverse("admin:neural_monitoring_errorgroup_act", args=[group.pk, verb])


def listed(client: Any, **filters: str) -> list[str]:
    found = client.get(reverse(LIST), filters).context["cl"].result_list
    return [group.frame.removeprefix("kitchen.orders.find_") for group in found]


def reader(*permissions: str, stores: Any = ()) -> Any:
    return world.client_of("view_errorgroup", *permissions, stores=stores)


def user() -> Any:
    return get_user_model().objects.get(username="lee")


# The list


def test_the_list_shows_open_groups_those_that_failed_last_first() -> None:
    now = timezone.now()
    fail("order 1 is late", at=now - dt.timedelta(hours=3))
    fail("order 1 is cold", at=now - dt.timedelta(hours=1))
    fail("order 1 is lost", at=now)
    groups = grouped()
    ErrorGroup.objects.filter(pk=groups[2].pk).update(state=ErrorGroupState.MUTED)
    client = reader()

    assert listed(client) == ["cold", "late"]
    assert listed(client, state="muted") == ["lost"]
    assert len(listed(client, state="all")) == 3
    assert listed(client, state="all", hours="1") == ["lost"]


def test_the_list_is_filtered_by_work_and_store_and_searched_by_any_text() -> None:
    fail("order 1 is late", work="kitchen.cook", store="S1")
    fail("order 1 is cold", work="kitchen.serve", store="ZED9", kind="TypeError")
    grouped()
    client = reader()

    assert listed(client, work="kitchen.cook") == ["late"]
    assert listed(client, store="ZED9") == ["cold"]
    assert listed(client, q="typeerr") == ["cold"]
    assert listed(client, q="find_la") == ["late"]
    assert listed(client, q="nothing of that") == []
    assert 'name="q"' in client.get(reverse(LIST)).content.decode()


def test_the_list_pages_by_key_through_every_group_once(monkeypatch: Any) -> None:
    for number, name in enumerate("abcdefg"):
        fail(f"guest {name * 3}", at=timezone.now() - dt.timedelta(minutes=number))
    grouped()
    monkeypatch.setattr(admin.site._registry[ErrorGroup], "list_per_page", 3)
    client, address, seen = reader(), reverse(LIST), []
    while address:
        response = client.get(address)
        found = response.context["cl"]
        assert ("Older" in response.content.decode()) == bool(found.older_url)
        seen += [group.frame[-1] for group in found.result_list]
        address = found.older_url and reverse(LIST) + found.older_url
    assert seen == list("abcdefg")


def test_a_row_shows_its_trend_without_a_style_attribute() -> None:
    fail()
    grouped()
    text = reader().get(reverse(LIST)).content.decode()

    (drawing,) = re.findall(r"<svg class=\"neural-sparkline\".*?</svg>", text)
    assert "1 in 24 hours" in drawing
    assert "style=" not in drawing


def test_the_number_of_statements_of_the_list_grows_only_with_its_rows(
    django_assert_max_num_queries: Any,
) -> None:
    for name in "abcd":
        for store in range(5):
            fail(f"guest {name * 3}", store=f"S{store}")
    grouped()
    client = reader()
    with django_assert_max_num_queries(12 + 4):
        client.get(reverse(LIST))


# The page of a group


def test_the_page_shows_cause_works_stores_samples_and_dead_runs() -> None:
    dead = fail("order 77 is unknown", store="S1", work="kitchen.cook").run
    fail("order 78 is unknown", store="ZED9", work="kitchen.serve", state=RunState.PENDING)
    (group,) = grouped()

    text = reader().get(page(group)).content.decode()

    for shown in ("ValueError", "kitchen.orders.find_unknown", "kitchen.cook", "S1", "ZED9"):
        assert shown in text
    assert text.count("line 7, in find_unknown") == 4  # above and in the two tracebacks
    assert "order 77 is unknown" in text
    assert "order 78 is unknown" in text
    assert text.count(world.page_of(dead)) == 2  # among the samples, and as a dead run


def test_samples_and_dead_runs_need_the_permission_to_view_runs() -> None:
    fail("order 77 is unknown")
    (group,) = grouped()
    client = reader()
    user().user_permissions.remove(*user().user_permissions.filter(codename="view_taskrun"))
    text = client.get(page(group)).content.decode()
    assert "kitchen.orders.find_unknown" in text
    assert "order 77 is unknown" not in text
    assert "order 77 is unknown" not in client.get(reverse(LIST)).content.decode()


def test_a_runs_page_leads_to_its_error_group() -> None:
    run = fail().run
    (group,) = grouped()
    assert page(group) in reader().get(world.page_of(run)).content.decode()
    other = world.client_of(name="kim")
    assert page(group) not in other.get(world.page_of(run)).content.decode()


def test_the_pages_need_the_permission_to_view_error_groups() -> None:
    fail()
    (group,) = grouped()
    client = world.client_of()
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(page(group)).status_code == 403


# Users of some stores


def test_a_user_of_a_store_sees_its_groups_with_its_counts_and_samples_alone() -> None:
    own = world.store("S1")
    fail("order 77 is unknown", store="S1")
    for _ in range(3):
        fail("order 88 is unknown", store="ZED9", work="kitchen.secret")
    fail("order 99 is closed", store="ZED9")
    fail("order 99 is nowhere", store=None)
    group, closed, nowhere = grouped()
    client = reader(stores=[own])

    assert listed(client, state="all") == ["unknown"]
    assert listed(client, store="ZED9") == []
    assert listed(client, work="kitchen.secret") == []
    for other in (closed, nowhere):
        assert client.get(page(other)).status_code == 302
    text = client.get(page(group)).content.decode()
    assert "order 77 is unknown" in text
    for foreign in ("order 88", "ZED9", "kitchen.secret"):
        assert foreign not in text
    (figures,) = open_groups(user(), 10)
    assert (figures.attempts, figures.attempts_of_day, figures.dead) == (1, 1, 1)
    assert (figures.stores, figures.works) == (1, 1)
    assert open_count(user()) == 1
    assert open_count() == 3


def test_a_group_shows_the_newest_error_of_the_stores_that_the_user_sees() -> None:
    own = world.store("S1")
    fail("no table for Li Si", store="S1", function="seat")
    fail("no table for Zhang San", store="ZED9", function="seat")
    grouped()

    mine = reader(stores=[own]).get(reverse(LIST)).content.decode()
    every = world.superuser().get(reverse(LIST)).content.decode()

    assert "no table for Li Si" in mine
    assert "Zhang San" not in mine
    assert "no table for Zhang San" in every


def test_a_user_of_a_store_retries_its_runs_alone() -> None:
    own = world.store("S1")
    mine, other = fail(store="S1").run, fail(store="ZED9").run
    (group,) = grouped()
    client = reader("retry_taskrun", stores=[own])

    act_on_dead_runs(client, group, "retry_runs")

    assert TaskRun.objects.get(pk=mine.pk).state == RunState.PENDING
    assert TaskRun.objects.get(pk=other.pk).state == RunState.DEAD


@pytest.mark.parametrize("verb", ["mute_1", "mute_7", "mute_30", "resolve", "open"])
def test_a_user_of_a_store_decides_nothing_for_the_chain(verb: str) -> None:
    own = world.store("S1")
    fail(store="S1")
    (group,) = grouped()
    ErrorGroup.objects.update(
        state=ErrorGroupState.MUTED if verb == "open" else ErrorGroupState.OPEN
    )
    client = reader("decide_errorgroup", stores=[own])

    assert client.post(act(group, verb)).status_code == 403
    assert "Resolve" not in client.get(page(group)).content.decode()
    assert ErrorGroup.objects.get().state != ErrorGroupState.RESOLVED
    assert not LogEntry.objects.exists()


# Actions


@pytest.mark.parametrize(
    ("verb", "permission", "state"),
    [
        ("mute_7", "decide_errorgroup", ErrorGroupState.MUTED),
        ("resolve", "decide_errorgroup", ErrorGroupState.RESOLVED),
    ],
)
def test_a_decision_needs_its_permission_and_leaves_an_entry(
    verb: str, permission: str, state: str
) -> None:
    fail(state=RunState.PENDING)
    (group,) = grouped()
    assert world.client_of("view_errorgroup", name="kim").post(act(group, verb)).status_code == 403
    client = reader(permission)
    assert client.get(act(group, verb)).status_code == 405
    client.post(act(group, verb))

    group.refresh_from_db()
    assert (group.state, group.decided_by) == (state, "lee")
    assert LogEntry.objects.get().user == user()
    client.post(act(group, "open"))
    group.refresh_from_db()
    assert group.state == ErrorGroupState.OPEN
    assert LogEntry.objects.count() == 2


def test_muting_for_a_week_ends_in_a_week() -> None:
    fail()
    (group,) = grouped()
    reader("decide_errorgroup").post(act(group, "mute_7"))
    group.refresh_from_db()
    left = group.muted_until - timezone.now()
    assert dt.timedelta(days=6, hours=23) < left <= dt.timedelta(days=7)


@pytest.mark.parametrize(
    ("verb", "permission", "state"),
    [
        ("retry_runs", "retry_taskrun", RunState.PENDING),
        ("discard_runs", "discard_taskrun", RunState.DISCARDED),
    ],
)
def test_all_dead_runs_of_a_group_are_acted_on_after_a_preview(
    verb: str, permission: str, state: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 2)
    dead = [fail().run for _ in range(5)]
    waiting = fail(state=RunState.PENDING).run
    other = fail("no stove").run
    group = next(each for each in grouped() if each.frame.endswith("unknown"))
    assert world.client_of("view_errorgroup", name="kim").post(act(group, verb)).status_code == 403
    client = reader(permission)

    action = act_on_dead_runs(client, group, verb)

    runs = TaskRun.objects.filter(pk__in=[run.pk for run in dead])
    assert set(runs.values_list("state", flat=True)) == {state}
    assert action.changed == 5
    assert TaskRun.objects.get(pk=waiting.pk).state == RunState.PENDING
    assert TaskRun.objects.get(pk=other.pk).state == RunState.DEAD
    figures = client.get(page(group)).context["original"].figures
    assert figures.dead == 0
    assert FailedRun.objects.filter(dead=True).count() == 1


def act_on_dead_runs(client: Any, group: ErrorGroup, verb: str) -> BulkAction:
    """Press the button of a group, look at the preview, send its form, and do the work."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr(redacting, "redacted_text", lambda text: text)
    with monkey.context():
        preview = client.post(act(group, verb))["Location"]
        fields = re.findall(
            r'<input type="hidden" name="(\w+)" value="([^"]*)"',
            client.get(preview).content.decode(),
        )
        client.post(preview.partition("?")[0], {**dict(fields), "reason": "mended"})
        monkey.undo()
    return bulk_world.finish(BulkAction.objects.get())


def test_several_groups_of_the_list_are_acted_on_together() -> None:
    fail("order 1 is late")
    fail("order 1 is cold")
    groups = grouped()
    client = reader("retry_taskrun")
    answer = client.post(reverse(LIST), world.selection("retry_runs", *groups))
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert asked["state"] == ["dead"]
    assert {*asked["error_group"][0].split(",")} == {str(group.pk) for group in groups}


@pytest.mark.parametrize("value", ["x", "1,x", "1,", "-1", "1" * 30, ",".join(["1"] * 51)])
def test_a_filter_by_what_is_no_group_is_refused_with_a_sentence(value: str) -> None:
    with pytest.raises(QueryRefused, match=r"error groups?"):
        RunQuery.from_params({"error_group": value})


def test_a_group_without_dead_runs_offers_nothing_to_do_with_them() -> None:
    fail(state=RunState.PENDING)
    (group,) = grouped()
    client = reader("retry_taskrun")
    assert "Retry dead runs" not in client.get(page(group)).content.decode()


def test_the_home_offers_what_the_user_may_do_about_a_group() -> None:
    fail()
    (group,) = grouped()
    home = reverse("admin:neural_monitoring_examination_changelist")
    every = ("retry_taskrun", "discard_taskrun", "decide_errorgroup", "view_examination")
    text = reader(*every).get(home).content.decode()
    for verb in ("retry_runs", "discard_runs", "mute_1", "resolve"):
        assert f'formaction="{act(group, verb)}"' in text
    client = world.client_of("view_errorgroup", "view_examination", "retry_taskrun", name="kim")
    text = client.get(home).content.decode()
    assert act(group, "retry_runs") in text
    for verb in ("discard_runs", "mute_1", "resolve"):
        assert act(group, verb) not in text


def test_a_decision_on_the_home_returns_to_the_home() -> None:
    fail(state=RunState.PENDING)
    (group,) = grouped()
    answer = reader("decide_errorgroup").post(act(group, "resolve"), {"next": "/admin/"})
    assert answer["Location"] == "/admin/"


def test_resolving_a_selection_in_the_list() -> None:
    fail("order 1 is late", state=RunState.PENDING)
    fail("order 1 is cold", state=RunState.PENDING)
    groups = grouped()
    reader("decide_errorgroup").post(reverse(LIST), world.selection("resolve", *groups))
    assert not ErrorGroup.objects.exclude(state=ErrorGroupState.RESOLVED).exists()


def test_resolving_asks_what_becomes_of_dead_runs_and_hides_none_by_one_click() -> None:
    for _ in range(2):
        fail("order 1 is late")
    fail("order 1 is cold", state=RunState.PENDING)
    late, cold = grouped()
    client = reader("decide_errorgroup", "retry_taskrun", "discard_taskrun")

    answers = [
        client.post(act(late, "resolve"), {"next": "/admin/"}),
        client.post(reverse(LIST), world.selection("resolve", late, cold)),
    ]

    assert not ErrorGroup.objects.exclude(state=ErrorGroupState.OPEN).exists()
    for answer in answers:
        asked = client.get(answer["Location"])
        text = asked.content.decode()
        assert next(each.dead for each in asked.context["figures"]) == 2
        assert "Resolve, and leave them dead" in text
        for label, address in asked.context["first"]:
            assert str(label) in ("Retry dead runs", "Discard dead runs")
            assert "2 runs match" in re.sub(r"<[^>]*>", "", client.get(address).content.decode())

    client.post(answers[1]["Location"], {"reason": "sold by hand"})
    assert not ErrorGroup.objects.exclude(state=ErrorGroupState.RESOLVED).exists()
    assert TaskRun.objects.filter(state=RunState.DEAD).count() == 2
    assert "sold by hand" in {entry.reason for entry in AuditEntry.objects.all()}


def test_the_page_that_resolves_needs_the_permission_and_reads_any_address() -> None:
    fail()
    (group,) = grouped()
    page = reverse("admin:neural_monitoring_errorgroup_resolve")
    asked = {"_selected_action": group.pk}
    of_store = reader("decide_errorgroup", stores=[world.store("S1")])
    assert of_store.get(page, asked).status_code == 403
    assert of_store.post(f"{page}?_selected_action={group.pk}").status_code == 403
    assert ErrorGroup.objects.get().state == ErrorGroupState.OPEN

    client = world.client_of("view_errorgroup", "decide_errorgroup", name="kim")
    shown = client.get(page, asked).content.decode()
    assert "Retry dead runs" not in shown  # may not
    for nonsense in ({}, {"_selected_action": "x"}, {"_selected_action": "9" * 30}):
        assert client.get(page, nonsense).status_code == 200
        assert client.post(f"{page}?{urlencode(nonsense)}").status_code == 302


# The row of filters


def test_filters_are_a_row_of_fields_above_the_list_and_no_column_beside_it() -> None:
    fail(work="neural.record_order")
    grouped()

    page = reader().get(reverse(LIST)).content.decode()

    assert "changelist-filter" not in page
    assert 'id="nav-sidebar"' not in page
    assert page.index('id="list-search"') < page.index('id="result_list"')
    assert re.search(r'href="[?]state=open" class="list-open" aria-current="page">Open<', page)
    assert '<option value="neural.record_order">Record orders</option>' in page


def test_what_is_chosen_is_shown_as_chosen_also_a_work_that_is_gone() -> None:
    fail(work="gone.<work>")
    grouped()

    page = reader().get(reverse(LIST), {"work": "gone.<work>", "q": "order"}).content.decode()

    assert '<option value="gone.&lt;work&gt;" selected>gone.&lt;work&gt;</option>' in page
    assert 'value="order"' in page
    assert re.search(r"Remove Work: gone.&lt;work&gt;", page)
    assert 'name="work"' in page
    assert page.count('id="result_list"') == 1


def test_empty_fields_of_the_form_filter_nothing() -> None:
    fail()
    grouped()

    assert len(listed(reader(), q="", state="open", hours="", store="", work="")) == 1


def test_on_a_phone_each_value_has_the_heading_of_its_column() -> None:
    fail()
    grouped()

    page = reader().get(reverse(LIST)).content.decode()

    assert re.search(r'<td data-label="Dead runs" data-cell class="field-dead">1</td>', page)
    assert re.search(r'<td data-label="Stores" data-cell class="field-stores">1</td>', page)


def test_a_list_without_groups_says_so() -> None:
    client = reader()
    assert "No error groups to show." in client.get(reverse(LIST)).content.decode()
    assert "No error groups match." in client.get(reverse(LIST), {"q": "x"}).content.decode()
