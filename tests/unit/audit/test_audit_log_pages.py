"""The admin's pages of the audit log: the list, its filters and search, an entry, the panel."""

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone, translation
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from neural.admin.scope import NeuralAdmin
from neural.audit import record
from neural.audit.titles import title_of
from neural.kit.keyset import bounded
from neural.models import AuditEntry, AuditOutcome, AuditSource, RunState, TaskRun
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.runs import bulk_world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

MAY = "view_auditentry"
NO_ROWS = {
    "AlertRule": "a row is there once somebody has changed the rule",
    "Examination": "a page in place of a list",
    "Retention": "a page in place of a list",
    "SchedulePolicy": "shows a schedule: test_a_schedules_pages_show_what_people_did_to_it",
    "Search": "a page in place of a list",
}
"""Models whose pages are not of their rows, and why."""
WITH_PAGES = [
    model
    for model in admin_rows.registered()
    if isinstance(admin.site._registry[model], NeuralAdmin) and model.__name__ not in NO_ROWS
]


def act(action: str = "run.retry", *, by: str = "lee", **facts: Any) -> AuditEntry:
    record(action=action, by=by, source=facts.pop("source", AuditSource.ADMIN), **facts)
    return AuditEntry.objects.latest("pk")


def page(client: Any, **query: Any) -> str:
    answer = client.get(world.list_of("auditentry"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(client: Any, **query: Any) -> list[int]:
    """The keys of the entries on a page, in its order."""
    address = re.escape(world.list_of("auditentry"))
    found = re.findall(rf'href="{address}(\d+)/change/', page(client, **query))
    return [int(key) for key in found]


def test_the_newest_entry_is_first_with_its_title_its_row_and_its_reason() -> None:
    run = world.run(RunState.DEAD)
    act("run.discard", rows=[run], reason="sold out")
    newest = act(rows=[run], reason="the till is back")
    client = world.client_of(MAY)

    html = page(client)

    assert shown(client)[0] == newest.pk
    assert "Run: Retry" in html
    assert "the till is back" in html
    assert f'href="{world.page_of(run)}"' in html


def test_an_act_that_has_ended_is_one_row_with_its_outcome_its_whole_reason_and_a_link() -> None:
    world.run(RunState.DEAD)
    reason = "the unit jin was added to the table of units by the supplier of the kitchen " * 6
    user = bulk_world.operator("mei")
    action = bulk_world.act_on_all(user, reason=reason.strip())
    client = world.client_of(MAY, "view_bulkaction", "retry_taskrun", name="viewer")

    (begun,) = shown(client)
    assert "begun</span>" in page(client)
    bulk_world.finish(action)
    (ended,) = shown(client)

    assert ended > begun
    html = page(client)
    assert "done</span>" in html
    assert reason.strip() in html
    assert f'href="{world.page_of(action)}"' in html
    of_end = client.get(world.page_of(AuditEntry.objects.get(pk=ended))).content.decode()
    assert world.page_of(AuditEntry.objects.get(pk=begun)) in of_end
    assert shown(client, outcome="begun") == []
    assert shown(client, q=f"bulkaction {action.pk}") == [ended]


def test_rows_that_are_gone_or_hidden_are_named_without_a_link() -> None:
    run, other = world.run(), world.run(task_id="t2", store=world.store("S2"))
    act(rows=[run], store="S1")
    act(rows=[other], store="S1")  # as a row that moved to another store
    gone = run.pk
    run.delete()
    client = world.client_of(MAY, stores=[world.store("S1")])

    html = page(client)

    assert f"run {gone}" in html
    assert f"run {other.pk}" in html
    assert world.page_of(other) not in html


def test_many_rows_are_counted_and_the_page_of_the_entry_names_them() -> None:
    runs = [world.run(task_id=f"task-{number}") for number in range(5)]
    entry = act(rows=runs)
    client = world.client_of(MAY)

    assert "and 3 more" in page(client)
    html = client.get(world.page_of(entry)).content.decode()
    assert all(run.task_id in html for run in runs)


def test_the_page_of_an_entry_has_all_that_is_known_of_it() -> None:
    entry = act(
        "run.retry",
        query={"state": "dead", "error": "<b>refused</b>"},
        reason="why not",
        count=4711,
        details={"changes": ["state: dead → pending (retry)"], "given": ["neural.retry_taskrun"]},
        source=AuditSource.COMMAND,
    )

    html = world.client_of(MAY).get(world.page_of(entry)).content.decode()

    for text in ("why not", "4,711", "state=dead", "command", "run.retry", "neural.retry_taskrun"):
        assert text in html
    assert "error=&lt;b&gt;refused" in html


def test_an_entry_is_neither_added_nor_changed_nor_deleted_here() -> None:
    entry, client = act(), world.superuser()
    before = list(AuditEntry.objects.values_list())

    for name in ("add", "change", "delete"):
        keys = [] if name == "add" else [entry.pk]
        address = reverse(f"admin:neural_auditentry_{name}", args=keys)
        assert client.post(address, {"actor": "x", "post": "yes"}).status_code == 403

    assert list(AuditEntry.objects.exclude(outcome="refused").values_list()) == before


FILTERED = {
    "actor": "lee",
    "action": "run.retry",
    "source": "admin",
    "store": "S1",
    "outcome": "done",
    "days": "1",
}


@pytest.mark.parametrize("name", [each for each in FILTERED if each != "days"])
def test_a_filter_shows_the_entries_that_have_its_value(name: str) -> None:
    world.store("S1")
    mine = act(store="S1")
    act("run.discard", by="kim", source=AuditSource.API, outcome=AuditOutcome.REFUSED)

    assert shown(world.client_of(MAY), **{name: FILTERED[name]}) == [mine.pk]


def test_all_filters_together_and_a_period_show_what_fits_them_all() -> None:
    world.store("S1")
    mine = act(store="S1")
    act()
    client = world.client_of(MAY)

    assert shown(client, **FILTERED) == [mine.pk]
    assert shown(client, days="nonsense") == []


@pytest.mark.parametrize(
    "term", ["lee", "run {pk}", "neural.taskrun {pk}", "neural.TaskRun #{pk}", "t1", "TILL is"]
)
def test_the_search_finds_by_who_by_a_row_and_by_words_of_the_reason(term: str) -> None:
    run = world.run(RunState.DEAD)
    mine = act(rows=[run], reason="the till is back")
    act("run.discard", by="kim", rows=[world.run(task_id="t2")], reason="closed")
    client = world.client_of(MAY)

    assert shown(client, q=term.format(pk=run.pk)) == [mine.pk]


@pytest.mark.parametrize("term", ["nobody", "run x", "run 0", "nosuch 5", "%", "'", "x" * 3000])
def test_a_search_that_finds_nothing_shows_nothing(term: str) -> None:
    act(reason="the till is back")

    assert shown(world.client_of(MAY), q=term) == []


def test_pages_follow_each_other_without_a_gap_while_entries_arrive() -> None:
    entries = [act(by=f"p{number}").pk for number in range(120)][::-1]
    client = world.client_of(MAY)

    first = shown(client)
    act()
    second = shown(client, before=first[-1])
    third = shown(client, before=second[-1])

    assert first + second + third == entries


def test_words_of_the_reason_are_looked_for_among_the_next_entries_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 60)
    wanted = act(reason="needle")
    for number in range(130):
        act(by=f"p{number}")
    client = world.client_of(MAY)

    html = page(client, q="needle")

    assert "Only the next 60 rows were looked at" in html
    places = []
    while older := re.search(r'href="\?([^"]*before=(\d+)[^"]*)" rel="next"', html):
        places.append(int(older[2]))
        html = page(client, q="needle", before=older[2])
    assert len(places) == 2
    assert world.page_of(wanted) in html


def test_before_the_chosen_period_there_is_nothing_to_go_on_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 60)
    record_at = timezone.now() - dt.timedelta(days=3)
    for number in range(70):
        AuditEntry.objects.create(at=record_at, actor=f"p{number}", action="x.y", source="admin")
    mine = act()
    client = world.client_of(MAY)

    html = page(client, days="1", source="admin")

    assert shown(client, days="1", source="admin") == [mine.pk]
    assert 'rel="next"' not in html


