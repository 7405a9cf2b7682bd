"""How the pgvector store finds and ranks rows by their tokens."""

import math
import random

import pytest
from django.db import connection

from neural.retrieval.stores.base import VectorStore, Within
from neural.retrieval.stores.pgvector import compaction, tables
from neural.retrieval.stores.pgvector import words as pgvector_words
from tests.contract.rows import ANYWHERE, SHAPE, Table, row
from tests.contract.vector_stores import STORES

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="DATABASE_URL is no PostgreSQL"),
    pytest.mark.django_db,
]


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    store: VectorStore = STORES["pgvector"](request)
    store.create("dishes", SHAPE)
    return Table(store, "dishes")


@pytest.mark.parametrize("compacted", [False, True])
def test_rows_beyond_the_rare_tokens_are_found_where_these_yield_too_few(
    table: Table, monkeypatch, compacted: bool
) -> None:
    monkeypatch.setattr(pgvector_words, "CANDIDATES", 3)
    monkeypatch.setattr(pgvector_words, "COUNTED_ROWS", 10)
    monkeypatch.setattr(tables, "FEW_ROWS", 2)
    table.upsert(
        *(row(f"a/{n}", words=["豆腐", f"w{n}"]) for n in range(30)),
        *(row(f"b/{n}", words=["麻婆", f"w{n}", "w"]) for n in range(3)),
        row("b/both", words=["豆腐", "麻婆", "w"]),
    )
    if compacted:
        table.compact()

    found = table.with_any(["豆腐", "麻婆", "不在"], limit=40)

    assert found[0] == "b/both"
    assert {"b/0", "b/1", "b/2"} == set(found[1:4])
    assert len(found) == 34
    # Of no other store's rows, of which there are enough with the rarer token.
    assert len(table.with_any(["豆腐", "麻婆"], Within.of_stores(["a"]), limit=3)) == 3


def test_counts_of_a_large_table_are_kept_and_those_of_a_sample_scaled(
    table: Table, monkeypatch
) -> None:
    monkeypatch.setattr(compaction, "SAMPLED_ROWS", 1500)
    table.upsert(*(row(f"a/{n}", words=["豆腐", f"w{n % 2}"]) for n in range(3000)))

    table.compact()

    with connection.cursor() as cursor:
        cursor.execute("SELECT max(rows) FROM neural_words_dishes WHERE hash >= 0")
        assert cursor.fetchone()[0] == pytest.approx(3000, rel=0.3)
    assert table.store.size("dishes").unindexed_rows == 0
    table.upsert(row("a/new"))
    assert table.store.size("dishes").unindexed_rows == 1


def test_scores_are_bm25s_where_no_token_is_repeated(table: Table) -> None:
    dice = random.Random(5)
    held = {
        f"a/{n}": set(dice.choices("天地玄黄宇宙洪荒", k=dice.randint(1, 12))) for n in range(60)
    }
    table.upsert(*(row(key, words=sorted(tokens)) for key, tokens in held.items()))
    mean = sum(map(len, held.values())) / len(held)

    found = table.store.matching(
        table.name, column="words", tokens=["玄", "荒", "天"], within=ANYWHERE, limit=60
    )

    def bm25(key: str) -> float:
        length = 1.2 * (1 - 0.75 + 0.75 * len(held[key]) / mean)
        counts = {token: sum(token in each for each in held.values()) for token in "玄荒天"}
        rarity = {token: math.log(1 + (60.5 - n) / (n + 0.5)) for token, n in counts.items()}
        return sum(rarity[token] * 2.2 / (1 + length) for token in held[key] & set("玄荒天"))

    assert {match.key: match.score for match in found} == pytest.approx(
        {key: bm25(key) for key in held if bm25(key)}, rel=1e-5
    )
