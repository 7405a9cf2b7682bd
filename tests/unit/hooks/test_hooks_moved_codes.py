"""A code that is given to another store sells no order twice."""

import datetime as dt
import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

import neural
from neural.hooks.incoming import moving
from neural.hooks.incoming.moving import move
from neural.hooks.incoming.recording import record, store_of
from neural.hooks.models import StoreCode, WebhookSource
from neural.hooks.platforms.base import Push
from neural.models import AuditEntry, NeuralEvent, RunState, Store, TaskRun
from neural.restaurant.models import DailyDemand, Order, Payment
from tests.unit.admin.admin_world import client_of, page_of, superuser
from tests.unit.factories import make_store
from tests.unit.hooks.hooks_world import map_code, post, source
from tests.unit.hooks.reconciling_world import DAY, ask, each_world, numbers, orders, work
from tests.unit.hooks.test_hooks_incoming_admin import form
from tests.unit.platforms import square
from tests.unit.platforms.case import Pushed

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("fake_broker", "reaching_servers_here"),
]

NEXT_DAY = DAY + dt.timedelta(days=1)
LONG_AGO = dt.date(2015, 1, 1)


def give(code: StoreCode, store: str, *, since: dt.date | None) -> StoreCode:
    """Give a code to another store, as a person does in the admin."""
    changed = StoreCode.objects.get(pk=code.pk)
    changed.store, changed.since = make_store(store), since
    changed.full_clean()
    changed.save()
    return changed


def code_of(till: WebhookSource) -> StoreCode:
    return StoreCode.objects.get(source=till)


def told_by(world: Any, order: Any) -> Push:
    pushed = Pushed(name="", document="", body=world.body(order), expect=())
    read = world.case.platform.read(world.case.request(pushed, dt.datetime.now(dt.UTC)))
    assert read is not None
    return read


def stores() -> list[str]:
    """The stores of the orders that count."""
    return sorted(Order.objects.filter(state="placed").values_list("store_id", flat=True))


# Known in every store of the source


@each_world()
def test_what_one_store_has_is_not_missed_by_the_store_that_has_the_code_now(world, server, till):
    made = [world.add(server, number) for number in (1, 2)]
    ask(till)
    give(code_of(till), "S2", since=NEXT_DAY)
    world.add(server, 3)

    row = ask(till)

    assert numbers(row) == (3, 2, 1, 0)
    assert numbers(ask(till)) == (3, 3, 0, 0)
    assert set(orders().values_list("store_id", flat=True)) == {"S1"}, made


@each_world()
def test_nor_is_it_if_the_code_was_another_stores_already(world, server, till):
    for number in (1, 2):
        world.add(server, number)
    ask(till)
    give(code_of(till), "S2", since=LONG_AGO)

    assert numbers(ask(till)) == (2, 2, 0, 0)
    world.add(server, 3)
    assert numbers(ask(till)) == (3, 2, 1, 0)
    assert sorted(orders().values_list("store_id", flat=True)) == ["S1", "S1", "S2"]


@each_world()
def test_a_push_of_an_order_goes_to_the_store_that_has_it(world, server, till):
    order = world.add(server, 1)
    ask(till)
    give(code_of(till), "S2", since=LONG_AGO)

    record(till, told_by(world, order), store="S2")
    work()

    assert set(orders().values_list("store_id", flat=True)) == {"S1"}
    run = TaskRun.objects.filter(handler="neural.translate_push", store="S2").get()
    assert run.state == RunState.SUCCEEDED
    assert "S1" not in f"{run.result} {run.error}"  # a user of S2 sees this run


@each_world("square")
def test_its_payment_and_its_refund_go_there_too(world, server, till):
    world.add(server, 1)
    ask(till)
    give(code_of(till), "S2", since=DAY)
    payment = {**square.PAYMENT, "order_id": "O1", "location_id": "L1"}
    server.rows["payments"] = [{**payment, "updated_at": "2026-03-02T13:00:00Z"}]
    refund = {**square.REFUND, "location_id": "L1"}
    server.rows["refunds"] = [{**refund, "updated_at": "2026-03-02T14:00:00Z"}]

    assert numbers(ask(till)) == (3, 1, 2, 0)

    assert set(Payment.objects.values_list("store_id", flat=True)) == {"S1"}
    assert Payment.objects.count() == 2
    assert stores() == ["S1"]
    assert numbers(ask(till)) == (3, 3, 0, 0)


