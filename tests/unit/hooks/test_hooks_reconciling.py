"""What was missed is fetched: platforms are asked for a day, and what is missing is submitted."""

import datetime as dt

import pytest
from django.utils import timezone

import neural
from neural.hooks.incoming import comparing, reconciling
from neural.hooks.models import Reconciliation, ReconciliationState, UnroutedPush
from neural.models import NeuralEvent, RunState, TaskRun
from tests.unit.factories import make_store
from tests.unit.hooks.hooks_world import map_code, source
from tests.unit.hooks.reconciling_world import DAY, NOW, ask, each_world, numbers, orders, work
from tests.unit.platforms import square

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("fake_broker", "reaching_servers_here"),
]


@each_world()
def test_what_no_push_brought_is_submitted_over_all_pages(world, server, till):
    for number in range(1, 24):
        world.add(server, number)

    row = ask(till)

    assert (row.state, row.failures) == (ReconciliationState.DONE, [])
    assert numbers(row) == (23, 0, 23, 0)
    assert orders().count() == 23
    assert set(orders().values_list("store_id", "source")) == {("S1", world.case.name)}
    assert (
        row.asked
        == {"square": 14, "toast": 2, "eleme": 1, "meituan": 2, "keruyun": 2}[world.case.name]
    )


@each_world()
def test_it_is_idempotent_and_safe_beside_pushes(world, server, till):
    made = [world.add(server, number) for number in range(1, 4)]
    world.push(till, made[0])
    work()
    assert orders().count() == 1

    assert numbers(ask(till)) == (3, 1, 2, 0)
    events = NeuralEvent.objects.count()
    assert numbers(ask(till)) == (3, 3, 0, 0)
    world.push(till, made[1])
    work()

    told = set(NeuralEvent.objects.exclude(type="till.pushed").values_list("event_id", flat=True))
    assert orders().count() == (4 if world.case.name == "keruyun" else 3), told
    assert events <= NeuralEvent.objects.count() <= events + 4
    assert not TaskRun.objects.filter(state=RunState.DEAD).exists()


@each_world("square")
def test_a_state_that_is_here_counts_as_here_although_a_newer_one_came_since(world, server, till):
    world.add(server, 1)
    ask(till)
    told = orders().get()
    neural.submit(
        type=told.type,
        store="S1",
        source=told.source,
        event_id=f"{told.event_id.partition(':')[0]}:f",
        payload={**told.payload, "note": "paid since"},
        occurred_at=told.occurred_at + dt.timedelta(minutes=1),
    ).or_raise()

    assert numbers(ask(till)) == (1, 1, 0, 0)


@each_world()
def test_a_day_without_orders_is_asked_and_done(world, server, till):
    row = ask(till)

    assert (row.state, numbers(row)) == (ReconciliationState.DONE, (0, 0, 0, 0))
    assert row.asked
    assert not NeuralEvent.objects.exists()


@each_world()
def test_what_cannot_be_translated_is_kept_and_a_person_can_retry_it(world, server, till):
    world.add(server, 1)
    world.spoil(world.add(server, 2))

    row = ask(till)

    assert numbers(row) == (2, 0, 1, 1)
    (dead,) = TaskRun.objects.filter(state=RunState.DEAD)
    assert dead.handler == "neural.translate_push"
    assert "is not known" in dead.error
    # Asked again, it is still not here; nothing is recorded twice.
    assert numbers(ask(till)) == (2, 1, 0, 1)
    assert NeuralEvent.objects.filter(type="till.pushed").count() == 2


@each_world()
def test_a_platform_that_asks_to_wait_is_not_asked_before(world, server, till):
    world.add(server, 1)
    part = {"eleme": "/api/v1/", "toast": "ordersBulk", "keruyun": "queryList"}
    server.first = [(part.get(world.case.name, "order"), (429, {"Retry-After": "120"}, {}))]

    row = ask(till)

    assert (row.state, row.tries) == (ReconciliationState.ASKING, 0)
    (run,) = TaskRun.objects.filter(task=reconciling.TASK)
    assert (run.state, run.failures) == (RunState.PENDING, 0)
    assert run.available_at > timezone.now() + dt.timedelta(seconds=110)
    work(1)
    row.refresh_from_db()
    assert (row.state, numbers(row)) == (ReconciliationState.DONE, (1, 0, 1, 0))


