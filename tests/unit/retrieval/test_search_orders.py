"""An order is found by whatever a person at the counter knows of it."""

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

import neural
from neural.models import NeuralEvent
from neural.restaurant import documents
from neural.retrieval.collections.registry import collection_of, document_of
from tests.unit.retrieval.searching import EMBEDDER

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

EVENING = dt.datetime(2025, 11, 25, 11, 30, tzinfo=dt.UTC)

WANTED: dict[str, Any] = {
    "order_id": "17",
    "ticket": "B017",
    "till": "T1",
    "day": "2025-11-25",
    "business_day": "2025-11-25",
    "lines": [{"name": "牛肉面", "quantity": 2, "price": 28, "options": ["宽面"]}],
    "bill": [{"kind": "discount", "amount": 10, "name": "满五十减十", "code": "NOV10"}],
    "total": "46.00",
    "currency": "CNY",
    "channel": "delivery",
    "platform": "meituan",
    "platform_number": "MT-88231907",
    "table": "A12",
    "member": "会员李雷",
    "staff": "王芳",
    "note": "不要香菜",
    "phone_last4": "5678",
}
OTHERS: list[dict[str, Any]] = [
    {
        "order_id": str(number),
        "ticket": f"B{number:03}",
        "till": "T1",
        "day": f"2025-11-{number - 15:02}",
        "business_day": f"2025-11-{number - 15:02}",
        "lines": [{"name": "牛肉面", "quantity": 1, "price": number}],
        "bill": [{"kind": "discount", "amount": 1, "name": "新客立减", "code": f"NEW{number}"}],
        "channel": "dine_in",
        "platform": "eleme",
        "platform_number": f"EL-{number}88",
        "table": f"A{number}",
        "member": "会员韩梅梅",
        "staff": "刘洋",
        "note": "多加辣",
        "phone_last4": f"12{number}",
    }
    for number in range(18, 32)
]
KNOWN = [
    *("B017", "/T1/2025-11-25/17", "table A12", "A12号桌", "A12桌"),
    *("2025-11-25", "11月25日", "46.00", "46", "46元"),
    *("满五十减十", "NOV10", "meituan", "MT-88231907", "88231907"),
    *("会员李雷", "李雷", "王芳", "wangfang", "不要香菜", "香菜", "宽面"),
    *("外卖", "delivery", "5678", "尾号5678"),
]


def state(event_id: str, order: dict[str, Any], store: str = "S1") -> None:
    neural.submit(
        type="order.stated",
        store=store,
        source="till",
        event_id=event_id,
        occurred_at=EVENING,
        payload=order,
    ).or_raise()


def test_an_order_is_found_by_each_thing_that_people_know_of_it():
    with neural.temporary_search_index(embedder=EMBEDDER):
        for number, order in enumerate([*OTHERS, WANTED]):
            state(f"e{number}", order)
        state("elsewhere", WANTED, store="S2")
        neural.run_due()
        found = {text: neural.search(text, "orders", store="S1", top_k=1) for text in KNOWN}
        everywhere = neural.search("MT-88231907", "orders", top_k=2)

    assert {text: [hit.title for hit in hits] for text, hits in found.items()} == {
        text: ["B017"] for text in KNOWN
    }
    assert {hit.store for hits in found.values() for hit in hits} == {"S1"}
    assert {hit.store for hit in everywhere} == {"S1", "S2"}


def test_what_an_order_is_found_by_outlives_the_payload_of_its_event():
    state("e1", WANTED)
    neural.run_due()
    before = the_document()
    NeuralEvent.objects.update(payload=None, pruned_at=timezone.now())

    after = the_document()

    assert (after.id, after.title, after.names) == (before.id, before.title, before.names)
    assert set(after.text.split(" · ")) == set(before.text.split(" · "))


def the_document() -> Any:
    (record,) = collection_of("orders").source.load(["S1//T1/2025-11-25/17"]).values()
    return document_of("orders", record)


def test_the_id_of_an_order_is_its_key_and_its_title_the_number_that_people_see():
    state("e1", WANTED)
    neural.run_due()

    document = the_document()

    assert (document.id, document.title) == ("/T1/2025-11-25/17", "B017")


