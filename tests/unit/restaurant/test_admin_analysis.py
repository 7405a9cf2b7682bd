"""The analysis in the admin: its list, a store's weeks, who may see them, in both languages."""

import re
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import reverse

from neural.restaurant.admin.analysis_display import bars, change
from neural.restaurant.analysis.review import SalesDay, review
from neural.restaurant.models import DemandSummary
from tests.unit.admin import admin_world as world
from tests.unit.restaurant.demand import analyse, day, sell

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
MONDAYS = dict.fromkeys(range(0, 63, 7), 50)
LIST = "demandsummary"


def shop(code: str = "S1", **dishes: dict[int, Any]) -> Any:
    """A store that has been analysed. Without dishes: an unusual ninth Monday of rice."""
    store = world.store(code)
    for dish, sold in (dishes or {"rice": MONDAYS | {56: 200}}).items():
        sell(store, sold, dish)
    analyse(store)
    return store


def weeks_of(code: str = "S1") -> str:
    return reverse("admin:neural_restaurant_demandsummary_store", args=[code])


def shown(client: Any, query: str = "") -> list[DemandSummary]:
    return list(client.get(world.list_of(LIST) + query).context["cl"].result_list)


def text(client: Any, address: str, language: str = "en") -> str:
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


# The list


def test_the_newest_day_is_first_and_in_it_what_is_unusual_and_then_what_sold_most() -> None:
    shop("S1", rice=MONDAYS | {56: 200}, soup=dict.fromkeys(range(0, 63, 7), 300), tea={57: 9})

    found = shown(world.superuser())

    assert [(each.starts_on, each.dish) for each in found[:3]] == [
        (day(57), "tea"),
        (day(56), "rice"),
        (day(56), "soup"),
    ]


def test_days_and_weeks_are_never_in_one_list() -> None:
    shop()
    client = world.superuser()

    assert {each.period for each in shown(client)} == {"day"}
    assert {each.period for each in shown(client, "?period=week")} == {"week"}
    assert {each.period for each in shown(client, "?period=century")} == {"day"}


def test_the_list_is_narrowed_to_stores_unusual_days_best_sellers_and_a_day() -> None:
    shop("S1", **{f"dish{place}": {0: 10 - place} for place in range(5)})
    shop("S2")
    client = world.superuser()

    assert {each.store_id for each in shown(client, "?store=S2")} == {"S2"}
    assert [each.starts_on for each in shown(client, "?unusual=1")] == [day(56)]
    assert [each.rank for each in shown(client, "?best=1&store=S1")] == [1, 2, 3]
    assert {each.starts_on for each in shown(client, "?day=2026-03-09")} == {day(7)}
    assert shown(client, "?day=nonsense") == []


def test_pages_go_on_without_gap_or_overlap_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in ("S1", "S2", "S3"):
        shop(code)
    client, address = world.superuser(), world.list_of(LIST)
    whole = [each.pk for each in shown(client)]
    monkeypatch.setattr(admin.site._registry[DemandSummary], "list_per_page", 4)

    pages = [client.get(address).context["cl"]]
    while pages[-1].older_url:
        pages.append(client.get(address + pages[-1].older_url).context["cl"])

    assert [row.pk for page in pages for row in page.result_list] == whole
    assert len(pages) == 7
    assert pages[0].newer_url is None
    for earlier, later in pairwise(pages):
        back = client.get(address + later.newer_url).context["cl"].result_list
        assert [row.pk for row in back] == [row.pk for row in earlier.result_list]


def test_a_page_beside_a_row_that_is_gone_is_the_first_page() -> None:
    shop()
    client = world.superuser()

    assert shown(client, "?before=987654") == shown(client)


def test_the_index_serves_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("a small table is read whole by PostgreSQL")
    shop()
    edge = shown(world.superuser())[3]
    (sql,) = [
        each
        for each in world.statements(
            world.logged_in(_root()), f"{world.list_of(LIST)}?before={edge.pk}"
        )
        if "ORDER BY" in each and "LIMIT" in each and '"starts_on" <' in each
    ]

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = " ".join(str(row) for row in cursor.fetchall())

    assert "neural_summary_in_order" in plan
    assert "TEMP B-TREE" not in plan


def _root() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username="root")


def test_a_change_has_its_sign_and_per_cent() -> None:
    assert [change(each) for each in (0.1234, -0.08, 0.0, -0.00001, 3.475, None)] == [
        "+12.3%",
        "−8.0%",
        "0.0%",
        "0.0%",
        "+347.5%",
        "-",
    ]


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["unusually high", "usually 50", "+300.0%", "Demand summaries"]),
        ("zh-hans", ["异常偏高", "通常 50", "+300.0%", "需求汇总", "名次"]),
    ],
)
def test_the_list_says_it_in_both_languages(language: str, texts: list[str]) -> None:
    shop()

    page = text(world.superuser(), world.list_of(LIST), language)

    for each in texts:
        assert each in page


# A summary


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["at least 6 median absolute deviations", "+21.2 median absolute deviations"]),
        ("zh-hans", ["至少 6 倍绝对中位差", "+21.2 倍绝对中位差"]),
    ],
)
def test_a_summarys_page_states_the_rule_and_the_figures(language: str, texts: list[str]) -> None:
    shop()

    page = text(world.superuser(), world.page_of(DemandSummary.objects.unusual().get()), language)

    for each in texts:
        assert each in page


