"""Parsing a query: its numbers, its words, the names that may be in it, and its sound. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from neural.retrieval.text import (
    fold,
    has_chinese,
    number_of,
    numbers_in,
    pairs,
    runs,
    sound_of,
    units,
)

LONGEST_NAME = 12
"""In units. Longer names are found by their pieces, or if they are the whole query."""
MOST_UNITS = 200
"""Only so many units of a longer query are compared with names."""
MOST_PARTS = 40
"""Only so many parts of a longer query are looked up."""
LONGEST_SOUNDED = 40
"""In letters. A longer query is a sentence, and no name sounds like a sentence."""
_LONGEST_READ = 4_000
_SPACED = re.compile(r"(?<![a-z\d])\d+(?: \d+)+(?![a-z\d])")
"""Digits in groups, as phones are written: 138 0013 8000."""

_MASKED = re.compile(r"\d{2,3}\*{2,8}(?=\d{4}(?!\d))")
"""What is hidden of a phone: 138****7731."""
_OS = re.compile(r"o+(?=\d)|(?<=\d)o+")
_AFTER_LETTERS = re.compile(r"([a-z]+)([1-9]\d{2,})")

_ENGLISH = (
    "a about all an and any are as at be by can do does did for from had has have how i in is it "
    "me my of on or our please show some that the their them there they this to us was we were "
    "what when where which who why will with without you your find get give list need want"
)
_FUNCTION_WORDS = frozenset(_ENGLISH.split())
_FUNCTION_CHARACTERS = frozenset(
    "的了吗呢吧啊呀我你他她它们这那哪个些有没在是和与或及也都就不要想请帮找查看给把被来去到从"
    "对为以会能可得着过很最一点份怎么样什谁几多少吃喝单号桌店"
)
_WEIGHT_OF_FUNCTION = 0.3
_DONE = re.compile("(.)[过了着](.)")
"""A verb and its object, where a particle says that it is done: 退过钱."""


@dataclass(frozen=True)
class Part:
    """A part of a query that is looked up by itself."""

    text: str
    """In normal form; a number without separators."""
    is_number: bool = False
    weight: float = 1.0
    """Less for what says little: 'the', 的."""
    joins: tuple[str, ...] = ()
    """The parts that it joins to one number, if there is such a number."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that are exactly this part."""
        if not self.is_number:
            return (self.text,)
        zeroed = dict.fromkeys((self.text, self.zeroed))
        # People leave out zeros at the beginning of an id's digits: HM4513 for HM004513.
        zeros = range(1, 5) if (left_out := _AFTER_LETTERS.fullmatch(self.text)) else ()
        padded = (f"#{left_out[1]}{'0' * each}{left_out[2]}" for each in zeros if left_out)
        return (*(f"#{each}" for each in zeroed), *zeroed, *padded)

    @property
    def zeroed(self) -> str:
        """A number with zeros in place of the letters O beside its digits."""
        return _OS.sub(lambda found: "0" * len(found[0]), self.text)


@dataclass(frozen=True, kw_only=True)
class ParsedQuery:
    """A query taken apart."""

    chinese: bool
    whole: str
    """The whole query as one name, without separators; empty if it has nothing to search for."""
    names: frozenset[str]
    """Every piece of it that may be the whole name of something."""
    parts: tuple[Part, ...]
    characters: frozenset[str] = frozenset()
    """Its units, without order."""
    sound: str = ""
    """The sound of the whole query; empty for a sentence."""

    @property
    def blank(self) -> bool:
        """Whether it has no letter, number or sign to search for."""
        return not self.names


def parse_query(text: str) -> ParsedQuery:
    """A query taken apart. Nothing in it is an operator, and every text is a valid query."""
    folded = fold(text[:_LONGEST_READ])
    asked = units(folded)[:MOST_UNITS]
    whole = "".join(asked)
    return ParsedQuery(
        chinese=has_chinese(folded),
        whole=whole,
        names=frozenset(_possible_names(asked)),
        parts=tuple(islice(dict.fromkeys(_parts(folded)), MOST_PARTS)),
        characters=frozenset(asked),
        # What has a digit is a number, and sounds like nothing.
        sound="" if len(whole) > LONGEST_SOUNDED or numbers_in(folded) else sound_of(folded),
    )


def _possible_names(asked: list[str]) -> Iterable[str]:
    """The whole query, and its pieces of up to so many units. A single Chinese character is no name
    unless it is the whole query."""
    if asked:
        yield "".join(asked)
    for start in range(len(asked)):
        for end in range(start + 1, min(start + LONGEST_NAME, len(asked)) + 1):
            if end > start + 1 or not (has_chinese(asked[start]) or _is_function(asked[start])):
                yield "".join(asked[start:end])


def _parts(folded: str) -> Iterator[Part]:
    folded = _MASKED.sub("", folded)
    for written in (each.group() for each in _SPACED.finditer(folded)):
        yield Part(number_of(written), is_number=True, joins=tuple(written.split()))
    for written in numbers_in(folded):
        yield Part(number_of(written), is_number=True)
        folded = folded.replace(written, " ", 1)
    for _, run, chinese in runs(folded):
        done = [a + b for a, b in _DONE.findall(run) if weight_of(a + b) == 1] if chinese else []
        for token in (*pairs(run), *done) if chinese else (run,):
            yield Part(token, weight=weight_of(token))


def weight_of(token: str) -> float:
    """How much a token of a query says: less for what is in very many, like 'the' and 的."""
    if not has_chinese(token):
        return _WEIGHT_OF_FUNCTION if _is_function(token) else 1.0
    functions = sum(each in _FUNCTION_CHARACTERS for each in token)
    return 1.0 if not functions else _WEIGHT_OF_FUNCTION / functions


def _is_function(unit: str) -> bool:
    return unit in _FUNCTION_WORDS or len(unit) == 1
