"""`manage.py search`: finds records and says why, for people and for programs."""

import datetime as dt
import json

import pytest
from django.core.management import CommandError, call_command

from neural.retrieval.models import IngestedRecord
from neural.retrieval.stores.base import StoreUnavailable, TableMissing
from tests.unit.factories import make_store
from tests.unit.retrieval.search_world import FakeSearch, hit

pytestmark = pytest.mark.django_db

ZONE = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
def searched(monkeypatch):
    return FakeSearch(monkeypatch)


@pytest.fixture
def command(capsys):
    """Run the command; what it says."""

    def command(*arguments):
        call_command("search", *arguments)
        return capsys.readouterr().out

    return command


def test_a_hit_is_shown_with_its_key_its_time_and_why_it_is_one(searched, command):
    searched.finds(
        hit("麻婆豆腐", whole=("麻婆豆腐",), scores={"names": 1.0, "words": 0.5, "sounds": 0.25})
    )

    said = command("麻婆豆腐", "--collection", "dishes")

    for shown in (
        "S1/D1",
        "2026-03-02 12:05",
        "1.75 · names: 麻婆豆腐 · names 1.00 · words 0.50 · sounds 0.25",
    ):
        assert shown in said


def test_to_explain_a_hit_each_part_of_its_score_is_a_line(searched, command):
    matched = {"names": ("麻婆豆腐",), "words": ("豆腐",)}
    searched.finds(hit("麻婆豆腐", scores={"names": 1.0, "words": 0.5}, matched=matched))

    lines = command("麻婆豆腐", "--collection", "dishes", "--explain").splitlines()[2:5]

    assert [line.split() for line in lines] == [
        ["1.00", "names", "麻婆豆腐"],
        ["0.50", "words", "豆腐"],
        ["1.50"],
    ]


def test_what_limits_a_search_goes_to_standard_error(searched, capsys):
    searched.finds(hit("A-17", collection="orders"))
    searched.limits = ("昨天",)

    call_command("search", "昨天 A-17")

    assert capsys.readouterr().err.startswith("Limited by 昨天. In quotes,")


def test_hits_do_not_hide_that_what_was_typed_is_in_no_record(searched, capsys):
    searched.finds(hit("A-17", collection="orders"))
    searched.missing = ("A-99",)

    call_command("search", "order A-99")

    said = capsys.readouterr()
    assert said.err.splitlines() == ["No record has A-99."]
    assert "A-17" in said.out


def test_without_a_collection_all_are_searched_and_those_with_hits_shown(searched, command):
    searched.finds(hit("Tofu"), hit("A-17", collection="orders"))

    said = command("tofu").splitlines()

    assert {each["collection"] for each in searched.asked} >= {
        "dishes",
        "events",
        "orders",
        "staff",
    }
    assert [line for line in said if not line.startswith(" ")] == ["dishes", "orders"]


def test_what_is_chosen_is_asked(searched, command):
    make_store("S1")
    searched.finds(hit(collection="events"))

    command(
        "refund", "--collection", "events", "--store", "S1", "--since", "2026-01-01",
        "--until", "2026-02-01T12:00", "--kind", "payment.refunded", "--top", "3",
    )  # fmt: skip

    assert searched.asked == [
        {
            "collection": "events",
            "text": "refund",
            "store": "S1",
            "since": dt.datetime(2026, 1, 1, tzinfo=ZONE),
            "until": dt.datetime(2026, 2, 1, 12, tzinfo=ZONE),
            "kind": "payment.refunded",
            "top_k": 3,
            "stores": None,
            "sort": "best",
            "meaning": True,
        }
    ]


def test_json_has_an_object_a_line(searched, command):
    searched.finds(hit("麻婆豆腐", names=("豆腐",), parts=("豆腐",)), hit(identity="D2"))

    first, second = (json.loads(line) for line in command("豆腐", "--json").splitlines())

    assert second["key"] == "S1/D2"
    assert first == {
        "collection": "dishes", "key": "S1/D1", "id": "D1", "store": "S1", "kind": "",
        "at": "2026-03-02T04:05:06+00:00", "title": "麻婆豆腐", "names": ["豆腐"], "text": "",
        "score": 0.0,
        "why": {"kind": "", "names": [], "parts": ["豆腐"], "scores": {"words": 1.0}},
    }  # fmt: skip


def test_neither_a_title_nor_an_id_moves_the_cursor(searched, command):
    searched.finds(hit("Tofu\x1b[2J\nsoup", identity="D\x1b[31m1", parts=("\x1b[2J",)))

    said = command("tofu")

    assert "\x1b" not in said
    assert "Tofu [2J soup" in said


def test_what_should_be_known_goes_to_standard_error(searched, capsys):
    searched.finds(hit())
    searched.notices = ("The index of dishes was made with another model.",)

    call_command("search", "tofu", "--collection", "dishes")

    assert "another model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["tofu"], "Nothing was found.", 1),
        ([], "required: TEXT", 1),  # 2 in a terminal
        (["tofu", "--collection", "wines"], "'wines' is not registered; known: ", 2),
        (["tofu", "--store", "S9"], "There is no store 'S9'.", 2),
        (["tofu", "--store", "\udcff"], "store: '\\udcff' is not text in UTF-8", 2),
        (["tofu", "--top", "0"], "--top: not from 1 to 100: 0", 1),  # 2 in a terminal
    ],
)
def test_what_cannot_be_done_says_what_to_do(searched, command, arguments, says, code):
    with pytest.raises(CommandError) as error:
        command(*arguments)

    assert says in str(error.value)
    assert error.value.returncode == code


def test_an_index_that_is_away_is_a_sentence(searched, command):
    searched.error = StoreUnavailable("var/search is away")

    with pytest.raises(CommandError, match=r"away\. Type: manage\.py doctor") as error:
        command("tofu", "--collection", "dishes")

    assert error.value.returncode == 3


def test_of_an_index_that_is_gone_it_says_how_it_is_made_anew(searched, command):
    searched.error = TableMissing("no table 'dishes_1'")

    with pytest.raises(CommandError, match=r"Type: manage\.py rebuild_index dishes$"):
        command("tofu", "--collection", "dishes")


def test_the_store_of_a_record_that_was_ingested_is_known(searched, command):
    IngestedRecord.objects.create(collection="dishes", key="X/1", store_code="X", data={})
    searched.finds(hit(store="X"))

    assert "X/D1" in command("tofu", "--store", "X")
