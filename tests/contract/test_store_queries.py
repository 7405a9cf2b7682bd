"""Every vector store: what is near, what matches, and within what is looked."""

import datetime as dt

import pytest

from neural.retrieval.stores.base import Within
from tests.contract.rows import ANYWHERE, NOON, Table, pointing, row

SECOND = dt.timedelta(seconds=1)
HOSTILE = "' OR 1=1 --"


def test_rows_come_by_cosine_similarity(table: Table) -> None:
    table.upsert(
        row("a/opposite", lead=pointing(-1)),
        row("a/same", lead=pointing(1)),
        row("a/between", lead=pointing(1, 1)),
    )

    found = table.store.nearest(
        table.name, column="lead", vector=pointing(1), within=ANYWHERE, limit=10
    )

    assert [match.key for match in found] == ["a/same", "a/between", "a/opposite"]
    assert [match.score for match in found] == pytest.approx([1, 0.5**0.5, -1], abs=1e-3)


def test_each_vector_column_is_searched_alone_and_rows_without_it_left_out(table: Table) -> None:
    table.upsert(
        row("a/1", lead=pointing(1)), row("a/2", whole=pointing(0, 1)), row("a/3", words=["豆腐"])
    )

    assert table.near(pointing(1)) == ["a/1"]
    assert table.near(pointing(1), column="whole") == ["a/2"]


def test_no_more_rows_are_answered_than_asked_for_and_the_best_of_them(table: Table) -> None:
    table.upsert(
        *(row(f"a/{n}", lead=pointing(1, n), words=["豆腐"] + ["酱"] * n) for n in range(8))
    )

    assert table.near(pointing(1), limit=3) == ["a/0", "a/1", "a/2"]
    assert table.with_any(["豆腐"], limit=2) == ["a/0", "a/1"]


def test_rows_match_by_any_token_and_more_tokens_are_better(table: Table) -> None:
    table.upsert(
        row("a/1", words=["麻婆", "豆腐"]),
        row("a/2", words=["家常", "豆腐"]),
        row("a/3", words=["宫保", "鸡丁"]),
    )

    assert table.with_any(["麻婆", "豆腐"]) == ["a/1", "a/2"]
    assert table.with_any(["鱼香"]) == table.with_any([]) == []


def test_a_rare_token_counts_more_than_a_frequent_one(table: Table) -> None:
    table.upsert(
        *(row(f"a/{n}", words=["豆腐", f"w{n}"]) for n in range(20)),
        row("a/rare", words=["麻婆", "w"]),
    )

    assert table.with_any(["豆腐", "麻婆"])[0] == "a/rare"


def test_a_token_counts_less_in_a_long_row_and_more_where_it_is_repeated(table: Table) -> None:
    filling = [f"w{n}" for n in range(30)]
    table.upsert(
        row("a/long", words=["豆腐", *filling]),
        row("a/short", words=["豆腐"]),
        row("a/repeated", words=["豆腐", "豆腐", "豆腐", *filling[:-2]]),
        *(row(f"a/{n}", words=filling) for n in range(5)),
    )

    found = table.with_any(["豆腐"])

    assert found.index("a/short") < found.index("a/long")
    assert found.index("a/repeated") < found.index("a/long")


def test_each_token_column_is_searched_alone(table: Table) -> None:
    table.upsert(row("a/1", words=["豆腐"]), row("a/2", names_tokens=["豆腐"]))

    assert table.with_any(["豆腐"]) == ["a/1"]
    assert table.with_any(["豆腐"], column="names") == ["a/2"]


@pytest.mark.parametrize(
    "token",
    [
        *(
            "豆",
            "A",
            "AND",
            "NOT",
            '"',
            "'",
            "''",
            "\\",
            "a:b",
            "(",
            "*",
            "+x",
            "~1",
            "a|b&!c",
            "%",
        ),
        *("the", "🍲", "ĉ", "ｶ", "x" * 300, "很长的菜名" * 20, HOSTILE.replace(" ", "_")),
    ],
)
def test_a_token_is_found_as_it_is_and_nothing_in_it_is_an_operator(
    table: Table, token: str
) -> None:
    table.upsert(row("a/1", words=[token]), row("a/2", words=["another"]))

    assert table.with_any([token]) == ["a/1"]
    assert table.with_any([token + "x"]) == table.with_any(["OR"]) == []


