"""The search page: what was found and why, live, and never another store's rows."""

import datetime as dt
import re
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils.html import escape

from neural.restaurant.models import Order
from neural.retrieval.admin.display import excerpt, highlight
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import SearchCollection, register_collection
from neural.retrieval.stores.base import StoreUnavailable, TableMissing
from tests.unit.admin import admin_world as world
from tests.unit.retrieval.search_world import FakeSearch, hit
from tests.unit.retrieval.searching import forget_collection

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
EVERYTHING = ("view_search", "view_dish", "view_order", "view_shift")


@pytest.fixture
def searched(monkeypatch):
    return FakeSearch(monkeypatch)


def page_of(query=""):
    return reverse("admin:neural_retrieval_search_changelist") + query


def text(client, query="", *, language="en", **headers):
    headers = {"accept-language": language, **headers}
    answer = client.get(page_of(query), headers=headers)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


# What is highlighted


def test_every_occurrence_of_what_matched_is_highlighted_and_the_rest_is_escaped():
    shown = highlight("麻婆豆腐 & <b>豆腐</b>", ["麻婆豆腐", "豆腐"])

    assert shown == "<mark>麻婆豆腐</mark> &amp; &lt;b&gt;<mark>豆腐</mark>&lt;/b&gt;"


def test_what_is_highlighted_is_escaped_too():
    assert highlight(f"a{SCRIPT}b", [SCRIPT]) == (
        "a<mark>&lt;script&gt;alert(1)&lt;/script&gt;</mark>b"
    )


def test_parts_that_overlap_or_touch_are_one_mark():
    assert highlight("宫保鸡丁饭", ["宫保", "保鸡", "鸡丁"]) == "<mark>宫保鸡丁</mark>饭"


def test_an_empty_part_and_one_that_is_not_there_mark_nothing():
    assert highlight("tea", ["", "rice"]) == "tea"


def test_a_short_text_is_shown_whole_and_a_long_one_around_the_longest_part():
    long = "a " * 500 + "宫保鸡丁 " + "b " * 500

    assert excerpt("short rice", ["rice"]) == "short <mark>rice</mark>"
    shown = excerpt(long, ["宫保鸡丁", "a"])
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "<mark>宫保鸡丁</mark>" in shown
    assert len(re.sub("<[^>]+>", "", shown)) < 300


def test_a_long_text_of_which_nothing_matched_is_shown_from_its_beginning():
    assert excerpt("Begin " + "word " * 200, []).startswith("Begin word")


# The page


def test_a_hit_shows_what_matched_and_why(searched):
    searched.finds(
        hit("麻婆豆腐", whole=("麻婆豆腐",), kind="川菜", text="花椒与豆腐", parts=("豆腐",),
            scores={"names": 1.0, "words": 0.5, "meaning": 0.5},
            matched={"names": ("麻婆豆腐",), "words": ("豆腐",)})
    )  # fmt: skip

    page = text(world.superuser(), "?q=麻婆豆腐&collection=dishes")

    for shown in (
        "<mark>麻婆豆腐</mark>",
        "花椒与<mark>豆腐</mark>",
        "<span>Whole name: <strong>麻婆豆腐</strong></span>",
        '<th scope="row">words</th><td>豆腐</td>',
        '<rect class="neural-bar-words" width="25.0"',
        '<span class="neural-score">50 %',
        "<span>Meant alike</span>",
        "2026-03-02 12:05:06",  # in the project's zone
        "川菜",
        "1 hit <",
        'value="麻婆豆腐"',
    ):
        assert shown in page, shown


def test_the_kind_of_a_hit_is_called_as_the_choice_of_kinds_calls_it(searched):
    searched.finds(hit("app.Broken", collection="errors", kind="open"))
    chosen = "?q=broken&collection=errors&kind=open"

    chinese = text(world.superuser(), chosen, language="zh-hans")
    english = text(world.superuser(), chosen)

    assert 'title="只看此类">待处理</a>' in chinese
    assert '<option value="open" selected>待处理</option>' in chinese
    assert 'title="Only these">open</a>' in english


