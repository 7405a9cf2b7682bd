"""How well records fit a question: the evidence for each, and what outweighs what."""

import datetime as dt
from dataclasses import dataclass, field

import pytest

from neural.retrieval.collections.documents import Document
from neural.retrieval.index.fields import tokens_of
from neural.retrieval.query.evidence import (
    BEGINNINGS,
    NUMBER,
    SOUNDS,
    SPELLING,
    WORDS,
    Clue,
    Question,
    Ranked,
    Sought,
    judge,
    newest_first,
    rank,
    speaks_for_itself,
)
from neural.retrieval.query.hits import (
    BEGINS,
    ENDS,
    EXACT,
    SLIP,
    Found,
    missing_everywhere,
    why,
)
from neural.retrieval.query.looking_up import one_slip
from neural.retrieval.query.parsing import MOST_PARTS, MOST_UNITS, Part, parse_query
from neural.retrieval.query.searching import columns_asked

EVERY_ROW = 1000


@dataclass
class Row:
    """A row as the database has it."""

    key: str
    title: str
    names: tuple = ()
    also: tuple = ()
    numbers: tuple = ()
    at: dt.datetime | None = None
    text: str = ""
    words: frozenset = field(init=False)

    def __post_init__(self):
        self.words = tokens_of(
            Document(
                id=self.key, title=self.title, names=self.names, also=self.also, text=self.text
            )
        )


def row(key, title, *names, **fields):
    return Row(key=key, title=title, names=names, **fields)


def exactly(part):
    return {token: Clue(NUMBER if part.is_number else WORDS, 1.0) for token in part.tokens}


def ranked(asked, *rows, others=None, sounds=None, meanings=None):
    """The rows that fit. ``others`` are tokens that stand for a part of the query, besides
    itself."""
    parsed = parse_query(asked)
    sought = [
        Sought(part, exactly(part) | (others or {}).get(part.text, {})) for part in parsed.parts
    ]
    for each in sought:
        each.rows = sum(bool(each.best(one.words)) for one in rows)
    question = Question(
        parsed=parsed, sought=sought, names=parsed.names, sounds=sounds or {}, every_row=EVERY_ROW
    )
    return rank(question, judge(question, rows), meanings)


def keys(found):
    return [each.row.key for each in found]


def test_the_kinds_of_evidence_come_in_their_order():
    clues = {"latte": {"latta": Clue(SPELLING, 0.7), "lattes-to-go": Clue(BEGINNINGS, 0.8)}}
    found = ranked(
        "latte 20261101",
        row("number", "x", text="20261101"),
        row("name", "latte"),
        row("words", "a latte, please"),
        row("spelling", "a latta, please"),
        row("meaning", "espresso"),
        others=clues,
        meanings={"meaning": 0.4},
    )

    assert [(each.row.key, each.kind) for each in found] == [
        ("number", NUMBER),
        ("name", "names"),
        ("words", WORDS),
        ("meaning", "meaning"),
    ]


def test_a_number_outweighs_everything_else():
    found = ranked(
        "1001 latte please",
        row("name", "latte please"),
        row("number", "1001"),
        meanings={"name": 0.9},
    )

    assert keys(found) == ["number", "name"]
    assert found[0].kind == NUMBER


def test_an_exact_number_comes_before_one_that_begins_so_and_that_before_a_slip():
    clues = {"#10012": Clue(NUMBER, 0.8), "#1002": Clue(NUMBER, 0.5)}
    found = ranked(
        "1001", row("slip", "1002"), row("begins", "10012"), row("is", "1001"),
        others={"1001": clues},
    )  # fmt: skip

    assert keys(found) == ["is", "begins", "slip"]


@pytest.mark.parametrize("written", ["138-0013-8000", "138 0013 8000", "13800138000"])
def test_a_number_is_the_same_however_it_is_written(written):
    part = parse_query(f"call {written}").parts[0]

    assert (part.text, part.is_number) == ("13800138000", True)


def test_an_amount_is_the_same_with_and_without_needless_zeros():
    assert parse_query("46.00").parts == parse_query("46.0").parts == (Part("46", is_number=True),)
    assert parse_query("46.5").parts == (Part("46.5", is_number=True),)