def test_a_week_that_is_compared_in_part_says_on_how_many_days() -> None:
    shop("S1", rice={0: 10, 7: 15, 8: 5})

    page = text(world.superuser(), f"{world.list_of(LIST)}?period=week")

    assert "+50.0% <small>1 day compared</small>" in page
    assert "2026-03-09 – 03-15" in page


# A store's weeks


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["Demand of S1", "Portions sold a day", "Best sellers", "unusually high", "Mon"]),
        ("zh-hans", ["S1 的需求", "每日销量", "畅销菜品", "异常偏高", "星期一"]),
    ],
)
def test_a_stores_page_shows_chart_unusual_days_and_weeks(language: str, texts: list[str]) -> None:
    shop()

    page = text(world.superuser(), weeks_of(), language)

    for each in [*texts, "2026-04-27", "+300.0%", "<svg", "neural-marked"]:
        assert each in page
    assert page.count("<rect") == 8


def test_the_weeks_before_and_after_are_one_click_away() -> None:
    shop("S1", rice=dict.fromkeys(range(0, 7 * 20, 7), 10))
    client = world.superuser()

    pages = [client.get(weeks_of()).context["review"]]
    while pages[-1].older:
        pages.append(client.get(f"{weeks_of()}?until={pages[-1].older}").context["review"])

    mondays = [week.monday for page in pages for week in page.weeks]
    assert mondays == [day(7 * number) for number in reversed(range(20))]
    back = client.get(f"{weeks_of()}?until={pages[1].newer}").context["review"]
    assert back.weeks == pages[0].weeks


@pytest.mark.parametrize("until", ["nonsense", "", "9999-12-31"])
def test_an_until_that_says_nothing_shows_the_last_weeks(until: str) -> None:
    shop()

    found = world.superuser().get(f"{weeks_of()}?until={until}").context["review"]

    assert found.weeks[0].monday == day(56)


def test_a_store_of_which_nothing_is_known_says_so() -> None:
    world.store("S9")

    assert "Nothing is known of these weeks." in text(world.superuser(), weeks_of("S9"))


def test_totals_of_a_week_are_compared_on_the_days_known_in_both() -> None:
    store = shop("S1", rice={0: 10, 7: 15, 8: 99}, soup={0: 10, 7: 10})

    found = review(store=store)

    assert found is not None
    assert (found.weeks[0].quantity, found.weeks[0].days) == (124, 2)
    assert (found.weeks[0].compared.change, found.weeks[0].compared.days) == (0.25, 1)
    assert [each.dish for each in found.weeks[0].best_sellers] == ["rice", "soup"]


def test_a_week_that_has_not_ended_has_no_best_sellers_yet() -> None:
    store = shop("S1", rice={0: 10, 7: 15})
    DemandSummary.objects.weeks().filter(starts_on=day(7)).delete()

    assert [len(each.best_sellers) for each in review(store=store).weeks] == [0, 1]
    assert "the week has not ended" in text(world.superuser(), weeks_of())


def test_a_bar_is_as_high_as_its_share_and_a_missing_day_is_a_gap() -> None:
    days = [
        SalesDay(day(0), Decimal(50), []),
        SalesDay(day(1), None, []),
        SalesDay(day(2), Decimal(200), []),
    ]

    drawn = bars(days)

    assert [(each.x, each.y, each.height) for each in drawn] == [
        ("1.0", "75.0", "25.0"),
        ("21.0", "0.0", "100.0"),
    ]


def test_names_from_outside_are_never_markup() -> None:
    store = shop("S1", **{SCRIPT: MONDAYS | {56: 200}})
    DemandSummary.objects.update(name=SCRIPT)
    client = world.superuser()

    for address in (
        world.list_of(LIST),
        weeks_of(store.pk),
        world.page_of(DemandSummary.objects.unusual().get()),
    ):
        assert SCRIPT not in text(client, address)


def test_the_page_takes_as_many_queries_for_many_dishes_as_for_one() -> None:
    shop()
    client = world.superuser()
    one = len(world.statements(client, weeks_of()))
    shop("S2", **{f"dish{number}": MONDAYS | {56: 200} for number in range(9)})

    assert len(world.statements(client, weeks_of("S2"))) == one <= 12


# Who may see it


def test_a_limited_user_sees_the_summaries_and_weeks_of_their_own_stores_alone() -> None:
    shop("S1")
    shop("S2")
    theirs = DemandSummary.objects.filter(store="S2").first()
    client = world.client_of("view_demandsummary", stores=[world.store("S1")])

    assert {each.store_id for each in shown(client)} == {"S1"}
    assert shown(client, "?store=S2") == []
    assert client.get(world.page_of(theirs)).status_code == 302
    assert client.get(weeks_of("S1")).status_code == 200
    assert client.get(weeks_of("S2")).status_code == 404
    assert client.get(weeks_of("none")).status_code == 404


def test_a_place_in_another_stores_rows_tells_nothing() -> None:
    shop("S1")
    shop("S2")
    theirs = DemandSummary.objects.filter(store="S2", period="day").first()
    client = world.client_of("view_demandsummary", stores=[world.store("S1")])

    assert shown(client, f"?before={theirs.pk}") == shown(client)


def test_without_the_permission_nothing_is_shown() -> None:
    shop("S1")
    client = world.client_of(stores=[world.store("S1")])

    assert client.get(world.list_of(LIST)).status_code == 403
    assert client.get(weeks_of("S1")).status_code == 403


def test_nobody_logged_in_is_sent_to_the_login() -> None:
    from django.test import Client

    shop("S1")

    assert Client().get(weeks_of("S1")).status_code == 302
