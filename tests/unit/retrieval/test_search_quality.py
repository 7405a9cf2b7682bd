"""Floors under which search may not fall, in Chinese and English.

On a small menu of our own always, on the shared data where they are: a sample of what
``python -m benchmarks.search_quality`` measures whole.
"""

from functools import cache

import pytest

from benchmarks.machine import DataAbsent
from benchmarks.search_quality import data, hybrid
from benchmarks.search_quality.data import scores
from benchmarks.search_quality.disturbing import Disturber
from neural.retrieval.collections.registry import SearchCollection, register_collection
from neural.retrieval.query import searching as asking
from neural.retrieval.query.searching import search
from neural.retrieval.stores import words
from tests.unit.retrieval.search_menu import index_of, menu
from tests.unit.retrieval.searching import forget_collection

BY_WORDS = {
    "麻婆豆腐": "麻婆豆腐",
    "我们想吃一份紅燒肉，有吗？": "红烧肉",
    "糖醋排股": "糖醋排骨",
    "清蒸魚": "清蒸鲈鱼",
    "宫保丁鸡": "宫保鸡丁",
    "西红柿鸡蛋": "西红柿炒鸡蛋",
    "xiaolongbao": "小笼包",
    "suan la tu dou si": "酸辣土豆丝",
    "suanlatudousi": "酸辣土豆丝",
    "chonqinxiaomian": "重庆小面",
    "lanzou niulou lamian": "兰州牛肉拉面",
    "ｂ52": "B52轰炸机",
    "鸳鸯锅": "火锅（鸳鸯锅）",
    "鸭": "北京烤鸭",
}
BY_MEANING = {
    "夏天解渴的冷饮": "酸梅汤",
    "泰国风味的虾": "冬阴功汤",
    "咖啡味的意大利点心": "提拉米苏",
    "点着了喝的烈酒": "B52轰炸机",
    "孩子爱吃的甜酸小肋条": "糖醋排骨",
    "早上喝的软烂米羹": "皮蛋瘦肉粥",
    "roast duck": "北京烤鸭",
    "fried rice with eggs": "扬州炒饭",
    "strawberry ice cream": "草莓冰淇淋",
    "french fries": "炸薯条",
    "milk tea": "珍珠奶茶",
    "steamed fish": "清蒸鲈鱼",
    "braised pork belly": "红烧肉",
    "beef noodles": "兰州牛肉拉面",
}


pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def collections(django_db_setup, django_db_blocker):
    """Registers and indexes a collection by name, once."""
    made = {}
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "active_index", made.__getitem__)
        patch.setattr(asking, "present", lambda collection, keys: set(keys))

        def make(name, documents, vectors):
            if name not in made:
                register_collection(
                    SearchCollection(name=name, label=name, document=hybrid.dish, near_enough=0.2)
                )
                made[name] = index_of(documents, vectors=vectors, collection=name)
            return lambda query: [hit.id for hit in search(query, name)]

        yield make
        for name, active in made.items():
            forget_collection(name)
            words.drop(active.index.pk)
            active.store.drop(active.index.table)
            active.index.delete()


def shared(read):
    try:
        return read()
    except DataAbsent as absent:
        pytest.skip(str(absent))


# Of the module, so that the rows are written before a test's own transaction.
@pytest.fixture(scope="module")
def ours(collections):
    return collections("menu", menu(), ("whole", "title"))


@pytest.fixture(scope="module")
def dishes(collections):
    records = shared(data.dishes)
    return collections("dishes_shared", [hybrid.dish(each) for each in records], ("whole", "title"))


@pytest.fixture(scope="module")
def restaurants(collections):
    """By names and words alone: meaning adds nothing here and takes seconds to embed."""
    records = shared(data.restaurants)
    return collections("restaurants_shared", [hybrid.restaurant(each) for each in records], ())


@cache
def disturbed(kind):
    return Disturber(data.dishes(), seed=5).all()[kind]


def recall_and_rank(find, questions):
    return scores(find, questions).mean(axis=0)


@pytest.mark.parametrize(("asked", "title"), BY_WORDS.items())
def test_a_dish_of_our_menu_is_found_by_its_words(ours, asked, title):
    assert ours(asked)[0] == title


def test_dishes_of_our_menu_are_found_by_meaning(ours):
    questions = [data.Asked(asked, frozenset({title})) for asked, title in BY_MEANING.items()]
    recall, rank = recall_and_rank(lambda query: ours(query)[:3], questions)

    assert recall >= 0.9
    assert rank >= 0.75


def test_a_hit_says_which_name_was_meant(ours):
    assert search("来一份紅燒肉", "menu")[0].why.names == ("红烧肉",)


def test_restaurants_are_found_by_what_is_asked_for(restaurants):
    recall, rank = recall_and_rank(restaurants, shared(data.requests)[1::8])

    assert recall >= 0.98
    assert rank >= 0.97


def test_restaurants_are_found_by_their_own_names(restaurants):
    recall, _ = recall_and_rank(restaurants, data.own_names(shared(data.restaurants))[1::24])

    assert recall >= 0.98


def test_restaurants_are_found_without_the_branch_in_brackets(restaurants):
    names = data.names_without_branch(shared(data.restaurants))
    recall, _ = recall_and_rank(restaurants, names[1::9])

    assert recall >= 0.98


FLOORS = {"swapped": 0.97, "two slips": 0.9}
KINDS = (
    *("traditional", "half", "one wrong", "one missing", "homophone", "swapped"),
    *("pinyin spaced", "pinyin joined", "slip spaced", "slip joined", "letter missing"),
    *("two slips", "pinyin full width", "full width"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_disturbed_titles_are_found(dishes, kind):
    questions = disturbed(kind)
    recall, _ = recall_and_rank(dishes, questions[1::16])

    assert recall >= FLOORS.get(kind, 0.99)


@pytest.mark.parametrize(("language", "floor"), [("zh", 0.85), ("en", 0.72)])
def test_dishes_are_found_by_meaning(dishes, language, floor):
    recall, _ = recall_and_rank(dishes, data.labelled(language)[1::2])

    assert recall >= floor


def test_chinese_paraphrases_share_no_character_with_the_titles():
    for asked in data.labelled("zh"):
        titles = {each.split("/")[-1] for each in asked.relevant}
        assert not set(asked.query) & set("".join(titles)), asked.query


def test_enough_queries_of_each_language_are_labelled():
    assert len(data.labelled("zh")) >= 60
    assert len(data.labelled("en")) >= 60
