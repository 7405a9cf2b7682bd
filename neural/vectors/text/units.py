"""Units of a text in normal form: Chinese characters, and Latin words and numbers whole. Pure."""

import re
from collections.abc import Iterator

from neural.vectors.text.forms import fold_short

HAN = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
"""Written without spaces: Chinese, kana, and Korean, whose words take endings."""
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
_RUNS = re.compile(f"([{HAN}]+)|([^\\W_{HAN}]+)|([{_EMOJI}])")
_UNITS = re.compile(f"[{HAN}]|[^\\W_{HAN}]+|[{_EMOJI}]")
_BRACKETS = re.compile(r"[(\[{<《【〔「『].*?[)\]}>》】〕」』]")
LONGEST = 40
"""A 'word' longer than this is no word that anybody types: it is cut."""


def runs(folded: str) -> Iterator[tuple[str, bool]]:
    """Runs between separators, each with whether it is Chinese. Emoji stand alone."""
    for found in _RUNS.finditer(folded):
        han = found.group(1)
        yield (han, True) if han else (found.group()[:LONGEST], False)


def units(folded: str) -> list[str]:
    """Its units in order, across separators."""
    return [each[:LONGEST] for each in _UNITS.findall(folded)]


def is_han(folded: str) -> bool:
    """Whether anything in it is written without spaces."""
    return any(chinese for _, chinese in runs(folded))


def name_forms(name: str) -> list[str]:
    """What stands for a name as a whole: its units without separators; and the same without what
    is in brackets, as people leave out the branch of 护国寺小吃店（护国寺总店）."""
    folded = fold_short(name)
    forms = ("".join(units(folded)), "".join(units(_BRACKETS.sub(" ", folded))))
    return [form for form in dict.fromkeys(forms) if form]