def test_nothing_that_was_found_or_asked_is_taken_for_markup(searched):
    searched.finds(
        hit(SCRIPT, identity=SCRIPT, kind=SCRIPT, names=(SCRIPT,), text=SCRIPT, parts=(SCRIPT,),
            whole=(SCRIPT,))
    )  # fmt: skip
    searched.notices = (SCRIPT,)

    page = text(world.superuser(), f"?q={SCRIPT}&collection=dishes&store={SCRIPT}&since={SCRIPT}")
    live = text(world.superuser(), f"?q={SCRIPT}", **{"hx-request": "true"})

    assert "<script>alert" not in page
    assert "<script>alert" not in live


def test_all_collections_are_searched_at_once_and_shown_each_by_itself(searched):
    searched.finds(hit("Tofu"), hit("A-17", collection="orders", identity="A-17"))

    page = text(world.superuser(), "?q=tofu")

    assert {each["collection"] for each in searched.asked} >= {
        "dishes",
        "orders",
        "staff",
        "events",
    }
    assert "<h2>Dishes</h2>" in page
    assert "<h2>Orders</h2>" in page
    assert "<h2>Events</h2>" not in page


def test_what_was_found_by_meaning_alone_comes_after_what_has_a_word_of_the_question(searched):
    searched.finds(
        hit("Nearest", scores={"meaning": 1.5}),
        hit("A-17", collection="orders", scores={"words": 0.2, "meaning": 0.1}),
    )

    page = text(world.superuser(), "?q=a-17")

    assert page.index("A-17</") < page.index("Nearest")


def test_the_collection_with_the_best_hit_comes_first(searched):
    searched.finds(
        hit("Tofu 17", scores={"number": 0.6}),  # a short number says little
        hit("Reopened", collection="events", scores={"words": 0.9}),
        hit("A-17", collection="orders", scores={"number": 4.0, "words": 0.1}),
    )

    page = text(world.superuser(), "?q=a-17")

    assert page.index("A-17</") < page.index("Reopened</") < page.index("Tofu 17</")


def test_names_that_the_text_says_anyhow_are_not_repeated(searched):
    searched.finds(
        hit("A-1", collection="orders", names=("Rice",), text="Rice ×2"),
        hit("A-2", collection="orders", names=("Rice", *map(str, range(30))), whole=("29",)),
    )

    page = text(world.superuser(), "?q=rice&collection=orders")

    assert page.count("neural-hit-names") == 1
    assert "<li>Rice</li>" in page
    assert "<li><mark>29</mark></li>" in page
    assert "and 19 more" in page


def test_what_is_chosen_is_asked(searched):
    world.store()

    text(
        world.superuser(),
        "?q=+tea+&collection=events&store=S1&since=2026-03-01&until=2026-03-02&kind=order.created",
    )

    asked = searched.asked[0]
    assert asked == {
        "collection": "events",
        "text": "tea",
        "store": "S1",
        "since": dt.date(2026, 3, 1),
        "until": dt.date(2026, 3, 2),  # a day is searched as a whole
        "kind": "order.created",
        "stores": None,
        "top_k": 20,
        "sort": "best",
        "meaning": True,
    }


def test_a_page_is_full_of_hits_and_shows_more_on_demand(searched):
    searched.finds(*(hit(f"Dish {number}", identity=f"D{number}") for number in range(150)))
    client = world.superuser()

    few, all_collections = text(client, "?q=d&collection=dishes"), text(client, "?q=d")
    many = text(client, "?q=d&collection=dishes&top=100")

    assert few.count('<li class="neural-hit-row"') == 20
    assert "top=100" in few
    assert all_collections.count('<li class="neural-hit-row"') == 5
    assert many.count('<li class="neural-hit-row"') == 100
    assert "Show more" not in many


def test_htmx_gets_the_part_that_changes_alone(searched):
    searched.finds(hit("Tofu"))

    part = text(world.superuser(), "?q=tofu", **{"hx-request": "true"})

    assert "<html" not in part
    assert "<mark>" not in part
    assert "Tofu" in part
    assert 'hx-swap-oob="innerHTML:#search-status"' in part


