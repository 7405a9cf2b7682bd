"""The look-up in the header: an id that was typed is found, or said not to be."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.urls import path, reverse
from django.utils import timezone

import neural
import neural.admin
from neural.admin.look_up import Answer
from neural.kit.errors import NeuralError
from neural.models import Store
from neural.restaurant.models import Order, Payment
from neural.runs.filters import RunFinder
from tests.unit.admin import admin_world as world
from tests.unit.pages.plans import reading
from tests.unit.retrieval.search_world import FakeSearch, hit

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:neural_look_up")
EVERYTHING = ("view_order", "view_payment", "view_refusedevent")
PHONE = "13812345678"


@pytest.fixture(autouse=True)
def searched(monkeypatch, fake_broker):
    """The search index, which finds nothing unless it is told to; and no broker."""
    fake = FakeSearch(monkeypatch)
    monkeypatch.setattr("neural.retrieval.admin.phones.search", fake.search)
    return fake


def order(number="A-17", *, at="S1", **fields):
    return Order.objects.create(store=world.store(at), key=f"/t/{number}", number=number, **fields)


def payment(reference):
    given = {"kind": "payment", "reference": reference, "occurred_at": timezone.now()}
    return Payment.objects.create(
        store=world.store(), key=reference, amount=1, order=order("A-1"), **given
    )


def refused(event_id="e9", *, at="S1", payload=None):
    payload = payload or {"order_id": "A-17", "lines": "none"}
    neural.submit(type="order.created", store=at, source="till", event_id=event_id, payload=payload)


def asked(client, text, *, page=PAGE, **more):
    return client.get(f"{page}?{urlencode({'q': text, **more})}")


def told(client, text, **options):
    """What the page says, as text."""
    html = asked(client, text, **options).content.decode()
    main = html[html.index('id="content-main"') :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: (order(), "A-17"),
        lambda: (order(), "/t/A-17"),
        lambda: (order(platform_number="#8841"), "#8841"),
        lambda: (payment("P-3"), "P-3"),
        lambda: (world.run(task_id="0197-3a"), "0197-3a"),
        lambda: (row := world.run(task_id="0197-3a"), f"#{row.pk}"),
        lambda: (world.event("e1"), "e1"),
        lambda: (world.store("S7"), "S7"),
        lambda: (world.store("S7"), "S7店"),
    ],
)
def test_who_names_one_row_is_on_its_page(make):
    row, text = make()

    answer = asked(world.superuser(), f" {text} ")

    assert answer.status_code == 302
    assert answer["Location"] == world.page_of(row)


def test_an_order_that_was_refused_is_said_not_to_be_and_its_refused_event_is_named():
    order("A-18", at="S01")
    refused(at="S01")

    page = told(world.superuser(), "A-17 S01")

    assert (
        "No order, payment, run, batch, event or phone A-17 in S01. 1 refused event names it ›"
        in page
    )
    assert "payload.lines: Input should be a valid list" in page
    assert "A-18" not in page


def stated(at="S02", *, lines=(), event_id="e1", **more):
    """An order by its till, with the ticket that the guest has; and its payment."""
    own = {"order_id": "A-17", "till": "1", "day": "2026-12-02", "currency": "CNY"}
    sent = {"store": world.store(at).pk, "source": "till"}
    order = own | {"ticket": "T109", "lines": lines} | more
    neural.submit(type="order.stated", event_id=event_id, payload=order, **sent)
    payment = own | {"payment_id": "P-3", "amount": "1.00"}
    neural.submit(type="payment.stated", event_id=f"{event_id} paid", payload=payment, **sent)
    neural.run_due()
    return Order.objects.filter(store=at, till="1").first()


def listed(client, model, text):
    answer = client.get(reverse(f"admin:{model}_changelist"), {"q": text})
    return list(answer.context["cl"].result_list)


def test_an_order_is_found_by_its_id_its_ticket_and_its_key_wherever_it_is_asked_for():
    order(number="A-18", at="S02")
    row = stated()
    client = world.superuser()

    for text in ("A-17", "T109", "/1/2026-12-02/A-17"):
        assert asked(client, f"{text} S02")["Location"] == world.page_of(row)
        assert listed(client, "neural_restaurant_order", text) == [row]
        assert listed(client, "neural_restaurant_payment", text) == list(row.payments.all())
        events = listed(client, "neural_neuralevent", text)
        assert [each.event_id for each in events] == ["e1 paid", "e1"]
        suggested = asked(client, text, page=reverse("admin:neural_look_up_suggest"))
        assert world.page_of(row) in suggested.content.decode()


def test_a_number_of_one_order_hides_no_other_that_has_it_as_its_id():
    first, second = order(number="A-17", at="S1"), stated()
    client = world.superuser()

    page = asked(client, "A-17").content.decode()

    assert world.page_of(first) in page
    assert world.page_of(second) in page
    assert listed(client, "neural_restaurant_order", "A-17") == [second, first]


def test_an_id_with_a_slash_is_found_as_it_is_typed():
    row = stated(order_id="A/17%")

    assert asked(world.superuser(), "A/17% S02")["Location"] == world.page_of(row)


def test_what_stands_behind_a_slash_within_an_id_is_no_id():
    slashed = Order.objects.create(store=world.store(), key="A/17", number="A/17")
    client = world.superuser()

    assert asked(client, "A/17")["Location"] == world.page_of(slashed)
    assert "No order" in told(client, "17")
    assert listed(client, "neural_restaurant_order", "17") == []


def test_a_list_has_what_an_id_names_and_else_what_belongs_to_the_order_of_that_id():
    stated()
    named = world.event("A-17")
    client = world.superuser()

    assert listed(client, "neural_neuralevent", "A-17") == [named]
    assert len(listed(client, "neural_neuralevent", "T109")) == 2


def test_an_order_that_was_refused_and_corrected_is_found():
    refused(at="S02")
    row = stated(event_id="e2")

    page = told(world.superuser(), "A-17 S02")

    assert "No order" not in page
    assert "1 refused event names it" in page
    assert world.page_of(row) in asked(world.superuser(), "A-17 S02").content.decode()


def test_who_may_see_no_order_is_told_of_its_events_and_payments():
    stated()
    names = ("view_payment", "view_refusedevent")

    page = told(world.client_of(*names), "A-17 S02")

    assert "No payment" not in page
    assert "P-3" in page
    assert "order.stated" in page


def test_of_an_order_of_another_store_nothing_is_found_by_any_way():
    stated()
    client = world.client_of(*EVERYTHING, stores=[world.store("S1")])

    assert "No order, payment" in told(client, "A-17")
    for model in ("neural_restaurant_order", "neural_restaurant_payment", "neural_neuralevent"):
        assert listed(client, model, "A-17") == []


def test_an_id_of_several_stores_is_listed_unless_a_store_stands_beside_it():
    first, second = order(at="S1"), order(at="S2")
    client = world.superuser()

    page = asked(client, "A-17").content.decode()
    within = asked(client, "S2 A-17")

    assert world.page_of(first) in page
    assert world.page_of(second) in page
    assert within["Location"] == world.page_of(second)


def test_an_id_that_is_part_of_another_one_is_not_named_by_it():
    refused(payload={"order_id": "A-170", "lines": "none"})

    page = told(world.superuser(), "A-17")

    assert "store A-17." in page
    assert "names it" not in page


def test_the_beginning_of_a_run_and_a_part_of_a_name_come_behind_what_is_exact():
    run = world.run(task_id="S1-and-more")
    Store.objects.create(code="S1-and")

    answer = asked(world.superuser(), "S1-and")
    page = answer.content.decode()

    assert "1 run begins so" in page
    assert page.index("S1-and</a>") < page.index(world.page_of(run))
    assert "No order" not in page


def test_a_user_finds_rows_of_their_own_stores_and_of_what_they_may_view():
    order(at="S2")
    refused(at="S2")
    mine = world.client_of(*EVERYTHING, stores=[world.store("S1")])
    blind = world.client_of(name="blind")

    assert "No order, payment, run, event or store A-17." in told(mine, "A-17")
    assert "names it" not in told(mine, "A-17")
    # A store that is not theirs is no store to them: both words are the id.
    assert "A-17 S2." in told(mine, "A-17 S2")
    assert "No run, event or store A-17." in told(blind, "A-17")


def test_who_may_look_up_nothing_has_neither_box_nor_page():
    client = world.logged_in(get_user_model().objects.create_user("new", is_staff=True))

    assert asked(client, "A-17").status_code == 403
    assert PAGE not in client.get(reverse("admin:index")).content.decode()


def test_a_phone_finds_the_events_that_name_it_however_it_is_written(searched):
    known = world.event("e1", payload={"guest": {"phone": "+86 138-1234-5678"}, "order_id": "A-17"})
    other = world.event("e2", payload={"guest": {"phone": "13812345679"}})
    order()
    for each in (known, other):
        searched.finds(hit(collection="events", identity=str(each.pk), store="S1"))

    answer = asked(world.superuser(), "138 1234 5678")

    assert answer["Location"] == world.page_of(known)


def test_a_phone_is_looked_for_only_by_who_may_see_it(searched):
    event = world.event("e1", payload={"guest": {"phone": PHONE}})
    searched.finds(hit(collection="events", identity=str(event.pk), store="S1"))
    refused(payload={"phone": PHONE, "lines": "none"})

    page = told(world.client_of(*EVERYTHING), PHONE)

    assert searched.asked == []
    assert "Phones are looked up for those alone who may see personal data." in page
    assert "names it" not in page
    assert PHONE not in page


def test_digits_that_may_be_an_id_or_a_phone_are_looked_for_as_both(searched):
    named = world.event("e1", payload={"order_id": "20261130"})
    searched.finds(hit(collection="events", identity=str(named.pk), store="S1"))

    page = told(world.superuser(), "20261130")

    assert "No order" in page
    assert "1 event names it ›" in page


def test_an_index_that_is_away_is_told_and_the_rest_is_looked_for(searched):
    searched.error = NeuralError("the index is away")
    order(PHONE)

    page = told(world.superuser(), PHONE)

    assert "Not looked for as phone: the index is away" in page
    assert f"{PHONE} · S1" in page


def test_what_belongs_to_an_id_and_cannot_be_asked_is_told_and_the_rest_is_looked_for(monkeypatch):
    def away(user, text, most):
        raise NeuralError("its table is away")

    broken = RunFinder(name="till", label="till", find=away)
    monkeypatch.setattr("neural.events.admin.events.RUN_FINDERS", [broken])

    page = told(world.superuser(), "A-17")

    assert "Not looked for as event: its table is away" in page
    assert "No order, payment, run, batch, phone or store A-17." in page


def test_a_phone_that_no_index_has_yet_is_not_said_to_be_unknown(searched):
    searched.notices = ("events are not in an index yet",)

    page = told(world.superuser(), PHONE)

    assert "Not looked for as phone: events are not in an index yet" in page
    assert f"No order, payment, run, batch, event or store {PHONE}." in page


def test_the_search_page_says_first_whether_the_id_is_known():
    refused(at="S01")

    page = told(
        world.superuser(),
        "A-17",
        page=reverse("admin:neural_retrieval_search_changelist"),
        store="S01",
    )

    assert "A-17 in S01. 1 refused event names it ›" in page


def test_words_to_search_for_are_no_id_that_is_missing():
    page = told(
        world.superuser(), "spicy tofu", page=reverse("admin:neural_retrieval_search_changelist")
    )

    assert "No order" not in page


@pytest.mark.parametrize("text", ["", " ", "\0", "x" * 5000, "#99999999999999999999", "%", "'; --"])
def test_any_text_is_answered(text):
    answer = world.superuser().get(f"{PAGE}?{urlencode({'q': text})}", follow=True)

    assert answer.status_code == 200


def test_words_that_name_nothing_are_searched_for(searched):
    page = reverse("admin:neural_retrieval_search_changelist")

    assert asked(world.superuser(), "spicy tofu").headers["Location"] == f"{page}?q=spicy+tofu"
    assert asked(world.superuser(), "A-17").status_code == 200  # that there is none is the answer
    without = world.client_of(*EVERYTHING)
    assert "spicy tofu" in told(without, "spicy tofu")


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite plans without statistics")
def test_an_id_among_many_is_read_by_its_index_also_by_who_sees_few_stores():
    store = world.store("S1")
    numbers = (f"A-{number}" for number in range(3000))
    Order.objects.bulk_create(Order(store=store, key=each, number=each) for each in numbers)
    world.store("S2")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = world.client_of(*EVERYTHING, stores=[world.store("S2")])

    with reading("neural_order") as rows_read:
        assert "No order" in told(client, "A-17")

    assert rows_read
    assert max(rows_read) < 100


def test_many_rows_are_shown_in_part():
    for number in range(25):
        order(at=f"S{number}")

    page = told(world.superuser(), "A-17")

    assert "There are more: these are the newest 20." in page
    assert page.count("A-17 ·") == 20


# The box


@pytest.mark.parametrize("of", ["index", "auth_user_changelist", "neural_taskrun_changelist"])
def test_the_box_is_in_the_header_of_every_page(of):
    page = world.superuser().get(reverse(f"admin:{of}")).content.decode()

    assert page.count(f'action="{PAGE}"') == 1


@pytest.mark.parametrize(
    ("text", "is_id"),
    [
        *(("A-17", True), ("13800138000", True), ("K3/0061", True), ("tofu", False)),
        *(("12号桌", False), ("S04周二退款", False), ("table 12", False)),
    ],
)
def test_a_text_with_words_is_no_id_of_which_to_say_that_nothing_has_it(text, is_id):
    assert Answer(text).is_id == is_id


office = admin.AdminSite("office")
neural.admin.register(office)
office.register(get_user_model())
bare = admin.AdminSite("bare")


class Sites:
    urlpatterns = [
        path("office/", office.urls),
        path("bare/", bare.urls),
        path("admin/", admin.site.urls),
    ]


def test_the_name_of_a_tab_leads_to_its_page_if_the_user_may_open_it():
    client = world.client_of("view_order", "view_taskrun")

    assert asked(client, " runs ")["Location"] == "/admin/neural/taskrun/"
    assert "alert" not in str(asked(client, "Alerts").headers.get("Location", ""))


def test_its_page_lies_under_search_and_the_search_page_names_itself_once():
    client = world.superuser()

    nothing = asked(client, "K3/0061").text
    search = client.get("/admin/neural_retrieval/search/?q=tofu").text

    for shown in (nothing, search):
        assert 'href="/admin/neural_retrieval/search/" aria-current="page"' in shown
        assert 'class="breadcrumbs"' not in shown


def test_the_box_leads_to_the_page_of_its_own_site(settings):
    settings.ROOT_URLCONF = Sites
    client = world.superuser()
    order()

    own = client.get("/office/auth/user/").content.decode()
    found = asked(client, "A-17", page="/office/neural/refusedevent/look-up/")

    assert own.count('action="/office/neural/refusedevent/look-up/"') == 1
    assert found["Location"].startswith("/office/neural_restaurant/order/")
    assert "look-up" not in client.get("/bare/").content.decode()