def test_tokens_are_neither_folded_nor_stemmed(table: Table) -> None:
    table.upsert(row("a/1", words=["Cafés"]))

    for other in ("cafés", "Cafes", "Café"):
        assert table.with_any([other]) == []


def test_many_tokens_may_be_asked_for_at_once(table: Table) -> None:
    table.upsert(row("a/1", names_tokens=["麻婆豆腐"]))
    asked = [*(f"片段{n}" for n in range(400)), "麻婆豆腐"]

    assert table.with_any(asked, column="names") == ["a/1"]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_query_sees_only_rows_of_its_stores(table: Table, compacted: bool) -> None:
    nearer = [row(f"b/{n}", words=["豆腐"], lead=pointing(1)) for n in range(50)]
    table.upsert(*nearer, row("a/1", words=["豆腐", "酱"], lead=pointing(0, 1)), row("/none"))
    if compacted:
        table.compact()

    only_a = Within.of_stores(["a"])

    assert table.near(pointing(1), only_a, limit=5) == ["a/1"]
    assert table.with_any(["豆腐"], only_a, limit=5) == ["a/1"]
    assert table.keys("a/1", "b/1", "/none", within=only_a) == {"a/1"}
    assert table.count(only_a) == 1
    assert table.count(Within.of_stores(["a", "b"])) == 51
    assert table.count() == 52


def test_who_may_see_no_store_finds_nothing(table: Table) -> None:
    table.upsert(row("a/1", words=["豆腐"], lead=pointing(1)), row("/2", words=["豆腐"]))

    nobody = Within.of_stores([])

    assert table.near(pointing(1), nobody) == table.with_any(["豆腐"], nobody) == []
    assert table.keys("a/1", "/2", within=nobody) == set()
    assert table.count(nobody) == 0


@pytest.mark.parametrize("code", [HOSTILE, "a'b", "\\", "\\'", "店'", '"', "%", "_", "a;--", ""])
def test_a_hostile_store_code_sees_its_own_rows_alone(table: Table, code: str) -> None:
    table.upsert(
        row(f"{code}/1", words=["豆腐"], lead=pointing(1)),
        row("other/1", words=["豆腐"], lead=pointing(1)),
    )

    own = Within.of_stores([code])

    assert table.near(pointing(1), own) == table.with_any(["豆腐"], own) == [f"{code}/1"]
    assert table.count(own) == 1
    assert table.keys(f"{code}/1", "other/1", within=own) == {f"{code}/1"}
    assert table.count(Within.of_stores([f"{code} "])) == 0


def test_a_period_holds_its_beginning_and_not_its_end(table: Table) -> None:
    moments = {"before": -SECOND, "first": 0 * SECOND, "last": SECOND, "end": 2 * SECOND}
    table.upsert(
        *(row(f"a/{name}", at=NOON + since, words=["豆腐"]) for name, since in moments.items()),
        row("a/never", at=None, words=["豆腐"]),
    )

    period = Within(stores=None, since=NOON, until=NOON + 2 * SECOND)

    assert set(table.with_any(["豆腐"], period)) == {"a/first", "a/last"}
    assert table.count(Within(stores=None, since=NOON)) == 3
    assert table.count(Within(stores=None, until=NOON)) == 1
    assert table.count(Within(stores=None, since=NOON + dt.timedelta(microseconds=1))) == 2


def test_store_kind_and_period_narrow_a_query_together(table: Table) -> None:
    table.upsert(
        row("a/1", lead=pointing(1), words=["豆腐"]),
        row("b/1", lead=pointing(1), words=["豆腐"]),
        row("a/2", lead=pointing(1), words=["豆腐"], kind="it's"),
        row("a/3", lead=pointing(1), words=["豆腐"], at=NOON - SECOND),
    )

    narrow = Within(stores=frozenset("a"), kinds=frozenset(["soup"]), since=NOON)

    assert table.near(pointing(1), narrow) == table.with_any(["豆腐"], narrow) == ["a/1"]
    assert table.count(narrow) == 1
    assert table.count(Within(stores=None, kinds=frozenset(["it's", "?"]))) == 1
    assert table.count(Within(stores=None, kinds=frozenset())) == 0