def test_the_page_is_live_with_a_script_of_ours_alone_and_works_without_it(searched):
    page = text(world.superuser())

    assert "neural/vendor/htmx-2.0.11.min.js" in page
    assert 'hx-trigger="input delay:300ms, submit"' in page
    assert 'role="status"' in page
    assert f'method="get" action="{page_of()}"' in page
    assert '"historyCacheSize": 0' in page  # what was found is kept in no browser


def test_types_of_events_can_be_chosen_where_events_are_searched(searched):
    client = world.superuser()

    events, dishes = text(client, "?collection=events"), text(client, "?collection=dishes")

    assert '<option value="order.created">' in events
    assert "order.created" not in dishes


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["What can be searched", "nothing has been indexed yet", "Search for"]),
        ("zh-hans", ["可以搜索什么", "尚未建立索引", "搜索"]),
    ],
)
def test_without_a_question_it_says_what_can_be_searched(searched, language, texts):
    page = text(world.superuser(), language=language)

    assert not searched.asked
    for shown in texts:
        assert shown in page


@pytest.mark.parametrize(
    ("number", "english", "chinese"),
    [
        ("exact", "Exact number: <strong>10001</strong>", "号码完全相同"),
        ("begins", "Number that begins so", "号码开头相同"),
        ("ends", "Number that ends so", "号码结尾相同"),
        ("slip", "One digit differs", "差一位数字"),
    ],
)
def test_how_a_number_is_that_of_the_question_is_said_in_words(searched, number, english, chinese):
    searched.finds(hit(scores={"number": 4}, matched={"number": ("10001",)}, number=number))
    client = world.superuser()

    assert english in text(client, "?q=10001")
    assert chinese in text(client, "?q=10001", language="zh-hans")


def test_what_matched_of_a_record_is_masked_with_it(searched):
    order = Order.objects.create(store=world.store(), key="A-17", number="A-17", state="cancelled")
    searched.finds(
        hit("A-17", collection="orders", identity=order.number, scores={"words": 1},
            matched={"words": ("Zhang Wei",)})
    )  # fmt: skip

    page = text(world.client_of(*EVERYTHING), "?q=zhang&collection=orders")

    assert "<span>Words</span>" in page
    assert "Zhang Wei" not in page


def test_the_newest_stand_first_where_that_is_chosen(searched):
    page = text(world.superuser(), "?q=tofu&collection=dishes&sort=time")

    assert searched.asked[0]["sort"] == "time"
    assert '<option value="time" selected>' in page


def test_hits_do_not_hide_that_what_was_typed_is_in_no_record(searched):
    searched.finds(hit("A refund"))
    searched.missing = ("r99999",)

    page = text(world.superuser(), "?q=refund R-99999")

    assert "No record has R-99999. </strong> 1 hit" in page.replace(".<", ". <")


def test_where_nothing_is_found_it_says_so_and_what_the_same_finds_elsewhere(searched):
    searched.finds(hit("A-17", collection="orders"))

    page = text(world.superuser(), "?q=xyzzy&collection=dishes&since=2026-01-01")

    assert "Nothing found for xyzzy" in page
    wider = "/admin/neural_retrieval/search/?q=xyzzy&amp;collection=orders"
    assert f'Elsewhere there is: <a href="{wider}">orders' in page


def test_where_nothing_is_found_anywhere_there_is_one_sentence(searched):
    page = text(world.superuser(), "?q=xyzzy")

    assert "Nothing found for xyzzy" in page
    assert "nothing fits. Fewer or other words may find it." in page
    assert "Elsewhere" not in page


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (StoreUnavailable("away: /secret/path"), "cannot be reached just now"),
        (TableMissing("gone"), "manage.py rebuild_index"),
    ],
)
def test_an_index_that_is_away_is_a_sentence_and_no_error(searched, error, says):
    searched.error = error

    page = text(world.superuser(), "?q=tofu")

    assert says in page
    assert "/secret/path" not in page
    assert "Nothing found" not in page


def test_what_the_person_should_know_is_said_once(searched):
    searched.notices = ("The index of dishes was made with another model.",)

    assert text(world.superuser(), "?q=tofu").count("made with another model") == 1


