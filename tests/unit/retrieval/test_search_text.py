"""Words of Chinese and English as search compares them."""

import random
import re

import pytest

from neural.retrieval.collections.documents import Document
from neural.retrieval.index.fields import VECTORS, shape_of, texts_of, tokens_of
from neural.retrieval.text import (
    fold,
    fold_with_places,
    initials_of,
    is_short_for,
    likeness,
    matched_parts,
    pieces,
    sound_of,
    syllables_of,
    word_tokens,
)


@pytest.mark.parametrize("typed", ["Ｍojito莫吉託", "MOJITO莫吉托", "mojito莫吉托"])
def test_width_case_and_script_make_no_difference(typed):
    assert fold(typed) == "mojito莫吉托"


@pytest.mark.parametrize("unkept", ["\0", "\x1f", "\ud800", "\ufffe"])
def test_what_no_index_can_keep_becomes_a_space(unkept):
    assert fold(f"红{unkept}烧") == "红 烧"


@pytest.mark.parametrize(("text", "folded"), [("ﬁn麵", "fin面"), ("e\u0301麵", "e面")])
def test_each_folded_character_knows_its_place(text, folded):
    form, places = fold_with_places(text)

    assert form == folded
    assert text[places[form.index("面")] :] == "麵"
    assert places[-1] == len(text)


def test_pairs_never_cross_a_separator():
    assert word_tokens("红烧肉、蛋") == ["红烧", "烧肉", "蛋"]


def test_latin_words_and_numbers_stay_whole():
    assert word_tokens("Table 12: Caesar-Salad加面") == ["table", "12", "caesar", "salad", "加面"]


@pytest.mark.parametrize(
    ("several", "one"),
    [
        ("dumplings", "dumpling"),
        ("dishes", "dish"),
        ("tomatoes", "tomato"),
        ("berries", "berry"),
        ("cookies", "cookie"),
        ("pies", "pie"),
        ("noodles", "noodle"),
        ("Cafés", "cafe"),
    ],
)
def test_several_things_are_found_as_one(several, one):
    assert word_tokens(several) == word_tokens(one)


@pytest.mark.parametrize("word", ["bus", "glass", "gas", "s"])
def test_what_is_no_plural_is_left_alone(word):
    assert word_tokens(word) == [word]


def test_a_name_is_kept_whole_with_and_without_its_branch():
    tokens = tokens_of(Document(id="1", title="护国寺小吃店（总店）"))

    assert {"=护国寺小吃店总店", "=护国寺小吃店"} <= tokens


def test_a_name_is_found_by_each_of_its_characters():
    assert {"鲈", "鱼"} <= tokens_of(Document(id="1", title="清蒸鲈鱼"))


_UNSAFE = re.compile(r"""[\s'"\\\0]""")


def test_no_token_contains_what_would_end_it_in_a_statement():
    dice = random.Random(7)
    for _ in range(300):
        text = "".join(
            chr(dice.choice([dice.randrange(0x250), dice.randrange(0x11000)])) for _ in range(30)
        )
        said = Document(id="1", title=text, names=(text[::-1],), text=text)
        tokens = tokens_of(said)
        assert all(token and not _UNSAFE.search(token) for token in tokens)
        " ".join(tokens).encode()


@pytest.mark.parametrize(
    "typed",
    [
        "hong shao rou",
        "hongshaorou",
        "HongShaoRou",
        "hong sao rou",
        "hon shao rou",
        "hongshaoru",
        "hongshorou",
    ],
)
def test_a_name_is_known_by_its_pinyin_even_with_a_slip(typed):
    right, other = sound_of("红烧肉"), sound_of("清蒸鲈鱼")
    asked = pieces(sound_of(typed))

    assert likeness(asked, pieces(right)) > 0.6
    assert likeness(asked, pieces(other)) < 0.2


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("zhong", "zong"),
        ("chi", "ci"),
        ("shan", "san"),
        ("ling", "lin"),
        ("niu", "liu"),
        ("hóng shāo", "hongshao"),
        ("HONG-SHAO", "hong shao"),
    ],
)
def test_what_people_mix_up_sounds_the_same(typed, right):
    assert sound_of(typed) == sound_of(right)


@pytest.mark.parametrize("typed", ["lvdou", "lǜdòu", "lüdou", "ludou", "nvdou"])
def test_the_curled_u_is_typed_in_many_ways(typed):
    assert sound_of(typed) == sound_of("绿豆")


def test_a_phrase_decides_between_readings():
    assert sound_of("重庆小面") == sound_of("chong qing xiao mian")


def test_a_part_is_shown_as_the_record_writes_it():
    assert matched_parts("老闆的紅燒肉，ＢＩＧ", {"红烧", "烧肉", "big"}) == ["紅燒肉", "ＢＩＧ"]


def test_parts_that_do_not_touch_stay_apart():
    assert matched_parts("红烧的鲈鱼", {"红烧", "鲈鱼"}) == ["红烧", "鲈鱼"]


def test_a_part_of_a_latin_word_is_no_part():
    assert matched_parts("hamburger and ham", {"ham"}) == ["ham"]


def test_a_plural_is_a_part_as_it_is_written():
    assert matched_parts("Fried Dumplings", {"dumpling"}) == ["Dumplings"]


@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        ({"title": "T-17"}, {"#t17"}),
        ({"title": "x", "names": ("table 12",)}, {"12", "=table12"}),
        ({"title": "x", "numbers": ("138 0013 8000",)}, {"#13800138000"}),
        ({"title": "x", "numbers": ("46.00", "46.50")}, {"#46", "#46.5"}),
        ({"title": "x", "text": "paid 2026-11-25"}, {"20261125"}),
    ],
)
def test_a_number_is_a_token_without_its_separators(document, tokens):
    assert tokens <= tokens_of(Document(id="1", **document))


def test_initials_are_those_of_the_syllables():
    assert initials_of("宫保鸡丁") == "gbjd"
    assert initials_of("B52轰炸机") == "bhzj"
    assert initials_of("Caesar") == ""


@pytest.mark.parametrize(
    ("letters", "is_short"),
    [
        *(("gonbji", True), ("gbjd", True), ("gonbaojidin", True), ("gojd", False)),
        *(("gonbjix", False), ("gonbjidind", False), ("bji", False)),
    ],
)
def test_a_name_is_shortened_by_beginnings_of_its_syllables_in_turn(letters, is_short):
    assert is_short_for(letters, syllables_of("宫保鸡丁")) is is_short


def test_an_unknown_vector_is_named():
    with pytest.raises(ValueError, match="no vectors smell; there are: whole, title"):
        shape_of(["smell"], 512)


def test_nothing_is_embedded_where_nothing_is_said():
    assert texts_of(Document(id="1", title="", text="面"), VECTORS) == {
        "whole": ["面"],
        "title": [],
    }
