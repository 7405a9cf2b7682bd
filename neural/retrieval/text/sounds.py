"""Sounds: how names are typed in pinyin, and how much two of them sound alike. Pure.

A sound is one string of letters, without tones and spaces, so nobody needs to know where a syllable
ends. Letters that people confuse (z and zh, n and ng, l and n, ü and v) are written alike. Pieces
of three letters are compared: a missing letter changes three of them, not all.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from neural.retrieval.text.forms import fold_short
from neural.retrieval.text.tokens import has_chinese

PIECE = 3
_MIXED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"), ("l", "n"), ("ü", "u"), ("v", "u"))
_OTHER = re.compile(r"[^a-zü]+")


def plain(letters: str) -> str:
    """Pinyin as letters alone, with those that people confuse written alike."""
    plain = _OTHER.sub("", letters)
    for mixed, one in _MIXED:
        plain = plain.replace(mixed, one)
    return plain


@lru_cache(maxsize=16_384)
def sound_of(name: str) -> str:
    """The sound of a name: how its Chinese characters and its letters are typed."""
    folded = fold_short(name)
    if not has_chinese(folded):
        return plain(folded)
    from pypinyin.seg.mmseg import seg  # slow to import, and rarely needed

    # The longest phrase decides how a character is read: 重庆 is chong qing, 重量 zhong liang.
    # pypinyin splits a text in the same way itself. Phrases recur, and caching them is six times as
    # fast.
    return plain(" ".join(map(_letters_of, seg.cut(folded))))


@lru_cache(maxsize=16_384)
def _letters_of(phrase: str) -> str:
    from pypinyin import Style, lazy_pinyin

    return " ".join(lazy_pinyin(phrase, style=Style.NORMAL, errors="default"))


@lru_cache(maxsize=16_384)
def pieces(sound: str) -> frozenset[str]:
    """The pieces of three letters of a sound, with its beginning and end marked."""
    marked = f"^{sound}$" if sound else ""
    return frozenset(marked[at : at + PIECE] for at in range(len(marked) - PIECE + 1))


def likeness(some: frozenset[str], others: frozenset[str]) -> float:
    """The share of the pieces that two sounds have in common, from 0 to 1 (Dice)."""
    both = len(some) + len(others)
    return 2 * len(some & others) / both if both else 0.0


def sound_tokens(names: Iterable[str]) -> list[str]:
    """The pieces of the sound of each name that has Chinese characters."""
    tokens: list[str] = []
    for name in dict.fromkeys(names):
        if has_chinese(name):
            tokens += sorted(pieces(sound_of(name)))
    return tokens