def test_the_longest_question_fits_in_an_address_that_a_web_server_reads(searched):
    page = text(world.superuser())
    longest = int(re.search(r'maxlength="(\d+)"', page)[1])
    asked = {
        "collection": "orders",
        "store": "店" * 20,
        "since": "2026-01-01",
        "until": "2026-01-31",
    }

    address = urlencode({"q": "豆" * longest, "kind": "payment.completed", **asked})

    assert len(f"GET /admin/neural_retrieval/search/?{address} HTTP/1.1") < 4094


def test_what_cannot_be_read_is_said_and_left_out(searched):
    page = text(world.superuser(), "?q=tofu&collection=dishes&since=soon&until=0002-01-01")

    assert "soon is no day" in page
    assert searched.asked[0]["since"] is None
    assert searched.asked[0]["until"] == dt.date(1970, 1, 2)


@pytest.mark.parametrize(
    "value", ["%00", "%F0%9F%8D%9C", "'", '"', "a" * 10_000, "%ED%A0%80", "*:*"]
)
def test_whatever_is_asked_there_is_an_answer(searched, value):
    names = ("q", "collection", "store", "since", "until", "kind", "like", "top")

    for name in names:
        text(world.superuser(), f"?q=x&{name}={value}")


# Suggestions while one types


def suggested(client, typed):
    answer = client.get(reverse("admin:neural_look_up_suggest"), {"q": typed})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_what_is_likely_meant_is_suggested_of_all_collections_the_best_first(searched):
    order = Order.objects.create(store=world.store(), key="A-17", number="A-17", state="cancelled")
    searched.finds(
        hit("Croissant", scores={"beginnings": 0.8}),
        hit("A-17", collection="orders", identity="A-17", scores={"number": 4}),
    )

    page = suggested(world.superuser(), "cr")

    assert page.index("A-17</span>") < page.index("Croissant</span>")
    assert f'href="{world.page_of(order)}"' in page
    assert "dishes · S1 · begins like it" in page
    assert 'data-said="2 suggestions"' in page
    assert "/admin/neural_retrieval/search/?q=cr" in page  # the last: the whole search
    assert page.count('role="option"') == 3
    assert not any(each["meaning"] for each in searched.asked)


def test_of_equal_suggestions_the_record_that_is_called_so_is_first(searched):
    why = {"scores": {"words": 1.0}, "parts": ("Latte",), "matched": {"words": ("Latte",)}}
    searched.finds(hit("A-17", collection="orders", **why), hit("Latte", collection="staff", **why))

    page = suggested(world.superuser(), "latte")

    assert page.index("<mark>Latte</mark>") < page.index("A-17</span>")
    assert "orders · S1 · words: Latte" in page


def test_suggestions_say_that_what_was_typed_is_in_no_record(searched):
    searched.finds(hit("A-17", collection="orders"))
    searched.missing = ("a99",)

    assert "No record has A-99." in suggested(world.superuser(), "A-99")


def test_what_an_id_names_is_suggested_before_what_is_like_it(searched):
    run = world.run("dead", handler="h")
    order = Order.objects.create(store=world.store(), key="A-17", number="A-17", state="cancelled")
    searched.finds(hit("A-17", collection="orders", identity="A-17"))
    searched.missing = (str(run.task_id),)

    by_task, by_number = (suggested(world.superuser(), each) for each in (run.task_id, "A-17"))

    assert by_task.index(f'href="{world.page_of(run)}"') < by_task.index("A-17</span>")
    assert "No record has" not in by_task
    assert by_number.count(f'href="{world.page_of(order)}"') == 1
    assert "No record has" not in text(world.superuser(), f"?q={run.task_id}")


def test_suggestions_are_of_ones_own_stores_and_of_what_one_may_see(searched):
    searched.finds(hit("Mine"), hit("Theirs", store="S2"), hit("A-17", collection="orders"))
    client = world.client_of("view_search", "view_dish", stores=[world.store("S1")])

    page = suggested(client, "x1")

    assert "Mine" in page
    assert "Theirs" not in page
    assert "A-17" not in page


def test_suggestions_are_masked_as_the_search_is(searched):
    Order.objects.create(store=world.store(), key="A-17", number="A-17", state="cancelled")
    why = {"scores": {"words": 1.0}, "matched": {"words": ("Zhang Wei",)}}
    searched.finds(hit("A-17", collection="orders", identity="A-17", **why))

    assert "words: Zhang Wei" in suggested(world.superuser(), "zhang")
    masked = suggested(world.client_of(*EVERYTHING), "zhang")
    assert "A-17" in masked
    assert "Zhang Wei" not in masked