def test_an_id_is_the_same_without_the_zeros_before_its_digits():
    parsed = parse_query("hm4513")
    (asked,) = parsed.parts
    found = Ranked(row=row("1", "HM004513"), score=4, scores={}, tokens={NUMBER: {"#hm004513"}})

    assert "#hm004513" in asked.tokens
    assert why(parsed, found, found.row).number == EXACT
    assert parse_query("s12").parts[0].tokens == ("#s12", "s12")  # too short to be an id's


def test_one_slip_is_a_digit_more_or_less_another_one_or_two_swapped():
    slips = one_slip("1234", "0123456789")

    assert {"1235", "12345", "123", "1324"} <= slips
    assert "1234" not in slips
    assert "4321" not in slips


def test_only_the_longest_names_count():
    found = ranked("来一份麻婆豆腐", row("a", "甲店", "豆腐"), row("b", "乙店", "麻婆豆腐"))

    assert keys(found)[0] == "b"
    assert found[0].names == {"麻婆豆腐"}
    assert all("names" not in each.scores for each in found[1:])


def test_a_record_whose_name_contains_the_name_asked_for_is_nearly_as_good():
    rows = [row("a", "甲店", "招牌烤鸭"), row("b", "乙店", "烤鸭"), row("c", "丙店", "烤肠")]
    found = ranked("有没有烤鸭", *rows)

    assert [each.scores.get("names") for each in found] == [1.0, 0.9]


def test_all_that_is_asked_may_be_a_part_of_a_name_that_no_record_has_whole():
    found = ranked("烧肉", row("a", "红烧肉"), row("b", "肉丝"))

    assert keys(found) == ["a"]
    assert found[0].scores["names"] == 0.9


def test_a_part_of_a_latin_word_is_no_name():
    assert keys(ranked("ham", row("a", "ham"), row("b", "hamburger"))) == ["a"]


def test_names_are_shown_as_the_record_writes_them():
    (found,) = ranked("我要红烧肉", row("a", "紅燒肉"))

    assert why(parse_query("我要红烧肉"), found, found.row).names == ("紅燒肉",)


def test_one_word_of_many_is_a_chance_hit():
    rows = [row("a", "x", text="a dish for lamb"), row("b", "y", text="lamb chops with garlic")]

    assert keys(ranked("lamb chops garlic", *rows)) == ["b"]


def test_a_rare_word_counts_more_than_a_frequent_one():
    others = [row(str(n), "soup of the day") for n in range(20)]
    found = ranked("soup truffle", row("rare", "truffle"), *others)

    assert keys(found)[0] == "rare"


def test_function_words_decide_nothing():
    assert keys(ranked("where is the truffle", row("a", "where is the soup"))) == []
    assert keys(ranked("where is the truffle", row("a", "truffle"))) == ["a"]


def test_what_begins_like_a_word_counts_less_than_the_word():
    clues = {"cro": {"croissant": Clue(BEGINNINGS, 0.8)}}
    found = ranked("cro", row("a", "croissant"), row("b", "cro"), others=clues)

    assert keys(found) == ["b", "a"]
    assert found[1].kind == BEGINNINGS


def test_a_name_that_sounds_like_the_query_is_found_by_it():
    found = ranked("mapo doufu", row("a", "麻婆豆腐"), sounds={"=麻婆豆腐": Clue(SOUNDS, 1.0)})

    assert found[0].scores == {SOUNDS: 1.5}


def test_meaning_decides_where_nothing_else_speaks():
    rows = [row("a", "甲"), row("b", "乙")]

    assert keys(ranked("清淡一点", *rows, meanings={"a": 0.3, "b": 0.4})) == ["b", "a"]
    assert keys(ranked("清淡一点", *rows, meanings={"a": 0.3})) == ["a"]


@pytest.mark.parametrize(
    ("asked", "text"), [("soup from Hungary", "soup"), ("口感清爽的汤水", "口感")]
)
def test_beside_meaning_one_word_may_be_chance(asked, text):
    rows = [row("near", "x"), row("word", "y", text=text), row("other", "z", text=text)]

    assert keys(ranked(asked, *rows, meanings={"near": 0.4, "word": 0.36}))[0] == "near"


