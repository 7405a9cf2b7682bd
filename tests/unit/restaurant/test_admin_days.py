"""A store's business day in the admin: who may see it, what it says, and the list of closes."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from neural.models import RefusedEvent, Store
from neural.restaurant.admin.amounts import rate
from neural.restaurant.admin.day_display import average, figure, share, signed
from neural.restaurant.models import DayClose, Order
from tests.unit.admin import admin_world as world
from tests.unit.restaurant import business_days as business
from tests.unit.restaurant.business_days import DAY
from tests.unit.restaurant.history import Reporter, at, line

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
MAY = ("view_dayclose", "view_order", "view_payment")
LIST = "dayclose"


@pytest.fixture
def till() -> Reporter:
    return Reporter(business.a_store())


def address(code: str = "S1", day: Any = DAY) -> str:
    return f"{reverse('admin:neural_restaurant_dayclose_day', args=[code])}?day={day}"


def text(client: Any, where: str, language: str = "en") -> str:
    answer = client.get(where, headers={"accept-language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


# Who may see it


def test_who_may_see_closes_orders_and_payments_sees_the_day(till):
    assert world.client_of(*MAY).get(address()).status_code == 200


@pytest.mark.parametrize("lacking", MAY)
def test_who_lacks_one_of_these_permissions_sees_neither_the_day_nor_the_chooser(till, lacking):
    client = world.client_of(*(set(MAY) - {lacking}))

    assert client.get(address()).status_code == 403
    assert client.get(reverse("admin:neural_restaurant_dayclose_choose")).status_code == 403


def links_of_store(client: Any) -> list[str]:
    page = text(client, reverse("admin:neural_store_change", args=["S1"]))
    return re.findall(r'<a href="(/admin/[^"]*(?:/S1/|store=S1)[^"]*)">', page)


@pytest.mark.parametrize("lacking", ["", *MAY])
def test_a_stores_page_leads_to_the_day_who_may_see_it(till, lacking):
    links = links_of_store(world.client_of(*(set(MAY) - {lacking})))

    assert any("/dayclose/day/S1/" in each for each in links) == (not lacking)


@pytest.mark.parametrize("may", [(), MAY, ("view_forecast", "view_demandsummary")])
def test_whoever_follows_a_link_of_a_stores_page_may_open_it(till, may):
    client = world.client_of(*may)

    links = links_of_store(client)

    assert len(links) >= 2
    assert {each: client.get(each).status_code for each in links} == dict.fromkeys(links, 200)


@pytest.mark.parametrize("lacking", ["view_order", "view_payment"])
def test_who_lacks_one_of_these_permissions_sees_closes_as_stated_and_no_way_to_the_day(
    till, lacking
):
    business.report_day(till)
    business.close_day(till)
    client = world.client_of(*(set(MAY) - {lacking}))
    close = DayClose.objects.get()

    queries = "".join(world.statements(client, world.list_of(LIST)))
    shown = [text(client, where) for where in (world.list_of(LIST), world.page_of(close))]

    assert ("neural_order" in queries, "neural_payment" in queries) == (False, False)
    for page in shown:
        assert "2026-03-02" in page
        assert "compared with ours" not in page.lower()
        assert "agrees" not in page
        assert "dayclose/day/" not in page


def test_who_sees_orders_but_no_payments_is_not_led_to_the_day_from_the_list_of_orders(till):
    listed = text(world.client_of("view_dayclose", "view_order"), world.list_of("order"))

    assert "dayclose/day/" not in listed
    assert "dayclose/day/" in text(world.superuser(), world.list_of("order"))


def test_who_may_see_the_day_sees_whether_a_close_agrees(till):
    business.report_day(till)
    business.close_day(till)
    client = world.client_of(*MAY)

    for where in (world.list_of(LIST), world.page_of(DayClose.objects.get())):
        assert f'<a href="{address()}#closes">' in text(client, where)


def test_an_operator_sees_the_days_of_the_own_stores_alone(till):
    other = business.a_store("S2")
    Reporter(other).report("day.closed", at(0), business_day=str(DAY))
    client = world.client_of(*MAY, stores=[other])
    choose = reverse("admin:neural_restaurant_dayclose_choose")

    assert client.get(address("S2")).status_code == 200
    assert client.get(address("S1")).status_code == 404
    assert client.get(f"{choose}?store=S1").status_code == 404
    assert 'value="S2"' in text(client, choose)
    assert 'value="S1"' not in text(client, choose)


def test_failed_runs_and_refused_events_are_shown_to_those_who_may_see_them(till):
    world.run("dead", event=_event(till), store=till.store, handler="h")
    _refused(at(5))

    everything = text(world.client_of(*MAY, "view_refusedevent"), address())
    fewer = text(world.client_of(*MAY, name="kim"), address())

    assert "order.stated dead-17" in everything
    assert "order.stated refused-17" in everything
    assert "refused-17" not in fewer


def _event(till: Reporter, when: dt.datetime | None = None) -> Any:
    recorded = world.event("dead-17", kind="order.stated")
    type(recorded).objects.update(occurred_at=when or at(1))
    return recorded


def _refused(when: dt.datetime, store: str = "S1", number: int = 17) -> None:
    RefusedEvent.objects.create(
        fingerprint=f"{number}",
        store_code=store,
        event_id=f"refused-{number}",
        type="order.stated",
        entry_point="python",
        refused_at=when,
    )


def test_failures_of_other_days_and_stores_explain_nothing(till):
    world.run("dead", event=_event(till, at(24 * 60)), store=till.store, handler="h")
    _refused(at(-24 * 60), number=1)
    _refused(at(0), "S2", number=2)

    shown = world.superuser().get(address()).context

    assert (list(shown["dead_runs"]), list(shown["refused"])) == ([], [])


@pytest.mark.parametrize("state", ["pending", "running"])
def test_while_events_of_the_day_wait_the_page_says_that_figures_will_change(till, state):
    run = world.run(state, event=_event(till), store=till.store, handler="h")
    waits, client = "Events of this day still wait to be handled.", world.client_of(*MAY)

    assert waits in text(client, address())
    assert waits not in text(client, address(day=DAY + dt.timedelta(2)))
    run.delete()
    assert waits not in text(client, address())


# What it says


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_has_the_sum_the_charts_and_the_comparison_in_both_languages(till, language):
    business.report_day(till)
    business.close_day(till)

    shown = text(world.superuser(), address(), language)

    for amount in ("463.00", "20.90", "−0.90", "429.00", "393.00", "85.80", "173.00"):
        assert f">{amount}<" in shown
    assert shown.count("<rect") == 2 + 3  # hours and channels
    assert "A-3" in shown
    assert "A-8" in shown
    assert ("agrees" in shown) == (language == "en")
    assert "style=" not in shown.split("<main", 1)[-1]


@pytest.mark.parametrize(
    ("language", "owed", "overpaid"),
    [("en", "still owed", "paid too much"), ("zh-hans", "未付金额", "多付")],
)
def test_what_is_owed_and_what_was_paid_too_much_are_shown_if_there_is_any(
    till, language, owed, overpaid
):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    one_owes = text(world.superuser(), address(), language)
    business.order(till, "2", at(0), line("rice", 1, "10"))
    business.pay(till, "2", "2", "13.5", at(1))
    another_has_too_much = text(world.superuser(), address(), language)

    assert f"<dt>{owed}</dt><dd>10.00</dd>" in one_owes
    assert f"<dt>{overpaid}</dt>" not in one_owes
    assert f"<dt>{owed}</dt><dd>10.00</dd>" in another_has_too_much
    assert f"<dt>{overpaid}</dt><dd>3.50</dd>" in another_has_too_much


def test_names_from_outside_are_shown_as_text(till):
    business.order(till, "1", at(0), line("rice", 1, "10"), channel="delivery", platform=SCRIPT)
    business.close_day(till, till=SCRIPT, first_ticket=f"{SCRIPT}1", last_ticket=f"{SCRIPT}3")

    shown = text(world.superuser(), address())

    assert SCRIPT not in shown
    assert "&lt;script&gt;" in shown


def test_a_day_without_anything_and_without_a_close_says_so(till):
    shown = text(world.superuser(), address())

    assert "Nothing was sold or paid on this day." in shown
    assert "No till has stated totals of this day" in shown


def test_what_was_not_taken_in_is_said_by_tender_with_its_reason(till):
    for tender in ("cash", "on_account", "stored_value", "points", "voucher", "platform"):
        business.pay(till, "1", tender, "3", at(1), tender=tender)

    shown = text(world.superuser(), address())

    for reason in (
        "on account: not received yet",
        "stored value: received before",
        "points: no money",
        "vouchers: no money on this day",
        "paid to the platform: it pays out later",
        "taken in on this day, without tips",
    ):
        assert f"<dt>{reason}</dt><dd>3.00</dd>" in shown


def test_several_currencies_are_shown_apart_with_their_own_digits(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.order(till, "2", at(0), line("rice", 1, "900"), currency="JPY")
    business.close_day(till, currency="")

    shown = text(world.superuser(), address())

    assert "They are never added up." in shown
    assert ">10.00<" in shown
    assert ">900<" in shown
    assert "They cannot be compared." in shown


def test_tills_that_have_not_closed_are_named(till):
    business.report_day(till)
    business.close_day(till)
    business.order(till, "9", at(0), line("rice", 1, "10"), till="T9")

    assert "have not closed it: T9" in text(world.superuser(), address())


@pytest.mark.parametrize(("name", "said"), [("", "Whole store"), ("T1", "Till T1")])
def test_missing_tickets_are_those_of_a_till_or_of_the_whole_store(till, name, said):
    business.report_day(till)
    business.close_day(till, till=name)

    assert f"<h3>{said} <small>2 tickets are missing" in text(world.superuser(), address())


def test_without_a_day_it_is_none_that_has_not_come_yet(till):
    business.report_day(till)
    business.order(till, "far", timezone.now() + dt.timedelta(days=40), line("rice", 1, "10"))

    assert world.superuser().get(address(day="")).context["summary"].day == DAY


def test_each_number_of_orders_links_to_a_list_of_as_many(till):
    """As far as the list has a filter for them; the page links to the whole day besides."""
    business.report_day(till)
    business.order(till, "odd", at(0), line("rice", 1, "10"), total="11", status="cancelled")
    business.pay(till, "unknown", "p", "7", at(1), tender="cash")
    business.order(till, "tomorrow", at(24 * 60), line("rice", 1, "10"))
    client = world.superuser()

    found = client.get(address()).context["counted"]
    listed = {
        each.label: len(client.get(each.address).context["cl"].result_list)
        for each in found
        if each.address
    }

    assert {each.label: each.count for each in found if each.label in listed} == listed
    whole = client.get(client.get(address()).context["orders_address"]).context["cl"]
    assert len(whole.result_list) == 5 + 1 + 1 + 1


# The day that is shown


def test_without_a_day_it_is_the_newest_one_with_orders(till):
    business.report_day(till)
    client = world.superuser()

    for odd in ("", "nonsense", "0001-01-01", "9999-12-31"):
        assert client.get(address(day=odd)).context["summary"].day == DAY


def test_without_any_order_it_is_the_stores_own_today(till):
    before = till.store.business_day(timezone.now())
    shown = world.superuser().get(address(day="")).context["summary"].day

    assert shown in (before, till.store.business_day(timezone.now()))


def test_there_are_links_to_the_day_before_and_the_day_after(till):
    shown = text(world.superuser(), address())

    assert 'href="?day=2026-03-01" rel="prev"' in shown
    assert 'href="?day=2026-03-03" rel="next"' in shown


def test_the_chooser_leads_to_the_day_of_a_store(till):
    choose = reverse("admin:neural_restaurant_dayclose_choose")

    answer = world.superuser().get(choose, {"store": "S1", "day": "2026-03-02"})

    assert (answer.status_code, answer.url) == (302, address())


@pytest.mark.parametrize("model", ["order", "dayclose"])
def test_the_lists_of_orders_and_of_closes_lead_to_the_chosen_day(till, model):
    listed = f"{world.list_of(model)}?store=S1&day=2026-03-02"
    choose = reverse("admin:neural_restaurant_dayclose_choose")

    shown = text(world.superuser(), listed)

    assert f'href="{choose}?store=S1&amp;day=2026-03-02"' in shown


# The list of closes


def close(code: str, day: dt.date = DAY, **more: Any) -> None:
    till = Reporter(Store.objects.get(code=code))
    till.report(
        "day.closed", at(600), event_id=f"{code} {day} {more}", business_day=str(day), **more
    )


def test_the_list_says_of_each_close_whether_it_agrees(till):
    business.report_day(till)
    business.a_store("S2")
    close("S1", till="T1", sums={"total": "429"}, orders=5)
    close("S1", till="", sums={"total": "428"}, orders=4)
    close("S2", till="", currency="CNY")

    rows = world.superuser().get(world.list_of(LIST)).context["cl"].result_list

    assert [(each.store_id, each.till, each.comparison.agrees) for each in rows] == [
        ("S2", "", None),
        ("S1", "", False),
        ("S1", "T1", True),
    ]
    shown = text(world.superuser(), world.list_of(LIST))
    assert "2 figures differ" in shown
    assert "states nothing to compare" in shown


def test_the_list_asks_no_more_of_the_database_for_more_closes(till):
    client = world.superuser()
    client.get(world.list_of(LIST))  # what is asked once in a process
    close("S1")
    few = len(world.statements(client, world.list_of(LIST)))
    for number in range(1, 9):
        close("S1", DAY + dt.timedelta(days=number), till=f"T{number}")

    assert len(world.statements(client, world.list_of(LIST))) == few


def test_the_list_is_narrowed_to_a_store_and_a_day(till):
    business.a_store("S2")
    close("S1")
    close("S1", DAY + dt.timedelta(days=1))
    close("S2")
    client = world.superuser()

    def listed(query: str) -> list[tuple[str, dt.date]]:
        rows = client.get(world.list_of(LIST) + query).context["cl"].result_list
        return [(each.store_id, each.business_day) for each in rows]

    assert len(listed("")) == 3
    assert len(listed("?store=S1")) == 2
    assert listed("?store=S1&day=2026-03-02") == [("S1", DAY)]


def test_the_page_of_a_close_leads_to_its_day(till):
    close("S1", till="T1", sums={"total": "429"})

    assert f'href="{address()}"' in text(world.superuser(), world.page_of(DayClose.objects.get()))


def test_looking_at_a_day_changes_nothing(till):
    business.report_day(till)
    business.close_day(till)
    before = list(Order.objects.order_by("pk").values())

    text(world.superuser(), address())

    assert list(Order.objects.order_by("pk").values()) == before


# How figures are written


def test_amounts_have_the_digits_of_their_currency_or_more_where_they_have_more():
    assert [figure(Decimal("5"), name) for name in ("CNY", "JPY", "KWD", "")] == [
        "5.00",
        "5",
        "5.000",
        "5.00",
    ]
    assert figure(Decimal("5.125"), "CNY") == "5.125"
    assert figure(Decimal("-1"), "JPY") == "−1"
    assert (figure(3), figure(None)) == ("3", "-")


def test_what_is_added_or_taken_off_has_its_sign():
    amounts = (Decimal("1"), Decimal("-1"), Decimal("0"))

    assert [signed(amount, "JPY") for amount in amounts] == ["+1", "−1", "0"]
    assert [signed(count) for count in (1, -1, 0, None)] == ["+1", "−1", "0", "-"]


def test_an_average_is_rounded():
    assert (average(Decimal("10") / 3, "CNY"), average(None)) == ("3.33", "-")


def test_a_rate_is_in_per_cent_as_it_is_stated():
    stated = (6, 6.0, "6.00", Decimal("100"), "0", "0.06", "0.075", "8.875", Decimal("1E+1"))

    assert [rate(each) for each in stated] == [
        *("6%", "6%", "6%", "100%", "0%", "0.06%", "0.075%", "8.875%", "10%")
    ]
    assert rate(None) == "no rate is stated"


def test_a_rate_is_the_same_on_the_day_and_on_the_receipt(till):
    rates = (6, 6.0, "6.00", "0.06")
    taxes = [{"kind": "tax", "amount": "0.1", "rate": each} for each in rates]
    for number, tax in enumerate(taxes):
        business.order(till, f"{number}", at(0), line("rice", 1, "10"), bill=[tax])
    client = world.superuser()

    receipts = [text(client, world.page_of(each)) for each in Order.objects.order_by("pk")]
    (section,) = client.get(address()).context["sections"]

    found = {rate(each.rate): each.added for each in section.of.taxes}
    assert found == {"0.06%": Decimal("0.1"), "6%": Decimal("0.3")}
    shown = [re.findall(r"<small>(\S+%)</small>", each) for each in receipts]
    assert shown == [["6%"], ["6%"], ["6%"], ["0.06%"]]
    assert all(f">{each}<" in text(client, address()) for each in found)


def test_a_small_share_looks_different_from_none():
    assert [share(Decimal(each), Decimal("1000")) for each in (1, 0, 500)] == [1, 0, 50]