@pytest.mark.parametrize("typed", ["", " ", "\0", "%", "'", "<b>", "🍜", "x" * 5000])
def test_whatever_is_typed_nothing_of_it_is_markup(searched, typed):
    page = suggested(world.superuser(), typed)

    assert "<b>" not in page
    assert bool(page.strip()) == bool(typed.strip(" \0"))


def test_suggestions_are_quiet_where_the_index_is_away(searched):
    searched.error = StoreUnavailable("away")

    assert suggested(world.superuser(), "tofu").strip() == ""


def test_the_box_suggests_to_those_alone_who_may_search(searched):
    address = reverse("admin:neural_look_up_suggest")
    index = reverse("admin:index")
    others = world.client_of("view_order", name="kim")

    assert f'data-suggestions="{address}"' in world.superuser().get(index).content.decode()
    assert "data-suggestions" not in others.get(index).content.decode()
    assert others.get(address, {"q": "tofu"}).status_code == 403


# Links


def test_an_event_that_was_found_leads_to_its_page_and_its_runs(searched):
    event = world.event()
    run = world.run(event=event, handler="h")
    searched.finds(hit("order.created e1", collection="events", identity=str(event.pk)))

    page = text(world.superuser(), "?q=e1")

    assert f'href="{world.page_of(event)}"' in page
    assert f'href="{world.page_of(run)}"' in page


@pytest.mark.parametrize("own", ["9" * 30, "٣", "5x", "-1"])
def test_an_event_that_was_ingested_under_any_id_is_shown(searched, own):
    searched.finds(hit("ingested", collection="events", identity=own))

    assert "ingested" in text(world.superuser(), "?q=x&collection=events")


def test_runs_of_all_events_that_were_found_take_one_query(searched, django_assert_max_num_queries):
    for event in world.events(4):
        searched.finds(hit(event.event_id, collection="events", identity=str(event.pk)))
    client = world.superuser()

    sql = world.statements(client, page_of("?q=e&collection=events"))

    of_runs = [each for each in sql if 'FROM "neural_taskrun"' in each]
    assert len([each for each in of_runs if '"event_id" IN' in each]) == 1
    assert len(of_runs) == 2  # the other looks "e" up as the id of a run


def test_who_may_not_see_runs_sees_none_beside_hits(searched):
    event = world.event()
    world.run(event=event, handler="secret.handler")
    searched.finds(hit("e1", collection="events", identity=str(event.pk)))
    client = world.client_of("view_search")
    user = client.get(page_of()).context["user"]
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_taskrun"))

    assert "secret.handler" not in text(client, "?q=e1")


def test_an_order_that_was_found_leads_to_its_page_and_its_events(searched):
    order = Order.objects.create(store=world.store(), key="A-17", number="A-17", state="cancelled")
    searched.finds(hit("A-17", collection="orders", identity="A-17"))

    page = text(world.superuser(), "?q=A-17")

    assert f'href="{world.page_of(order)}"' in page
    assert "?q=A-17&amp;collection=events&amp;store=S1" in page


def test_an_event_that_was_found_leads_to_no_events_of_its_number(searched):
    event = world.event()
    searched.finds(hit("e1", collection="events", identity=str(event.pk)))

    assert "Its events" not in text(world.superuser(), "?q=e1&collection=events")


# Who may search what


def test_the_page_needs_a_permission_of_its_own(searched):
    assert world.client_of("view_dish").get(page_of("?q=x")).status_code == 403
    assert not searched.asked


def test_the_page_stands_among_the_others_for_who_may_search(searched):
    index = reverse("admin:index")

    assert page_of() in world.client_of("view_search").get(index).content.decode()
    assert page_of() not in world.client_of(name="kim").get(index).content.decode()


