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
from collections.abc import Collection, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise

# The normal form


_HAN = (
    range(0x2E80, 0x3100),
    range(0x3400, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x32000),
)
_ACCENTED = range(0xC0, 0x250)
_UNKEPT = (range(0x20), range(0x7F, 0xA0), range(0xD800, 0xE000), range(0xFFF0, 0x10000))
_PIECES = re.compile(r".{1,300}(?!\W)|.{1,300}", re.DOTALL)
"""A piece ends before a letter where it can: not between a letter and its accent."""


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
    return compatible(text).lower().translate(_simplified())


def compatible(text: str) -> str:
    """The text in Unicode's form NFKC, made in pieces: Python takes quadratic time to put the
    accents of one letter in order, and a text may be nothing but accents."""
    return "".join(unicodedata.normalize("NFKC", each) for each in _PIECES.findall(text))


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """The normal form, and for each of its characters its position in ``text``. The list ends with
    one more position, the length of ``text``."""
    folded: list[str] = []
    places: list[int] = []
    # A combining mark is folded with the character before it.
    starts = [at for at, each in enumerate(text) if not (at and unicodedata.combining(each))]
    for start, end in pairwise([*starts, len(text)]):
        form = fold(text[start:end])
        folded.append(form)
        places.extend([start] * len(form))
    return "".join(folded), [*places, len(text)]


# Units and tokens


HAN = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
"""Scripts that are compared by characters: Chinese and kana, which have no spaces, and Korean,
whose words take endings."""
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
_RUNS = re.compile(f"([{HAN}]+)|([^\\W_{HAN}]+)|([{_EMOJI}])")
_UNITS = re.compile(f"[{HAN}]|[^\\W_{HAN}]+|[{_EMOJI}]")
_CHINESE = re.compile(f"[{HAN}]")
# Both also match what is left as it is, so that a text of brackets alone, or without any digit, is
# read once and not again from each of its characters.
_BRACKETS = re.compile(r"[(\[{<《【〔「『][^)\]}>》】〕」』\n]*([)\]}>》】〕」』]?)")
_CODES = re.compile(r"[A-Za-z0-9_.:/+-]+")
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


def without_numbers(text: str) -> str:
    """A text without words that have a digit: ids, amounts and times mean nothing to a model."""
    return _CODES.sub(lambda found: "" if has_digit(found[0]) else found[0], text)


def has_chinese(folded: str) -> bool:
    """Whether the text has any character of a script that is compared by characters."""
    return _CHINESE.search(folded) is not None


@lru_cache(maxsize=16_384)
def name_forms(name: str) -> tuple[str, ...]:
    """The forms in which a whole name is compared: its units without separators, and the same
    without text in brackets, because people leave out the branch of 护国寺小吃店（护国寺总店）."""
    folded = fold_short(name)
    short = _BRACKETS.sub(lambda found: " " if found[1] else found[0], folded)
    forms = ("".join(units(folded)), "".join(units(short)))
    return tuple(form for form in dict.fromkeys(forms) if form)


@lru_cache(maxsize=16_384)
def characters_of(name: str) -> frozenset[str]:
    """The units of a name without order, so that swapped ones make no difference."""
    return frozenset(units(fold_short(name)))


def pairs(run: str) -> list[str]:
    """The pairs of characters in a run; of a single character, itself."""
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def word_tokens(text: str) -> list[str]:
    """The tokens of a text: pairs in each run of Chinese, and whole Latin words and numbers."""
    tokens: list[str] = []
    for _, run, chinese in runs(fold(text)):
        tokens += pairs(run) if chinese else (run,)
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
    return plain(_pinyin(folded) if has_chinese(folded) else folded)


def _pinyin(folded: str) -> str:
    from pypinyin.seg.mmseg import seg  # slow to import, and rarely needed

    # The longest phrase decides how a character is read: 重庆 is chong qing, 重量 zhong liang.
    # pypinyin splits a text in the same way itself. Phrases recur, and caching them is six times as
    # fast.
    return " ".join(map(_letters_of, seg.cut(folded)))


@lru_cache(maxsize=16_384)
def _letters_of(phrase: str) -> str:
    from pypinyin import Style, lazy_pinyin

    return " ".join(lazy_pinyin(phrase, style=Style.NORMAL, errors="default"))


@lru_cache(maxsize=16_384)
def syllables_of(name: str) -> tuple[str, ...]:
    """The sounds of the characters of a Chinese name; empty for others."""
    folded = fold_short(name)
    return tuple(map(plain, _pinyin(folded).split())) if has_chinese(folded) else ()


