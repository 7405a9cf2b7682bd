"""Embedders: texts in, vectors of length 1 out, whatever the text."""

import gc
import re
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from neural.retrieval.checks import check_search
from neural.retrieval.choosing import embedder, make_embedder
from neural.retrieval.embedders.base import (
    LONGEST_TEXT,
    CachingEmbedder,
    Embedder,
    EmbedderRefused,
    readable,
)
from neural.retrieval.embedders.usem3 import Usem3, in_parts

pytestmark = pytest.mark.slow

FIRST = [0.0712, 0.0250, -0.0179, 0.0419]
"""The first numbers of 麻婆豆腐."""

ROUNDING = 1e-5
"""By so much the same text may differ beside other texts: how a matrix is multiplied depends on the
processor, and on the place of a row."""


class Counting(Embedder):
    """Answers (1, 0) and remembers what it was asked."""

    name = "counting/1"
    dimensions = 2

    def __init__(self, *, length: int = 1, word: str = "") -> None:
        self.asked: list[list[str]] = []
        self.length = length

    def embed(self, texts):
        self.asked.append(list(texts))
        answer = np.array([[1, 0]] * len(texts), dtype=np.float32)
        self.answered = weakref.ref(answer)
        return answer


@pytest.fixture(scope="module")
def usem3():
    return Usem3()


def test_usem3_puts_a_dish_near_its_english_name(usem3):
    tofu, soup, english = usem3.embed(["麻婆豆腐", "番茄鸡蛋汤", "mapo tofu"])

    assert tofu @ english > soup @ english + 0.2