def test_users_of_some_stores_see_the_entries_of_these_stores_alone() -> None:
    mine, other = world.store("S1"), world.store("S2")
    here = act(rows=[world.run(store=mine)])
    there = act(rows=[world.run(task_id="t2", store=other)])
    chain = act("queue.pause")
    client = world.client_of(MAY, stores=[mine])

    assert shown(client) == [here.pk]
    for entry in (there, chain):
        assert client.get(world.page_of(entry)).status_code == 302


def test_without_the_permission_nobody_sees_list_entry_tab_or_panel() -> None:
    run = world.run(RunState.DEAD)
    entry = act(rows=[run], reason="the till is back")
    client = world.client_of()

    assert client.get(world.list_of("auditentry")).status_code == 403
    assert client.get(world.page_of(entry)).status_code == 403
    html = client.get(world.page_of(run)).content.decode()
    assert "the till is back" not in html
    assert world.list_of("auditentry") not in html


def test_a_rows_page_shows_what_people_did_to_it_and_to_no_other() -> None:
    store, other, third = world.store("S1"), world.store("S2"), world.store("S3")
    act("store.change", rows=[store], reason="the <i>till</i> is back")
    act("store.change", rows=[other], reason="closed")
    client = world.client_of(MAY)

    html = client.get(world.page_of(store)).content.decode()

    assert "What people did" in html
    assert "the &lt;i&gt;till&lt;/i&gt; is back" in html
    assert "closed" not in html
    assert "What people did" not in client.get(world.page_of(third)).content.decode()