@each_world("square")
def test_what_came_another_way_under_the_sources_name_is_not_the_webhooks(world, server, till):
    """Two stores, one source name, one number: two orders, whoever submits first."""
    world.add(server, 1)
    ask(till)
    (told,) = orders()
    for store, by in (("S2", "API key till"), ("S3", "")):
        make_store(store)
        answer = neural.submit(
            type=told.type,
            store=store,
            source=told.source,
            event_id=told.event_id,
            payload=told.payload,
            occurred_at=told.occurred_at,
            requested_by=by,
        )
        assert answer.is_new
    work()
    assert stores() == ["S1", "S2", "S3"]

    world.add(server, 2)
    (other,) = [each for each in server.rows["orders"] if each["id"] == "O2"]
    forged = {**told.payload, "order_id": other["id"]}
    neural.submit(
        type=told.type,
        store="S2",
        source=told.source,
        event_id="O2:1",
        payload=forged,
        requested_by="API key till",
    ).or_raise()
    pushed = {"vendor": "square", "headers": {}, "body": world.body(other)}
    neural.submit(
        type="till.pushed", store="S3", source=told.source, event_id="by-hand", payload=pushed
    ).or_raise()
    assert numbers(ask(till)) == (2, 1, 1, 0)
    theirs = orders().filter(event_id__startswith="O2:").exclude(event_id="O2:1")
    assert [each.store_id for each in theirs] == ["S1"]


@each_world("square")
def test_nor_is_it_once_its_runs_are_deleted(world, server, till):
    """The event of a key of the API alone, of a store to which the source never led."""
    world.add(server, 1)
    make_store("S3")
    neural.submit(
        type="order.stated",
        store="S3",
        source="square",
        event_id="O1:1",
        payload={"order_id": "O1", "lines": []},
        requested_by="API key till",
    ).or_raise()
    TaskRun.objects.all().delete()

    ask(till)
    TaskRun.objects.all().delete()
    give(code_of(till), "S2", since=LONG_AGO)

    assert stores() == ["S1"]
    assert numbers(ask(till)) == (1, 1, 0, 0)


@each_world("square")
def test_an_order_belongs_by_its_own_time_whenever_it_is_pushed(world, server, till):
    order = world.add(server, 1)
    give(code_of(till), "S2", since=NEXT_DAY)

    record(till, told_by(world, order), store="S2")
    work()

    assert set(orders().values_list("store_id", flat=True)) == {"S1"}


@each_world("square")
def test_the_push_itself_is_the_store_of_its_code_and_tells_no_other_store(world, server, till):
    order = world.add(server, 1)
    ask(till)
    give(code_of(till), "S2", since=LONG_AGO)
    told = told_by(world, order)

    record(till, told, store=store_of(till, told))
    work()

    pushed = NeuralEvent.objects.filter(type="till.pushed", store="S2").get()
    assert pushed.payload["body"] == told.body
    assert "S1" not in f"{pushed.payload}"


def test_ids_of_a_platform_that_are_unique_in_their_store_alone_are_not_matched():
    made = source("pos", platform="standard", credentials=source().credentials)
    for code, store in (("1", "S1"), ("2", "S2")):
        map_code(made, code, store)
    order = {"order_id": "17", "lines": [{"dish": "tea", "quantity": 1, "price": "2"}]}
    for code in ("1", "2"):
        body = {"type": "order.stated", "event_id": f"17:{code}", "store": code, "data": order}
        assert post(body, f"p{code}", name="pos").status_code < 300
    work()

    assert stores() == ["S1", "S2"]


# From which day


@each_world("square")
def test_another_store_is_asked_from_which_day(world, server, till):
    code = code_of(till)
    with pytest.raises(ValidationError) as refused:
        give(code, "S2", since=None)
    assert list(refused.value.message_dict) == ["since"]
    assert "S1" not in str(refused.value)

    changed = give(code, "S2", since=DAY)
    assert (changed.former_id, changed.since) == ("S1", DAY)
    with pytest.raises(ValidationError):
        give(changed, "S3", since=DAY)
    assert give(changed, "S2", since=NEXT_DAY).former_id == "S1"
    assert give(changed, "S3", since=DAY).former_id == "S2"


@each_world("square")
def test_both_pages_of_the_admin_ask_it(world, server, till):
    code = code_of(till)
    make_store("S2")
    client = superuser()
    rows = [(code.pk, code.code, "S2")]

    answer = client.post(page_of(till), form(till, *rows))

    assert answer.status_code == 200
    assert "Enter the first business day of the new store." in answer.content.decode()
    assert code_of(till).store_id == "S1"
    given = {"store_codes-0-since": str(DAY)}
    kept = {"credential_api_url": till.credentials["api_url"]}
    assert client.post(page_of(till), form(till, *rows, **given, **kept)).status_code == 302
    code.refresh_from_db()
    assert (code.store_id, code.former_id, code.since) == ("S2", "S1", DAY)

    page = page_of(code)
    fields = {"source": till.pk, "code": "L1", "store": "S1"}
    assert client.post(page, fields).status_code == 200
    assert client.post(page, {**fields, "since": str(NEXT_DAY)}).status_code == 302