MAPPED = r"""
import re, sys
from neural.retrieval.embedders.usem3 import Usem3

embedder = Usem3(weights=sys.argv[1])
vector = embedder.embed(["麻婆豆腐"])[0]
with open("/proc/self/smaps") as file:
    maps = [each for each in re.split(r"\n(?=[0-9a-f]+-)", file.read()) if sys.argv[1] in each]
of = lambda kind: sum(int(size) for each in maps for size in re.findall(kind + r": +(\d+)", each))
print(len(maps), of("Shared_Clean"), of("Dirty"), *vector[:3])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_processes_share_the_weights_which_one_of_them_has_written(usem3, tmp_path):
    mapped = Usem3(weights=str(tmp_path / "weights"))
    assert np.array_equal(mapped.embed(["麻婆豆腐"]), usem3.embed(["麻婆豆腐"]))
    (file,) = (tmp_path / "weights").iterdir()
    written = file.stat().st_mtime_ns

    other = subprocess.run(
        [sys.executable, "-c", MAPPED, str(file.parent)], capture_output=True, text=True, check=True
    ).stdout.split()

    count, shared, dirty = map(int, other[:3])
    assert (count, dirty) == (1, 0)
    assert shared > 0
    assert np.allclose([float(each) for each in other[3:]], usem3.embed(["麻婆豆腐"])[0][:3])
    assert file.stat().st_mtime_ns == written


def test_weights_that_cannot_be_written_are_kept_in_memory(usem3, tmp_path, caplog):
    (tmp_path / "file").write_text("no directory")
    unmapped = Usem3(weights=str(tmp_path / "file"))

    assert np.array_equal(unmapped.embed(["麻婆豆腐"]), usem3.embed(["麻婆豆腐"]))
    assert "event=weights_not_mapped" in caplog.text


def test_usem3_answers_as_the_indexes_that_it_made_expect(usem3):
    """Should this fail after an upgrade, its vectors changed: the name has to change as well."""
    (vector,) = usem3.embed(["麻婆豆腐"])

    assert usem3.name == "usem3/0.2.1"
    assert vector[:4] == pytest.approx(FIRST, abs=1e-3)


@pytest.mark.parametrize("nothing", ["", "  \u3000\n", "\0", "🍜", "“”?!", "\ud800"])
def test_what_cannot_be_read_is_zeros_and_disturbs_nothing(usem3, nothing):
    before, vector, after = usem3.embed(["豆腐", nothing, "豆腐"])

    assert not vector.any()
    assert np.allclose(before, after, atol=ROUNDING)
    assert np.linalg.norm(before) == pytest.approx(1)


def test_controls_and_halves_of_characters_are_read_over(usem3):
    plain, disturbed = usem3.embed(["麻婆豆腐", "\0麻婆豆腐\ud83c\r\n"])

    assert np.allclose(plain, disturbed, atol=ROUNDING)


def test_only_the_first_characters_of_a_long_text_count(usem3):
    start = "麻婆豆腐很好吃。" * (LONGEST_TEXT // 8)
    short, long = usem3.embed([start, start + "汤" * 100_000])

    assert np.allclose(short, long, atol=ROUNDING)


def test_leading_spaces_do_not_use_up_what_is_read():
    assert readable(" " * 10 * LONGEST_TEXT + "汤") == "汤"


def test_no_texts_are_no_vectors(usem3):
    for each in (usem3, CachingEmbedder(usem3)):
        assert each.embed([]).shape == (0, 512)
        assert each.embed([]).dtype == np.float32


def test_a_text_has_the_same_vector_alone_and_among_others(usem3):
    texts = [f"{number} 份红烧肉" * (number % 5 + 1) for number in range(100)]

    together = usem3.embed(texts)

    assert np.allclose(together[57], usem3.embed([texts[57]])[0], atol=ROUNDING)
    assert np.allclose(together[99], usem3.embed([texts[99]])[0], atol=ROUNDING)


def test_threads_get_what_they_asked_for(usem3):
    texts = [[f"{who} 号桌 {each}" for each in range(20)] for who in range(4)]
    expected = [usem3.embed(part) for part in texts]
    got: dict[int, np.ndarray] = {}

    def work(who: int) -> None:
        got[who] = usem3.embed(texts[who])

    threads = [threading.Thread(target=work, args=[who]) for who in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    for who in range(4):
        assert np.allclose(got[who], expected[who], atol=ROUNDING)


def test_a_model_is_loaded_at_the_first_text():
    fresh = Usem3()

    fresh.embed(["", "🍜"])
    assert "_model" not in vars(fresh)
    fresh.embed(["汤"])
    assert "_model" in vars(fresh)


def test_texts_are_taken_in_parts_of_about_equal_length():
    assert list(in_parts(["ab", "cd", "e", "fghijk", "l"], characters=4)) == [
        ["ab", "cd"],
        ["e", "fghijk"],
        ["l"],
    ]


def test_a_text_that_recurs_is_embedded_once():
    inner = Counting()
    remembered = CachingEmbedder(inner)

    first = remembered.embed(["a", "b", "a"])
    remembered.embed(["b", "c"])

    assert inner.asked == [["a", "b"], ["c"]]
    assert first.shape == (3, 2)


def test_what_was_used_last_stays_within_the_bound_of_bytes():
    inner = Counting()
    remembered = CachingEmbedder(inner, cache_bytes=1000)  # room for three

    for text in ("a", "b", "c", "a", "d", "a", "b"):
        remembered.embed([text])

    assert inner.asked == [["a"], ["b"], ["c"], ["d"], ["b"]]


def test_long_texts_are_not_kept():
    inner = Counting()
    remembered = CachingEmbedder(inner)

    remembered.embed(["汤" * 1000])
    remembered.embed(["汤" * 1000])

    assert len(inner.asked) == 2


def test_what_is_kept_does_not_keep_its_whole_batch():
    inner = Counting()
    remembered = CachingEmbedder(inner)

    remembered.embed(["汤", "汤" * 1000])
    gc.collect()

    assert inner.answered() is None


def test_an_answer_may_be_changed_without_changing_what_is_kept():
    remembered = CachingEmbedder(Counting())

    remembered.embed(["a"])[:] = 7

    assert remembered.embed(["a"]).tolist() == [[1, 0]]


def test_the_settings_choose_the_embedder_of_the_process(settings):
    settings.NEURAL = {"embedder": "usem3"}
    first = embedder()
    assert first is embedder()
    assert first.name.startswith("usem3/")

    settings.NEURAL = {"embedder": f"{__name__}.Counting", "embedder_options": {"length": "3"}}

    assert embedder().name == "counting/1"
    assert embedder().embedder.length == 3


def test_threads_that_come_first_share_one_embedder(settings):
    settings.NEURAL = {"embedder": f"{__name__}.Slow"}

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: embedder(), range(4)))

    assert len(set(map(id, got))) == 1


class Slow(Counting):
    def __init__(self) -> None:
        super().__init__()
        time.sleep(0.05)


class Lock:
    """A type that no text is."""


class Untyped(Counting):
    """As one that was written without a thought of types, or with types of others."""

    def __init__(self, model, session: "NotImported" = None, place: Lock = None, *rest, **more):  # noqa: F821
        super().__init__()
        self.given = (model, session, place, rest, more)


def test_an_embedder_without_types_gets_its_options_as_text():
    made = make_embedder(f"{__name__}.Untyped", {"model": "7", "session": "a"})

    assert made.given == ("7", "a", None, (), {})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "model: Field required"),
        ({"model": "7", "other": "1"}, "other: Extra inputs.* .it knows model, session, place"),
        ({"model": "7", "place": "here"}, "place: Input should be an instance of Lock"),
    ],
)
def test_the_check_says_what_an_embedder_without_types_lacks(options, said, settings):
    kind = f"{__name__}.Untyped"
    chosen = {"search": True, "embedder": kind, "embedder_options": options}
    settings.NEURAL = {**settings.NEURAL, **chosen}

    (found,) = [each for each in check_search() if each.id == "neural.E002"]

    assert re.search(said, found.msg)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("usem4", {}, "no embedder 'usem4'.* usem3, openai, or the dotted path"),
        ("no.such.Thing", {}, "no embedder 'no.such.Thing'"),
        ("pathlib.Path", {}, "'pathlib.Path' is no subclass of Embedder"),
        ("usem3", {"thread": "2"}, "thread: Extra inputs.* .it knows threads"),
        ("usem3", {"threads": "many"}, "threads: Input should be a valid int"),
        ("usem3", {"threads": "0"}, "threads: Input should be greater"),
    ],
)
def test_a_wrong_choice_is_refused_and_says_what_is_known(kind, options, said):
    with pytest.raises(EmbedderRefused, match=said):
        make_embedder(kind, options)