def test_beside_meaning_several_words_outweigh_what_is_a_little_nearer():
    rows = [row("near", "x"), row("words", "y", text="手指蘸咖啡")]
    asked = "意大利人用手指点心浸咖啡做的甜品"

    assert keys(ranked(asked, *rows, meanings={"near": 0.4, "words": 0.3})) == ["words", "near"]


def test_a_whole_name_outweighs_meaning():
    rows = [row("a", "烤鸭"), row("b", "乙")]

    assert keys(ranked("想吃烤鸭", *rows, meanings={"b": 0.9})) == ["a", "b"]


def test_a_record_that_holds_every_word_outweighs_meaning():
    rows = [row("near", "sales of bread"), row("exact", "order.created till-a17")]
    found = ranked("order created", *rows, meanings={"near": 0.9})

    assert keys(found) == ["exact", "near"]


def test_meaning_is_not_asked_where_a_number_a_name_or_every_word_was_found():
    for asked, title in (("1001", "1001"), ("红烧肉", "红烧肉"), ("red soup", "soup that is red")):
        assert speaks_for_itself(ranked(asked, row("a", title)))
    assert not speaks_for_itself(ranked("soup and bread", row("a", "soup of the day")))


def test_of_equal_records_the_newest_comes_first():
    rows = [row(key, "soup", at=dt.datetime(2026, 11, day, tzinfo=dt.UTC))
            for key, day in (("a", 1), ("b", 2))]  # fmt: skip

    assert keys(ranked("soup", *rows)) == ["b", "a"]


def test_the_newest_come_first_where_time_is_asked_for():
    old, new = (dt.datetime(2026, 11, day, tzinfo=dt.UTC) for day in (1, 2))
    found = ranked("1001 soup", row("best", "1001", at=old), row("newest", "soup", at=new))

    assert keys(found) == ["best", "newest"]
    assert keys(newest_first(found)) == ["newest", "best"]


def test_equal_records_come_in_the_order_of_their_keys():
    assert keys(ranked("烤鸭", *(row(key, "烤鸭") for key in "cab"))) == ["a", "b", "c"]


def test_a_record_for_which_nothing_speaks_is_left_out():
    assert keys(ranked("烤鸭", row("a", "烤鸭"), row("b", "Milk"))) == ["a"]


def test_the_scores_of_a_hit_add_up():
    (found,) = ranked("1001 烤鸭", row("a", "烤鸭", text="1001"))

    assert found.score == pytest.approx(sum(found.scores.values()))
    assert set(found.scores) == {NUMBER, "names", WORDS}


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        ("清淡的鱼", ["whole"]),
        ("light fish", ["whole", "title"]),
        ("light fish for a child who is ill", ["whole"]),
    ],
)
def test_only_a_few_words_of_another_language_than_chinese_are_compared_with_titles(asked, columns):
    assert columns_asked(parse_query(asked), ["whole", "title"]) == columns


def test_a_collection_without_the_wanted_vector_is_asked_by_the_one_it_has():
    assert columns_asked(parse_query("清淡的鱼"), ["title"]) == ["title"]
    assert columns_asked(parse_query("清淡的鱼"), []) == []


@pytest.mark.parametrize("blank", ["", "  \n", '"', "()*+-&|!~^", "\0", "\ud800", "，。"])
def test_a_question_without_letters_is_blank(blank):
    assert parse_query(blank).blank


def test_one_character_is_a_question():
    asked = parse_query("鱼")

    assert (asked.names, [part.text for part in asked.parts]) == ({"鱼"}, ["鱼"])


def test_operators_and_quotes_are_separators():
    parts = parse_query('"红烧" AND (肉*)').parts

    assert {part.text for part in parts} == {"红烧", "and", "肉"}


@pytest.mark.parametrize("separated", [10_000, 19])
def test_a_long_question_asks_a_bounded_number_of_tokens(separated: int):
    characters = (chr(0x4E00 + at) + " " * (at % separated == 0) for at in range(10_000))
    asked = parse_query("".join(characters))

    assert len(asked.names) <= MOST_UNITS * 12
    assert len(asked.parts) <= MOST_PARTS
    assert not asked.sound