def test_a_collection_is_there_for_those_alone_who_may_see_its_records(searched):
    searched.finds(hit("Tofu"), hit("A-17", collection="orders"))
    client = world.client_of("view_search", "view_dish")

    page, forbidden = text(client, "?q=x"), text(client, "?q=x&collection=orders")

    assert {each["collection"] for each in searched.asked} == {"dishes", "events", "runs"}
    assert 'value="orders"' not in page
    assert "A-17" not in page + forbidden
    assert "nothing named orders" in forbidden


@pytest.mark.parametrize(
    ("collection", "permission"),
    [("dishes", "view_dish"), ("orders", "view_order"), ("staff", "view_shift")],
)
def test_each_collection_of_ours_needs_the_permission_to_view_its_model(
    searched, collection, permission
):
    text(world.client_of("view_search"), f"?q=x&collection={collection}")
    assert not searched.asked

    text(world.client_of("view_search", permission, name="kim"), f"?q=x&collection={collection}")
    assert searched.asked[0]["collection"] == collection


def test_another_apps_collection_may_name_a_permission_or_none(searched):
    def document(record):
        return Document(id=record["id"], title="x")

    for name, permission in (("open", ""), ("closed", "auth.view_group")):
        register_collection(
            SearchCollection(name=name, label=name, document=document, permission=permission)
        )
    try:
        text(world.client_of("view_search"), "?q=x")
    finally:
        forget_collection("open")
        forget_collection("closed")

    asked = {each["collection"] for each in searched.asked}
    assert "open" in asked
    assert "closed" not in asked


def test_a_user_limited_to_stores_asks_within_their_own(searched):
    mine, theirs = world.store("S1"), world.store("S2")
    searched.finds(hit("Mine"), hit("Theirs", store="S2"))
    client = world.client_of(*EVERYTHING, stores=[mine])

    page = text(client, "?q=x&collection=dishes")

    assert searched.asked[-1]["stores"] == {"S1"}
    assert "Mine" in page
    assert "Theirs" not in page
    assert f'value="{theirs.pk}"' not in page


def test_another_stores_rows_are_reached_by_no_parameter(searched):
    world.store("S2")
    searched.finds(hit("Theirs", store="S2"))
    client = world.client_of(*EVERYTHING, stores=[world.store("S1")])

    for query in ("?q=x&store=S2", "?q=x&collection=dishes&store=S2"):
        page = text(client, query)
        assert "Theirs" not in page, query
    assert not searched.asked
    assert "no store S2 among yours" in text(client, "?q=x&store=S2")


def test_a_store_that_only_a_record_ingested_names_can_be_chosen_by_who_sees_all(searched):
    searched.finds(hit("Wine", store="CELLAR"))

    assert "Wine" in text(world.superuser(), "?q=wine&collection=dishes&store=CELLAR")


def test_a_user_without_any_store_finds_nothing(searched):
    searched.finds(hit("Tofu"))
    client = world.client_of(*EVERYTHING, stores=[world.store()])
    world.store().operators.clear()

    assert "Tofu" not in text(client, "?q=x&collection=dishes")
    assert searched.asked[-1]["stores"] == frozenset()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (StoreUnavailable("away: /secret/path"), "cannot be reached just now"),
        (TableMissing("gone"), "manage.py rebuild_index"),
    ],
)
def test_the_overview_says_what_is_wrong_with_an_index_as_the_answer_does(monkeypatch, error, says):
    def fails(name):
        raise error

    monkeypatch.setattr("neural.retrieval.index.active.active_index", fails)

    page = text(world.superuser())

    assert says in page
    assert "/secret/path" not in page


def test_a_word_that_limits_the_search_can_be_taken_for_a_word(searched):
    searched.finds(hit("A-17", collection="orders"))
    searched.limits = ("昨天", "-spicy")

    english = text(world.superuser(), "?q=昨天+S1+-spicy&collection=orders")
    chinese = text(world.superuser(), "?q=昨天+S1+-spicy&collection=orders", language="zh-hans")

    quoted = {"昨天": '"昨天" S1 -spicy', "-spicy": '昨天 S1 "-spicy"'}
    for word, asked in quoted.items():
        query = escape(urlencode({"q": asked, "collection": "orders"}))
        for page in (english, chinese):
            assert f'?{query}"' in page
            assert f"{word}&nbsp;×</a>" in page
    assert "Limited by" in english
    assert "限定于" in chinese
