"""Sounds: names as they are typed in pinyin, and what sounds like them. Pure.

A name is one string of letters, without tones and without spaces, so that nobody needs to know
where a syllable ends. What people mix up (z and zh, n and ng, l and n, ü and v) is written one
way. Pieces of three letters are compared: a letter too few spoils three of them, not all.
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
    """Pinyin with what people mix up written one way, only letters."""
    plain = _OTHER.sub("", letters)
    for mixed, one in _MIXED:
        plain = plain.replace(mixed, one)
    return plain


@lru_cache(maxsize=16_384)
def sound_of(name: str) -> str:
    """How the Chinese characters and the letters of a name are typed."""
    folded = fold_short(name)
    if not has_chinese(folded):
        return plain(folded)
    from pypinyin.seg.mmseg import seg  # slow to import, and most processes never need it

    # Longest phrases decide between readings: 重庆 is chong qing, 重量 zhong liang. pypinyin takes
    # a text apart in this way itself; phrases come again, and remembered it is six times as fast.
    return plain(" ".join(map(_letters_of, seg.cut(folded))))


@lru_cache(maxsize=16_384)
def _letters_of(phrase: str) -> str:
    from pypinyin import Style, lazy_pinyin

    return " ".join(lazy_pinyin(phrase, style=Style.NORMAL, errors="default"))


@lru_cache(maxsize=16_384)
def pieces(sound: str) -> frozenset[str]:
    """Its pieces of three letters, with its beginning and end marked."""
    marked = f"^{sound}$" if sound else ""
    return frozenset(marked[at : at + PIECE] for at in range(len(marked) - PIECE + 1))


def likeness(some: frozenset[str], others: frozenset[str]) -> float:
    """Share of the pieces that two names have in common, from 0 to 1 (Dice)."""
    both = len(some) + len(others)
    return 2 * len(some & others) / both if both else 0.0


def sound_tokens(names: Iterable[str]) -> list[str]:
    """Pieces of what each name with Chinese characters sounds like."""
    tokens: list[str] = []
    for name in dict.fromkeys(names):
        if has_chinese(name):
            tokens += sorted(pieces(sound_of(name)))
    return tokens