def test_a_sentence_sounds_like_no_name():
    assert not parse_query("请问这附近有没有什么清淡一点又不太贵适合老人家吃的好馆子呢" * 2).sound
    assert parse_query("清蒸鲈鱼").sound


# What was found nowhere, and what matched


@pytest.mark.parametrize(
    ("text", "answers", "missing"),
    [
        ("refund R-99999", [("r99999",), ("refund", "r99999")], ["R-99999"]),
        ("Quantum tofu", [("quantum",), ()], []),
        ("138 0013 8000", [("13800138000",)], ["13800138000"]),
        ("量子力学", [("量子力学",), None], ["量子力学"]),
        ("麻婆豆腐汤", [("腐汤",)], []),  # a piece of a sentence is no word
    ],
)
def test_what_no_collection_has_is_named_as_it_was_typed(text, answers, missing):
    found = [Found([], missing=each) for each in answers]

    assert missing_everywhere(text, found) == missing


@pytest.mark.parametrize(
    ("token", "likeness"),
    [("#10001", EXACT), ("10001", EXACT), ("#100017", BEGINS), ("#910001", ENDS), ("#10002", SLIP)],
)
def test_how_a_number_is_that_of_the_question_is_known_of_a_hit(token, likeness):
    parsed = parse_query("10001")
    found = Ranked(row=row("1", "Order"), score=4, scores={NUMBER: 4.0}, tokens={NUMBER: {token}})

    assert why(parsed, found, found.row).number == likeness


def test_of_each_kind_of_evidence_is_known_what_of_the_record_it_is():
    (found,) = ranked("麻婆豆腐 spicy", row("1", "麻婆豆腐", text="Very Spicy"))

    assert why(parse_query("麻婆豆腐 spicy"), found, found.row).matched == {
        "words": ("麻婆豆腐", "Spicy"),
        "names": ("麻婆豆腐",),
    }


def test_half_of_the_words_that_any_record_has_are_enough_if_two_are_held():
    asked = "the guest who cut her lip on the glass rim yesterday evening"
    texts = {"a": "a guest cut a lip", "b": "a guest left", "c": "soup"}
    found = ranked(asked, *(row(key, key, text=text) for key, text in texts.items()))

    assert keys(found) == ["a"]


def test_of_a_chinese_description_two_words_count_beside_meaning():
    asked = "想要一碗酸笋味道很重的米粉"
    rows = [
        row("words", "桂林一绝", text="加了酸笋的米粉"),
        row("near", "河粉"),
        row("chance", "清汤", text="一碗"),
    ]
    meanings = {"words": 0.3, "near": 0.4, "chance": 0.35}
    found = ranked(asked, *rows, meanings=meanings)

    by_key = {each.row.key: each for each in found}
    assert by_key["words"].scores["words"] == 0.5
    assert "words" not in by_key["chance"].scores
    assert by_key["near"].scores == {"meaning": 1.0}


def test_meaning_says_little_beside_a_name_that_clearly_sounds_so():
    sounds = {"=酸菜鱼": Clue(SOUNDS, 0.74)}
    rows = [row("heard", "酸菜鱼"), row("near", "水煮鱼")]
    found = ranked("酸莱鱼", *rows, sounds=sounds, meanings={"near": 0.5})

    assert keys(found)[0] == "heard"
    assert found[0].score - found[-1].score > 0.5


@pytest.mark.parametrize(
    ("written", "token"),
    [
        *(("HMOO4540", "#hm004540"), ("oo4513", "#004513"), ("138****6604", "#6604")),
        *(("T2-O391", "#t20391"), ("PO123", "#po123")),
    ],
)
def test_a_number_is_looked_for_with_zeros_for_letters_o_and_without_what_is_hidden(written, token):
    (part,) = parse_query(written).parts

    assert token in part.tokens


def test_a_verb_that_is_done_is_looked_for_with_its_object():
    assert "退钱" in {part.text for part in parse_query("谁退过钱").parts}
