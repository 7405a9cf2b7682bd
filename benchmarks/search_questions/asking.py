"""Asks the questions through ``neural.search``, as every user does, and says which are answered."""

import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils import timezone

import neural
from benchmarks.search_questions.truth import ALSO_NAMED, Truth, fitting
from neural.retrieval.collections.registry import collections

HERE = Path(__file__).parent
PUBLIC, HELD_BACK = "questions", "held_back"
BY_MEANING = "by_meaning"
BY_MEANING_HELD_BACK = ("by_meaning_held_back", "by_meaning_new")
TOP = 10
_DAY = re.compile(r"\{(iso|zh):(\d+)\}")


@dataclass(frozen=True)
class Question:
    """A question, and what is right: conditions or ids (see ``truth``). Without any, the right
    answer is nothing."""

    query: str
    kind: str
    collection: str
    right: Sequence[Any]
    newest: bool = False
    """The newest of the right records comes first."""
    only: bool = False
    """Nothing else is found: a filter lets nothing else through."""
    close: Sequence[Any] = ()
    """What fits less well. It counts in questions by meaning alone."""

    @property
    def asked(self) -> str:
        """The query with dates for ``{iso:3}`` and ``{zh:3}``, three days ago."""
        return _DAY.sub(lambda found: _date(found[1], int(found[2])), self.query)

    @property
    def main_kind(self) -> str:
        return self.kind.partition(":")[0]


def _date(style: str, back: int) -> str:
    day = timezone.localdate() - dt.timedelta(days=back)
    return day.isoformat() if style == "iso" else f"{day.month}月{day.day}日"


def questions(name: str) -> list[Question]:
    """The questions of a file beside this module."""
    lines = (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Question(**json.loads(line)) for line in lines]


@dataclass(frozen=True)
class Answer:
    """Whether a question is answered by the first hit, and by the first ten."""

    question: Question
    at_first: bool = False
    in_ten: bool = False
    found: tuple[str, ...] = ()


def registered(name: str) -> str:
    """The name under which a collection of the questions is registered; empty if it is not."""
    there = {each.name for each in collections()}
    return next((each for each in ALSO_NAMED.get(name, (name,)) if each in there), "")


def ask(question: Question, records: Sequence[Truth]) -> Answer:
    """Ask a question about these records of its collection, the newest first. A collection that is
    not registered answers nothing, not even that there is nothing."""
    collection = registered(question.collection)
    if not collection:
        return Answer(question)
    hits = neural.search(question.asked, collection, top_k=TOP)
    found = tuple(f"{hit.store}/{hit.id} {hit.title}" for hit in hits)
    if not question.right:
        return Answer(question, not hits, not hits, found)
    right = fitting(records, question.right)
    wanted = [each for each in right if each.at == right[0].at] if question.newest else right
    fits = [_is_one_of(hit, wanted) for hit in hits]
    clean = not question.only or all(fits)
    return Answer(question, bool(fits) and fits[0] and clean, any(fits) and clean, found)


_FILTER = re.compile("[:：<>＞]")
_WORD = re.compile(r"[a-z]{3,}|\d{3,}|[\u4e00-\u9fff]{2,}")
"""What a record may not hold if nothing is the right answer; of text with digits, these alone."""


def is_mislabelled(question: Question, records: Sequence[Truth]) -> bool:
    """Whether no record fulfils a label, or some record holds a whole word of a question to which
    nothing is the right answer."""
    if question.right:
        return any(not fitting(records, [one]) for one in question.right)
    if _FILTER.search(question.query):
        return False
    words = _WORD.findall(question.query.casefold())
    words = [each for each in words if each.isdigit()] or words
    texts = [each.text for each in records]
    return any(
        re.search(rf"(?<![a-z\d]){word}(?![a-z\d])", text) for word in words for text in texts
    )


def _is_one_of(hit: neural.Hit, records: Iterable[Truth]) -> bool:
    return any(
        hit.id in each.ids and (not each.store or hit.store in ("", each.store)) for each in records
    )


def figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Shares answered at first and in ten, of all and by kind; the share of questions without an
    answer that find nothing; and the collections that are not there."""
    by_kind: Mapping[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_kind[answer.question.main_kind].append(answer)
    names = {answer.question.collection for answer in answers}
    return {
        "all": _shares(answers),
        "rightly_nothing": _shares([each for each in answers if not each.question.right]),
        "by_kind": {kind: _shares(some) for kind, some in by_kind.items()},
        "not_registered": sorted(name for name in names if not registered(name)),
    }


def _shares(answers: Sequence[Answer]) -> dict[str, float]:
    count = len(answers)
    return {
        "questions": count,
        "at_first": round(sum(each.at_first for each in answers) / max(1, count), 3),
        "in_ten": round(sum(each.in_ten for each in answers) / max(1, count), 3),
    }
