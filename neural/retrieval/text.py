"""Chinese and English text as search compares it: a normal form, tokens, names and pinyin. Pure.

Text is normalised by NFKC (full width, ligatures). Traditional Chinese becomes simplified, letters
become lower case, and Latin letters lose their accents (so pinyin loses its tones). Characters that
no index can keep (control characters, half surrogates) become spaces. Characters are folded one by
one, so that a match can be shown as the record writes it.

A unit is a Chinese character, or a whole Latin word or number. No token contains white space.

A sound is one string of letters, without tones and spaces, so nobody needs to know where a syllable
ends. Letters that people confuse (z and zh, n and ng, l and n, ü and v) are written alike. Pieces
of three letters are compared: a missing letter changes three of them, not all."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache, lru_cache

# The normal form


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


# Units and tokens


HAN = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
"""Scripts that are compared by characters: Chinese and kana, which have no spaces, and Korean,
whose words take endings."""
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
_RUNS = re.compile(f"([{HAN}]+)|([^\\W_{HAN}]+)|([{_EMOJI}])")
_UNITS = re.compile(f"[{HAN}]|[^\\W_{HAN}]+|[{_EMOJI}]")
_CHINESE = re.compile(f"[{HAN}]")
_BRACKETS = re.compile(r"[(\[{<《【〔「『].*?[)\]}>》】〕」』]")
_WITH_DIGITS = re.compile(r"[A-Za-z0-9_.:/+-]*[0-9][A-Za-z0-9_.:/+-]*")
_PLURALS_IN_ES = ("ches", "shes", "sses", "xes", "zes", "oes")
_SHORTEST_PLURAL = 4
LONGEST_WORD = 40
"""A longer 'word' is cut, as nobody types it."""


def runs(folded: str) -> Iterator[tuple[int, str, bool]]:
    """Runs between separators: the position of each, the run (Latin ones as in :func:`word_of`),
    and whether it is Chinese. Each emoji is a run of its own."""
    for found in _RUNS.finditer(folded):
        chinese = found.group(1) is not None
        yield found.start(), found.group() if chinese else word_of(found.group()), chinese


def units(folded: str) -> list[str]:
    """The units of a text in order, across separators."""
    return [each if len(each) == 1 else word_of(each) for each in _UNITS.findall(folded)]


def word_of(run: str) -> str:
    """A Latin word in the form that is compared: the singular. Words that are no English plurals
    may be changed too, but in records and queries alike, so that does no harm."""
    run = run[:LONGEST_WORD]
    if len(run) < _SHORTEST_PLURAL or run.endswith(("us", "ss")):
        return run
    if run.endswith(_PLURALS_IN_ES):
        return run.removesuffix("es")
    one = run.removesuffix("s")
    if one.endswith("ie") and len(one) > _SHORTEST_PLURAL:
        return one.removesuffix("ie") + "y"  # berries: berry; cookies and cookie: cooky
    return one


def words(folded: str) -> Iterator[tuple[int, int, str]]:
    """The Latin words and numbers of a text: start, end, and the form that is compared."""
    for found in _RUNS.finditer(folded):
        if found.group(1) is None:
            yield found.start(), found.end(), word_of(found.group())


def without_numbers(text: str) -> str:
    """A text without words that have a digit: ids, amounts and times mean nothing to a model."""
    return _WITH_DIGITS.sub("", text)


def has_chinese(folded: str) -> bool:
    """Whether the text has any character of a script that is compared by characters."""
    return _CHINESE.search(folded) is not None


@lru_cache(maxsize=16_384)
def name_forms(name: str) -> tuple[str, ...]:
    """The forms in which a whole name is compared: its units without separators, and the same
    without text in brackets, because people leave out the branch of 护国寺小吃店（护国寺总店）."""
    folded = fold_short(name)
    forms = ("".join(units(folded)), "".join(units(_BRACKETS.sub(" ", folded))))
    return tuple(form for form in dict.fromkeys(forms) if form)


@lru_cache(maxsize=16_384)
def characters_of(name: str) -> frozenset[str]:
    """The units of a name without order, so that swapped ones make no difference."""
    return frozenset(units(fold_short(name)))


def grams(run: str) -> list[str]:
    """The pairs and triples of characters in a run; of a single character, itself."""
    if len(run) < 3:
        return [run]
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    return pairs + [run[at : at + 3] for at in range(len(run) - 2)]


def word_tokens(text: str) -> list[str]:
    """The tokens of a text: pairs and triples in each run of Chinese, and whole Latin words and
    numbers."""
    return _of_folded(fold(text))


def name_tokens(names: Iterable[str]) -> list[str]:
    """The tokens of names: of each name the whole, its words as in :func:`word_tokens`, and its
    single Chinese characters, so that one character finds it. A token is listed once per name."""
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


# Sounds


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


# The parts of a text that matched, as the text writes them


_SPACE = re.compile(r"\s+")


def matched_parts(text: str, tokens: Collection[str]) -> list[str]:
    """Pieces of the text that these tokens cover, each once. Pieces that touch are joined_spans."""
    folded, places = _folded(text)
    found = (text[places[start] : places[end]] for start, end in _covered(folded, tokens))
    return list(dict.fromkeys(_SPACE.sub(" ", part).strip() for part in found))


def _folded(text: str) -> tuple[str, range | list[int]]:
    folded = fold(text)
    if len(folded) == len(text) and unicodedata.is_normalized("NFKC", text):
        return folded, range(len(text) + 1)  # no character moved: the usual case
    return fold_with_places(text)


def _covered(folded: str, tokens: Collection[str]) -> list[tuple[int, int]]:
    chinese = (token for token in tokens if token in folded and has_chinese(token))
    spans = [span for token in chinese for span in occurrences(folded, token)]
    spans += [(start, end) for start, end, word in words(folded) if word in tokens]
    return joined_spans(sorted(spans))


def occurrences(text: str, part: str) -> Iterator[tuple[int, int]]:
    """The start and end of every occurrence of a part, which must not be empty."""
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


def joined_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sorted spans; those that overlap or touch become one."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
