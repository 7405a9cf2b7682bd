"""Titles as people type them: in another script, shortened, or with a slip. The random choices are
seeded, so results of different runs can be compared.

Slips in pinyin are those of typing, which no library for pinyin produces: z for zh, n for ng, l for
n, u for ü, a missing letter.
"""

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

from opencc import OpenCC
from pypinyin import lazy_pinyin

from benchmarks.search_quality.data import Asked

_CHINESE = re.compile("[\u4e00-\u9fff]{3,}")
_FULL_WIDTH = {each: each + 0xFEE0 for each in range(0x21, 0x7F)}
_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"))


class Disturber:
    """Makes the disturbed titles of some records."""

    def __init__(self, records: Iterable[dict[str, Any]], *, seed: int) -> None:
        records = list(records)
        self._random = random.Random(seed)
        self._ids: dict[str, set[str]] = {}
        for each in records:
            self._ids.setdefault(each["title"], set()).add(each["id"])
        text = "".join(each["title"] + each["description"] for each in records)
        self._characters = sorted({each for each in text if "\u4e00" <= each <= "\u9fff"})
        self._alike: dict[str, list[str]] = {}
        for each in self._characters:
            self._alike.setdefault(lazy_pinyin(each)[0], []).append(each)
        self._traditional = OpenCC("s2t").convert

    def all(self) -> dict[str, list[Asked]]:
        """Questions by kind of disturbance, without titles that the disturbance did not change."""
        titles = sorted(title for title in self._ids if _CHINESE.fullmatch(title))
        kinds = {name: self._disturbed(titles, how) for name, how in self._kinds().items()}
        # Full width and case change only Latin letters.
        mixed = sorted(title for title in self._ids if re.search("[A-Za-z]", title))
        return {**kinds, "full width": self._disturbed(mixed, _full_width_and_case)}

    def _kinds(self) -> dict[str, Callable[[str], str]]:
        return {
            "traditional": self._traditional,
            "half": self._half,
            "one wrong": self._wrong,
            "one missing": self._missing,
            "homophone": self._homophone,
            "swapped": self._swapped,
            "pinyin spaced": lambda title: " ".join(lazy_pinyin(title)),
            "pinyin joined": lambda title: "".join(lazy_pinyin(title)),
            "pinyin full width": lambda title: _full_width_and_case("".join(lazy_pinyin(title))),
            "slip spaced": lambda title: " ".join(self._slip(lazy_pinyin(title))),
            "slip joined": lambda title: "".join(self._slip(lazy_pinyin(title))),
            "letter missing": lambda title: "".join(self._letter_missing(lazy_pinyin(title))),
            "two slips": lambda title: "".join(self._slip(self._slip(lazy_pinyin(title)))),
        }

    def _disturbed(self, titles: list[str], how: Callable[[str], str]) -> list[Asked]:
        made = ((how(title), title) for title in titles)
        return [Asked(text, frozenset(self._ids[title])) for text, title in made if text != title]

    def _half(self, title: str) -> str:
        if len(title) < 4:  # half of a three-character title is no longer a title
            return title
        middle = len(title) // 2
        return self._random.choice([title[: len(title) - middle], title[middle:]])

    def _wrong(self, title: str) -> str:
        at = self._random.randrange(len(title))
        return title[:at] + self._random.choice(self._characters) + title[at + 1 :]

    def _missing(self, title: str) -> str:
        at = self._random.randrange(len(title))
        return title[:at] + title[at + 1 :]

    def _homophone(self, title: str) -> str:
        at = self._random.randrange(len(title))
        return (
            title[:at]
            + self._random.choice(self._alike[lazy_pinyin(title[at])[0]])
            + title[at + 1 :]
        )

    def _swapped(self, title: str) -> str:
        at = self._random.randrange(len(title) - 1)
        return title[:at] + title[at + 1] + title[at] + title[at + 2 :]

    def _slip(self, syllables: list[str]) -> list[str]:
        at = self._random.randrange(len(syllables))
        slips = _slips_of(syllables[at]) or [syllables[at]]
        return [*syllables[:at], self._random.choice(slips), *syllables[at + 1 :]]

    def _letter_missing(self, syllables: list[str]) -> list[str]:
        at = self._random.choice([i for i, each in enumerate(syllables) if len(each) > 1])
        letter = self._random.randrange(len(syllables[at]))
        cut = syllables[at][:letter] + syllables[at][letter + 1 :]
        return [*syllables[:at], cut, *syllables[at + 1 :]]


def _full_width_and_case(title: str) -> str:
    return title.swapcase().translate(_FULL_WIDTH)


def _slips_of(syllable: str) -> list[str]:
    slips = []
    for curled, flat in _INITIALS:
        if syllable.startswith(curled):
            slips.append(flat + syllable[2:])
        elif syllable.startswith(flat):
            slips.append(curled + syllable[1:])
    if syllable.endswith("ng"):
        slips.append(syllable[:-1])
    elif syllable.endswith("n"):
        slips.append(syllable + "g")
    if syllable[0] in "ln":
        slips.append({"l": "n", "n": "l"}[syllable[0]] + syllable[1:])
    return slips + (
        [syllable.replace("v", "u"), syllable.replace("v", "ü")] if "v" in syllable else []
    )
