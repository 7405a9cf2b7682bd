"""What of a question is asked, and how well records fit it."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from neural.retrieval.query.fusion import Candidate, columns_asked, rank
from neural.retrieval.query.parsing import MOST_SOUNDS, MOST_UNITS, parse_query
from neural.retrieval.stores.base import Row

ACROSS, UP = np.eye(2, dtype=np.float32)


def row(key, title, *names, text="", **vectors):
    return Row(
        key=key,
        store="",
        kind="",
        at=None,
        version=1,
        title=title,
        names=names,
        text=text,
        vectors=vectors,
    )


def ranked(asked, *rows, words=None, vectors=None):
    candidates = [
        Candidate(row=each, words=(words or {}).get(each.key, 0.0), sounded=True) for each in rows
    ]
    return rank(parse_query(asked), candidates, vectors or {})


def keys(found):
    return [each.row.key for each in found]


def test_only_the_longest_names_count():
    found = ranked("来一份麻婆豆腐", row("a", "甲店", "豆腐"), row("b", "乙店", "麻婆豆腐"))

    assert keys(found) == ["b", "a"]
    assert found[0].names == ("麻婆豆腐",)
    assert "names" not in found[1].scores


def test_a_record_whose_name_contains_the_name_asked_for_is_nearly_as_good():
    rows = [row("a", "甲店", "招牌烤鸭"), row("b", "乙店", "烤鸭"), row("c", "丙店", "烤肠")]
    found = ranked("有没有烤鸭", *rows)

    assert [each.scores.get("names") for each in found] == [1.0, 0.9, None]


def test_all_that_is_asked_may_be_a_part_of_a_name_that_no_record_has_whole():
    found = ranked("烧肉", row("a", "红烧肉"), row("b", "肉丝"))

    assert found[0].scores["names"] == 1.0
    assert "names" not in found[1].scores


def test_a_part_of_a_latin_word_is_no_name():
    found = ranked("ham", row("a", "ham"), row("b", "hamburger"))

    assert [each.scores.get("names") for each in found] == [1.0, None]


def test_names_are_shown_as_the_record_writes_them():
    assert ranked("我要红烧肉", row("a", "紅燒肉"))[0].names == ("紅燒肉",)


def test_one_word_of_many_is_a_chance_hit():
    rows = [row("a", "x", text="a dish for lamb"), row("b", "y", text="lamb chops with garlic")]
    found = ranked("lamb chops garlic", *rows, words={"a": 3.0, "b": 3.0})

    assert [each.scores["words"] for each in found] == [1.0, pytest.approx(1 / 3, abs=1e-3)]


def test_pinyin_finds_what_sounds_alike():
    found = ranked("mapo doufu", row("a", "麻婆豆腐"), row("b", "宫保鸡丁"))

    assert keys(found) == ["a"]
    assert found[0].scores == {"pinyin": 2.0}


def test_a_homophone_is_heard():
    assert ranked("麻婆豆付", row("a", "宫保鸡丁"), row("b", "麻婆豆腐"))[0].row.key == "b"


def test_two_characters_that_are_swapped_make_no_difference():
    found = ranked("红肉烧", row("a", "红枣糕"), row("b", "红烧肉"), row("c", "红肉炖"))

    assert found[0].row.key == "b"
    assert found[0].scores["pinyin"] == 2.0


def test_meaning_decides_where_no_name_is_found():
    rows = [row("a", "甲", whole=(ACROSS + UP) / 2), row("b", "乙", whole=UP)]

    assert keys(ranked("清淡一点", *rows, vectors={"whole": UP})) == ["b", "a"]


def test_a_record_that_holds_every_word_outweighs_meaning():
    found = ranked(
        "order created A17",
        row("near", "sales of bread", whole=ACROSS),
        row("exact", "order.created till-a17", whole=UP),
        words={"exact": 5.0, "near": 0.1},
        vectors={"whole": ACROSS},
    )

    assert keys(found)[0] == "exact"


@pytest.mark.parametrize(("cosine", "share"), [(0.1, 0.0), (0.18, 0.5), (0.3, 1.0)])
def test_what_is_near_to_nothing_does_not_fit_by_its_meaning(cosine, share):
    near = np.array([cosine, np.sqrt(1 - cosine**2)], dtype=np.float32)

    found = ranked("something else", row("a", "bread", whole=near), vectors={"whole": ACROSS})

    assert sum(each.score for each in found) == pytest.approx(1.5 * share, abs=0.01)


def test_of_equal_records_the_newest_comes_first():
    old, new = (
        replace(row(key, "soup"), at=dt.datetime(2026, 11, day, tzinfo=dt.UTC))
        for key, day in (("a", 1), ("b", 2))
    )

    assert keys(ranked("soup", old, new)) == ["b", "a"]


def test_a_whole_name_outweighs_meaning():
    rows = [row("a", "烤鸭", whole=ACROSS), row("b", "乙", whole=UP)]

    assert keys(ranked("想吃烤鸭", *rows, vectors={"whole": UP})) == ["a", "b"]


def test_a_record_without_a_vector_is_ranked_by_the_rest():
    assert keys(ranked("烤鸭", row("a", "烤鸭"), vectors={"whole": UP})) == ["a"]


def test_equal_records_come_in_the_order_of_their_keys():
    rows = [row(key, "烤鸭") for key in "cab"]

    assert keys(ranked("烤鸭", *rows)) == ["a", "b", "c"]


def test_a_record_for_which_nothing_speaks_is_left_out():
    assert keys(ranked("烤鸭", row("a", "烤鸭"), row("b", "Milk", whole=-UP))) == ["a"]


def test_the_scores_of_a_hit_add_up():
    (found,) = ranked("烤鸭", row("a", "烤鸭", whole=UP), words={"a": 2.0}, vectors={"whole": UP})

    assert found.score == pytest.approx(sum(found.scores.values()))
    assert set(found.scores) == {"names", "words", "pinyin", "meaning"}


def test_only_other_languages_than_chinese_are_compared_with_titles():
    assert columns_asked(parse_query("清淡的鱼"), ["whole", "title"]) == ["whole"]
    assert columns_asked(parse_query("light fish"), ["whole", "title"]) == ["whole", "title"]


def test_a_collection_without_the_wanted_vector_is_asked_by_the_one_it_has():
    assert columns_asked(parse_query("清淡的鱼"), ["title"]) == ["title"]
    assert columns_asked(parse_query("清淡的鱼"), []) == []


@pytest.mark.parametrize("blank", ["", "  \n", '"', "()*+-&|!~^", "\0", "\ud800", "，。"])
def test_a_question_without_letters_is_blank(blank):
    assert parse_query(blank).blank


def test_one_character_is_a_question():
    asked = parse_query("鱼")

    assert (asked.names, asked.words) == ({"鱼"}, {"鱼"})


def test_operators_and_quotes_are_separators():
    assert parse_query('"红烧" AND (肉*)').words == {"红烧", "and", "肉"}


@pytest.mark.parametrize("separated", [10_000, 19])
def test_a_long_question_asks_a_bounded_number_of_tokens(separated: int):
    characters = (chr(0x4E00 + at) + " " * (at % separated == 0) for at in range(10_000))
    asked = parse_query("".join(characters))

    assert len(asked.names) <= MOST_UNITS * 12
    assert len(asked.words) <= MOST_UNITS * 2
    assert not asked.sounds


def test_a_sentence_sounds_like_no_name():
    assert not parse_query("请问这附近有没有什么清淡一点又不太贵适合老人家吃的好馆子呢" * 2).sounds
    assert 0 < len(parse_query("清蒸鲈鱼").sounds) <= MOST_SOUNDS