@pytest.mark.parametrize(
    ("total", "told"), [("46.000", {"46.00", "46"}), ("46.5", {"46.50", "46.5"}), ("0", set())]
)
def test_an_amount_is_told_as_on_the_bill_and_as_it_is_typed(total, told):
    said = documents.order({"id": "1", "lines": ["面"], "total": total}).text.split(" · ")

    assert set(said) - {"面"} == told


def test_the_meaning_of_an_order_is_what_somebody_wrote_alone():
    document = documents.order(
        {"id": "1", "lines": ["面"], "total": "46", "business_day": "2025-11-25", "note": "请快点"}
    )

    assert document.meaning == "请快点"


def test_the_words_of_a_till_about_its_lines_are_not_searched():
    line = {"name": "面", "line_id": "L7", "role": "component", "parent": "L1", "state": "sold"}

    document = documents.order({"id": "1", "lines": [{**line, "quantity": 1}]})

    assert document.text == "面 ×1"


def pay(event_id: str, type: str = "payment.stated", **said: Any) -> None:  # noqa: A002
    neural.submit(
        type=type,
        store="S1",
        source="till",
        event_id=event_id,
        occurred_at=EVENING,
        payload={"order_id": "17", "till": "T1", "day": "2025-11-25", "amount": 46, **said},
    ).or_raise()


def test_an_order_is_found_as_paid_and_as_refunded_when_it_is() -> None:
    with neural.temporary_search_index(embedder=EMBEDDER):
        state("e1", WANTED)
        state("e2", OTHERS[0])
        neural.run_due()
        owed = the_document().facts["payment"]
        pay("p0", payment_id="P0", tender="card", currency="CNY", status="failed")
        pay("p1", payment_id="P1", tender="cash", currency="CNY")
        neural.run_due()
        paid = neural.search("paid", "orders", top_k=1)
        # They sound alike, and say the opposite.
        unpaid = [neural.search(text, "orders") for text in ("unpaid", "未付款")]
        payments = neural.search("unpaid", "events")
        by_card = neural.search("tender:card", "orders")
        in_cash = [neural.search(text, "orders") for text in ("现金", "tender:cash")]
        back = {"refund_id": "R1", "payment_id": "P1", "kind": "return", "currency": "CNY"}
        pay("r1", "refund.stated", **back)
        neural.run_due()
        refunded = neural.search("refunded", "orders", top_k=1)
        misheard = neural.search("退宽", "orders")

    assert owed == "unpaid"
    assert [hit.title for hit in (*paid, *refunded)] == ["B017", "B017"]
    assert [found[0].title for found in unpaid] == ["B018", "B018"]
    assert list(payments) == []
    assert [hit.title for hit in misheard] == ["B017"]
    assert list(by_card) == []
    assert [[hit.title for hit in found] for found in in_cash] == [["B017"], ["B017"]]
    assert the_document().facts["payment"] == "refunded"


def test_records_are_found_by_the_name_of_their_store_also_when_it_is_renamed(admin_client) -> None:
    with neural.temporary_search_index(embedder=EMBEDDER):
        state("e1", WANTED)
        state("e2", WANTED, store="S2")
        neural.run_due()
        rename(admin_client, "S1", "Riverside")
        neural.run_due()
        first = neural.search("Riverside", "orders"), neural.search("riverside", "events")
        rename(admin_client, "S1", "河畔")
        neural.run_due()
        second = neural.search("Riverside", "orders"), neural.search("河畔", "orders")

    assert [[hit.store for hit in hits if hit.why.parts] for hits in first] == [["S1"], ["S1"]]
    assert [[hit.store for hit in hits if hit.why.parts] for hits in second] == [[], ["S1"]]


def rename(client: Any, code: str, name: str) -> None:
    address = reverse("admin:neural_store_change", args=[code])
    form = client.get(address).context["adminform"].form
    given = {key: value for key, value in form.initial.items() if value not in (None, False)}
    answer = client.post(address, {**given, "name": name, "day_ends_at": "00:00"})
    assert answer.status_code == 302