@each_world("square")
def test_a_user_of_the_new_store_is_not_told_the_former_one(world, server, till):
    WebhookSource.objects.filter(pk=till.pk).update(store=make_store("S2"))
    code = give(code_of(till), "S2", since=DAY)
    client = client_of("view_webhooksource", "view_storecode", stores=[make_store("S2")])

    for page in (page_of(till), page_of(code)):
        assert not re.search(r"\bS1\b", client.get(page).content.decode())


@each_world("square")
def test_what_happened_before_the_day_is_the_former_stores(world, server, till):
    Store.objects.create(code="S2", time_zone="Asia/Shanghai", day_ends_at=dt.time(4))
    give(code_of(till), "S2", since=NEXT_DAY)

    def at(hour: int) -> str | None:
        moment = dt.datetime(2026, 3, 2, 16, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        return store_of(till, Push(push_id="1", body={}, store_code="L1", occurred_at=moment))

    assert [at(hour) for hour in (-9, 0, 3, 4, 9)] == ["S1", "S1", "S1", "S2", "S2"]
    assert store_of(till, Push(push_id="1", body={}, store_code="L1")) == "S2"
    assert store_of(till, Push(push_id="1", body={}, store_code="L9")) is None


# Moved by a person


@pytest.fixture
def sold(world: Any, server: Any, till: WebhookSource) -> StoreCode:
    """Orders of two days in S1, the first of which is paid; the code is S2's since the second."""
    for number in (1, 2):
        world.add(server, number)
    server.rows["orders"][1]["updated_at"] = "2026-03-03T04:02:00.000Z"
    payment = {**square.PAYMENT, "location_id": "L1", "updated_at": "2026-03-03T05:00:00Z"}
    server.rows["payments"] = [{**payment, "order_id": "O2"}]
    for day in (DAY, NEXT_DAY):
        ask(till, day)
    assert stores() == ["S1", "S1"]
    return give(code_of(till), "S2", since=NEXT_DAY)


def doubled(till: WebhookSource) -> None:
    """The events of all orders in S2 as well, as releases before wrote them."""
    for event in orders() | orders("payment.stated"):
        neural.submit(
            type=event.type,
            store="S2",
            source=event.source,
            event_id=event.event_id,
            payload=event.payload,
            occurred_at=event.occurred_at,
            requested_by=f"webhook {till.name}",
        ).or_raise()
    work()


def money() -> dict[tuple[str, str], tuple[str, Any, Any]]:
    return {
        (order.number, order.store_id): (order.display_status, order.paid, order.counted)
        for order in Order.objects.all()
    }


def demand() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in DailyDemand.objects.all():
        found[row.store_id] = found.get(row.store_id, 0) + (row.quantity or 0)
    return found


@each_world("square")
@pytest.mark.parametrize("twice", [False, True])
def test_orders_are_moved_by_the_day_and_count_once(world, server, till, sold, twice):
    before, each = demand(), Order.objects.get(key="/square/O2")
    if twice:
        doubled(till)
        assert stores() == ["S1", "S1", "S2", "S2"]

    counts = move(sold)
    work()

    assert counts["moved"] == (3 if twice else 2)
    assert counts["refused"] == 0
    assert stores() == ["S1", "S2"]
    assert Order.objects.get(key="/square/O1", state="placed").store_id == "S1"
    moved = Order.objects.get(key="/square/O2", state="placed")
    assert (moved.store_id, moved.paid, moved.total) == ("S2", each.paid, each.total)
    assert not Order.objects.filter(state="cancelled").exclude(balance_is_zero()).exists()
    assert demand() == {"S1": before["S1"] / 2, "S2": before["S1"] / 2}
    gone = Order.objects.get(key="/square/O2", store="S1")
    assert (gone.status, gone.cancel_reason) == ("voided", "moved to another store")
    # It may be repeated, and asked for: nothing more happens.
    events = NeuralEvent.objects.count()
    assert move(sold)["moved"] == 0
    for day in (DAY, NEXT_DAY):
        assert ask(till, day).submitted == 0
    assert NeuralEvent.objects.count() == events


def balance_is_zero() -> Any:
    from django.db.models import Q

    return Q(unsettled=False, paid=0)


@each_world("square")
def test_what_follows_goes_to_the_store_to_which_an_order_was_moved(world, server, till, sold):
    move(sold)
    work()
    order = server.rows["orders"][1]
    order |= {"updated_at": "2026-03-03T08:00:00.000Z", "version": 13, "ticket_name": "18"}

    assert numbers(ask(till, NEXT_DAY))[2:] == (1, 0)

    assert stores() == ["S1", "S2"]
    assert Order.objects.get(key="/square/O2", store="S2").number == "18"
    assert Order.objects.get(key="/square/O2", store="S1").status == "voided"


@each_world("square")
def test_a_move_is_taken_back_when_the_day_is_corrected(world, server, till, sold):
    before = rows_of("S1")
    for since, expected in ((DAY + dt.timedelta(days=9), ["S1", "S1"]), (DAY, ["S2", "S2"])):
        move(sold)
        work()
        sold = give(sold, "S2", since=since)
        move(sold)
        work()
        assert stores() == expected
        if expected == ["S1", "S1"]:
            assert rows_of("S1") == before


def rows_of(store: str) -> Any:
    found = Order.objects.filter(store=store).order_by("key")
    return list(found.values_list("key", "state", "total", "paid", "unsettled", "business_day"))


@each_world("square")
def test_one_that_was_stopped_in_the_middle_is_finished_by_the_next(
    world, server, till, sold, monkeypatch
):
    whole = moving._moved

    def stopped(*args: Any) -> str:
        done = whole(*args)
        if done == "moved":
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(moving, "_moved", stopped)
    with pytest.raises(KeyboardInterrupt):
        move(sold)
    monkeypatch.undo()
    work()
    assert stores() == ["S1", "S2"]

    assert move(sold)["moved"] == 1
    work()

    assert Order.objects.get(key="/square/O2", store="S2").paid
    assert not Order.objects.get(key="/square/O2", store="S1").paid


@each_world("square")
def test_orders_with_digits_that_their_currency_lacks_are_moved_too(world, server, till, sold):
    told = orders().get(event_id__startswith="O2:")
    yen = {**told.payload, "currency": "JPY", "total": "1079.5"}
    NeuralEvent.objects.filter(pk=told.pk).update(payload=yen)

    assert move(sold)["refused"] == 0
    work()

    assert Order.objects.get(key="/square/O2", store="S2").has_odd_digits


@each_world("square")
def test_what_a_refused_event_belongs_to_stays_whole(world, server, till, sold):
    told = orders().get(event_id__startswith="O2:")
    NeuralEvent.objects.filter(pk=told.pk).update(payload=None, pruned_at=told.recorded_at)

    assert move(sold)["refused"] == 1

    work()
    assert not orders().filter(store="S2").exists()
    assert Order.objects.get(key="/square/O2", store="S1").state == "placed"


@each_world("square")
def test_what_is_about_no_order_is_not_moved(world, server, till, sold):
    for number in (1, 2):
        neural.submit(
            type="item.sold_out",
            store="S1",
            source="square",
            event_id=f"tea:{number}",
            payload={"dish": "tea"},
            occurred_at=dt.datetime(2026, 3, 3 + number, tzinfo=dt.UTC),
            requested_by="webhook square",
        ).or_raise()

    assert move(sold)["moved"] == 2


@each_world("square")
def test_orders_of_two_codes_are_not_told_apart(world, server, till, sold):
    map_code(till, "L2", "S1")

    with pytest.raises(CommandError, match="has another code of its source") as refused:
        call_command("move_orders", "--source", "square", "--code", "L1")
    assert refused.value.returncode == 2


@each_world("square")
def test_the_command_counts_first_then_moves_and_is_audited(world, server, till, sold, capsys):
    chosen = ("--source", "square", "--code", "L1")
    events = NeuralEvent.objects.count()

    call_command("move_orders", *chosen, "--dry-run")
    assert NeuralEvent.objects.count() == events
    assert not AuditEntry.objects.exists()
    call_command("move_orders", *chosen, "--by", "lee")

    assert capsys.readouterr().out == "moved 2, refused 0 events\n" * 2
    entry = AuditEntry.objects.standing().get()
    assert (entry.action, entry.actor, entry.count) == ("storecode.move", "lee", 2)
    assert entry.query == {"source": "square", "code": "L1"}
    with pytest.raises(CommandError) as unknown:
        call_command("move_orders", "--source", "square", "--code", "L7")
    assert unknown.value.returncode == 2


@each_world("square")
def test_a_code_that_was_no_other_stores_has_nothing_to_move(world, server, till):
    with pytest.raises(CommandError, match="L1 was no other store's before") as refused:
        call_command("move_orders", "--source", "square", "--code", "L1")
    assert refused.value.returncode == 2
