"""The pages of batches: how far each is, its dead and slow members first, what follows it."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import chain, chord
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

import neural
from neural.batches import ending
from neural.kit.keyset import bounded
from neural.kit.keyset.walks import Place
from neural.models import (
    AuditEntry,
    AwaitedMember,
    AwaitedState,
    Batch,
    BatchKind,
    BatchState,
    BulkAction,
    RunState,
    TaskRun,
)
from neural.runs import batches
from neural.runs.query import QueryRefused, RunQuery
from neural.runs.selecting import select
from tests.probe import canvas
from tests.probe.tasks import give_back
from tests.unit.admin import admin_world as world
from tests.unit.pages.plans import reading

pytestmark = pytest.mark.django_db

LIST = "/admin/neural/batch/"
RUNS = "/admin/neural/taskrun/"


def batch(name: str = "statements", *, at: str = "", **fields: Any) -> Batch:
    fields.setdefault("state", BatchState.ENDED if fields.get("outcome") else BatchState.CLOSED)
    if fields["state"] == BatchState.ENDED:
        fields.setdefault("ended_at", timezone.now())
    fields.setdefault("kind", BatchKind.BATCH)
    fields.setdefault("batch_id", f"id of {name}")
    return Batch.objects.create(name=name, store=world.store(at) if at else None, **fields)


def member(of: Batch, state: str = RunState.SUCCEEDED, **fields: Any) -> TaskRun:
    fields.setdefault("task_id", f"member {TaskRun.objects.count()}")
    return world.run(state, batch=of, **fields)


def reader(*permissions: str, stores: Any = ()) -> Any:
    return world.client_of("view_batch", *permissions, stores=stores)


def text_of(client: Any, address: str) -> str:
    """What the page shows, as text."""
    content = client.get(address).content.decode()
    main = content[content.index('id="content-main"') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


def listed(client: Any, query: str = "") -> list[str]:
    return [row.name for row in client.get(LIST + query).context["cl"].result_list]


# The list


def test_the_list_shows_the_newest_first_and_how_far_each_is() -> None:
    batch("older", outcome="succeeded", requested_by="anna")
    newer = batch("newer", kind=BatchKind.CHORD)
    for state in (RunState.SUCCEEDED, RunState.SUCCEEDED, RunState.RUNNING, RunState.DEAD):
        member(newer, state)
    AwaitedMember.objects.create(batch_key=newer.batch_id, task_id="plain")
    client = reader()

    assert listed(client) == ["newer", "older"]
    shown = text_of(client, LIST)
    assert "waits for its members succeeded 2 running 1 pending 1 dead 1" in shown
    assert "anna" in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?state=open", ["imports"]),
        ("?state=closed", ["report"]),
        ("?state=ended", ["statements of May"]),
        ("?kind=chord", ["report"]),
        ("?name=OF may", ["statements of May"]),
        ("?store=S2", ["imports"]),
        ("?q=id of report", ["report"]),
        ("?state=open&kind=chord", []),
    ],
)
def test_the_list_is_filtered_by_state_kind_name_and_store(query: str, found: list[str]) -> None:
    batch("statements of May", outcome="failed")
    batch("report", kind=BatchKind.CHORD)
    batch("imports", state=BatchState.OPEN, at="S2")

    assert listed(reader(), query) == found


def test_a_page_of_the_list_counts_by_one_statement_and_only_so_far(monkeypatch: Any) -> None:
    monkeypatch.setattr(batches, "COUNTED", 3)
    monkeypatch.setattr("neural.batches.admin.batches.COUNTED", 3)
    client, statements = reader(), []
    for number in range(2):
        each = batch(f"b{number}")
        for _ in range(4):
            member(each)
        with CaptureQueriesContext(connection) as asked:
            shown = client.get(LIST).content.decode()
        statements.append([row["sql"] for row in asked if "neural_taskrun" in row["sql"]])

    assert [len(each) for each in statements] == [1, 1]
    assert "succeeded 3+" in shown
    assert "<rect" not in shown


def test_a_list_page_reads_no_others_backlog_though_statistics_know_of_none() -> None:
    of = batch()
    done = {"batch": of, "finished_at": timezone.now()}
    TaskRun.objects.bulk_create(_others(150, RunState.SUCCEEDED, **done))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_taskrun" if connection.vendor == "postgresql" else "ANALYZE")
    TaskRun.objects.bulk_create(_others(3000, RunState.PENDING))

    with _reading() as wasted:
        reader().get(LIST)

    assert wasted == [0]


@contextmanager
def _reading() -> Iterator[list[int]]:
    """How many runs each statement looks at without wanting them; on SQLite, how often it walks
    anything but the index of batches."""
    if connection.vendor == "postgresql":
        with reading('"neural_taskrun"') as wasted:
            yield wasted
        return
    found: list[int] = []
    with CaptureQueriesContext(connection) as asked:
        yield found
    of_runs = [row["sql"] for row in asked if '"neural_taskrun"' in row["sql"]]
    found += [_others_walked(each) for each in of_runs if "batch_id" in each]


def _others_walked(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        lines = [row[3] for row in cursor.fetchall()]
    of_runs = [line for line in lines if "neural_taskrun" in line or " U0" in line]
    allowed = ("neural_run_by_batch", "PRIMARY KEY", "neural_awaited")
    return sum(not any(name in line for name in allowed) for line in of_runs)


def _others(count: int, state: str, **fields: Any) -> list[TaskRun]:
    now = timezone.now()
    fields = {"task": "app.count", "queue": "default", "state": state, "started_at": now, **fields}
    return [TaskRun(task_id=f"{state} {number}", **fields) for number in range(count)]


# Who sees which


def test_a_stores_user_sees_the_batches_of_their_stores_alone() -> None:
    mine, other, chains = batch("mine", at="S1"), batch("foreign", at="S2"), batch("chain's")
    client = reader(stores=[world.store("S1")])

    assert listed(client) == ["mine"]
    assert client.get(world.page_of(mine)).status_code == 200
    for each in (other, chains):
        assert client.get(world.page_of(each)).status_code == 302
        assert "foreign" not in text_of(client, f"{RUNS}?batch={each.pk}&period=all")


def test_a_stores_user_sees_no_members_of_other_stores() -> None:
    of = batch(at="S1")
    member(of, RunState.DEAD, store=world.store("S1"), error="mine")
    for state in (RunState.DEAD, RunState.RUNNING):
        member(of, state, store=world.store("S2"), error="theirs")

    shown = text_of(reader(stores=[world.store("S1")]), world.page_of(of))

    assert "mine" in shown
    assert "theirs" not in shown


def test_who_may_not_see_runs_sees_counts_alone() -> None:
    of = batch()
    member(of, RunState.DEAD, error="secret")
    user = get_user_model().objects.create_user("eye", is_staff=True)
    world.logged_in(user)
    client = reader()
    lee = get_user_model().objects.get(username="lee")
    lee.user_permissions.remove(*lee.user_permissions.filter(codename="view_taskrun"))

    shown = text_of(client, world.page_of(of))

    assert "dead 1" in shown
    assert "secret" not in shown


# A batch's page


def test_the_dead_and_the_slow_members_come_first() -> None:
    now = timezone.now()
    of = batch(created_at=now - dt.timedelta(hours=1))
    for state, name, minutes in (
        (RunState.PENDING, "waits", 0),
        (RunState.SUCCEEDED, "done", 5),
        (RunState.RUNNING, "quick", 1),
        (RunState.RUNNING, "slow", 30),
        (RunState.DEAD, "dead", 3),
    ):
        started = now - dt.timedelta(minutes=minutes) if minutes else None
        member(of, state, task_id=name, started_at=started)

    members = reader().get(world.page_of(of)).context["members"]

    assert [each.run.task_id for each in members] == ["dead", "slow", "quick", "waits", "done"]
    slow = members[1]
    assert [bar.kind for bar in slow.bars] == ["wait", "running"]
    assert float(slow.bars[1].width) == pytest.approx(500, abs=5)


def test_a_member_that_has_failed_and_is_retried_is_shown_to_wait() -> None:
    of = batch()
    member(of, RunState.PENDING, failures=1, started_at=timezone.now())

    (shown,) = reader().get(world.page_of(of)).context["members"]

    assert shown.took is None
    assert [bar.kind for bar in shown.bars] == ["wait"]


def test_counts_lead_to_the_members_in_the_list_of_runs() -> None:
    of = batch()
    dead = member(of, RunState.DEAD)
    member(of)
    world.run(RunState.DEAD, task_id="other")
    client = world.superuser()
    content = client.get(world.page_of(of)).content.decode()
    (address,) = re.findall(rf'href="({RUNS}\?[^"]*state=dead[^"]*)"', content)

    page = client.get(address.replace("&amp;", "&"))

    assert page.context["cl"].result_list == [dead]
    (chip,) = (each for each in page.context["page"].chips if each.page)
    assert chip.page.address == world.page_of(of)


def test_plain_members_are_listed_those_that_failed_first() -> None:
    of = batch()
    now = timezone.now()
    for state, ended in ((AwaitedState.OPEN, None), (AwaitedState.FAILED, now)):
        AwaitedMember.objects.create(
            batch_key=of.batch_id, task_id=f"{state} one", state=state, ended_at=ended, error="boom"
        )

    shown = text_of(reader(), world.page_of(of))

    assert shown.index("failed one") < shown.index("open one")


def test_the_page_says_who_started_it_and_what_follows() -> None:
    parent = world.run(RunState.SUCCEEDED, task_id="parent")
    body = world.run(RunState.DEAD, task_id="the body", handler="shop.report")
    signature = {"task": "shop.report", "options": {"task_id": body.task_id}}
    of = batch(options={"body": signature}, requested_by="anna", parent_task_id="parent")
    of_death = batch("other", options={"on_death": {"task": "shop.tell", "options": {}}})
    told = world.run(task_id="told", handler="shop.tell", parent_task_id=of_death.batch_id)
    client = reader()

    content = client.get(world.page_of(of)).content.decode()
    assert f'href="{world.page_of(body)}"' in content
    assert f'href="{world.page_of(parent)}"' in content
    assert "anna" in content
    assert "When one is dead shop.tell Started shop.tell pending" in text_of(
        client, world.page_of(of_death)
    )
    assert "Follows the batch other" in text_of(client, world.page_of(told))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fake_broker")
@pytest.mark.parametrize("bodies", [1, 2])
def test_a_chords_page_leads_to_its_body_and_back(bodies: int) -> None:
    tasks = [canvas.add.s(1) for _ in range(bodies - 1)]
    chord([canvas.add.s(1, 2), canvas.add.s(3, 4)])(
        chain(give_back.s(), *tasks) if tasks else give_back.s()
    )
    neural.run_due()
    of = Batch.objects.get()
    (body,) = TaskRun.objects.filter(task=give_back.name)
    client = reader()

    assert f'href="{world.page_of(body)}"' in client.get(world.page_of(of)).content.decode()
    assert f'href="{world.page_of(of)}"' in client.get(world.page_of(body)).content.decode()
    assert "Takes the results of the batch" in text_of(client, world.page_of(body))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fake_broker")
def test_a_batchs_page_leads_to_its_callbacks_and_back() -> None:
    with neural.batch("night", on_complete=give_back.s(), on_success=canvas.add.si(1, 1)) as filled:
        filled.add(canvas.add.s(1, 2))
    neural.run_due()
    client = reader()

    shown = client.get(world.page_of(filled.row)).content.decode()
    followers = TaskRun.objects.filter(batch=None)
    assert followers.count() == 2
    for run in followers:
        assert f'href="{world.page_of(run)}"' in shown
        assert "Follows the batch night" in text_of(client, world.page_of(run))


def test_the_page_refreshes_until_the_batch_has_ended_rarely_if_it_is_large(
    monkeypatch: Any,
) -> None:
    client = reader()

    of = batch()
    assert 'data-refresh="3"' in client.get(world.page_of(of)).content.decode()
    monkeypatch.setattr("neural.batches.admin.batches.MANY", 1)
    member(of)
    assert 'data-refresh="15"' in client.get(world.page_of(of)).content.decode()
    ended = batch("ended", outcome="succeeded")
    assert "data-refresh" not in client.get(world.page_of(ended)).content.decode()


# Acting


def test_relays_cancel_the_rest_for_who_has_the_permission_and_an_entry_says_so(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(ending, "SLICE", 1)
    of = batch(state=BatchState.OPEN)
    waiting = [member(of, RunState.PENDING) for _ in range(3)]
    works = member(of, RunState.RUNNING)
    client = reader("cancel_batch")

    client.post(world.act_on(of, "cancel"), {"reason": "the wrong month"})

    of.refresh_from_db()
    assert of.outcome == "cancelled"
    assert of.state != BatchState.OPEN
    entry = AuditEntry.objects.get(action="batch.cancel")
    assert (entry.actor, entry.reason, entry.outcome) == ("lee", "the wrong month", "done")
    for _ in range(3):
        ending.ask_all()
    for run, state in [
        *((each, RunState.CANCELLED) for each in waiting),
        (works, RunState.RUNNING),
    ]:
        run.refresh_from_db()
        assert run.state == state


def test_nobody_cancels_without_the_permission_or_what_has_ended() -> None:
    of = batch(state=BatchState.OPEN)
    assert reader().post(world.act_on(of, "cancel")).status_code == 403
    of.refresh_from_db()
    assert of.state == BatchState.OPEN
    ended = batch("ended", outcome="failed")
    assert b"Cancel the rest" not in world.superuser().get(world.page_of(ended)).content


def test_all_dead_members_are_retried_at_once_by_a_bulk_action() -> None:
    of = batch()
    member(of, RunState.DEAD)
    world.run(RunState.DEAD, task_id="other")
    client = world.superuser()
    chosen = {"verb": "retry", "batch": of.pk, "period": "all"}

    preview = client.get("/admin/neural/bulkaction/preview/", chosen)
    assert preview.context["found"]["preview"].fit == 1
    form = {**chosen, "token": preview.context["form"].initial["token"], "reason": "mended"}
    client.post("/admin/neural/bulkaction/preview/", form)

    assert BulkAction.objects.get().expected == 1


# Batches as a filter of runs


def keys_of(of: Batch, **params: str) -> list[int]:
    """The keys of all pages, newest first."""
    query = RunQuery.from_params({"batch": str(of.pk), "period": "all", **params})
    selection, found = select(query, get_user_model()(is_superuser=True)), []
    place = Place()
    while True:
        page = selection.page(place=place, size=3)
        found += page.keys
        if not page.more:
            return found
        place = Place(before=page.stopped_at or page.keys[-1])


@pytest.mark.parametrize("state", ["", "dead", "succeeded"])
def test_pages_of_a_batchs_runs_have_each_member_once(state: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 12)
    of, other = batch(), batch("other")
    made = [
        member(each, RunState.DEAD if number % 3 else RunState.SUCCEEDED)
        for number in range(20)
        for each in (of, other)
    ]

    wanted = [run.pk for run in made if run.batch_id == of.pk and state in ("", run.state)]
    assert keys_of(of, state=state) == sorted(wanted, reverse=True)


def test_a_batchs_runs_are_found_at_once_behind_any_number_of_others() -> None:
    of = batch()
    old = [member(of, RunState.DEAD), member(of)]
    TaskRun.objects.bulk_create(_others(400, RunState.DEAD, finished_at=timezone.now()))

    with _reading() as wasted:
        assert keys_of(of) == [run.pk for run in reversed(old)]

    assert set(wasted) == {0}


def test_what_is_no_number_of_a_batch_is_refused_with_a_sentence() -> None:
    with pytest.raises(QueryRefused, match="is not the number of a batch"):
        RunQuery.from_params({"batch": "²"})


# On other pages


def test_a_runs_page_names_its_batch_and_the_bodys_page_whose_results_it_takes() -> None:
    of = batch()
    run = member(of)
    body = world.run(task_id="the body", options={"header": {"batch": of.pk, "values": True}})
    client = reader()

    link = f'href="{world.page_of(of)}"'
    assert "Member of the batch" in text_of(client, world.page_of(run))
    assert link in client.get(world.page_of(run)).content.decode()
    assert "Takes the results of the batch" in text_of(client, world.page_of(body))
    assert link in client.get(world.page_of(body)).content.decode()


@pytest.mark.parametrize("limited", [True, False])
def test_a_runs_page_names_no_batch_that_the_user_may_not_see(limited: bool) -> None:
    run = member(batch(at="S2"), store=world.store("S1"))
    stores = [world.store("S1")] if limited else ()
    client = world.client_of(*(["view_batch"] if limited else []), stores=stores)

    assert "statements" not in text_of(client, world.page_of(run))


@pytest.mark.parametrize("text", ["id of statements", "statements"])
def test_the_look_up_finds_a_batch_by_its_id_and_by_its_name(text: str) -> None:
    of = batch()

    answer = world.superuser().get(reverse("admin:neural_look_up"), {"q": text})

    assert answer["Location"] == world.page_of(of)