@each_world()
def test_a_request_that_always_fails_is_reported_with_its_reason(world, server, till):
    server.first = [("/", (500, {}, {}))] * 50

    row = ask(till, hours=1)

    assert row.state == ReconciliationState.FAILED
    (failure,) = row.failures
    assert failure["code"] == ("" if world.case.name == "eleme" else world.code)
    assert failure["reason"].endswith("answered 500")
    assert len(server.asked) == reconciling.MOST_TRIES


@each_world("square")
def test_a_failing_page_leaves_what_came_before_and_the_other_stores(world, server, till):
    map_code(till, "L2", "S2")
    for number in range(1, 5):
        world.add(server, number)
    world.add(server, 9, code="L2")
    server.before = _failing(server, lambda asked: "cursor" in asked.json)
    row = ask(till, hours=1)

    assert row.state == ReconciliationState.FAILED
    assert [each["code"] for each in row.failures] == ["L1"]
    assert numbers(row) == (3, 0, 3, 0)
    assert orders().filter(store="S2").count() == 1


def _failing(server, fails):
    """What makes these requests fail."""

    def before(asked):
        if fails(asked):
            server.first = [("/", (503, {}, {}))]

    return before


@each_world("square")
def test_the_time_of_a_day_is_that_of_the_store(world, server, till):
    shanghai, new_york = "Asia/Shanghai", "America/New_York"
    world.add(server, 1)["updated_at"] = "2026-03-02T16:30:00Z"  # the third, in Shanghai
    world.add(server, 2)["updated_at"] = "2026-03-03T04:30:00Z"  # the second, in New York
    store = make_store("S1")
    for zone, found in ((shanghai, 0), (new_york, 2)):
        store.time_zone = zone
        store.save()
        assert ask(till).found == found


@each_world("square")
def test_payments_and_refunds_of_square_are_found_too(world, server, till):
    world.add(server, 1)
    payment = {**square.PAYMENT, "order_id": "O1", "location_id": "L1"}
    refund = {**square.REFUND, "location_id": "L1"}
    server.rows["payments"] = [{**payment, "updated_at": "2026-03-02T03:00:00Z"}]
    server.rows["refunds"] = [{**refund, "updated_at": "2026-03-02T04:00:00Z"}]

    assert numbers(ask(till)) == (3, 0, 3, 0)

    (refunded,) = orders("refund.stated")
    assert refunded.payload["order_id"] == "O1"
    assert orders("payment.stated").get().payload["payment_id"] == payment["id"]
    assert numbers(ask(till)) == (3, 3, 0, 0)


@each_world("square")
def test_a_refund_whose_payment_is_not_found_does_not_stop_the_others(world, server, till):
    world.add(server, 1)
    refund = {**square.REFUND, "location_id": "L1", "payment_id": "gone"}
    server.rows["refunds"] = [{**refund, "updated_at": "2026-03-02T04:00:00Z"}]

    assert numbers(ask(till)) == (2, 0, 1, 1)
    assert server.refusals == ["NOT_FOUND"] * len(server.refusals)
    server.refusals.clear()


@each_world("meituan")
def test_the_money_of_a_cancelled_order_of_meituan_goes_back(world, server, till):
    world.add(server, 1)["status"] = "9"

    assert numbers(ask(till)) == (2, 0, 2, 0)
    assert orders("refund.stated").get().payload["amount"] == "33"
    assert numbers(ask(till)) == (2, 2, 0, 0)


@each_world("keruyun")
def test_a_refund_in_the_list_of_keruyun_is_of_the_order_that_it_names(world, server, till):
    sale = world.add(server, 1)["data"]["orderBaseVO"]["orderId"]
    base = world.add(server, 2)["data"]["orderBaseVO"]
    base |= {"orderStatus": "REFUND", "relatedOrderId": sale, "orderReceivedAmt": "-500"}

    assert numbers(ask(till)) == (2, 0, 2, 0)
    (refund,) = orders("refund.stated")
    assert (refund.payload["order_id"], refund.payload["amount"]) == (sale, "5")


