"""Units of a text in normal form (Chinese characters, and Latin words and numbers whole), and the
tokens that full-text search compares. Pure. No token contains white space."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from neural.retrieval.text.forms import fold, fold_short

HAN = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
"""Written without spaces: Chinese, kana, and Korean, whose words take endings."""
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
_RUNS = re.compile(f"([{HAN}]+)|([^\\W_{HAN}]+)|([{_EMOJI}])")
_UNITS = re.compile(f"[{HAN}]|[^\\W_{HAN}]+|[{_EMOJI}]")
_CHINESE = re.compile(f"[{HAN}]")
_BRACKETS = re.compile(r"[(\[{<《【〔「『].*?[)\]}>》】〕」』]")
_WITH_DIGITS = re.compile(r"[A-Za-z0-9_.:/+-]*[0-9][A-Za-z0-9_.:/+-]*")
_PLURALS_IN_ES = ("ches", "shes", "sses", "xes", "zes", "oes")
_SHORTEST_PLURAL = 4
LONGEST = 40
"""A 'word' longer than this is no word that anybody types: it is cut."""


def runs(folded: str) -> Iterator[tuple[int, str, bool]]:
    """Runs between separators: where each begins, the run (a Latin one as :func:`word_of` has it),
    and whether it is Chinese. Emoji stand alone."""
    for found in _RUNS.finditer(folded):
        chinese = found.group(1) is not None
        yield found.start(), found.group() if chinese else word_of(found.group()), chinese


def units(folded: str) -> list[str]:
    """Its units in order, across separators."""
    return [each if len(each) == 1 else word_of(each) for each in _UNITS.findall(folded)]


def word_of(run: str) -> str:
    """A Latin word as it is compared: of several things as of one. What is no English plural is
    changed in records as in questions, so that nothing is lost."""
    run = run[:LONGEST]
    if len(run) < _SHORTEST_PLURAL or run.endswith(("us", "ss")):
        return run
    if run.endswith(_PLURALS_IN_ES):
        return run.removesuffix("es")
    one = run.removesuffix("s")
    if one.endswith("ie") and len(one) > _SHORTEST_PLURAL:
        return one.removesuffix("ie") + "y"  # berries and a berry, cookies and a cookie
    return one


def words(folded: str) -> Iterator[tuple[int, int, str]]:
    """Its Latin words and numbers: where each begins and ends, and how it is compared."""
    for found in _RUNS.finditer(folded):
        if found.group(1) is None:
            yield found.start(), found.end(), word_of(found.group())


def without_numbers(text: str) -> str:
    """A text without words that hold a digit: ids, amounts and times mean nothing to a model."""
    return _WITH_DIGITS.sub("", text)


def has_chinese(folded: str) -> bool:
    """Whether anything in it is written without spaces."""
    return _CHINESE.search(folded) is not None


@lru_cache(maxsize=16_384)
def name_forms(name: str) -> tuple[str, ...]:
    """What stands for a name as a whole: its units without separators; and the same without what
    is in brackets, as people leave out the branch of 护国寺小吃店（护国寺总店）."""
    folded = fold_short(name)
    forms = ("".join(units(folded)), "".join(units(_BRACKETS.sub(" ", folded))))
    return tuple(form for form in dict.fromkeys(forms) if form)


@lru_cache(maxsize=16_384)
def characters_of(name: str) -> frozenset[str]:
    """Units of a name, in no order: two that are swapped make no difference."""
    return frozenset(units(fold_short(name)))


def grams(run: str) -> list[str]:
    """Its pairs and triples of characters; of a single character, itself."""
    if len(run) < 3:
        return [run]
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    return pairs + [run[at : at + 3] for at in range(len(run) - 2)]


def word_tokens(text: str) -> list[str]:
    """Pairs and triples inside each run of Chinese, never across a separator; Latin words and
    numbers whole."""
    return _of_folded(fold(text))


def name_tokens(names: Iterable[str]) -> list[str]:
    """For each name: itself as a whole, its words as :func:`word_tokens`, and each of its Chinese
    characters, by which alone it may be asked for. Each once a name."""
    tokens: list[str] = []
    for name in dict.fromkeys(names):
        folded = fold_short(name)
        characters = [each for _, run, chinese in runs(folded) if chinese for each in run]
        tokens += dict.fromkeys([*name_forms(name), *_of_folded(folded), *characters])
    return tokens


def _of_folded(folded: str) -> list[str]:
    tokens: list[str] = []
    for _, run, chinese in runs(folded):
        tokens += grams(run) if chinese else (run,)
    return tokens