def is_short_for(letters: str, syllables: Sequence[str]) -> bool:
    """Whether these letters begin each syllable in turn: gongbji is short for 宫保鸡丁."""
    if not letters or not syllables:
        return not letters
    first, rest = syllables[0], syllables[1:]
    return any(
        letters.startswith(first[:end]) and is_short_for(letters[end:], rest)
        for end in range(1, len(first) + 1)
    )


@lru_cache(maxsize=16_384)
def pieces(sound: str) -> frozenset[str]:
    """The pieces of three letters of a sound, with its beginning and end marked."""
    marked = f"^{sound}$" if sound else ""
    return frozenset(marked[at : at + PIECE] for at in range(len(marked) - PIECE + 1))


def likeness(some: frozenset[str], others: frozenset[str]) -> float:
    """The share of the pieces that two sounds have in common, from 0 to 1 (Dice)."""
    both = len(some) + len(others)
    return 2 * len(some & others) / both if both else 0.0


def initials_of(name: str) -> str:
    """The first letters of the syllables of a Chinese name; empty for others."""
    folded = fold_short(name)
    if not has_chinese(folded):
        return ""
    from pypinyin import Style, lazy_pinyin

    letters = lazy_pinyin(folded, style=Style.FIRST_LETTER, errors=_first_of_each)
    return "".join(letters)[:LONGEST_WORD].lower()


def _first_of_each(run: str) -> str:
    return "".join(word[0] for word in _WORDS.findall(run))


# Numbers: ids, phones, tables and amounts


_WORDS = re.compile("[a-z0-9]+")
_CHUNK = re.compile("[a-z0-9]+(?:[-_/.:#+]+[a-z0-9]+)*")
_WRITTEN = re.compile(_CHUNK.pattern, re.IGNORECASE | re.ASCII)
_AMOUNT = re.compile(r"\d+\.\d{1,2}")


def has_digit(text: str) -> bool:
    """Whether the text has a digit."""
    return any(map(str.isdigit, text))


def numbers_in(folded: str) -> list[str]:
    """The numbers that a text writes, each with its own separators: runs with a digit."""
    return [each for each in _CHUNK.findall(folded) if has_digit(each)]


def written_numbers(text: str, numbers: Collection[str]) -> list[str]:
    """The numbers among these (:func:`number_of`), as a text writes them."""
    written = (each.group() for each in _WRITTEN.finditer(text))
    return [each for each in written if number_of(each.lower()) in numbers]


def number_of(written: str) -> str:
    """A number as it is compared: without separators, an amount without needless zeros. ``written``
    is in normal form; empty if it has no digit."""
    if _AMOUNT.fullmatch(written):
        return written.rstrip("0").rstrip(".")
    joined = "".join(_WORDS.findall(written))
    return joined[:LONGEST_WORD] if has_digit(joined) else ""


# Terms: the tokens of which the vocabulary keeps the sound


_SHORTEST_TERM, LONGEST_TERM = 2, 60


def is_term(token: str) -> bool:
    """Whether the vocabulary has this token: a whole name, a number, or a Latin word."""
    if token[0] in "=#":
        return len(token) <= LONGEST_TERM
    letters = len(token) >= _SHORTEST_TERM and token[0] not in "@%" and not has_chinese(token)
    return letters and not has_digit(token)


# The parts of a text that matched, as the text writes them


_SPACE = re.compile(r"\s+")
_SHORT = 100
"""Characters of a text that recurs."""


def matched_parts(text: str, tokens: Collection[str]) -> list[str]:
    """Pieces of the text that these tokens cover, each once. Pieces that touch are joined_spans."""
    folded, places = _folded(text)
    found = (text[places[start] : places[end]] for start, end in _covered(folded, tokens))
    return list(dict.fromkeys(_SPACE.sub(" ", part).strip() for part in found))


def _folded(text: str) -> tuple[str, range | list[int]]:
    folded = fold_short(text) if len(text) <= _SHORT else fold(text)
    if len(folded) == len(text) and unicodedata.is_normalized("NFKC", text):
        return folded, range(len(text) + 1)  # no character moved: the usual case
    return fold_with_places(text)


def _covered(folded: str, tokens: Collection[str]) -> list[tuple[int, int]]:
    chinese = (token for token in tokens if token in folded and has_chinese(token))
    spans = [span for token in chinese for span in occurrences(folded, token)]
    latin = (found for found in _RUNS.finditer(folded) if found.group(1) is None)
    spans += [found.span() for found in latin if word_of(found.group()) in tokens]
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