@each_world("eleme")
def test_a_message_of_an_unknown_shop_of_eleme_waits_for_its_store(world, server, till):
    world.add(server, 1)["shopId"] = 99

    assert numbers(ask(till)) == (1, 0, 0, 1)
    waiting = UnroutedPush.objects.get()
    assert (waiting.store_code, waiting.push_id) == ("99", "request-1")
    map_code(till, "99", "S2")
    work()
    assert orders().get().store_id == "S2"


@each_world("toast", "eleme", "meituan")
@pytest.mark.parametrize("text", ["cut in half \ud83d", "a NUL \0"])
def test_what_no_database_keeps_is_read_as_in_a_push(world, server, till, text):
    world.add(server, 1)["extra"] = text
    world.add(server, 2)

    assert numbers(ask(till)) == (2, 0, 2, 0)
    kept = [str(each.payload) for each in orders("till.pushed")]
    assert sum(f"{text[:-1]}\ufffd" in each for each in kept) == 1


@each_world("toast", "eleme", "meituan")
def test_an_answer_that_is_nested_too_deep_is_reported(world, server, till):
    deep = "x"
    for _ in range(900):
        deep = [deep]
    world.add(server, 1)["extra"] = deep

    row = ask(till, hours=1)

    assert row.state == ReconciliationState.FAILED
    assert row.failures[0]["reason"].endswith("no JSON, or nested too deep")


@each_world("square")
def test_a_page_that_leads_to_itself_ends_the_list_and_not_the_other_stores(world, server, till):
    map_code(till, "L2", "S2")
    world.add(server, 1)
    world.add(server, 9, code="L2")
    whole = server.search
    same = {"orders": server.rows["orders"][:1], "cursor": "same"}
    server.search = lambda asked: same if "L1" in asked.raw else whole(asked)

    row = ask(till)

    assert row.state == ReconciliationState.FAILED
    (failure,) = row.failures
    assert failure["code"] == "L1"
    assert "leads to itself" in failure["reason"]
    assert len([each for each in server.asked_for("search") if "L1" in each.raw]) == 2
    assert set(orders().values_list("store_id", flat=True)) == {"S1", "S2"}


@each_world("square", "toast", "meituan", "keruyun")
def test_a_list_without_an_end_is_not_asked_for_ever(world, server, till, monkeypatch):
    monkeypatch.setattr(reconciling, "MOST_PAGES", 1)
    for number in range(1, 24):
        world.add(server, number)

    row = ask(till)

    assert (row.state, row.asked) == (ReconciliationState.FAILED, 1)
    assert "no end after 1 pages" in row.failures[0]["reason"]
    assert row.submitted == orders().count() > 0


# Killed, and twice at once


@each_world("square", "toast", "keruyun")
def test_one_that_was_killed_goes_on_with_the_page_that_it_had_not_saved(
    world, server, till, monkeypatch
):
    for number in range(1, 24):
        world.add(server, number)
    row = reconciling.request(till, DAY, by="a test")
    lists = {"square": "orders/search", "toast": "ordersBulk", "keruyun": "queryList"}
    part = lists[world.case.name]
    asking = reconciling._Asking(row)
    assert asking.step()
    monkeypatch.setattr(comparing, "record_missing", _killed)
    with pytest.raises(KeyboardInterrupt):
        asking.step()
    monkeypatch.undo()
    assert len(server.asked_for(part)) == 2
    saved = Reconciliation.objects.get(pk=row.pk)
    assert (saved.asked, bool(saved.page)) == (1, True)

    work()

    row.refresh_from_db()
    assert numbers(row) == (23, 0, 23, 0)
    assert orders().count() == 23
    # The page that was not saved is asked for again, and no other.
    assert (
        len(server.asked_for(part)) == 1 + {"square": 12, "toast": 2, "keruyun": 2}[world.case.name]
    )


