"""The normal form of texts, for records and queries alike. Pure.

Text is normalised by NFKC (full width, ligatures). Traditional Chinese becomes simplified, letters
become lower case, and Latin letters lose their accents (so pinyin loses its tones). Characters that
no index can keep (control characters, half surrogates) become spaces. Characters are folded one by
one, so that a match can be shown as the record writes it.
"""

import unicodedata
from functools import cache, lru_cache

_HAN = (
    range(0x2E80, 0x3100),
    range(0x3400, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x32000),
)
_ACCENTED = range(0xC0, 0x250)
_UNKEPT = (range(0x20), range(0x7F, 0xA0), range(0xD800, 0xE000), range(0xFFF0, 0x10000))


@cache
def _simplified() -> dict[int, str]:
    """What each character becomes. Characters are converted one by one, without phrases: 乾隆
    becomes 干隆. Records and queries are folded alike, so that does no harm."""
    import opencc  # imported here, as most processes never need it

    characters = [chr(each) for span in _HAN for each in span]
    # One character per line, because opencc's phrases do not cross lines.
    folded = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    changed = zip(characters, folded, strict=True)
    table = {ord(each): other for each, other in changed if each != other}
    table.update({each: unicodedata.normalize("NFD", chr(each))[0] for each in _ACCENTED})
    table.update({each: " " for span in _UNKEPT for each in span})
    return table


@lru_cache(maxsize=16_384)
def fold_short(text: str) -> str:
    """As :func:`fold`, cached: for names, which recur."""
    return fold(text)


def fold(text: str) -> str:
    """The normal form of a text."""
    return unicodedata.normalize("NFKC", text).lower().translate(_simplified())


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """The normal form, and for each of its characters its position in ``text``. The list ends with
    one more position, the length of ``text``."""
    folded: list[str] = []
    places: list[int] = []
    for start, cluster in _clusters(text):
        form = fold(cluster)
        folded.append(form)
        places.extend([start] * len(form))
    return "".join(folded), [*places, len(text)]


def _clusters(text: str) -> list[tuple[int, str]]:
    """Characters with their combining marks, and the position of each."""
    clusters: list[tuple[int, str]] = []
    for place, character in enumerate(text):
        if clusters and unicodedata.combining(character):
            start, cluster = clusters[-1]
            clusters[-1] = (start, cluster + character)
        else:
            clusters.append((place, character))
    return clusters
