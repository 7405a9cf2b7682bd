"""The rows of the indexes in the database: which tokens find them, and for whom."""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.db import connection

from neural.retrieval.collections.documents import Document
from neural.retrieval.index.writing import search_row
from neural.retrieval.models import SearchIndex, SearchPiece, SearchRow, SearchTerm
from neural.retrieval.stores import words
from neural.retrieval.stores.base import Within
from neural.retrieval.text import word_tokens
from tests.unit.pages.plans import reading
from tests.unit.retrieval.search_world import index

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
ANYWHERE = Within(stores=None)
HOSTILE = "' OR 1=1 --"


@pytest.fixture
def made() -> SearchIndex:
    return index("guests", "active")


def write(made, *documents, version=1):
    rows = [search_row(made, each.key, each, version=version) for each in documents]
    words.upsert(made.pk, rows)


def record(key, title="豆腐", **fields):
    store, _, own = key.partition("/")
    return Document(id=own, store=store, title=title, **fields)


def keys(made, *groups, within=ANYWHERE, limit=10):
    """Keys by tokens, as a search reads them: first the index, then the rows within."""
    (ids,) = words.read([words.Matching(made.pk, groups, within, limit)])
    (found,) = words.read([words.Rows(made.pk, within, ids)])
    return {row.key for row in found}


def terms(made):
    return set(SearchTerm.objects.filter(index=made).values_list("token", flat=True))


def test_rows_are_found_by_any_token_of_each_group(made):
    write(made, record("a/1", "麻婆豆腐"), record("a/2", "家常豆腐"), record("a/3", "鸡丁"))

    assert keys(made, ["豆腐"]) == {"a/1", "a/2"}
    assert keys(made, ["麻婆", "鸡丁"]) == {"a/1", "a/3"}
    assert keys(made, ["豆腐"], ["麻婆", "鸡丁"]) == {"a/1"}
    assert keys(made, ["鱼香"]) == set()


@pytest.fixture
def five_thousand(made, monkeypatch):
    """Rows with a number each, a word in common, and one that but three have in another index."""
    other = index("others", "active")
    SearchRow.objects.bulk_create(
        SearchRow(
            id=number,
            index=other if number % 2 else made,
            key=f"a/{number}",
            store="a",
            title="",
            version=1,
            words=frozenset(
                {
                    words.in_index(other.pk if number % 2 else made.pk),
                    f"#{number}",
                    "all",
                    "table" if number % 2 or number <= 6 else "chair",
                }
            ),
        )
        for number in range(1, 5001)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_searchrow")
    monkeypatch.setattr(words, "_samples", [])  # that of another test may be kept


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="of PostgreSQL's plans")
@pytest.mark.parametrize("limit", [1, 400])
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([f"#{each}" for each in range(60, 0, -1)], range(60, 0, -2)),
        (["#x", "x"], ()),
        (["table"], (6, 4, 2)),
        (["all"], range(5000, 0, -2)),
    ],
)
@pytest.mark.usefixtures("five_thousand")
def test_neither_what_few_rows_have_nor_what_all_have_is_looked_for_in_all(
    made, asked, found, limit
):
    with reading("neural_searchrow", wanted=800) as read:  # twice what is asked for
        (ids,) = words.read([words.Matching(made.pk, [asked], limit=limit)])

    assert ids == list(found)[:limit]
    assert sum(read) < 1500


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="of PostgreSQL's plans")
@pytest.mark.usefixtures("five_thousand")
def test_what_the_newest_rows_have_not_is_looked_up_though_many_have_it(made, monkeypatch):
    monkeypatch.setattr(words._Sample, "steps", lambda *asked: 10)

    (ids,) = words.read([words.Matching(made.pk, [["all"]], limit=400)])

    assert ids == list(range(5000, 0, -2))[:400]


@pytest.mark.parametrize("token", ["豆", "and", "not", "near", "the", "🍲", "ĉ", "x" * 40, "or"])
def test_nothing_in_a_token_is_an_operator(made, token):
    write(made, record("a/1", token), record("a/2", "another"))

    assert keys(made, word_tokens(token)) == {"a/1"}


def test_the_newest_rows_come_first(made):
    write(made, *(record(f"a/{day}", at=NOON + dt.timedelta(days=day)) for day in range(9)))

    assert keys(made, ["豆腐"], limit=2) == {"a/7", "a/8"}


def test_each_index_is_searched_alone(made):
    other = index("others", "active")
    write(made, record("a/1"))
    write(other, record("a/2"))

    assert keys(made, ["豆腐"]) == {"a/1"}
    assert keys(other, ["豆腐"]) == {"a/2"}


def test_a_query_sees_only_rows_of_its_stores(made):
    write(made, *(record(f"b/{n}", at=NOON) for n in range(50)), record("a/1"), record("/none"))

    assert keys(made, ["豆腐"], within=Within(stores=frozenset(["a"])), limit=5) == {"a/1"}
    assert keys(made, ["豆腐"], within=Within(stores=frozenset())) == set()
    assert len(keys(made, ["豆腐"], within=Within(stores=frozenset(["a", "b"])), limit=99)) == 51
    many = [f"store {n}" for n in range(99)]
    assert keys(made, ["豆腐"], within=Within(stores=frozenset(["a", *many])), limit=99) == {"a/1"}


@pytest.mark.parametrize("code", [HOSTILE, "a'b", "\\", "\\'", "店'", '"', "%", "_", "a;--", ""])
def test_a_hostile_store_code_sees_its_own_rows_alone(made, code):
    write(made, record(f"{code}/1"), record("other/1"))

    assert keys(made, ["豆腐"], within=Within(stores=frozenset([code]))) == {f"{code}/1"}
    assert keys(made, ["豆腐"], within=Within(stores=frozenset([f"{code} "]))) == set()