@each_world("square")
def test_what_a_page_brought_goes_with_the_position_that_was_not_saved(
    world, server, till, monkeypatch
):
    for number in range(1, 6):
        world.add(server, number)
    row = reconciling.request(till, DAY, by="a test")
    monkeypatch.setattr(Reconciliation, "change", _killed)
    with pytest.raises(KeyboardInterrupt):
        reconciling._Asking(row).step()
    monkeypatch.undo()

    assert not orders().exists()
    work()

    row.refresh_from_db()
    assert numbers(row) == (5, 0, 5, 0)  # none counts as here before


def _killed(*args, **changes):
    raise KeyboardInterrupt


@each_world("square")
def test_of_two_at_once_one_gives_way_and_nothing_counts_twice(world, server, till):
    for number in range(1, 6):
        world.add(server, number)
    row = reconciling.request(till, DAY, by="a test")
    first, second = reconciling._Asking(row), reconciling._Asking(_same(row))
    assert first.step()

    assert not second.step()  # it asked for the same page, which the other has saved

    work()
    row.refresh_from_db()
    assert numbers(row) == (5, 0, 5, 0)
    assert orders().count() == 5


def _same(row):
    return Reconciliation.objects.select_related("source").get(pk=row.pk)


@each_world("square")
def test_a_day_that_is_being_asked_is_not_asked_twice(world, server, till):
    first = reconciling.request(till, DAY, by="one")
    second = reconciling.request(till, DAY, by="two")

    assert first.pk == second.pk
    assert TaskRun.objects.filter(task=reconciling.TASK).count() == 1
    work()
    assert reconciling.request(till, DAY, by="three").pk != first.pk


@each_world("square")
def test_a_long_one_works_in_slices(world, server, till):
    for number in range(1, 6):
        world.add(server, number)
    row = reconciling.request(till, DAY, by="a test")
    seconds = iter(range(0, 1000, 20))

    with pytest.raises(neural.Snooze) as snoozed:
        reconciling.reconcile(reconciliation=row.pk, clock=lambda: next(seconds))

    assert snoozed.value.checkpoint["found"] == 2
    work()
    row.refresh_from_db()
    assert row.found == 5


# Every night


@each_world("square")
def test_each_night_asks_for_the_days_before_that_were_not_asked_without_failure(
    world, server, till
):
    assert reconciling.request_nightly(NOW) == {"requested": 3}
    server.before = _failing(server, lambda asked: '"start_at":"2026-03-01' in asked.raw)
    work(1)
    rows = Reconciliation.objects.order_by("pk")
    assert [each.day for each in rows] == [DAY, DAY - dt.timedelta(1), DAY - dt.timedelta(2)]
    assert [each.state for each in rows] == ["done", "failed", "done"]

    server.before = lambda asked: None
    assert reconciling.request_nightly(NOW) == {"requested": 1}
    work(1)
    assert reconciling.request_nightly(NOW) == {"requested": 0}
    assert reconciling.request_nightly(NOW + dt.timedelta(days=1)) == {"requested": 1}


@each_world("eleme")
def test_a_platform_without_days_is_asked_once_a_night(world, server, till):
    assert reconciling.request_nightly(NOW) == {"requested": 1}


@pytest.mark.parametrize("name", ["deliverect", "standard"])
def test_a_platform_that_has_nothing_to_ask_says_so(name):
    made = source(name, platform=name, store="S1")

    with pytest.raises(reconciling.NothingToAsk, match="has no list of orders by day to ask for"):
        reconciling.request(made, DAY, by="a test")
    assert reconciling.request_nightly(NOW) == {"requested": 0}


@each_world("toast")
def test_a_source_that_cannot_be_asked_says_what_is_missing(world, server, till):
    for change, why in (
        ({"credentials": {"secret": "s"}}, "client_id, client_secret"),
        ({"active": False}, "not active"),
    ):
        before = {name: getattr(till, name) for name in change}
        for name, value in change.items():
            setattr(till, name, value)
        assert why in reconciling.why_not(till)
        for name, value in before.items():
            setattr(till, name, value)
    till.store_codes.all().delete()
    assert "codes of its stores" in reconciling.why_not(till)