def test_the_page_of_a_run_has_them_in_its_course_alone() -> None:
    run = world.run(RunState.DEAD)
    act(rows=[run], reason="the till is back")

    html = world.client_of(MAY).get(world.page_of(run)).content.decode()

    assert html.count("the till is back") == 1


@pytest.mark.parametrize("model", WITH_PAGES, ids=str)
def test_the_page_of_every_kind_of_row_shows_what_people_did_to_it(model: Any) -> None:
    row = admin_rows.row_of(model)
    if isinstance(row, TaskRun):
        return  # its course has them
    record(action="x.y", by="lee", source=AuditSource.ADMIN, rows=[row], reason="why not")

    answer = world.superuser().get(world.page_of(row))

    assert answer.status_code == 200
    assert 'id="what-people-did"' in answer.content.decode()


def test_of_many_acts_a_rows_page_shows_ten_and_leads_to_all() -> None:
    store = world.store()
    for number in range(12):
        act("store.change", rows=[store], reason=f"reason {number}.")
    client = world.client_of(MAY)

    html = client.get(world.page_of(store)).content.decode()

    assert "reason 11." in html
    assert "reason 1." not in html
    (query,) = re.findall(r'href="[^"]*/auditentry/\?q=([^"]+)"', html)
    assert len(shown(client, q=query.replace("+", " "))) == 12


def test_a_schedules_pages_show_what_people_did_to_it() -> None:
    every = IntervalSchedule.objects.create(every=1, period="days")
    schedule = PeriodicTask.objects.create(name="nightly", task="app.count", interval=every)
    act("schedule.run", rows=[schedule], reason="once more")
    root = world.superuser()

    form = root.get(f"/admin/django_celery_beat/periodictask/{schedule.pk}/change/")
    console = root.get(f"/admin/neural/schedulepolicy/{schedule.pk}/change/")

    assert "once more" in form.content.decode()
    assert "once more" in console.content.decode()


def test_titles_are_of_what_was_done_to_which_kind_of_rows() -> None:
    assert title_of("run.retry") == "Run: Retry"
    assert title_of("user.change") == "User: Change"
    assert title_of("runs.bulk.retry").endswith(": Retry")
    assert title_of("somebody.elses") == "somebody.elses"
    with translation.override("zh-hans"):
        assert "重试" in title_of("run.retry")


def test_a_list_costs_the_same_queries_for_one_entry_as_for_fifty() -> None:
    client = world.client_of(MAY)
    act(rows=[world.run(task_id="first")])
    one = len(world.statements(client, world.list_of("auditentry")))
    for number in range(49):
        act(rows=[world.run(task_id=f"t{number}")])

    many = world.statements(client, world.list_of("auditentry"))

    assert len(many) == one
    assert not [sql for sql in many if "COUNT(" in sql.upper() or "OFFSET" in sql.upper()]


def test_an_entry_outlives_the_run_and_the_user() -> None:
    run = world.run(RunState.DEAD)
    entry = act(rows=[run])
    get_user_model().objects.create_user("lee").delete()
    TaskRun.objects.all().delete()

    assert AuditEntry.objects.get() == entry