def test_a_period_holds_its_beginning_and_not_its_end(made):
    moments = {"before": -SECOND, "first": 0 * SECOND, "last": SECOND, "end": 2 * SECOND}
    write(
        made,
        *(record(f"a/{name}", at=NOON + since) for name, since in moments.items()),
        record("a/never", at=None),
    )

    assert keys(
        made, ["豆腐"], within=Within(stores=None, since=NOON, until=NOON + 2 * SECOND)
    ) == {
        "a/first",
        "a/last",
    }
    later = Within(stores=None, since=NOON + dt.timedelta(microseconds=1))
    assert keys(made, ["豆腐"], within=later) == {"a/last", "a/end"}


def test_kinds_and_facts_narrow_a_query(made):
    write(
        made,
        record("a/1", kind="it's", facts={"state": "paid", "amount": 46}),
        record("a/2", kind="soup", facts={"state": "paid", "amount": 120}),
        record("a/3", kind="soup", facts={"state": "open", "amount": 120}),
    )

    def found(*facts, kinds=None):
        conditions = tuple(
            SimpleNamespace(name=name, operator=operator, value=value)
            for name, operator, value in facts
        )
        return keys(made, ["豆腐"], within=Within(stores=None, kinds=kinds, facts=conditions))

    assert found(kinds=frozenset(["it's"])) == {"a/1"}
    assert found(("state", "=", "paid")) == {"a/1", "a/2"}
    assert found(("state", "=", "paid"), ("amount", ">", 50)) == {"a/2"}
    assert found(("amount", "<=", 46)) == {"a/1"}
    assert found(("state", "=", HOSTILE)) == set()


def test_a_fact_is_compared_before_the_newest_are_taken(made):
    write(made, record("a/dear", facts={"amount": 90}))
    write(made, *(record(f"a/{n}", at=NOON, facts={"amount": 9}) for n in range(9)))
    dear = SimpleNamespace(name="amount", operator=">", value=50)

    assert keys(made, ["豆腐"], within=Within(stores=None, facts=(dear,)), limit=3) == {"a/dear"}


def test_an_older_row_changes_nothing_and_one_of_the_same_version_is_written_again(made):
    write(made, record("a/1", "first"), version=5)
    write(made, record("a/1", "older"), version=4)
    assert SearchRow.objects.get().title == "first"

    write(made, record("a/1", "again"), version=5)

    assert SearchRow.objects.get().title == "again"
    assert keys(made, ["first"]) == set()
    assert keys(made, ["again"]) == {"a/1"}


@pytest.mark.parametrize("versions", [(1, 3, 2), (3, 2, 1), (1, 2, 3)])
def test_of_rows_of_one_key_the_one_with_the_greatest_version_counts(made, versions):
    rows = [search_row(made, "a/1", record("a/1", f"v{n}"), version=n) for n in versions]

    words.upsert(made.pk, rows)

    assert SearchRow.objects.get().title == "v3"


def test_the_vocabulary_has_what_rows_have_and_nothing_else(made):
    write(made, record("a/1", "Anna Smith", numbers=("138 0013",)), record("a/2", "Anna"))
    assert terms(made) == {"=annasmith", "=anna", "anna", "smith", "#1380013"}

    words.delete(made.pk, ["a/1", "a/9"])

    assert terms(made) == {"=anna", "anna"}
    write(made, record("a/2", "红烧肉"), version=2)
    assert terms(made) == {"=红烧肉"}
    assert {each.term.token for each in SearchPiece.objects.all()} == {"=红烧肉"}


def test_more_is_looked_up_than_one_statement_may_ask(made):
    write(made, record("a/1", "宫保鸡丁"))
    many = 501  # SQLite has at most 500 SELECTs in a statement

    starts = [words.Start("token", f"={number}", 9) for number in range(many)]
    starts.append(words.Start("token", "=宫保", 9))
    (begun,) = words.read([words.Beginning(made.pk, starts)])
    alike = words.read([words.Alike(made.pk, {"^go"}, 1)] * many)
    ids = words.read([words.Matching(made.pk, [["=宫保鸡丁"]])] * many)

    assert [start.text for start, found in begun.items() if found] == ["=宫保"]
    assert alike == [["=宫保鸡丁"]] * many
    assert [len(each) for each in ids] == [1] * many


def test_terms_are_found_by_beginning_end_initials_and_sound(made):
    write(
        made, record("a/1", "宫保鸡丁"), record("a/2", "宫爆虾"), record("a/3", numbers=("S-123",))
    )

    starts = {
        words.Start("token", "=宫", 9): ["=宫爆虾", "=宫保鸡丁"],
        words.Start("sound", "gonbaoj", 9): ["=宫保鸡丁"],
        words.Start("initials", "gbj", 9): ["=宫保鸡丁"],
        words.Start("backwards", "321", 9): ["#s123"],
        words.Start("token", "=鱼", 9): [],
    }
    begun, alike = words.read(
        [words.Beginning(made.pk, list(starts)), words.Alike(made.pk, {"^go", "din", "in$"}, 1)]
    )
    assert begun == starts
    assert alike == ["=宫保鸡丁"]


def test_a_dropped_index_leaves_nothing(made):
    kept = index("others", "active")
    write(made, *(record(f"a/{n}", f"宫保鸡丁 {n}") for n in range(7)))
    write(kept, record("a/1"))

    words.drop(made.pk)

    assert keys(made, ["鸡丁"]) == terms(made) == set()
    assert keys(kept, ["豆腐"]) == {"a/1"}
    assert SearchRow.objects.count() == 1
